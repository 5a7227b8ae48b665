"""The journal beside SQLite and LMDB where they promise the same: what was accepted survives SIGKILL."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.queues import NullQueue
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows
from benchmarks.workload import EVENT, held_engine, new_fireforget, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

ROUNDS: Final = 15
EVENTS: Final = 5_000
BATCH: Final = 100
MAP_BYTES: Final = 1 << 30

OURS: Final = "fireforget: `emit`"
SQLITE: Final = "sqlite3, WAL, `synchronous=OFF`"
LMDB: Final = "LMDB, `writemap`, no sync"
FILE: Final = "a file, `os.write` with `O_APPEND`: nothing can be taken out"

_encode: Final = msgspec.json.Encoder().encode

_METHOD: Final = f"""
{EVENTS:,} events of 8 fields are accepted one by one: when the call returns, the event is in the kernel's hands, so
that the death of the process cannot take it back; a power cut may. SQLite and LMDB commit each event for that, without
waiting for the disk. All encode the event as JSON within the time. Ours gives it an id, a time and its context, too;
the background thread is held meanwhile, so that its work is not among it.

Then all are taken out in batches of {BATCH} and removed, as somebody does who delivers them. Ours does more there: the
dispatcher also builds the envelopes, packs them and publishes them to a queue that accepts at once.

The figures say why the journal is our own, with what they cannot say: an append is one call that needs no lock and
opens no transaction, so that `emit` may be called from any thread, from a signal handler or while another `emit` runs.
"""


class Store(Protocol):
    """Keeps events until they are taken out."""

    def accept(self, events: int) -> None:
        """Keep so many, one by one."""

    def alone(self) -> AbstractContextManager[None]:
        """While it accepts, nothing else of it works."""

    def take_out(self) -> int | None:
        """Read and remove all; how many they were, None for who cannot."""


class _Alone:
    """A store that does nothing by itself."""

    def alone(self) -> AbstractContextManager[None]:
        return nullcontext()


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    accepted, taken = asyncio.run(_rounds(rounds))
    return Section(
        title="Journals",
        method=_METHOD,
        tables=[
            Table(("accepting an event", *TIMES[1:]), time_rows(accepted, [(name, OURS) for name in _STORES])),
            Table(("taking one out", *TIMES[1:]), time_rows(taken, [(name, OURS) for name in taken])),
            Table(("", "version"), [["SQLite", sqlite3.sqlite_version], ["lmdb", version("lmdb")]]),
        ],
        goals=[
            ratio_goal(f"`emit` ÷ {name}, accepting", "<", 1.0, ratio(accepted[OURS], accepted[name]))
            for name in (SQLITE, LMDB)
        ],
    )


async def _rounds(rounds: int) -> tuple[Rounds, Rounds]:
    taken: Rounds = {}
    cases = [Case(name, partial(_round, name, taken)) for name in _STORES]
    return await interleave(cases, rounds, warmup=0), taken


async def _round(name: str, taken: Rounds) -> float:
    """The seconds that accepting one event took; those of taking one out are appended.

    Raises:
        RuntimeError: Not all came out.
    """
    with tempfile.TemporaryDirectory() as directory:
        return await asyncio.to_thread(_STORES[name], Path(directory), partial(_timed, name, taken))


def _timed(name: str, taken: Rounds, store: Store) -> float:
    store.accept(BATCH)  # its files exist then, and the caches are warm
    store.take_out()
    with store.alone():  # which may take a moment to come about
        began = perf_counter()
        store.accept(EVENTS)
        accepted = perf_counter()
    found = store.take_out()
    if found is not None:
        taken.setdefault(name, []).append((perf_counter() - accepted) / EVENTS)
        if found != EVENTS:
            message = f"{name}: {found} of {EVENTS} events came out"
            raise RuntimeError(message)
    return (accepted - began) / EVENTS


def _fireforget(directory: Path, measure: Callable[[Store], float]) -> float:
    queue = NullQueue()
    with new_fireforget(settings(directory), queue) as ff, ff.context(sessionid="s-1"):

        class Journal:
            def accept(self, events: int) -> None:
                emit = ff.emit
                for _ in range(events):
                    emit(EVENT)

            def alone(self) -> AbstractContextManager[None]:
                return held_engine()

            def take_out(self) -> int:
                before = queue.events
                asyncio.run(ff.drain())
                return queue.events - before

        return measure(Journal())


def _sqlite(directory: Path, measure: Callable[[Store], float]) -> float:
    connection = sqlite3.connect(directory / "journal.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    class Rows(_Alone):
        def accept(self, events: int) -> None:
            execute = connection.execute
            for _ in range(events):
                execute("INSERT INTO events (body) VALUES (?)", (_encode(EVENT),))

        def take_out(self) -> int:
            count = 0
            while rows := connection.execute("SELECT number, body FROM events ORDER BY 1 LIMIT ?", (BATCH,)).fetchall():
                connection.execute("DELETE FROM events WHERE number <= ?", (rows[-1][0],))
                count += len(rows)
            return count

    try:
        return measure(Rows())
    finally:
        connection.close()


def _lmdb(directory: Path, measure: Callable[[Store], float]) -> float:
    import lmdb

    environment = lmdb.open(str(directory), map_size=MAP_BYTES, writemap=True, sync=False, metasync=False)

    class Entries(_Alone):
        _last = 0

        def accept(self, events: int) -> None:
            begin = environment.begin
            for number in range(self._last, self._last + events):
                with begin(write=True) as transaction:
                    transaction.put(number.to_bytes(8, "big"), _encode(EVENT), append=True)
            self._last += events

        def take_out(self) -> int:
            count = taken = 0
            while taken or not count:
                with environment.begin(write=True) as transaction, transaction.cursor() as cursor:
                    taken = 0
                    while taken < BATCH and cursor.first():
                        cursor.pop(cursor.key())
                        taken += 1
                count += taken
            return count

    try:
        return measure(Entries())
    finally:
        environment.close()


def _file(directory: Path, measure: Callable[[Store], float]) -> float:
    descriptor = os.open(directory / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Lines(_Alone):
        def accept(self, events: int) -> None:
            for _ in range(events):
                os.write(descriptor, _encode(EVENT) + b"\n")

        def take_out(self) -> None:
            return None

    try:
        return measure(Lines())
    finally:
        os.close(descriptor)


_STORES: Final[dict[str, Callable[[Path, Callable[[Store], float]], float]]] = {
    OURS: _fireforget,
    SQLITE: _sqlite,
    LMDB: _lmdb,
    FILE: _file,
}
