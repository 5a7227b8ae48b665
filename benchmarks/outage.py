"""An hour in which the queue is down: what pending events cost on the disk and in memory."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.clock import ManualClock
from benchmarks.held import allocated, anonymous
from benchmarks.queues import NullQueue
from benchmarks.report import Goal, Section, Table, duration, size
from benchmarks.workload import EVENT, MEBIBYTE, new_fireforget, settings
from fireforget._engine import shared_engine

if TYPE_CHECKING:
    from fireforget import FireForget

SECONDS: Final = 3600
EVENTS_A_SECOND: Final = 200
EVENTS_A_REQUEST: Final = 2
EVENTS: Final = SECONDS * EVENTS_A_SECOND
SAMPLED: Final = (0, 60, *range(300, SECONDS + 1, 300))
JOURNAL_BYTES: Final = 2048 * MEBIBYTE
TURNS: Final = 10
"""Turns of the background thread's loop after each simulated second."""
_METHOD: Final = f"""
Every publish fails for a simulated hour, while {EVENTS_A_SECOND} events a second are emitted, {EVENTS_A_REQUEST} a
request: {EVENTS:,} in all, none of which may be lost. Time is a clock set by hand, and the dispatcher with its
backoff and its breaker lives by it. Then the queue comes back and takes everything.

The size of the journal is the sum of its files. The encoded bytes are those of the events as they reach the queue,
CloudEvents in JSON, as the queue counted them in the end; those of the bare data are given too. Memory is what the
kernel calls anonymous (`/proc/self/smaps_rollup`): the heap, and whatever else belongs to the process alone. The pages
of the journal are not among it: they belong to its files, and the kernel takes them back when memory is short.
"""


class Sample(msgspec.Struct, frozen=True):
    """What is held at one moment.

    Args:
        seconds: Simulated time since the queue went down.
        events: Events emitted so far.
        journal: Bytes of the journal's files, as allocated.
        memory: Bytes of anonymous memory, resident.
    """

    seconds: int
    events: int
    journal: int
    memory: int


def run() -> Section:
    """Measure."""
    clock, queue = ManualClock(), NullQueue(down=True)
    with tempfile.TemporaryDirectory() as directory:
        ff = new_fireforget(settings(Path(directory), max_bytes=JOURNAL_BYTES), queue, clock)
        with ff:
            samples = _outage(ff, clock)
            began = perf_counter()
            _catch_up(queue, clock)
            seconds = perf_counter() - began
        counts = ff.stats()
    if (queue.events, counts.delivered, counts.accepted) != (EVENTS, EVENTS, EVENTS):
        message = f"{EVENTS} events were emitted and {queue.events} have arrived; the journal says {counts}"
        raise RuntimeError(message)
    early, *later = samples[1:]
    end, highest = later[-1], max(sample.memory for sample in later)
    bare = EVENTS * len(msgspec.json.encode(EVENT))
    arrived = [
        [f"the journal, with {EVENTS:,} events pending", size(end.journal), ""],
        ["the same events as CloudEvents", size(queue.bytes), f"{end.journal / queue.bytes:.2f}"],
        ["their bare data as JSON", size(bare), f"{end.journal / bare:.2f}"],
    ]
    return Section(
        title="Outage",
        method=f"{_METHOD}\nAll of it was then published in {seconds:.0f} s, {duration(seconds / EVENTS)} an event.",
        tables=[
            Table(("minutes into the outage", "events pending", "journal", "anonymous memory"), _rows(samples)),
            Table(("", "bytes", "the journal is so many times as large"), arrived),
        ],
        goals=[
            Goal("journal of an hour's outage ÷ its events, encoded", "≤", 1.2, end.journal / queue.bytes),
            Goal("anonymous memory, highest later in the outage ÷ after 1 minute", "≤", 1.05, highest / early.memory),
        ],
    )


def _rows(samples: list[Sample]) -> list[list[str]]:
    return [
        [f"{sample.seconds // 60}", f"{sample.events:,}", size(sample.journal), size(sample.memory)]
        for sample in samples
    ]


def _outage(ff: FireForget, clock: ManualClock) -> list[Sample]:
    """Emit for an hour."""
    mapping = msgspec.structs.asdict(EVENT)
    samples = [_sample(ff, 0)]
    for second in range(1, SECONDS + 1):
        for _ in range(EVENTS_A_SECOND // EVENTS_A_REQUEST):
            with ff.context():
                for _ in range(EVENTS_A_REQUEST):
                    ff.emit("query", mapping)
        clock.advance(1.0)
        _let_run()
        if second in SAMPLED:
            samples.append(_sample(ff, second))
    return samples


def _sample(ff: FireForget, second: int) -> Sample:
    directory = ff.settings.journal_directory
    return Sample(second, second * EVENTS_A_SECOND, allocated(directory), anonymous())


def _catch_up(queue: NullQueue, clock: ManualClock) -> None:
    """Let the queue come back and take what is pending."""
    queue.down = False
    while queue.events < EVENTS:
        clock.advance(1.0)
        _let_run()


def _let_run() -> None:
    """Give the background thread the time to do what is due."""

    async def turns() -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    shared_engine.submit(turns()).result()
