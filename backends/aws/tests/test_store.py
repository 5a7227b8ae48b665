"""The store: batches, what is left unwritten, what is invalid, days and their shards."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from botocore.exceptions import ClientError

from fireforget.abc import Event, Query, Record
from fireforget.errors import PermanentError, SettingsError, TransientError
from fireforget.testing import ManualClock
from fireforget.testing.events import NOON, event, in_order, records, scan, uuid7
from fireforget_aws import AwsBackend
from fireforget_aws import _table_layout as layout
from fireforget_aws.access import Access
from fireforget_aws.store import DynamoDBStore
from tests.counterparts.aws import Counterpart
from tests.counterparts.tables import new_table

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Requests = list[dict[str, Any]]


class Canned:
    """A client that notes what it is sent, and answers as it is told.

    Args:
        unwritten: Which requests of a call are left unwritten.
        invalid: The event ids that DynamoDB finds invalid.
    """

    def __init__(self, unwritten: Callable[[Requests], Requests] = lambda _: [], invalid: Sequence[str] = ()) -> None:
        self.calls: list[Requests] = []
        self.written: list[layout.Item] = []
        self._unwritten = unwritten
        self._invalid = invalid

    async def update_item(self, **request: Any) -> Mapping[str, Any]:
        return {"Attributes": request["Key"] | {layout.SHARDS: request["ExpressionAttributeValues"][":shards"]}}

    async def batch_write_item(self, *, RequestItems: Mapping[str, Requests]) -> Mapping[str, Any]:  # noqa: N803
        ((table, requests),) = RequestItems.items()
        self.calls.append(requests)
        if any(layout.event_id(each["PutRequest"]["Item"]) in self._invalid for each in requests):
            raise failure("ValidationException")
        left = self._unwritten(requests)
        self.written += [each["PutRequest"]["Item"] for each in requests if each not in left]
        return {"UnprocessedItems": {table: left} if left else {}}

    @property
    def sizes(self) -> list[int]:
        """How many items each call had."""
        return [len(each) for each in self.calls]


def failure(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "said so"}}, "BatchWriteItem")


def store_of(canned: object, clock: ManualClock | None = None) -> DynamoDBStore:
    store = DynamoDBStore("table", Access(), clock=clock or ManualClock())
    store._client = canned  # type: ignore[assignment]
    return store


def events(count: int) -> list[Event]:
    return [event(NOON + timedelta(seconds=n)) for n in range(count)]


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (25, [25]), (26, [25, 1]), (251, [25] * 10 + [1])], ids=str)
async def test_a_call_takes_25_items(count: int, sizes: list[int]) -> None:
    canned = Canned()
    assert await store_of(canned).put(records(*events(count))) == []
    assert sorted(canned.sizes, reverse=True) == sizes
    assert len(canned.written) == count


async def test_large_items_go_in_more_calls() -> None:
    canned = Canned()
    large = [event(data={"text": "x" * 390_000}) for _ in range(25)]
    await store_of(canned).put(records(*large))
    assert canned.sizes == [10, 10, 5]


async def test_the_first_of_a_key_stays() -> None:
    canned = Canned()
    one = event()
    other = event(id=one.id, data={"n": 2})
    await store_of(canned).put(records(one, *events(30), other, one))
    assert [each for each in canned.written if layout.event_id(each) == one.id] == [canned.written[0]]
    assert layout.to_record(canned.written[0]).event == one
    assert sum(canned.sizes) == 31


async def test_what_is_left_unwritten_is_sent_again_after_a_wait() -> None:
    shares = iter([7, 7, 0])
    canned = Canned(lambda requests: requests[: next(shares)])
    clock = ManualClock()
    store = store_of(canned, clock)
    async with anyio.create_task_group() as group:
        group.start_soon(store.put, records(*events(20)))
        for _ in range(2):
            await clock.asleep()
            assert clock.sleeping[0] <= 0.1
            clock.advance(0.1)
    assert canned.sizes == [20, 7, 7]
    assert len(canned.written) == 20


async def test_what_is_left_unwritten_for_ever_is_a_matter_of_time() -> None:
    canned = Canned(lambda requests: requests[:1])
    clock = ManualClock()
    store = store_of(canned, clock)
    waits = 0

    async def put() -> None:
        with pytest.raises(TransientError, match="1 of 20 items"):
            await store.put(records(*events(20)))
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(put)
        while True:
            await clock.asleep()
            waits += 1
            clock.advance(clock.sleeping[0])
    assert canned.sizes == [20, 1, 1, 1, 1, 1]
    assert waits == 5


async def test_an_invalid_item_keeps_no_other_out() -> None:
    all_events = events(30)
    bad = all_events[3], all_events[28]
    canned = Canned(invalid=[each.id for each in bad])
    refusals = await store_of(canned).put(records(*all_events))
    assert sorted(each.event_id for each in refusals) == sorted(each.id for each in bad)
    assert "said so" in refusals[0].reason
    assert len(canned.written) == 28


async def test_a_failure_is_raised_when_the_other_calls_have_ended() -> None:
    class Throttling(Canned):
        async def batch_write_item(self, *, RequestItems: Mapping[str, Requests]) -> Mapping[str, Any]:  # noqa: N803
            if not self.calls:
                self.calls.append([])
                raise failure("ThrottlingException")
            await anyio.lowlevel.checkpoint()
            return await super().batch_write_item(RequestItems=RequestItems)

    canned = Throttling()
    with pytest.raises(TransientError):
        await store_of(canned).put(records(*events(75)))
    assert len(canned.written) == 50


async def test_after_a_failure_a_day_is_recorded_again() -> None:
    recorded: list[str] = []

    class Forgetful(Canned):
        async def update_item(self, **request: Any) -> Mapping[str, Any]:
            recorded.append(request["Key"][layout.SORT]["S"])
            return await super().update_item(**request)

        async def batch_write_item(self, *, RequestItems: Mapping[str, Requests]) -> Mapping[str, Any]:  # noqa: N803
            if len(recorded) == 1 and self.calls:
                raise failure("ResourceNotFoundException")
            return await super().batch_write_item(RequestItems=RequestItems)

    store = store_of(Forgetful())
    await store.put(records(*events(3)))
    with pytest.raises(PermanentError, match="provision"):
        await store.put(records(*events(3)))
    await store.put(records(*events(3)))
    await store.put(records(*events(3)))
    assert recorded == ["2025-06-15"] * 2


async def test_a_scan_reads_on_while_there_are_pages() -> None:
    """Also where a page is empty, for DynamoDB filters after it has cut the pages."""
    items = [layout.to_item(Record(each)) for each in events(5)]
    day = layout.day_key("2025-06-15") | {layout.SHARDS: {"N": "1"}}
    answers: Iterator[Mapping[str, Any]] = iter(
        [
            {"Items": [day]},
            {"Items": items[:2], "LastEvaluatedKey": {"at": {"S": "1"}}},
            {"Items": [], "LastEvaluatedKey": {"at": {"S": "2"}}},
            {"Items": items[2:], "LastEvaluatedKey": {"at": {"S": "3"}}},
            {"Items": []},
        ]
    )
    asked: list[Mapping[str, Any]] = []

    class Paging:
        async def query(self, **request: Any) -> Mapping[str, Any]:
            asked.append(request)
            return next(answers)

    found = await scan(store_of(Paging()))
    assert records(*found) == [layout.to_record(each) for each in items]  # type: ignore[arg-type]
    assert [each.get("ExclusiveStartKey", {}).get("at") for each in asked[1:]] == [None, *({"S": n} for n in "123")]
    assert all(each["ConsistentRead"] for each in asked)


async def test_pages_fit_what_they_hold() -> None:
    """Few large items, many small ones."""

    class Endless:
        def __init__(self, length: int) -> None:
            self.limits: list[int] = []
            self._item = layout.to_item(Record(event(data={"text": "x" * length})))

        async def query(self, **request: Any) -> Mapping[str, Any]:
            if request["ExpressionAttributeValues"][":partition"] == {"S": layout.DAYS}:
                return {"Items": [layout.day_key("2025-06-15") | {layout.SHARDS: {"N": "1"}}]}
            self.limits.append(request["Limit"])
            page = {"Items": [self._item] * request["Limit"]}
            return page | {"LastEvaluatedKey": {"at": {"S": "1"}}} if len(self.limits) < 6 else page

    small, large = Endless(10), Endless(120_000)
    await scan(store_of(small))
    await scan(store_of(large))
    assert small.limits[-1] > 60
    assert large.limits[1:] == [1] * 5


@pytest.mark.parametrize("shards", ["0", "65", "-1", "four", "1.5", ""])
async def test_a_day_has_1_to_64_shards(shards: str) -> None:
    with pytest.raises(SettingsError, match="shards"):
        AwsBackend().store(f"dynamodb://table?shards={shards}")


async def test_the_url_says_how_the_table_is_used(ministack: Counterpart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    table = await new_table(ministack, sessions_index=True)
    store = AwsBackend().store(f"dynamodb://{table}?shards=64&sessions=index")
    all_events = [event(NOON + timedelta(seconds=n), sessionid="s") for n in range(60)]
    await store.put(records(*all_events))
    assert await scan(store, Query(sessionid="s")) == all_events
    assert isinstance(store, DynamoDBStore)
    assert [each.name for each in await store.check()] == ["table", "expiry", "index"]
    await store.aclose()
    used = {each[layout.PARTITION]["S"] for each in await items_in(ministack, table)}
    assert len(used) > 20


@pytest.fixture
async def table(ministack: Counterpart) -> str:
    return await new_table(ministack)


@pytest.fixture
async def make(ministack: Counterpart, table: str) -> AsyncIterator[Callable[[int], DynamoDBStore]]:
    """Makes stores of one table, each configured for so many shards."""
    made: list[DynamoDBStore] = []

    def make(shards: int) -> DynamoDBStore:
        made.append(DynamoDBStore(table, Access(endpoint=ministack.url), shards=shards, clock=ManualClock()))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


async def items_in(server: Counterpart, table: str) -> list[Mapping[str, Any]]:
    async with Access(endpoint=server.url).client("dynamodb") as client:
        found: list[Mapping[str, Any]] = (await client.scan(TableName=table))["Items"]
        return found


async def test_of_writers_that_race_one_decides_how_many_shards_a_day_has(
    ministack: Counterpart, table: str, make: Callable[[int], DynamoDBStore]
) -> None:
    stores = [make(shards) for shards in (1, 2, 4, 8, 3)]
    all_events = events(100)
    async with anyio.create_task_group() as group:
        for number, store in enumerate(stores):
            group.start_soon(store.put, records(*all_events[number::5]))
    kept = await items_in(ministack, table)
    (day,) = (each for each in kept if each[layout.PARTITION]["S"] == layout.DAYS)
    used = {each[layout.PARTITION]["S"] for each in kept if each is not day}
    assert used == {f"2025-06-15/{shard}" for shard in range(layout.shards_in(day))}
    for store in stores:
        assert await scan(store) == in_order(all_events)
        assert await scan(store, Query(correlationid=all_events[42].id)) == [all_events[42]]


async def test_changing_the_shards_moves_no_key(make: Callable[[int], DynamoDBStore]) -> None:
    all_events = [event(NOON + day * DAY + timedelta(minutes=n)) for day in range(4) for n in range(15)]
    for day, shards in enumerate([1, 5, 2, 64]):
        await make(shards).put(records(*all_events[15 * day : 15 * day + 15]))
    await make(3).put(records(*all_events))  # all of it once more, as after a lost acknowledgement
    assert await scan(make(1)) == all_events
    assert await scan(make(1), Query(start=NOON + DAY, end=NOON + 3 * DAY)) == all_events[15:45]


async def test_midnight_parts_requests_and_not_their_events(make: Callable[[int], DynamoDBStore]) -> None:
    midnight = datetime(2025, 6, 16, tzinfo=UTC)
    before, after = uuid7(midnight - timedelta(milliseconds=1)), uuid7(midnight)
    late = [event(midnight + timedelta(hours=n), correlationid=before) for n in range(3)]
    new = [event(midnight, correlationid=after)]
    await make(1).put(records(*new, *late[:1]))
    await make(4).put(records(*late[1:]))
    assert await scan(make(1)) == late + new
    assert await scan(make(1), Query(end=midnight)) == late
    assert await scan(make(1), Query(start=midnight)) == new


async def test_days_without_a_record_are_not_read(
    ministack: Counterpart, table: str, make: Callable[[int], DynamoDBStore]
) -> None:
    known, unknown = event(NOON), event(NOON + DAY)
    await make(1).put(records(known))
    item = layout.to_item(Record(unknown))
    assert isinstance(item, dict)
    async with Access(endpoint=ministack.url).client("dynamodb") as client:
        await client.put_item(TableName=table, Item=item | {layout.PARTITION: {"S": "2025-06-16/0"}})
    assert await scan(make(1)) == [known]
    await make(1).put(records(unknown))
    assert await scan(make(1)) == [known, unknown]


async def test_what_was_put_last_stays(make: Callable[[int], DynamoDBStore]) -> None:
    one = event()
    enriched = event(id=one.id, data={"query": "how?", "country": "CZ"})
    await make(1).put(records(one))
    await make(1).put(records(enriched))
    assert await scan(make(1)) == [enriched]


async def test_the_server_takes_the_largest_item(ministack: Counterpart, make: Callable[[int], DynamoDBStore]) -> None:
    one = event(data={"text": "x" * 1000}, sessionid="s")
    room = layout.ITEM_BYTES - layout.size_of(layout.to_item(Record(one)))  # type: ignore[arg-type]
    largest = event(id=one.id, sessionid="s", data={"text": "x" * (1000 + room)})
    too_large = event(data={"text": "x" * (1001 + room)}, sessionid="s")
    (refusal,) = await make(1).put(records(largest, too_large))
    assert refusal.event_id == too_large.id
    assert await scan(make(1)) == [largest]


@pytest.mark.parametrize("sessionid", ["", "é" * 1025], ids=["empty", "long"])
async def test_a_session_that_is_not_in_the_index_is_found_without_it(ministack: Counterpart, sessionid: str) -> None:
    table = await new_table(ministack, sessions_index=True)
    store = DynamoDBStore(table, Access(endpoint=ministack.url), sessions_index=True, clock=ManualClock())
    other, found = event(NOON, sessionid="s"), event(NOON, sessionid=sessionid)
    assert await store.put(records(other, found)) == []
    assert await scan(store, Query(sessionid=sessionid)) == [found]
    assert await scan(store, Query(sessionid="s")) == [other]
    await store.aclose()


async def test_a_table_that_is_missing_is_permanent_and_says_the_mend(ministack: Counterpart) -> None:
    store = DynamoDBStore("missing", Access(endpoint=ministack.url), clock=ManualClock())
    for call in (store.put(records(event())), scan(store), store.claim("key", 10, holder="a"), store.check()):
        with pytest.raises(PermanentError, match="provision"):
            await call
    await store.aclose()


async def test_a_claim_can_be_deleted_once_it_has_ended(
    ministack: Counterpart, table: str, make: Callable[[int], DynamoDBStore]
) -> None:
    assert await make(1).claim("key", 10.5, holder="a")
    (item,) = await items_in(ministack, table)
    ends = ManualClock().now() + timedelta(seconds=10.5)
    assert datetime.fromtimestamp(int(item[layout.EXPIRES]["N"]), UTC) == ends + timedelta(seconds=0.5)


async def test_a_session_by_the_index_costs_one_partition(ministack: Counterpart) -> None:
    """It reads neither the days nor what others did."""
    table = await new_table(ministack, sessions_index=True)
    store = DynamoDBStore(table, Access(endpoint=ministack.url), sessions_index=True, clock=ManualClock())
    await store.put(records(*(event(NOON + n * DAY, sessionid=f"s{n % 2}") for n in range(6))))
    asked: Counter[str] = Counter()
    ask = store._ask

    async def counted(request: Mapping[str, Any]) -> Mapping[str, Any]:
        asked["table"] += 1
        return await ask(request)

    store._ask = counted  # type: ignore[method-assign]
    assert len(await scan(store, Query(sessionid="s1"))) == 3
    assert len(await scan(store, Query(sessionid="s1", start=NOON + DAY, end=NOON + 4 * DAY))) == 2
    assert not asked
    await store.aclose()
