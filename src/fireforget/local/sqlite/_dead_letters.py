"""The dead letters of the queue in the same file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from fireforget.abc import DeadLetter, Message
from fireforget.adapters import moment
from fireforget.local.sqlite._adapter import SQLiteAdapter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Sequence

_PAGE: Final = 20
"""Letters that are read at once: they may be a megabyte each."""

_PUT: Final = """
    INSERT INTO dead_letters (id, key, count, attempts, died_at, reason, body) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING
"""
_LIST: Final = """
    SELECT seq, id, key, count, attempts, died_at, reason, body FROM dead_letters
    WHERE seq > ? ORDER BY seq LIMIT ?
"""
_LIST_SOME: Final = """
    SELECT seq, id, key, count, attempts, died_at, reason, body FROM dead_letters
    WHERE seq > ? AND id IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?
"""
_FORGET: Final = "DELETE FROM settled WHERE id IN (SELECT value FROM json_each(?))"
_REDRIVE: Final = """
    INSERT INTO messages (id, key, count, published_at, body)
    SELECT id, key, count, ?, body FROM dead_letters WHERE id IN (SELECT value FROM json_each(?)) ORDER BY seq
    ON CONFLICT (id) DO NOTHING
"""
_DISCARD: Final = "DELETE FROM dead_letters WHERE id IN (SELECT value FROM json_each(?))"


class SQLiteDeadLetters(SQLiteAdapter):
    """The messages of a `SQLiteQueue` that could not be processed; `SQLiteAdapter` names its arguments."""

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        """Keep a message with its reason; one that is here already stays as it is."""
        reason = reason.encode(errors="backslashreplace").decode()  # a traceback may hold anything

        def work(connection: sqlite3.Connection) -> None:
            row = (message.id, message.key, message.count, attempts, self._now(), reason, message.body)
            connection.execute(_PUT, row)

        await self._database.write(work)

    async def list(self, ids: Sequence[str] = ()) -> AsyncIterator[DeadLetter]:
        """Yield the dead letters, oldest first, reading a page at a time. See `fireforget.abc.DeadLetters`."""
        after = 0

        def page(connection: sqlite3.Connection) -> Sequence[tuple[int, str, str, int, int, int, str, str]]:
            if ids:
                return connection.execute(_LIST_SOME, (after, json.dumps(ids), _PAGE)).fetchall()
            return connection.execute(_LIST, (after, _PAGE)).fetchall()

        while rows := await self._database.read(page):
            for seq, id_, key, count, attempts, died_at, reason, body in rows:
                after = seq
                yield DeadLetter(id_, Message(id_, key, body, count), reason, moment(died_at), attempts)

    async def redrive(self, ids: Sequence[str]) -> int:
        """Send dead letters to the queue again, whether or not it remembers them; says how many there were."""

        def work(connection: sqlite3.Connection) -> int:
            chosen = json.dumps(ids)
            connection.execute(_FORGET, (chosen,))
            connection.execute(_REDRIVE, (self._now(), chosen))
            return connection.execute(_DISCARD, (chosen,)).rowcount

        return await self._database.write(work, then=self._database.bell.ring)

    async def discard(self, ids: Sequence[str]) -> int:
        """Delete dead letters for good; says how many there were."""
        return await self._database.write(lambda connection: connection.execute(_DISCARD, (json.dumps(ids),)).rowcount)
