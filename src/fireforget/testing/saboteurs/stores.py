"""Stores that break their promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
from anyio.lowlevel import checkpoint

from fireforget.abc import Query, Record
from fireforget.errors import PermanentError
from fireforget.local.memory import MemoryStore
from fireforget.testing.saboteurs.saboteur import ClosesOnce, Found, NeedsUse, StaysOpen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fireforget.abc import Refusal

found = Found("store")

_PAGE: Final = 1000
_PAGE_BYTES: Final = 1024 * 1024
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


class Changes(MemoryStore):
    """The base of those that yield something else."""

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield what has become of the records."""
        records = [record async for record in super().scan(self.asked(query))]
        for record in self.changed(records, query):
            yield record

    def asked(self, query: Query) -> Query:
        """What is asked in the place of the query."""
        return query

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """What has become of the records."""
        return records


@found("what_was_put_comes_back_exactly")
class ExtensionsBecomeText(Changes):
    """Extension attributes become text."""

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """Make text of them."""
        return [
            msgspec.structs.replace(
                record,
                event=msgspec.structs.replace(
                    record.event, extensions={name: str(value) for name, value in record.event.extensions.items()}
                ),
            )
            for record in records
        ]


@found("what_was_put_comes_back_exactly")
class LosesTheExpiry(Changes):
    """Whether a record expires is not said."""

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """Say nothing."""
        return [Record(record.event) for record in records]


@found("an_event_whose_text_is_at_hand_is_the_same")
class LosesWhatHasAText(MemoryStore):
    """What comes with its text is not written."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Put what has none."""
        return await super().put([record for record in records if record.text is None])


@found("what_is_changed_after_putting_changes_nothing")
class KeepsTheObject(MemoryStore):
    """What is changed after it was put is changed in the store."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Keep the objects themselves."""
        refusals = await super().put(records)
        vars(self._shelf).setdefault("kept", {}).update(
            {record.event.id: msgspec.structs.replace(record, text=None) for record in records}
        )
        return refusals

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the objects themselves."""
        async for record in super().scan(query):
            yield vars(self._shelf)["kept"].get(record.event.id, record)


@found(
    "calling_again_after_a_cancelled_call_does_no_harm", "putting_the_same_at_once_keeps_one", "putting_twice_keeps_one"
)
class KeepsEachOne(Changes):
    """A record that is put twice comes twice."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Count how often."""
        counts = vars(self._shelf).setdefault("counts", {})
        for record in records:
            counts[record.event.id] = counts.get(record.event.id, 0) + 1
        return await super().put(records)

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """Yield as often."""
        counts = vars(self._shelf).get("counts", {})
        return [record for record in records for _ in range(counts[record.event.id])]


@found("putting_the_same_at_once_keeps_one")
class LooksBeforeItPuts(Changes):
    """Two that put the same at the same time both find that it is not there."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Look, and put, which takes a while."""
        there = {id_ for _, id_ in self._shelf.events}
        refusals = await super().put(records)
        counts = vars(self._shelf).setdefault("counts", {})
        for id_ in {record.event.id for record in records} - there:
            counts[id_] = counts.get(id_, 0) + 1
        return refusals

    def changed(self, records: list[Record], _query: Query) -> list[Record]:
        """Yield what each of them has put."""
        counts = vars(self._shelf).get("counts", {})
        return [record for record in records for _ in range(counts.get(record.event.id, 1))]


@found("putting_nothing_is_no_error")
class NeedsRecords(MemoryStore):
    """Asks the service even for nothing, which the service refuses."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Put, and fail for nothing."""
        if not records:
            raise PermanentError("the request has no items")
        return await super().put(records)


@found("a_correlation_id_without_time_is_refused_alone", "what_cannot_be_read_back_is_refused_alone")
class RefusesTheWholeBatch(MemoryStore):
    """One record that cannot be written spoils its batch."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Put all or nothing."""
        before = dict(self._shelf.events)
        refusals = await super().put(records)
        if refusals:
            self._shelf.events = before
        return refusals


@found("a_correlation_id_without_time_is_refused_alone", "what_cannot_be_read_back_is_refused_alone")
class RaisesForOne(MemoryStore):
    """One record that cannot be written is an error."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Put, and raise."""
        refusals = await super().put(records)
        if refusals:
            raise PermanentError(refusals[0].reason)
        return refusals


@found("an_event_without_correlation_is_its_own")
class WantsACorrelation(Changes):
    """An event without correlation is not found by its own id."""

    def changed(self, records: list[Record], query: Query) -> list[Record]:
        """Yield what has a correlation id."""
        return [record for record in records if query.correlationid is None or record.event.correlationid]


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


@found("a_scan_may_be_given_up", "calling_again_after_a_cancelled_call_does_no_harm")
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


@found("expired_records_are_never_returned")
class YieldsTheExpired(MemoryStore):
    """Expired records come until they are purged."""

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield as of an hour ago."""
        clock = self._clock
        self._clock = _EarlierClock(clock)  # type: ignore[assignment]
        try:
            async for record in super().scan(query):
                yield record
        finally:
            self._clock = clock


class _EarlierClock:
    def __init__(self, clock: object) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        return int(self._clock.time_ns()) - 3600 * 10**9  # type: ignore[attr-defined]


@found("purging_takes_expired_records_only")
class PurgesWhatLives(MemoryStore):
    """What expires some day is purged today."""

    async def purge(self, limit: int = 1000) -> int:
        """Delete what has an end."""
        await self._begin()
        doomed = [key for key, (_, expires_at) in self._shelf.events.items() if expires_at is not None][:limit]
        for key in doomed:
            del self._shelf.events[key]
        return len(doomed)


@found("purging_takes_expired_records_only")
class PurgesWithoutLimit(MemoryStore):
    """However little is asked for, all that is expired goes."""

    async def purge(self, limit: int = 1000) -> int:
        """Delete all."""
        return await super().purge(limit + _PAGE)


@found(
    "a_claim_ends_with_its_lease",
    "a_holder_renews_its_claim",
    "of_many_that_claim_at_once_one_succeeds",
    "one_holder_has_a_claim",
)
class GrantsEveryClaim(MemoryStore):
    """Everybody gets the claim."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Grant it."""
        await super().claim(key, lease, holder=holder)
        return True


@found("a_claim_ends_with_its_lease")
class ClaimsForEver(MemoryStore):
    """A claim never ends."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take it for good."""
        return await super().claim(key, lease * 1e6, holder=holder)


@found("a_holder_renews_its_claim")
class DoesNotRenew(MemoryStore):
    """Who has the claim is told so, and has it no longer than before."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take it, if nobody has it."""
        await self._begin()
        held = self._shelf.claims.get(key)
        if held is not None and held[0] == holder and held[1] > self._now():
            return True
        return await super().claim(key, lease, holder=holder)


@found("of_many_that_claim_at_once_one_succeeds")
class LooksBeforeItClaims(MemoryStore):
    """Several that claim at the same time all find it free."""

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Look, wait, take."""
        await self._begin()
        held = self._shelf.claims.get(key)
        if held is not None and held[0] != holder and held[1] > self._now():
            return False
        await checkpoint()
        self._shelf.claims[key] = holder, self._now() + round(lease * 1e6)
        return True


@found("calling_again_after_a_cancelled_call_does_no_harm")
class PutsOnlyOnce(MemoryStore):
    """A put that was cancelled is never made again: its ids were noted."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Note, wait, put what was not noted."""
        noted = vars(self._shelf).setdefault("noted", set())
        fresh = [record for record in records if record.event.id not in noted]
        noted |= {record.event.id for record in records}
        return await super().put(fresh)


@found("closing_twice_is_no_error")
class ClosesAStoreOnce(ClosesOnce, MemoryStore):
    """A second `aclose` raises."""


@found("a_closed_adapter_refuses_every_call", "what_was_never_used_can_be_closed")
class ClosesAUsedStoreOnly(NeedsUse, MemoryStore):
    """Without a call before it, `aclose` raises."""

    async def _begin(self) -> None:
        self.used = True
        await super()._begin()


@found("a_closed_adapter_refuses_every_call")
class StoreThatStaysOpen(StaysOpen, MemoryStore):
    """It can be used after `aclose`."""


@found("an_error_of_the_service_comes_as_an_adapter_error", unreachable=True)
class LeaksAnError(MemoryStore):
    """The error of the service comes as it is."""

    async def _begin(self) -> None:
        await checkpoint()
        raise ConnectionRefusedError("nobody listens")
