"""A connection to the file: how it is opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final, Literal

from fireforget.errors import PermanentError, TransientError
from fireforget.local.sqlite._layout import APPLICATION, STATEMENTS, VERSION

if TYPE_CHECKING:
    from pathlib import Path

Synchronous = Literal["normal", "full"]

_SETTINGS: Final = (
    "PRAGMA cache_size = -16000",  # 16 MB: the indexes' pages stay, however random the session ids
    "PRAGMA wal_autocheckpoint = 4000",  # 16 MB: a page changed often is copied into the file once
    "PRAGMA journal_size_limit = 67108864",  # after a burst the log gives its disk back
    "PRAGMA secure_delete = FAST",  # overwrites nothing where that would cost a write of its own
)

_MENDS: Final = {
    sqlite3.SQLITE_BUSY: "another process holds its lock",
    sqlite3.SQLITE_LOCKED: "another connection holds its lock",
    sqlite3.SQLITE_PROTOCOL: "another process holds its lock",
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write, or is full: free some space, or look at the system's log",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look whether its directory lets this user create files, and "
    "whether the process has descriptors left",
    sqlite3.SQLITE_NOMEM: "memory ran out",
    sqlite3.SQLITE_INTERRUPT: "it was interrupted",
    sqlite3.SQLITE_CORRUPT: "it is damaged: stop all users, save what `sqlite3 FILE .recover` finds, put that in place",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database: name another file, or move this one away",
    sqlite3.SQLITE_READONLY: "this user may not write it: change its owner or mode, and its directory's",
    sqlite3.SQLITE_TOOBIG: "a text is larger than SQLite takes",
}
_LOCKED: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL}
_PERMANENT: Final = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_TOOBIG,
}


def connect(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Open the file, in a transaction only where one is begun; make the file, its directory and its tables if need be.

    What is made is for this user alone, and so are the log and the index beside the file, whose mode is the file's own.
    Nothing waits for another process's lock: it is an error, which `is_locked` knows.

    Raises:
        sqlite3.Error: As SQLite says.
        OSError: The directory cannot be made.
        PermanentError: The file belongs to a newer version or to another application.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not path.exists()
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        if is_new:
            path.chmod(0o600)
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous.upper()}")
        for setting in _SETTINGS:
            connection.execute(setting)
        if not is_current(connection, path):
            _lay_out(connection, path)
    except BaseException:  # whatever it is: nobody else could close the connection
        connection.close()
        raise
    return connection


def blank() -> sqlite3.Connection:
    """What is read of a file that nobody has used yet: its tables, empty, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for statement in STATEMENTS:
        connection.execute(statement)
    return connection


def is_writable(path: Path) -> bool:
    """Whether this user may change a file that is there."""
    return os.access(path, os.R_OK | os.W_OK)


def is_locked(error: Exception) -> bool:
    """Whether all that is wrong is that another process holds the file's lock."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _LOCKED


def translate(error: Exception, path: Path) -> Exception:
    """What a port raises for an error of SQLite or of the file system; any other error is returned as it is."""
    transient = False
    if isinstance(error, UnicodeEncodeError):
        text = f"{path}: a text is not UTF-8 ({error.reason})"
    elif isinstance(error, UnicodeDecodeError):  # a text that we have written is UTF-8
        text = f"{path}: {_MENDS[sqlite3.SQLITE_CORRUPT]} ({error.reason})"
    elif isinstance(error, OSError):
        transient = not isinstance(error, (PermissionError, FileExistsError, NotADirectoryError))
        text = f"{path}: its directory cannot be made or read: look at its owner and mode ({error.strerror})"
    elif isinstance(error, sqlite3.Error):
        primary = _primary(error)
        if primary == sqlite3.SQLITE_CANTOPEN and os.access(path, os.F_OK) and not is_writable(path):
            primary = sqlite3.SQLITE_READONLY
        transient = primary in _MENDS and primary not in _PERMANENT
        text = f"{path}: {_MENDS.get(primary, 'the call failed')} ({error})"
    else:
        return error
    translated = TransientError(text) if transient else PermanentError(text)
    translated.__cause__ = error
    return translated


def is_current(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has our layout already.

    Raises:
        sqlite3.Error: As SQLite says.
        PermanentError: The file belongs to a newer version.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        return False
    if version > VERSION:
        raise PermanentError(
            f"{path}: layout {version} was written by a newer fireforget, and this one knows {VERSION}: "
            "upgrade fireforget here, or name another file"
        )
    return True


def check_empty(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that has tables which are not ours.

    Raises:
        sqlite3.Error: As SQLite says.
        PermanentError: It is another application's.
    """
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise PermanentError(f"{path}: it is another application's database: name another file")


def _primary(error: sqlite3.Error) -> int:
    """What SQLite calls the error; the bytes above it say more than a caller can use."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _lay_out(connection: sqlite3.Connection, path: Path) -> None:
    """Create the tables, unless another process has meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not is_current(connection, path):
            check_empty(connection, path)
            for statement in STATEMENTS:
                connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:  # whatever it is: half a layout is undone, and the lock let go
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
