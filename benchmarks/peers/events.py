"""One event: what recording it costs its caller, and what it costs the process until it has been delivered."""

from __future__ import annotations

import asyncio
import platform
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import version
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.peers.libraries import CREATE_TASK, LIBRARIES, OPENTELEMETRY, OURS, POSTHOG, Ground, Library
from benchmarks.peers.sink import remote_sink
from benchmarks.report import TIMES, Goal, Section, Table, between, ratio_goal, time_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection

    from benchmarks.remote import Remote

ROUNDS: Final = 15
EVENTS: Final = 500
"""A multiple of the batches of all libraries, so that none waits for a batch to become full."""

_PATIENCE: Final = 30.0
_LOOK_SECONDS: Final = 0.002

_METHOD: Final = f"""
The event is a mapping of 8 fields, constructed for each call. Bursts of {EVENTS} in a running asyncio loop; after each
burst the library flushes, and the next one begins when all {EVENTS} events have arrived where it sends them, which is
counted there. Each library has a process of its own, and the processes take turns. The service that takes them by HTTP
is another one, whose work does not count.

The first table is the time of the caller, with whatever the library's threads take from it meanwhile. The second is
what all threads of the process spend on the processor until the burst has arrived. Every library has the settings it
comes with. Who has a task or a file where others have a service does less; a broker in memory stands for one
that would be reached by network.

Of all of them ours alone has the event on the disk when the call returns, where not even SIGKILL loses it.
structlog has written it to a file too, which nobody sends anywhere.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    caller, process = asyncio.run(_rounds(rounds))
    ours, others = caller[OURS], {name: times for name, times in caller.items() if name != OURS}
    dearer = {name: ratio(times, ours) for name, times in others.items()}
    cheapest = min(dearer, key=lambda name: dearer[name].median)
    pairs = [(library.name, OURS) for library in LIBRARIES]
    return Section(
        title="One event",
        method=_METHOD,
        tables=[
            Table(("library", "version", "where the event is when the call returns, and then"), _versions()),
            Table(("in the caller", *TIMES[1:]), time_rows(caller, pairs)),
            Table(("in the process, until it is delivered", *TIMES[1:]), time_rows(process, pairs)),
        ],
        goals=[
            Goal(f"{name} ÷ `emit`, in the caller", "≥", limit, dearer[name].median, between(dearer[name]))
            for name, limit in ((OPENTELEMETRY, 8), (POSTHOG, 30))
        ]
        + [
            ratio_goal(
                f"`emit` ÷ the cheapest of the others in the caller ({cheapest})", "<", 1, ratio(ours, others[cheapest])
            ),
            ratio_goal(f"`emit` ÷ {CREATE_TASK}, in the process", "<", 1, ratio(process[OURS], process[CREATE_TASK])),
        ],
    )


def _versions() -> list[list[str]]:
    python = f"Python {platform.python_version()}"
    return [[each.name, version(each.package) if each.package else python, each.how] for each in LIBRARIES]


async def _rounds(rounds: int) -> tuple[Rounds, Rounds]:
    process: Rounds = {}
    with remote_sink() as sink, ExitStack() as stack:
        cases = []
        for number, library in enumerate(LIBRARIES):
            pipe = stack.enter_context(_child(number, sink))
            cases.append(Case(library.name, partial(_burst, pipe, process.setdefault(library.name, []))))
        caller = await interleave(cases, rounds, warmup=2)
    return caller, {name: times[-rounds:] for name, times in process.items()}


async def _burst(pipe: Connection[Any, Any], work: list[float]) -> float:
    """Let a child record a burst of events; the seconds of its caller for each.

    Args:
        pipe: To the child.
        work: Takes what the child spent on the processor until they were delivered, in seconds for each event.

    Raises:
        RuntimeError: They were not.
    """
    pipe.send(EVENTS)
    caller, process, arrived, name = pipe.recv()
    if arrived != EVENTS:
        message = f"{name} has delivered {arrived} of {EVENTS} events"
        raise RuntimeError(message)
    work.append(process / EVENTS)
    found: float = caller / EVENTS
    return found


@contextmanager
def _child(number: int, sink: Remote) -> Iterator[Connection[Any, Any]]:
    """A process with one library in it, and the pipe on which it takes orders."""
    spawn = get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(number, sink, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def _serve(number: int, sink: Remote, pipe: Connection[Any, Any]) -> None:
    asyncio.run(_obey(LIBRARIES[number], sink, pipe))


async def _obey(library: Library, sink: Remote, pipe: Connection[Any, Any]) -> None:
    """Record as many events as the pipe says, again and again, until it ends."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        wired = library.wire(Ground(sink, Path(directory), stack))
        burst = _compiled(wired.statement, wired.names)
        while True:
            try:
                events = await asyncio.to_thread(pipe.recv)
            except EOFError:
                return
            before, spent = wired.delivered(), time.process_time()
            caller = await burst(events)
            await wired.flush()
            until = time.monotonic() + _PATIENCE
            while (arrived := wired.delivered() - before) < events and time.monotonic() < until:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(_LOOK_SECONDS)
            pipe.send((caller, time.process_time() - spent, arrived, library.name))


def _compiled(statement: str, names: dict[str, Any]) -> Callable[[int], Awaitable[float]]:
    """A coroutine function that repeats the statement and returns the seconds; its names are local variables."""
    local = ", ".join(f"{name}={name}" for name in names)
    source = (
        f"async def burst(events, *, now=now, repeat=repeat, {local}):\n"
        "    began = now()\n"
        "    for _ in repeat(None, events):\n"
        f"        {statement}\n"
        "    return now() - began\n"
    )
    scope: dict[str, Any] = {"now": time.perf_counter, "repeat": repeat, **names}
    exec(source, scope)
    burst: Callable[[int], Awaitable[float]] = scope["burst"]
    return burst
