"""The table is made as the store needs it, step by step, and what is wrong with one is told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import anyio
import pytest

from fireforget.abc import Finding, Query, SystemClock
from fireforget.errors import PermanentError, TransientError
from fireforget.testing import ManualClock
from fireforget.testing.events import NOON, event, records, scan
from fireforget_aws import AwsBackend, _table
from fireforget_aws import _table_layout as layout
from fireforget_aws._table import missing_table
from fireforget_aws.access import Access
from fireforget_aws.store import DynamoDBStore
from tests.counterparts.aws import NOWHERE, Counterpart

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["ministack", "moto"])
def access(request: pytest.FixtureRequest) -> Access:
    server: Counterpart = request.getfixturevalue(request.param)
    return Access(endpoint=server.url)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"table.{request.node.originalname[5:]}"


async def actions(name: str, access: Access, *, sessions_index: bool = False) -> list[str]:
    return [each.action for each in await missing_table(name, access, sessions_index=sessions_index)]


async def looked_at(name: str, access: Access, *, sessions_index: bool = False) -> list[Finding]:
    store = DynamoDBStore(name, access, sessions_index=sessions_index)
    found = await store.check()
    await store.aclose()
    return found


async def test_what_is_missing_is_made_once(access: Access, name: str) -> None:
    steps = await missing_table(name, access, sessions_index=True)
    assert [each.action for each in steps] == [
        f"make the table {name}, with the index sessions, paid by the request",
        f"let DynamoDB delete what has expired in the table {name}",
    ]
    for step in [*steps, *steps]:  # the second time somebody else was faster
        await step.apply()
    assert await actions(name, access, sessions_index=True) == []
    assert [each.status for each in await looked_at(name, access, sessions_index=True)] == ["ok"] * 3
    async with access.client("dynamodb") as client:
        described = (await client.describe_table(TableName=name))["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


async def test_planning_changes_nothing(access: Access, name: str) -> None:
    await actions(name, access)
    assert len(await actions(name, access)) == 2


async def test_an_index_is_added_later_and_knows_what_was_there(access: Access, name: str) -> None:
    for step in await missing_table(name, access):
        await step.apply()
    plain = DynamoDBStore(name, access)
    events = [event(NOON + timedelta(days=n), sessionid=f"s{n % 2}") for n in range(4)]
    await plain.put(records(*events))
    (_, _, missing) = await looked_at(name, access, sessions_index=True)
    assert missing.status == "wrong"
    assert "provision" in missing.mend
    (step,) = await missing_table(name, access, sessions_index=True)
    assert step.action == f"add the index sessions to the table {name}"
    await step.apply()
    await step.apply()
    assert [each.status for each in await looked_at(name, access, sessions_index=True)] == ["ok"] * 3
    indexed = DynamoDBStore(name, access, sessions_index=True)
    assert await scan(indexed, Query(sessionid="s1")) == events[1::2]
    await plain.aclose()
    await indexed.aclose()


async def test_a_table_whose_items_stay_is_worth_a_warning(access: Access, name: str) -> None:
    async with access.client("dynamodb") as client:
        await _table.make(name, SystemClock(), client)
    (table, expiry) = await looked_at(name, access)
    assert [table.status, expiry.status] == ["ok", "warning"]
    assert "provision" in expiry.mend
    (step,) = await missing_table(name, access)
    await step.apply()
    assert await actions(name, access) == []


async def test_no_index_takes_capacity_that_nobody_gave_it(access: Access, name: str) -> None:
    async with access.client("dynamodb") as client:
        await _table.make(name, SystemClock(), client)
        await _table.let_expire(name, SystemClock(), client)
        await client.update_table(
            TableName=name,
            BillingMode="PROVISIONED",
            ProvisionedThroughput={"ReadCapacityUnits": 25, "WriteCapacityUnits": 25},
        )
    assert {each.status for each in await looked_at(name, access)} == {"ok"}
    (step,) = await missing_table(name, access, sessions_index=True)
    with pytest.raises(PermanentError, match="capacity"):
        await step.apply()


async def test_a_table_of_somebody_else_s_is_left_alone(access: Access, name: str) -> None:
    async with access.client("dynamodb") as client:
        await client.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        )
    with pytest.raises(PermanentError, match="another table"):
        await missing_table(name, access)
    (table, *_) = await looked_at(name, access)
    assert table.status == "wrong"
    assert "another table" in table.mend
    store = DynamoDBStore(name, access)
    with pytest.raises(PermanentError):  # no event is refused for it
        await store.put(records(event()))
    await store.aclose()


async def test_a_service_that_cannot_be_reached_is_no_missing_table(account: None) -> None:
    with pytest.raises(TransientError):
        await missing_table("table", Access(endpoint=NOWHERE))


async def test_the_backend_plans_with_what_the_url_says(
    ministack: Counterpart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    steps = await AwsBackend().plan({"store": "dynamodb://planned?sessions=index&shards=4"})
    assert "planned, with the index" in steps[0].action


class Making:
    """A client whose table is made while the clock goes on."""

    class exceptions:  # noqa: N801 - the SDK's name
        class ResourceNotFoundException(Exception): ...

        class ResourceInUseException(Exception): ...

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self.request: Mapping[str, Any] = {}

    async def create_table(self, **request: Any) -> None:
        self.request = request

    async def describe_table(self, **_: Any) -> Mapping[str, Any]:
        if self._clock.monotonic() < 2:
            raise self.exceptions.ResourceNotFoundException
        state = "ACTIVE" if self._clock.monotonic() >= self._seconds else "CREATING"
        return {"Table": dict(self.request) | {"TableStatus": state}}

    async def describe_time_to_live(self, **_: Any) -> Mapping[str, Any]:
        return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}


async def pass_time(clock: ManualClock) -> None:
    while True:
        await clock.asleep()
        clock.advance(clock.sleeping[0])


async def test_making_a_table_takes_as_long_as_it_takes() -> None:
    clock = ManualClock()
    client = Making(clock, 20)
    async with anyio.create_task_group() as group:
        group.start_soon(pass_time, clock)
        await _table.make("table", clock, client)  # type: ignore[arg-type]
        group.cancel_scope.cancel()
    assert clock.monotonic() == 20
    assert client.request["KeySchema"][0]["AttributeName"] == layout.PARTITION


async def test_nobody_waits_for_ever() -> None:
    clock = ManualClock()
    async with anyio.create_task_group() as group:
        group.start_soon(pass_time, clock)
        with pytest.raises(TransientError, match="600 s"):
            await _table.make("table", clock, Making(clock, 10_000))  # type: ignore[arg-type]
        group.cancel_scope.cancel()
