"""The queue in a SQLite file."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final

from fireforget.abc import Delivery, Depth, Message, Outcome
from fireforget.adapters import DELIVERED, PER_SECOND, check_lease, judge, moment, span
from fireforget.errors import PermanentError
from fireforget.local._limits import CAPABILITIES, DEDUPLICATION_SECONDS
from fireforget.local.sqlite._adapter import SQLiteAdapter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_PUBLISH: Final = """
    INSERT INTO messages (id, key, count, published_at, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_TAKE: Final = """
    SELECT m.seq, m.id, m.key, m.count, m.body, coalesce(d.attempts, 0) + 1
    FROM lanes
    CROSS JOIN messages AS m ON m.key = lanes.key
    LEFT JOIN deliveries AS d ON d.seq = m.seq
    WHERE lanes.ready_at <= :now
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE key = lanes.key AND due_at > :now AND seq <= m.seq)
    ORDER BY lanes.ready_at, lanes.key, m.seq
    LIMIT :limit
"""
_LEASE: Final = """
    INSERT INTO deliveries (seq, key, attempts, since, due_at, leased) VALUES (?, ?, ?, ?, ?, TRUE)
    ON CONFLICT (seq) DO UPDATE
    SET attempts = excluded.attempts, since = excluded.since, due_at = excluded.due_at, leased = TRUE
"""
_UNDO_LEASE: Final = """
    UPDATE deliveries SET attempts = attempts - 1, since = ?1, due_at = ?1, leased = FALSE
    WHERE seq = ?2 AND attempts = ?3 AND leased
"""
_SETTLE: Final = """
    INSERT OR REPLACE INTO settled (id, at)
    SELECT id, ? FROM messages WHERE seq = (SELECT seq FROM deliveries WHERE seq = ? AND attempts = ?)
"""
_FORGET: Final = "DELETE FROM settled WHERE id IN (SELECT id FROM settled WHERE at <= ? LIMIT 1000)"
_GIVE_BACK: Final = """
    UPDATE deliveries SET since = ?1, due_at = ?2, leased = FALSE
    WHERE seq = ?3 AND attempts = ?4 AND leased AND due_at > ?1
"""
_EXTEND: Final = """
    UPDATE deliveries SET since = ?1, due_at = ?2
    WHERE seq = ?3 AND attempts = ?4 AND leased AND due_at > ?1
"""
_WAIT_ANEW: Final = "UPDATE deliveries SET due_at = due_at - since + ?1, since = ?1 WHERE since > ?1"
_READY_ANEW: Final = """
    UPDATE lanes SET ready_at = (SELECT ready_at FROM lane_times WHERE key = lanes.key) WHERE ready_at > ?
"""
_DEPTH: Final = """
    SELECT
        (SELECT count(*) FROM messages),
        (SELECT count(*) FROM deliveries WHERE leased AND due_at > ?),
        (SELECT count(*) FROM dead_letters),
        (SELECT published_at FROM messages ORDER BY seq LIMIT 1)
"""


class SQLiteQueue(SQLiteAdapter):
    """A queue for all processes of one machine; `SQLiteAdapter` names its arguments."""

    capabilities = CAPABILITIES

    _taken_at: float = inf
    """When this adapter took last. A clock that is behind it has stepped back; at first nobody knows."""

    @property
    def identity(self) -> str:
        """The file's absolute path, as a URL."""
        return f"sqlite:///{self._database.path}"

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish a batch in one transaction. See `fireforget.abc.Queue`."""
        outcomes = [judge(message, CAPABILITIES) for message in messages]
        accepted = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is DELIVERED]

        def work(connection: sqlite3.Connection) -> None:
            now = self._now()
            connection.executemany(_PUBLISH, [(m.id, m.key, m.count, now, m.body) for m in accepted])

        await self._database.write(work, then=self._database.bell.ring)
        return outcomes

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take up to `limit` messages of the lanes that have waited longest. See `fireforget.abc.Queue`.

        A message that another process of the machine has published is seen within half a second.
        """
        check_lease(lease, CAPABILITIES)
        with self._database.bell.listen(self._clock, wait) as listener:
            while await listener.turn():
                if deliveries := await self._take(limit, lease):
                    return deliveries
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle for good. See `fireforget.abc.Queue`."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._now()
            connection.executemany(_SETTLE, [(now, *_lease_of(delivery)) for delivery in deliveries])
            connection.execute(_FORGET, (now - DEDUPLICATION_SECONDS * PER_SECOND,))

        await self._database.write(work, then=self._database.bell.ring)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back, for `delay` seconds later. See `fireforget.abc.Queue`."""

        def work(connection: sqlite3.Connection) -> None:
            now = self._now()
            due = now + span(delay)
            connection.executemany(_GIVE_BACK, [(now, due, *_lease_of(delivery)) for delivery in deliveries])

        await self._database.write(work, then=self._database.bell.ring)

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases to `lease` seconds from now. See `fireforget.abc.Queue`."""
        check_lease(lease, CAPABILITIES)

        def work(connection: sqlite3.Connection) -> list[Delivery]:
            now = self._now()
            end = now + span(lease)
            return [
                _renewed(delivery, end)
                for delivery in deliveries
                if connection.execute(_EXTEND, (now, end, *_lease_of(delivery))).rowcount
            ]

        return await self._database.write(work)

    async def depth(self) -> Depth:
        """How full the queue is; all numbers are of one moment."""

        def work(connection: sqlite3.Connection) -> Depth:
            now = self._now()
            total, in_flight, dead, oldest = connection.execute(_DEPTH, (now,)).fetchone()
            age = 0.0 if oldest is None else max(0.0, (now - oldest) / PER_SECOND)
            return Depth(visible=total - in_flight, in_flight=in_flight, dead=dead, oldest_seconds=age)

        return await self._database.read(work)

    async def _take(self, limit: int, lease: float) -> list[Delivery]:
        """What can be had at once."""
        taken: list[Delivery] = []

        def take(connection: sqlite3.Connection) -> list[Delivery]:
            now = self._now()
            if now < self._taken_at:
                connection.execute(_WAIT_ANEW, (now,))
                connection.execute(_READY_ANEW, (now,))
            self._taken_at = now
            end = now + span(lease)
            rows = connection.execute(_TAKE, {"now": now, "limit": max(0, limit)}).fetchall()
            connection.executemany(_LEASE, [(seq, key, attempt, now, end) for seq, _, key, _, _, attempt in rows])
            expires_at = moment(end)
            taken.extend(
                Delivery(Message(id_, key, body, count), attempt, f"{seq}.{attempt}", expires_at)
                for seq, id_, key, count, body, attempt in rows
            )
            return taken

        def undo(connection: sqlite3.Connection) -> None:
            now = self._now()
            connection.executemany(_UNDO_LEASE, [(now, *_lease_of(delivery)) for delivery in taken])

        try:
            return await self._database.write(take)
        except asyncio.CancelledError:
            # Nobody has seen them: they need not wait for the end of the lease, nor count as delivered.
            self._database.write_unheard(undo, then=self._database.bell.ring)
            raise


def _lease_of(delivery: Delivery) -> tuple[int, int]:
    """The message's place and the number of the delivery: together they name a delivery for ever."""
    seq, _, attempt = delivery.receipt.partition(".")
    try:
        return int(seq), int(attempt)
    except ValueError as error:
        raise PermanentError(f"{delivery.receipt!r:.80} is not a receipt of this queue") from error


def _renewed(delivery: Delivery, end: int) -> Delivery:
    return Delivery(delivery.message, delivery.attempt, delivery.receipt, moment(end))
