"""The whole path of an event on one machine, against writing its row with sqlite3."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.report import TIMES, Goal, Section, Table, between, time_rows
from benchmarks.workload import EVENT, held_engine, settings, types
from fireforget import FireForget
from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue, SQLiteStore
from fireforget.local.sqlite._connection import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Record, Refusal

ROUNDS: Final = 7
EVENTS: Final = 30_000
EVENTS_A_REQUEST: Final = 2
REQUESTS_A_SESSION: Final = 5
BATCH: Final = 100

RAW: Final = f"sqlite3, {BATCH} rows a transaction"
PATH: Final = "fireforget, from the journal to the store"

_METHOD: Final = f"""
{EVENTS:,} events wait in the file journal: {EVENTS_A_REQUEST} a request, {REQUESTS_A_SESSION} requests a session. The
time runs from the moment when the dispatcher may begin until the store has the last row. Dispatcher, SQLite queue,
worker with the default enrichers and SQLite store run as they do in an application, in the background thread of one
process, with queue and store in one file.

The baseline inserts the very rows that came out of that, made ready in memory before, in the order in which their
events were emitted. Its file has the same tables and indexes, WAL and the same `synchronous`, cache and checkpoint
settings. The baseline writes each event once; the whole path writes it to the queue, deletes it there, and writes it to
the store.
"""

_INSERT: Final = """
    INSERT INTO events (correlationid, id, type, sessionid, expires_at, body) VALUES (?, ?, ?, ?, ?, ?)
"""


def run() -> Section:
    """Measure."""
    rows: list[tuple[Any, ...]] = []
    asyncio.run(_path({}, rows))
    work: Rounds = {}
    cases = [Case(RAW, partial(_raw, work, rows)), Case(PATH, partial(_path, work))]
    rounds = asyncio.run(interleave(cases, ROUNDS, warmup=0))
    speed = ratio(rounds[RAW], rounds[PATH])
    pairs = [(RAW, RAW), (PATH, RAW)]
    return Section(
        title="Pipeline",
        method=_METHOD,
        tables=[
            Table(("an event, on the clock", *TIMES[1:]), time_rows(rounds, pairs)),
            Table(("an event, of all threads on the processor", *TIMES[1:]), time_rows(work, pairs)),
        ],
        goals=[Goal("speed of the whole path ÷ that of sqlite3", "≥", 0.25, speed.median, between(speed))],
    )


async def _path(work: Rounds, rows: list[tuple[Any, ...]] | None = None) -> float:
    """Take all events from the journal to the store; the seconds for each."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "bench.db")
        store = _CountingStore(file, EVENTS)
        ff = FireForget(
            settings(Path(directory), embedded=True),
            queue=SQLiteQueue(file),
            dead_letters=SQLiteDeadLetters(file),
            store=store,
            types=types,
        )
        with ff:
            with held_engine():
                _emit(ff)
                stopwatch = _Stopwatch()
            store.complete.wait()
            seconds = stopwatch.stop(work, PATH)
        found = _read(file)
    if len(found) != EVENTS:
        message = f"{len(found)} rows in the store, where {EVENTS} events were emitted"
        raise RuntimeError(message)
    if rows is not None:
        rows += found
    return seconds


def _emit(ff: FireForget) -> None:
    """Fill the journal."""
    chance = Random(0)
    data = msgspec.structs.asdict(EVENT)
    session = ""
    for number in range(EVENTS // EVENTS_A_REQUEST):
        if number % REQUESTS_A_SESSION == 0:
            session = f"{chance.getrandbits(128):032x}"
        with ff.context(sessionid=session):
            for _ in range(EVENTS_A_REQUEST):
                ff.emit("query", data)


def _read(file: Path) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(file)
    try:
        select = "SELECT correlationid, id, type, sessionid, expires_at, body FROM events ORDER BY id"
        return connection.execute(select).fetchall()
    finally:
        connection.close()


async def _raw(work: Rounds, rows: Sequence[tuple[Any, ...]]) -> float:
    """Insert the rows; the seconds for each."""
    with tempfile.TemporaryDirectory() as directory:
        connection = connect(Path(directory, "bench.db"), "normal")
        stopwatch = _Stopwatch()
        for first in range(0, len(rows), BATCH):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, rows[first : first + BATCH])
            connection.execute("COMMIT")
        seconds = stopwatch.stop(work, RAW)
        connection.close()
    return seconds


class _Stopwatch:
    """Takes the time, and notes beside it what the processor spent on all threads."""

    def __init__(self) -> None:
        self._began = time.perf_counter(), time.process_time()

    def stop(self, work: Rounds, name: str) -> float:
        """The seconds for each event; those of the processor are appended to `work`."""
        seconds, spent = time.perf_counter() - self._began[0], time.process_time() - self._began[1]
        work.setdefault(name, []).append(spent / EVENTS)
        return seconds / EVENTS


class _CountingStore(SQLiteStore):
    """Tells when it has been given so many records."""

    def __init__(self, file: Path, records: int) -> None:
        super().__init__(file)
        self.complete = threading.Event()
        self._missing = records

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records."""
        refusals = await super().put(records)
        self._missing -= len(records)
        if self._missing <= 0:
            self.complete.set()
        return refusals
