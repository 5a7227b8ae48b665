"""The store in a table of DynamoDB."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Final

from fireforget.abc import Clock, Finding, Query, Record, Refusal
from fireforget.adapters import answers, span
from fireforget.errors import AdapterError, PermanentError, TransientError
from fireforget_aws import _table_layout as layout
from fireforget_aws._adapter import AwsAdapter
from fireforget_aws._errors import code_of
from fireforget_aws._pages import MergedPages, QueryPages
from fireforget_aws._table import findings, look
from fireforget_aws._together import together

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient  # noqa: F401 - the base of the class names it in quotes

    from fireforget_aws._pages import Pages
    from fireforget_aws.access import Access

_BATCH_ITEMS: Final = 25
"""Most items of one BatchWriteItem (DynamoDB, "Quotas", "API-specific limits")."""
_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the items of one batch. A call takes 16 MB, as JSON, which is up to three times as long."""
_TOGETHER: Final = 8
"""Calls of one `put` that are under way at the same time."""

_ATTEMPTS: Final = 6
"""How often what a call left unwritten is sent, the first time included."""
_BACKOFF_SECONDS: Final = 0.05
"""The longest first wait before that; each may be twice as long as the one before."""


class DynamoDBStore(AwsAdapter["DynamoDBClient"]):
    """A store in one table, which `fireforget provision` makes.

    Args:
        table: Name of the table.
        access: How AWS is reached.
        shards: In how many partitions, 1 to 64, the events of a day lie which has none yet. A partition takes 1,000
            writes a second. What is recorded for a day holds, however this or any other process is configured.
        sessions_index: Whether the table has the index of sessions. A scan for a session then reads that session
            alone, and may miss what was written a moment ago: DynamoDB copies to an index afterwards.
        clock: Where time comes from; None for the machine's own. It decides what has expired.

    Raises:
        SettingsError: There cannot be so many shards.
    """

    service: ClassVar[str] = "dynamodb"

    def __init__(
        self,
        table: str,
        access: Access,
        *,
        shards: int = 1,
        sessions_index: bool = False,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(access, clock)
        layout.check_shards(shards)
        self._table = table
        self._shards = shards
        self._sessions_index = sessions_index
        self._recorded: dict[str, int] = {}
        """Shards of the days that were written to: one more each day."""
        self._recording = asyncio.Lock()

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        """Write records, the first of a key within the call. See `fireforget.abc.Store`.

        What is put again in another call replaces itself: it is the same event, and where it was enriched otherwise or
        expires later than before, what was put last stays. Refused are an item over 400 KB, ids that make a key over
        1,024 bytes, and what DynamoDB itself finds invalid.

        Raises:
            TransientError: Some may be written, as where the table throttles for longer than a few short waits.
        """
        self._check_open()
        refusals: list[Refusal] = []
        batches = _batches(records, refusals)
        writers = min(_TOGETHER, -(-len(records) // _BATCH_ITEMS))
        try:
            await together(self._write_all(batches, refusals) for _ in range(writers))
        except AdapterError:
            self._recorded.clear()  # a table that is made anew knows no days
            raise
        return refusals

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        """Yield the records in order, one day after the other. See `fireforget.abc.Store`."""
        self._check_open()
        async with aclosing(self._sources(query)) as sources:
            async for source in sources:
                while items := await source.page():
                    for item in items:
                        if not self._has_expired(item) and answers((record := layout.to_record(item)).event, query):
                            yield record

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        """Take or renew a claim, by one conditional write. See `fireforget.abc.Store`."""
        now = self._now()
        try:
            await self._call(
                lambda client: client.put_item(
                    TableName=self._table,
                    Item=layout.claim(key, holder, now + span(lease)),
                    ConditionExpression=layout.CLAIMABLE,
                    ExpressionAttributeValues={":holder": {"S": holder}, ":now": {"N": str(now)}},
                )
            )
        except PermanentError as error:
            if code_of(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    async def purge(self, limit: int = 1000) -> int:  # noqa: ARG002 - there is nothing to be limited
        """Do nothing: DynamoDB itself deletes what has expired, within days and free of charge."""
        self._check_open()
        return 0

    async def check(self) -> list[Finding]:
        """Look whether the table is there, and laid out as it has to be. See `fireforget.abc.Checkable`.

        Raises:
            AdapterError: It cannot be looked at.
        """
        seen = await self._call(lambda client: look(client, self._table))
        return findings(seen, self._table, sessions_index=self._sessions_index)

    async def _write_all(self, batches: Iterator[list[layout.Item]], refusals: list[Refusal]) -> None:
        """Write what no other writer has taken of the batches."""
        for batch in batches:
            await self._place(batch)
            refusals += await self._write(batch)

    async def _place(self, batch: Iterable[layout.Item]) -> None:
        """Give each item its partition, once the shards of its day are recorded: no scan would find it otherwise."""
        days = [layout.day_of(layout.sort_key(item)) for item in batch]
        shards = {day: self._recorded.get(day) or await self._record_once(day) for day in set(days)}
        for day, item in zip(days, batch, strict=True):
            item[layout.PARTITION] = {"S": layout.partition_of(item, day, shards[day])}

    async def _record_once(self, day: str) -> int:
        async with self._recording:
            if day not in self._recorded:
                self._recorded[day] = await self._record(day)
            return self._recorded[day]

    async def _record(self, day: str) -> int:
        """How many shards a day has: as many as the first who wrote to it was configured for."""
        answer = await self._call(
            lambda client: client.update_item(
                TableName=self._table,
                Key=layout.day_key(day),
                UpdateExpression=f"SET {layout.SHARDS} = if_not_exists({layout.SHARDS}, :shards)",
                ExpressionAttributeValues={":shards": {"N": str(self._shards)}},
                ReturnValues="ALL_NEW",
            )
        )
        return layout.shards_in(answer["Attributes"])

    async def _write(self, batch: Sequence[layout.Item]) -> list[Refusal]:
        """Write a batch; where DynamoDB finds one of its items invalid, the others are written without it."""
        try:
            await self._write_whole(batch)
        except PermanentError as error:
            if code_of(error) != "ValidationException":
                raise
            if len(batch) == 1:
                return [Refusal(layout.event_id(batch[0]), f"DynamoDB will not take it: {error}")]
            return [refusal for item in batch for refusal in await self._write([item])]
        return []

    async def _write_whole(self, batch: Sequence[layout.Item]) -> None:
        """Write a batch, and again what of it the table had no room for."""
        requests: Mapping[str, Sequence[Any]] = {self._table: [{"PutRequest": {"Item": item}} for item in batch]}
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._clock.sleep(_BACKOFF_SECONDS * 2 ** (attempt - 1) * self._clock.random())
            requests = await self._send(requests)
            if not requests:
                return
        left = sum(map(len, requests.values()))
        raise TransientError(f"BatchWriteItem: {left} of {len(batch)} items were left unwritten: the table throttles")

    async def _send(self, requests: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
        """Make the call; what it left undone is returned."""
        answer = await self._call(lambda client: client.batch_write_item(RequestItems=requests))
        if "UnprocessedItems" not in answer:
            raise TransientError("BatchWriteItem: the answer does not say what was written: something else gave it")
        return answer["UnprocessedItems"]

    async def _sources(self, query: Query) -> AsyncGenerator[Pages]:
        """What is to be read for a query, one after the other."""
        bounds = layout.bounds_of(query)
        if bounds is None:
            return
        session = query.sessionid if query.sessionid is not None and layout.is_indexed(query.sessionid) else None
        if session is not None and self._sessions_index and query.correlationid is None:
            yield QueryPages(self._ask_index, layout.between(layout.SESSION, session, bounds.first, bounds.last))
            return
        days = QueryPages(self._ask, layout.between(layout.PARTITION, layout.DAYS, bounds.first_day, bounds.last_day))
        while found := await days.page():
            for item in found:
                partitions = layout.partitions(item, query.correlationid)
                sources = [
                    QueryPages(self._ask, layout.between(layout.PARTITION, each, bounds.first, bounds.last, session))
                    for each in partitions
                ]
                yield sources[0] if len(sources) == 1 else MergedPages(sources)

    async def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call(lambda client: client.query(TableName=self._table, ConsistentRead=True, **request))

    async def _ask_index(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self._call(
            lambda client: client.query(TableName=self._table, IndexName=layout.SESSIONS_INDEX, **request)
        )

    def _has_expired(self, item: layout.Item) -> bool:
        expires_at = layout.expiry(item)
        return expires_at is not None and expires_at <= self._now()

    def _now(self) -> int:
        return self._clock.time_ns() // 1000


def _batches(records: Iterable[Record], refusals: list[Refusal]) -> Iterator[list[layout.Item]]:
    """Batches that a call takes, each made when it is asked for: the event loop goes on between them.

    Args:
        records: What is to be written; the first of a key counts.
        refusals: Takes those that no call takes.
    """
    seen: set[str] = set()
    batch: list[layout.Item] = []
    size = 0
    for record in records:
        item = layout.to_item(record)
        if isinstance(item, Refusal):
            refusals.append(item)
            continue
        if (key := layout.sort_key(item)) in seen:
            continue
        seen.add(key)
        more = layout.size_of(item)
        if batch and (len(batch) == _BATCH_ITEMS or size + more > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += more
    if batch:
        yield batch
