"""The store in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from fireforget.abc import Clock, Query, Record, Refusal
from fireforget.adapters import answers, parse_record, render_record, span
from fireforget.local.memory._adapter import MemoryAdapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class _Shelf:
    """What all stores of one name share: events as text, so that nobody can change them afterwards."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.events: dict[tuple[str, str], tuple[str, int | None]] = {}  # text and expiry, by correlation and event id
        self.claims: dict[str, tuple[str, int]] = {}  # holder and end, by the claim's key


class MemoryStore(MemoryAdapter):
    """A store within this process.

    Args:
        name: Stores of one name are one.
        clock: Where time comes from.
    """

    def __init__(self, name: str = "", *, clock: Clock | None = None) -> None:
        with _lock:
            self._shelf = _named.setdefault(name, _Shelf())
        super().__init__(clock)

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records; the first of a key stays. See `fireforget.abc.Store`."""
        await self._begin()
        refusals: list[Refusal] = []
        with self._shelf.lock:
            for record in records:
                rendered = render_record(record)
                if isinstance(rendered, Refusal):
                    refusals.append(rendered)
                else:
                    self._shelf.events.setdefault((record.event.correlation, record.event.id), rendered)
        return refusals

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the records in order; one written meanwhile may be missing. See `fireforget.abc.Store`."""
        await self._begin()
        with self._shelf.lock:
            events = sorted(self._shelf.events.items())
        for _, (text, expires_at) in events:
            self._check_open()
            if not self._has_expired(expires_at) and answers((record := parse_record(text, expires_at)).event, query):
                yield record

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take or renew a claim. See `fireforget.abc.Store`."""
        await self._begin()
        with self._shelf.lock:
            taken_by, until = self._shelf.claims.get(key, (holder, 0))
            if taken_by != holder and not self._has_expired(until):
                return False
            self._shelf.claims[key] = holder, self._now() + span(lease)
            return True

    async def purge(self, limit: int = 1000) -> int:
        """Delete up to `limit` expired records; says how many."""
        await self._begin()
        with self._shelf.lock:
            expired = [key for key, (_, expires_at) in self._shelf.events.items() if self._has_expired(expires_at)]
            for key in expired[:limit]:
                del self._shelf.events[key]
            return len(expired[:limit])

    def _has_expired(self, moment: int | None) -> bool:
        return moment is not None and moment <= self._now()


_lock: Final = threading.Lock()
_named: Final[WeakValueDictionary[str, _Shelf]] = WeakValueDictionary()
