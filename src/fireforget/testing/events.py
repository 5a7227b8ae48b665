"""Events to put into a store."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from fireforget.abc import Event, Query, Record, uuid7_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Store

NOON: Final = datetime(2025, 6, 15, 12, tzinfo=UTC)


def uuid7(time: datetime, rest: int = 0) -> str:
    """A UUIDv7 of that millisecond; `rest` orders the ids within it."""
    millis = (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    digits = f"{millis:012x}7{rest >> 62 & 0xFFF:03x}{1 << 63 | rest & (1 << 62) - 1:016x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


_ids = itertools.count()


def event(time: datetime = NOON, /, **attributes: Any) -> Event:
    """A query event with an id of its own, changed as given."""
    given: dict[str, Any] = {
        "id": uuid7(time, next(_ids)),
        "source": "/tests",
        "type": "query",
        "time": time,
        "data": {"query": "how?", "n": 1},
    }
    return Event(**given | attributes)


def records(*events: Event) -> list[Record]:
    """The events as a store takes them; they never expire."""
    return [Record(each) for each in events]


def in_order(events: Sequence[Event]) -> list[Event]:
    """The events in the order in which a store yields them."""
    return sorted(events, key=lambda each: (uuid7_time(each.correlation), each.correlation, each.id))


async def scan(store: Store, query: Query | None = None) -> list[Event]:
    """The events that a store yields; all of them without a query."""
    return [record.event async for record in store.scan(query or Query())]
