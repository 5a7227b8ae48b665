"""A query as stores without one of their own take it: where a period begins, and whether an event answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.abc import Event, Query, uuid7_time
from fireforget.adapters.moments import micros

if TYPE_CHECKING:
    from datetime import datetime


def first_uuid7(moment: datetime) -> str:
    """How the first UUIDv7 made at that moment or later begins: with the milliseconds, rounded up."""
    digits = f"{max(0, -(-micros(moment) // 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def answers(event: Event, query: Query) -> bool:
    """Whether the event, whose correlation id is a UUIDv7, fulfils every condition of the query."""
    return (
        (not query.types or event.type in query.types)
        and (query.sessionid is None or query.sessionid == event.sessionid)
        and (query.correlationid is None or query.correlationid == event.correlation)
        and ((query.start is None and query.end is None) or _is_within(event, query.start, query.end))
    )


def _is_within(event: Event, start: datetime | None, end: datetime | None) -> bool:
    time = uuid7_time(event.correlation)
    return time is not None and (start is None or start <= time) and (end is None or time < end)
