"""How late the application's event loop becomes while the background thread drains a backlog.

A round is a process of its own, which may be another Python: ``python -m benchmarks.peers.lag no`` prints its lags.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from functools import partial
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

ROOT: Final = Path(__file__).parents[2]
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
_ANOTHER: Final = """
The second table is of a build of Python without that lock: of what `FREE_THREADED` names, the Python of an environment
that has what fireforget needs. It runs the same code.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure: with this Python and, where the variable ``FREE_THREADED`` names another one, with that.

    Raises:
        RuntimeError: A round failed; the message says how.
    """
    pythons = [python for python in (sys.executable, os.environ.get("FREE_THREADED")) if python]
    lags = [asyncio.run(_rounds(python, rounds)) for python in pythons]
    own = {name: percentiles(values) for name, values in lags[0].items()}
    return Section(
        title="Lag of the event loop",
        method=_METHOD + (_ANOTHER if pythons[1:] else ""),
        tables=[_table(*each) for each in zip(pythons, lags, strict=True)],
        goals=[
            Goal(
                "p99 of the lag while draining, with the pauses ÷ without",
                "<",
                1.0,
                own[PAUSING].p99 / own[RUSHING].p99,
            )
        ],
    )


Lags = dict[str, list[float]]
"""By the name of a case, how late each turn of the loop came, in seconds."""


def _table(python: str, lags: Lags) -> Table:
    found = {name: percentiles(values) for name, values in lags.items()}
    none = found[NOTHING]
    rows = [
        [name, f"{len(lags[name]):,}", *(duration(each) for each in (p.p50, p.p99, p.p999)), f"{p.p99 / none.p99:.2f}"]
        for name, p in found.items()
    ]
    name = asyncio.run(_output(python, "name"))
    return Table((name, "turns", "p50", "p99", "p99.9", "p99 ÷ that of the first"), rows)


async def _rounds(python: str, rounds: int) -> Lags:
    lags: Lags = {name: [] for name in _CASES}

    async def round_(name: str) -> float:
        lags[name] += msgspec.json.decode(await _output(python, _CASES[name]), type=list[float])
        return 0.0

    await interleave([Case(name, partial(round_, name)) for name in _CASES], rounds, warmup=0)
    return lags


async def _output(python: str, what: str) -> str:
    """What this module prints in a process that has done nothing else.

    Raises:
        RuntimeError: It failed.
    """
    process = await asyncio.create_subprocess_exec(
        python,
        "-m",
        __name__,
        what,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        message = f"{python} -m {__name__} {what}: {errors.decode()[-2000:]}"
        raise RuntimeError(message)
    return output.decode().strip()


def main(what: Draining | Literal["name"]) -> None:
    """Print the lags of one round as JSON; or the name of the Python that runs this."""
    if what == "name":
        locked = getattr(sys, "_is_gil_enabled", lambda: True)()  # asked after the imports, any of which may enable it
        print(f"Python {platform.python_version()}{'' if locked else ', free-threaded'}")
    else:
        print(msgspec.json.encode(_lags(what)).decode())


def _lags(draining: Draining) -> list[float]:
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


if __name__ == "__main__":
    main(msgspec.convert(sys.argv[1], Draining | Literal["name"]))
