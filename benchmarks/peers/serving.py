"""Requests a second and their latency, under uvicorn in a process of its own."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import uvloop

from benchmarks.measure import Case, Spread, interleave, ratio, spread
from benchmarks.peers.load import Answers, arrivals, load
from benchmarks.peers.shops import (
    ANALYTICS_SECONDS,
    NONE,
    OURS,
    OURS_AT_ONCE,
    SATURATED,
    WORK,
    WORK_OURS,
    WORK_SECONDS,
    WORKING,
)
from benchmarks.peers.sink import remote_sink
from benchmarks.report import Goal, Section, Table, between, duration, ratio_goal
from fireforget._settings import DispatchSettings
from fireforget.testing.faults import Server

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from benchmarks.remote import Remote

ROUNDS: Final = 6
SECONDS: Final = 1.0
WARMUP_SECONDS: Final = 0.25
REST_SECONDS: Final = 0.2
"""After each load the next server waits until no event has arrived for so long: the last one still delivers."""
SATURATING: Final = 32
WORKING_CONNECTIONS: Final = 8
RATES: Final = (1_000, 2_000, 4_000)
"""Requests a second that arrive whatever the answers take; the first server could answer several times as many."""
PERCENTILES: Final = ("p50", "p95", "p99")
DEFER_SECONDS: Final = DispatchSettings().defer_seconds

_PATIENCE: Final = 30.0
_COLUMNS: Final = ("", "requests a second", "10–90 %", "of those of the first", "10–90 %", "p50", "p95", "p99")
_METHOD: Final = f"""
uvicorn with one worker, uvloop and httptools serves the applications, each in a process of its own that stays up; the
load goes to one after the other, for {SECONDS:g} s after {WARMUP_SECONDS:g} s of warm-up, and to the next when nothing
arrives from the last one any more. The load generator is another process: connections that each ask again as soon as
they have been answered. Events go by HTTP to a service in a third process. The percentiles are the medians of the
rounds' own.

In the first table {SATURATING} connections saturate the server, and a request has nothing to do but to record its
event. Where each request sends one of its own, the service that takes it shares the processors with the server.
While the application takes a whole processor, ours defers delivery, for up to {DEFER_SECONDS:g} s (`defer_seconds`):
the journal keeps the events, and they go when the load is over. What arrived while it lasted is in the second table.
With nothing deferred (`defer_seconds` is 0) delivery takes its time from the requests: that is what a load costs that
saturates the server for longer.

In the third, {WORKING_CONNECTIONS} connections ask for {WORK_SECONDS * 1000:g} ms of work (it waits, as for a database
or a model elsewhere) and leave {ANALYTICS_SECONDS * 1000:g} ms of analytics behind (they wait, too). With ours they run
under `wait_until`, and an event goes to the journal.

In the last, the requests of the first table arrive at a fixed rate, as long as the server is not saturated. They do
not wait for each other (an open loop): the time of an answer counts from the moment at which its request was due, also
where the server stood still then. The ratios compare each percentile with that of no event at the same rate.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        simple = runner.run(_rounds(SATURATED, partial(load, connections=SATURATING), rounds))
        working = runner.run(_rounds(WORKING, partial(load, connections=WORKING_CONNECTIONS), rounds))
    with asyncio.Runner(loop_factory=_fine_loop) as runner:
        arriving = {rate: runner.run(_rounds((NONE, OURS), partial(arrivals, rate=rate), rounds)) for rate in RATES}
    saturated, seeds = _rates(simple, OURS, NONE), _rates(working, WORK_OURS, WORK)
    return Section(
        title="A served request",
        method=_METHOD,
        tables=[
            Table((f"{SATURATING} connections", *_COLUMNS[1:]), _rows(simple)),
            Table((f"{SATURATING} connections", "events that arrived meanwhile", "10–90 %"), _arrivals(simple)),
            Table((f"{WORKING_CONNECTIONS} connections", *_COLUMNS[1:]), _rows(working)),
            Table(
                ("arriving a second", "", *PERCENTILES, *(f"{each} ÷" for each in PERCENTILES)), _arrival_rows(arriving)
            ),
        ],
        goals=[
            Goal("requests a second when saturated, ours ÷ no event", "≥", 0.95, saturated.median, between(saturated)),
            Goal("requests a second with work, ours ÷ the work alone", "≥", 0.98, seeds.median, between(seeds)),
            *(
                ratio_goal(
                    f"{name} of these, ours ÷ the work alone",
                    "≤",
                    1.05,
                    ratio(_each(working, WORK_OURS, name), _each(working, WORK, name)),
                )
                for name in ("p50", "p99")
            ),
        ],
    )


class Load(Answers, frozen=True):
    """What came of a load, and how many of its events had arrived by its end.

    Args:
        arrived: Their share.
    """

    arrived: float


Loads = dict[str, list[Load]]
"""By the name of a shop, what came of each round."""


def _rates(loads: Loads, subject: str, baseline: str) -> Spread:
    return ratio(_each(loads, subject, "rate"), _each(loads, baseline, "rate"))


def _each(loads: Loads, name: str, what: str) -> list[float]:
    return [getattr(answers, what) for answers in loads[name]]


def _rows(loads: Loads) -> list[list[str]]:
    first = next(iter(loads))
    rows = []
    for name in loads:
        rate = spread(_each(loads, name, "rate"))
        row = [name, f"{rate.median:,.0f}", f"{rate.low:,.0f} – {rate.high:,.0f}"]
        part = _rates(loads, name, first)
        row += ["1", ""] if name == first else [f"{part.median:.2f}", between(part)]
        rows.append(row + [duration(spread(_each(loads, name, each)).median) for each in PERCENTILES])
    return rows


def _arrival_rows(arriving: Mapping[int, Loads]) -> list[list[str]]:
    rows = []
    for rate, loads in arriving.items():
        for name in loads:
            row = [f"{rate:,}", name, *(duration(spread(_each(loads, name, each)).median) for each in PERCENTILES)]
            for each in PERCENTILES:
                times = ratio(_each(loads, name, each), _each(loads, NONE, each))
                row.append("1" if name == NONE else f"{times.median:.2f} ({between(times)})")
            rows.append(row)
    return rows


def _arrivals(loads: Loads) -> list[list[str]]:
    rows = []
    for name in (OURS, OURS_AT_ONCE):
        part = spread(_each(loads, name, "arrived"))
        rows.append([name, f"{part.median:.0%}", f"{part.low:.0%} – {part.high:.0%}"])
    return rows


def _fine_loop() -> asyncio.AbstractEventLoop:
    """A loop whose timers are finer than a millisecond, which those of epoll and of uvloop are not."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


Ask = Callable[..., Awaitable[Answers]]
"""Loads a server, given its port, the seconds, and those of warm-up."""


async def _rounds(shops: Iterable[str], ask: Ask, rounds: int) -> Loads:
    loads: Loads = {}
    with remote_sink() as sink, ExitStack() as stack:
        cases = []
        for name in shops:
            server = stack.enter_context(_served(name, sink.url))
            run_ = partial(_load, server, sink, ask, loads.setdefault(name, []))
            cases.append(Case(name, run_, partial(_rest, sink)))
        await interleave(cases, rounds, warmup=1)
    return {name: found[-rounds:] for name, found in loads.items()}


async def _rest(sink: Remote) -> None:
    """Wait until nothing arrives any more."""
    until = perf_counter() + _PATIENCE
    arrived = -1
    while arrived != (arrived := sink.count()) and perf_counter() < until:  # noqa: ASYNC110 - another process counts
        await asyncio.sleep(REST_SECONDS)


async def _load(server: Server, sink: Remote, ask: Ask, found: list[Load]) -> float:
    """Load a server; the seconds for each request.

    Raises:
        ConnectionError: A request failed; the message has the end of the server's log.
    """
    before = sink.count()
    try:
        answers = await ask(server.port, seconds=SECONDS, warmup=WARMUP_SECONDS)
    except ConnectionError as error:
        message = f"{error}\n{server.log}"
        raise ConnectionError(message) from error
    arrived = (sink.count() - before) / (answers.rate * (SECONDS + WARMUP_SECONDS))
    found.append(Load(answers.rate, answers.p50, answers.p95, answers.p99, arrived))
    return 1 / answers.rate


@contextmanager
def _served(name: str, sink: str) -> Iterator[Server]:
    """A server with one shop."""
    command = [sys.executable, "-m", "uvicorn", "benchmarks.peers.served:app", "--port", "{port}", "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--log-level", "warning"]
    with tempfile.TemporaryDirectory() as directory:
        variables = {**os.environ, "SHOP": name, "SINK": sink, "DIRECTORY": directory}
        with Server(command, Path(directory, "log"), variables=variables) as server:
            server.wait_until_it_listens(_PATIENCE)
            yield server
