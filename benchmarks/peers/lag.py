"""How late the application's event loop becomes while the background thread drains a backlog."""

from __future__ import annotations

import asyncio
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from benchmarks.measure import Case, interleave, percentiles
from benchmarks.queues import NullQueue
from benchmarks.report import Goal, Section, Table, duration
from benchmarks.workload import EVENT, held_engine, new_fireforget, settings
from fireforget._engine import BREATH_SECONDS, shared_engine

if TYPE_CHECKING:
    from fireforget import FireForget

ROUNDS: Final = 6
EVENTS: Final = 100_000
EVENTS_A_CONTEXT: Final = 5
SECONDS: Final = 1.0
TICK_SECONDS: Final = 0.001
WORK_STEPS: Final = 2_000
"""Turns of an empty loop in each tick: some 50 µs of an application's own."""

Draining = Literal["no", "yes", "without its pauses"]

NOTHING: Final = "nothing to drain"
PAUSING: Final = "draining"
RUSHING: Final = "draining, without the pauses"

_CASES: Final[dict[str, Draining]] = {NOTHING: "no", PAUSING: "yes", RUSHING: "without its pauses"}

_METHOD: Final = f"""
An asyncio loop sleeps for {TICK_SECONDS * 1000:g} ms and then computes for a moment, again and again for
{SECONDS:g} s. Its lag is by how much a turn of it takes longer than the sleep. Meanwhile the background thread drains
{EVENTS:,} events from the journal, packs them and publishes them to a queue that accepts at once; it shares the
interpreter's lock with the loop. Before each poll that would not block it pauses for {BREATH_SECONDS * 1e6:g} µs,
which lets the application in; the last row is without that. Each round is a process of its own; the percentiles are
those of all turns of all rounds. Turns count as long as there is something left to drain.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    lags = asyncio.run(_rounds(rounds))
    found = {name: percentiles(values) for name, values in lags.items()}
    none = found[NOTHING]
    rows = [
        [name, f"{len(lags[name]):,}", *(duration(each) for each in (p.p50, p.p99, p.p999)), f"{p.p99 / none.p99:.2f}"]
        for name, p in found.items()
    ]
    return Section(
        title="Lag of the event loop",
        method=_METHOD,
        tables=[Table(("", "turns", "p50", "p99", "p99.9", "p99 ÷ that of the first"), rows)],
        goals=[
            Goal(
                "p99 of the lag while draining, with the pauses ÷ without",
                "<",
                1.0,
                found[PAUSING].p99 / found[RUSHING].p99,
            )
        ],
    )


async def _rounds(rounds: int) -> dict[str, list[float]]:
    lags: dict[str, list[float]] = {name: [] for name in _CASES}

    async def round_(name: str) -> float:
        lags[name] += await asyncio.wrap_future(fresh.submit(_process, _CASES[name]))
        return 0.0

    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        await interleave([Case(name, partial(round_, name)) for name in _CASES], rounds, warmup=0)
    return lags


def _process(draining: Draining) -> list[float]:
    """The lags of one round, in a process that has done nothing else."""
    if draining == "without its pauses":
        shared_engine._breathe = False
    with tempfile.TemporaryDirectory() as directory:
        queue = NullQueue()
        with new_fireforget(settings(Path(directory)), queue) as ff:
            if draining == "no":
                return asyncio.run(_turns(queue, EVENTS))
            with held_engine():
                _fill(ff)
            return asyncio.run(_turns(queue, 0))


def _fill(ff: FireForget) -> None:
    data = msgspec.structs.asdict(EVENT)
    for _ in range(EVENTS // EVENTS_A_CONTEXT):
        with ff.context():
            for _ in range(EVENTS_A_CONTEXT):
                ff.emit("query", data)


async def _turns(queue: NullQueue, drained: int) -> list[float]:
    """How late each turn of the loop comes, in seconds, until all is drained; `drained` are so already."""
    lags = []
    until = perf_counter() + SECONDS
    while perf_counter() < until and (drained or queue.events < EVENTS):
        began = perf_counter()
        await asyncio.sleep(TICK_SECONDS)
        for _ in range(WORK_STEPS):
            pass
        lags.append(perf_counter() - began - TICK_SECONDS)
    return lags
