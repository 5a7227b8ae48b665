"""Stores that break what is promised of writing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fireforget.abc import Query, Record
from fireforget.errors import PermanentError
from fireforget.local.memory import MemoryStore
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fireforget.abc import Refusal

found = Found("store")


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


@found("calling_again_after_a_cancelled_call_does_no_harm")
class PutsOnlyOnce(MemoryStore):
    """A put that was cancelled is never made again: its ids were noted."""

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Note, wait, put what was not noted."""
        noted = vars(self._shelf).setdefault("noted", set())
        fresh = [record for record in records if record.event.id not in noted]
        noted |= {record.event.id for record in records}
        return await super().put(fresh)
