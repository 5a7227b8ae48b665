"""The store in a SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fireforget.abc import Query, Record, Refusal
from fireforget.adapters import first_uuid7, parse_record, render_record, span
from fireforget.local.sqlite._adapter import SQLiteAdapter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Sequence

_PAGE_ROWS: Final = 200
_PAGE_BYTES: Final = 1024 * 1024
"""A scan reads a page at a time, up to whichever limit comes first."""

_PUT: Final = """
    INSERT INTO events (correlationid, id, type, sessionid, expires_at, body) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_CLAIM: Final = """
    INSERT INTO claims (key, holder, until) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET holder = excluded.holder, until = excluded.until
    WHERE holder = excluded.holder OR until <= ?
"""
_PURGE: Final = """
    DELETE FROM events WHERE (correlationid, id) IN (
        SELECT correlationid, id FROM events WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
    )
"""
_PURGE_CLAIMS: Final = "DELETE FROM claims WHERE until <= ?"


class SQLiteStore(SQLiteAdapter):
    """A store for all processes of one machine; `SQLiteAdapter` names its arguments."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records in one transaction; the first of a key stays. See `fireforget.abc.Store`."""

        def work(connection: sqlite3.Connection) -> list[Refusal]:
            rows: list[tuple[str, str, str, str | None, int | None, str]] = []
            refusals: list[Refusal] = []
            for record in records:
                rendered = render_record(record)
                if isinstance(rendered, Refusal):
                    refusals.append(rendered)
                    continue
                event, (text, expires_at) = record.event, rendered
                rows.append((event.correlation, event.id, event.type, event.sessionid, expires_at, text))
            connection.executemany(_PUT, rows)
            return refusals

        return await self._database.write(work)

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the records in order, reading a page at a time beside the writers. See `fireforget.abc.Store`."""
        conditions, values = _where(query)
        after = "" if query.start is None else first_uuid7(query.start), ""

        def page(connection: sqlite3.Connection) -> list[Record]:
            nonlocal after
            sql = f"""
                SELECT correlationid, id, expires_at, body FROM events
                WHERE (correlationid, id) > (?, ?) AND (expires_at IS NULL OR expires_at > ?) {conditions}
                ORDER BY correlationid, id LIMIT {_PAGE_ROWS}
            """  # noqa: S608 - the conditions are ours, their values are parameters
            records: list[Record] = []
            size = 0
            for correlationid, id_, expires_at, body in connection.execute(sql, (*after, self._now(), *values)):
                after = correlationid, id_
                records.append(parse_record(body, expires_at))
                size += len(body)
                if size >= _PAGE_BYTES:
                    break
            return records

        while records := await self._database.read(page):
            for record in records:
                yield record

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take or renew a claim. See `fireforget.abc.Store`."""

        def work(connection: sqlite3.Connection) -> bool:
            now = self._now()
            return connection.execute(_CLAIM, (key, holder, now + span(lease), now)).rowcount > 0

        return await self._database.write(work)

    async def purge(self, limit: int = 1000) -> int:
        """Delete up to `limit` expired records; says how many. Claims that have ended go too, uncounted."""

        def work(connection: sqlite3.Connection) -> int:
            now = self._now()
            connection.execute(_PURGE_CLAIMS, (now,))
            return connection.execute(_PURGE, (now, max(0, limit))).rowcount

        return await self._database.write(work)


def _where(query: Query) -> tuple[str, list[Any]]:
    """The query's conditions as SQL, and their values; its start is where the scan begins."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.end is not None:
        conditions.append("correlationid < ?")
        values.append(first_uuid7(query.end))
    if query.types:
        conditions.append(f"type IN ({', '.join('?' * len(query.types))})")
        values.extend(query.types)
    if query.sessionid is not None:
        conditions.append("sessionid = ?")
        values.append(query.sessionid)
    if query.correlationid is not None:
        conditions.append("correlationid = ?")
        values.append(query.correlationid)
    return "".join(f" AND {condition}" for condition in conditions), values
