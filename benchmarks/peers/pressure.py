"""`emit` while another process keeps the journal's file system busy with fsync."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import contextmanager, nullcontext
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.measure import Case, interleave, percentiles
from benchmarks.queues import NullQueue
from benchmarks.report import Goal, Section, Table, duration
from benchmarks.workload import EVENT, MEBIBYTE, new_fireforget, settings
from fireforget._settings import JournalSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS: Final = 10
EVENTS: Final = 10_000
CHUNK_BYTES: Final = MEBIBYTE

_PATIENCE: Final = 30.0

QUIET: Final = "the disk is idle"
PRESSED: Final = "another process writes and calls fsync"
POWER: Final = '`durability = "power"`, another process writes and calls fsync'

_METHOD: Final = f"""
{EVENTS:,} events a round, each timed by itself, with the background thread alive, which publishes them to a queue that
accepts at once. Another process appends {CHUNK_BYTES // MEBIBYTE} MiB to a file in the directory of the journal and
calls fsync, again and again. With `durability = "power"` our own background thread calls fdatasync ten times a second,
too. The percentiles are those of all events of all rounds.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    times = asyncio.run(_rounds(rounds))
    found = {name: percentiles(values) for name, values in times.items()}
    rows = [[name, *(duration(each) for each in (p.p50, p.p99, p.p999, max(times[name])))] for name, p in found.items()]
    return Section(
        title="A busy disk",
        method=_METHOD,
        tables=[Table(("`emit`", "p50", "p99", "p99.9", "longest"), rows)],
        goals=[
            Goal(
                "p99 of `emit` while another process calls fsync ÷ else",
                "≤",
                2.0,
                found[PRESSED].p99 / found[QUIET].p99,
            )
        ],
    )


async def _rounds(rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {QUIET: [], PRESSED: [], POWER: []}
    await interleave([Case(name, partial(_round, name, found)) for name, found in times.items()], rounds, warmup=0)
    return times


async def _round(name: str, found: list[float]) -> float:
    """Emit; the seconds for each event, while those of each alone are appended."""
    with tempfile.TemporaryDirectory() as directory:
        journal = JournalSettings(durability="power" if name == POWER else "process")
        chosen = msgspec.structs.replace(settings(Path(directory)), journal=journal)
        with nullcontext() if name == QUIET else _pressure(directory):
            async with new_fireforget(chosen, NullQueue()) as ff:
                with ff.context(sessionid="s-1"):
                    times = _times(ff.emit, msgspec.structs.asdict(EVENT))
                await ff.drain()
    found += times
    return sum(times) / EVENTS


def _times(emit: Any, data: dict[str, Any]) -> list[float]:
    times = []
    for _ in range(EVENTS):
        began = perf_counter()
        emit("query", data)
        times.append(perf_counter() - began)
    return times


@contextmanager
def _pressure(directory: str) -> Iterator[None]:
    """A process that keeps the disk busy.

    Raises:
        RuntimeError: It has not come to its first fsync.
    """
    spawn = get_context("spawn")
    busy, end = spawn.Event(), spawn.Event()
    process = spawn.Process(target=_press, args=(directory, busy, end), daemon=True)
    process.start()
    try:
        if not busy.wait(_PATIENCE):
            raise RuntimeError("the process that should keep the disk busy has not begun")
        yield
    finally:
        end.set()
        process.join()


def _press(directory: str, busy: Any, end: Any) -> None:
    with Path(directory, "pressure").open("wb", buffering=0) as file:
        while not end.is_set():
            file.write(os.urandom(CHUNK_BYTES))
            os.fsync(file.fileno())
            busy.set()
