"""The store, what is written to it and what is asked of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from fireforget._event import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


class Record(msgspec.Struct, frozen=True):
    """An event as the store keeps it.

    Args:
        event: The event. Its correlation id is a UUIDv7.
        expires_at: From when on it is never returned; None for never.
        text: The event as CloudEvents JSON, where it was read from one: a store need not encode it again. None else,
            and in what a store returns.
    """

    event: Event
    expires_at: datetime | None = None
    text: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """One record that the store will never take.

    Args:
        event_id: Which one.
        reason: Why.
    """

    event_id: str
    reason: str


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which records to scan; every condition given must hold.

    Args:
        start: First moment, inclusive, of the *correlation id's* time: a late event counts in its request's period.
        end: Last moment, exclusive.
        types: Event types; empty for all.
        sessionid: One session.
        correlationid: One request.
    """

    start: datetime | None = None
    end: datetime | None = None
    types: tuple[str, ...] = ()
    sessionid: str | None = None
    correlationid: str | None = None


@runtime_checkable
class Store(Protocol):
    """Keeps events, each once."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records, idempotently by event id; those that can never be written are returned with the reason.

        They are refused alone: an event whose correlation id is no UUIDv7 in its usual form, and one that could not be
        read back. What is changed in a record afterwards changes nothing in the store.

        Raises:
            TransientError: Some may be written; putting all of them again does no harm.
        """
        ...

    def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the records in the order (time of the correlation id, correlation id, event id).

        Expired records are never yielded, whether or not they have been deleted. An event without a correlation id is
        its own correlation. What is written during a scan may be missing from it; what was there before comes once.
        A scan may be given up at any point.
        """
        ...

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take or renew the claim on `key` for `lease` seconds; False while somebody else holds it.

        Of many that claim at the same time, one succeeds.
        """
        ...

    async def purge(self, limit: int = 1000) -> int:
        """Delete up to `limit` expired records where the cloud does not do so itself; says how many."""
        ...

    async def aclose(self) -> None:
        """Free connections and threads. Idempotent."""
        ...
