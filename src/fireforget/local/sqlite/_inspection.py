"""Looking at a file from outside, and laying it out ahead: nothing here changes what is there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote

import anyio.to_thread

from fireforget.abc import Finding, Step
from fireforget.adapters import moment
from fireforget.errors import AdapterError
from fireforget.local import _directory
from fireforget.local.sqlite._connection import check_empty, connect, is_current, is_writable, translate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fireforget.local.sqlite._connection import Synchronous

_LOCK_SECONDS: Final = 2.0
"""Our own processes hold the lock for milliseconds; who holds it for so long is somebody else."""

_TOLERANCE_MICROS: Final = 60_000_000
_SCARCE_BYTES: Final = 64 * 1024 * 1024
_LEAST_BYTES: Final = 1024 * 1024

_MEND: Final = "end what uses the file and mend or replace it, or name another one as queue and store"

_LATEST: Final = """
    SELECT max(
        coalesce((SELECT published_at FROM messages ORDER BY seq DESC LIMIT 1), 0),
        coalesce((SELECT max(at) FROM settled), 0)
    )
"""  # each found at an end of its index, however long the backlog is


def inspect(path: Path, now: int) -> list[Finding]:
    """What is to be said of a file, `now` being microseconds since 1970 UTC. Leaves it as it is."""
    directory = _directory.look(path.parent)
    if directory.status == "wrong":
        return [directory]
    if not path.exists():
        return [Finding("database", "ok", f"{path} is made when it is first used")]
    if not is_writable(path):  # SQLite itself would open it, and let nobody know before the first change
        mend = "run this as the application's user, or change the owner or mode of the file"
        return [Finding("database", "wrong", f"this user may not read and write {path}", mend)]
    findings = [_look_at_disk(path)]
    try:
        with _opened(path) as connection:
            if not is_current(connection, path):
                check_empty(connection, path)
                text = f"{path} is empty: its tables are made when it is first used"
                return [*findings, Finding("database", "ok", text)]
            findings += [_look_at_lock(connection, path), *_look_at_clock(connection, now)]
    except (sqlite3.Error, UnicodeDecodeError, AdapterError) as error:
        findings.append(Finding("database", "wrong", str(translate(error, path)), _MEND))
    return findings


def steps(path: Path, synchronous: Synchronous) -> list[Step]:
    """What it takes to make the file ready for use; nothing where it is.

    Raises:
        AdapterError: It is not ours, is damaged, or cannot be opened.
    """
    try:
        if path.exists():
            with _opened(path) as connection:
                if is_current(connection, path):
                    return []
                check_empty(connection, path)
    except (sqlite3.Error, UnicodeDecodeError, AdapterError) as error:
        raise translate(error, path) from error
    lay_out = partial(anyio.to_thread.run_sync, _lay_out, path, synchronous)
    return [*_directory.steps(path.parent), Step(f"make the tables of the queue and the store in {path}", lay_out)]


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that leaves the file and its log as they are.

    Who closes a file last empties its log into it, unless that one may only read: so one that does closes after ours.
    Without a log there is nothing to empty, and one that may only read could leave files that it cannot remove.
    """
    with ExitStack() as stack:
        if os.access(f"{path}-wal", os.F_OK):
            keeper = stack.enter_context(closing(_connect(path, "ro")))
            keeper.execute("SELECT 1 FROM sqlite_master").fetchone()  # which opens the log
        yield stack.enter_context(closing(_connect(path, "rw")))


def _connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=_LOCK_SECONDS, isolation_level=None)


def _lay_out(path: Path, synchronous: Synchronous) -> None:
    try:
        connect(path, synchronous).close()
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error


def _look_at_lock(connection: sqlite3.Connection, path: Path) -> Finding:
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        text = f"{path}: another process has held its lock for {_LOCK_SECONDS:.0f} s, and nothing can be written"
        return Finding("lock", "wrong", text, "find that process (on Linux: fuser FILE), and end its transaction")
    return Finding("database", "ok", f"{path}, {path.stat().st_size / 1024**2:,.1f} MiB")


def _look_at_disk(path: Path) -> Finding:
    free = shutil.disk_usage(path.parent).free
    text = f"{free / 1024**2:,.0f} MiB are free for {path}"
    if free < _SCARCE_BYTES:
        return Finding(
            "disk",
            "wrong" if free < _LEAST_BYTES else "warning",
            text,
            "free some space: nothing is written to a full disk",
        )
    return Finding("disk", "ok", text)


def _look_at_clock(connection: sqlite3.Connection, now: int) -> list[Finding]:
    """Nothing was published in the future, unless a clock was wrong then or is wrong now."""
    (latest,) = connection.execute(_LATEST).fetchone()
    if latest - now <= _TOLERANCE_MICROS:
        return []
    text = f"it is {_utc(now)} here, but a message was published or settled at {_utc(latest)}"
    return [Finding("clock", "wrong", text, "set the clock of this machine, and let NTP keep it")]


def _utc(micros: int) -> str:
    return moment(micros).astimezone(UTC).isoformat(timespec="seconds")
