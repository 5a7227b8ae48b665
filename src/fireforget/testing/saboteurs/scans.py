"""Stores that break what is promised of reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget.errors import PermanentError
from fireforget.local.memory import MemoryStore
from fireforget.testing.saboteurs.saboteur import Found
from fireforget.testing.saboteurs.stores import Changes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fireforget.abc import Query, Record

found = Found("store")

_PAGE: Final = 1000
_PAGE_BYTES: Final = 1024 * 1024
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


@found("a_request_comes_together_in_the_order_of_time")
class SortsByTime(Changes):
    """Events come in the order of their own time."""

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """Sort them."""
        return sorted(records, key=lambda record: (record.event.time.timestamp(), record.event.id))


@found("a_late_event_counts_in_its_request_s_period")
class CountsByTime(Changes):
    """A late event counts in the period in which it came."""

    def asked(self, query: Query) -> Query:
        """Ask for all periods."""
        return msgspec.structs.replace(query, start=None, end=None)

    def changed(self, records: list[Record], query: Query) -> list[Record]:
        """Choose by the event's own time."""
        start, end = query.start or _FIRST, query.end or _LAST
        return [record for record in records if start <= record.event.time < end]


@found("a_period_includes_its_start_and_excludes_its_end", "every_combination_of_conditions_holds")
class IncludesTheEnd(Changes):
    """The last moment of a period belongs to it."""

    def asked(self, query: Query) -> Query:
        """Ask for a millisecond more."""
        late = query.end is None or query.end.year > 9000  # noqa: PLR2004 - there is nothing after that
        return query if late else msgspec.structs.replace(query, end=query.end + timedelta(milliseconds=1))  # type: ignore[operator]


@found("every_combination_of_conditions_holds")
class IgnoresTypes(Changes):
    """Of several types asked for, the first counts."""

    def asked(self, query: Query) -> Query:
        """Ask for the first."""
        return msgspec.structs.replace(query, types=query.types[:1])


@found("many_pages_come_whole_and_in_order")
class YieldsOnePage(Changes):
    """After a thousand records it is over."""

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """The first page."""
        return records[:_PAGE]


@found("large_events_come_whole_and_in_order")
class YieldsOneMegabyte(Changes):
    """After a megabyte it is over."""

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """The first page."""
        sizes, kept = 0, []
        for record in records:
            sizes += len(str(record.event.data))
            if sizes <= _PAGE_BYTES:
                kept.append(record)
        return kept


@found("writing_meanwhile_does_not_disturb_a_scan")
class CountsItsPages(MemoryStore):
    """The next page begins after so many records, whatever has been written meanwhile."""

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Skip what has been yielded, by its number."""
        number, size = 0, 200
        page = [record async for record in super().scan(query)][:size]
        while page:
            for record in page:
                yield record
            number += size
            page = [record async for record in super().scan(query)][number : number + size]


@found(
    "a_scan_may_be_given_up",
    "calling_again_after_a_cancelled_call_does_no_harm",
    "calls_may_be_made_at_the_same_time",
)
class MustBeReadToTheEnd(MemoryStore):
    """A scan that is given up blocks the next one."""

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield, and block."""
        if vars(self).get("reading"):
            raise PermanentError("a scan is under way")
        vars(self)["reading"] = True
        async for record in super().scan(query):
            yield record
        vars(self)["reading"] = False
