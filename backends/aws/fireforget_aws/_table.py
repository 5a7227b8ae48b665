"""The table itself: what it has to look like, what is wrong with one, and how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from fireforget.abc import Clock, Finding, Step, SystemClock
from fireforget.errors import PermanentError, TransientError
from fireforget_aws import _table_layout as layout
from fireforget_aws._errors import translated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from types_aiobotocore_dynamodb import DynamoDBClient

    from fireforget_aws.access import Access

T = TypeVar("T")

_KEY: Final = [
    {"AttributeName": layout.PARTITION, "KeyType": "HASH"},
    {"AttributeName": layout.SORT, "KeyType": "RANGE"},
]
_INDEX: Final[Any] = {
    "IndexName": layout.SESSIONS_INDEX,
    "KeySchema": [
        {"AttributeName": layout.SESSION, "KeyType": "HASH"},
        {"AttributeName": layout.SORT, "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "ALL"},
}
"""All attributes: an event is rarely over 1 KB, so its copy costs as much as that of its keys alone would."""

_ON_DEMAND: Final = "PAY_PER_REQUEST"
"""Paid by the request: an idle table costs nothing, and no burst is throttled. Provisioned capacity is free up to 25
units for all tables of an account in a region, and a second table of 25 units is not."""

_OTHER_TABLE: Final = "name another table in the URL, and 'fireforget provision' makes it"
_LOOK_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 600.0
"""A table is there within seconds; an index is filled first with what the table holds."""


class Seen(msgspec.Struct, frozen=True):
    """What DynamoDB says of a table.

    Args:
        table: Its description.
        ttl: What of time to live.
    """

    table: Mapping[str, Any]
    ttl: Mapping[str, Any]

    @property
    def has_key(self) -> bool:
        """Whether its keys are ours."""
        kinds = {each["AttributeName"]: each["AttributeType"] for each in self.table["AttributeDefinitions"]}
        return bool(self.table["KeySchema"] == _KEY) and kinds.get(layout.PARTITION) == kinds.get(layout.SORT) == "S"

    @property
    def is_on_demand(self) -> bool:
        """Whether it is paid by the request."""
        return bool(self.table.get("BillingModeSummary", {}).get("BillingMode") == _ON_DEMAND)

    @property
    def index(self) -> Mapping[str, Any] | None:
        """The index of sessions, where there is one."""
        indexes: Sequence[Mapping[str, Any]] = self.table.get("GlobalSecondaryIndexes") or []
        return next((each for each in indexes if each["IndexName"] == layout.SESSIONS_INDEX), None)

    @property
    def expires(self) -> bool:
        """Whether DynamoDB deletes what has expired."""
        return self.ttl.get("AttributeName") == layout.EXPIRES and self.ttl.get("TimeToLiveStatus") in {
            "ENABLED",
            "ENABLING",
        }

    @property
    def is_ready(self) -> bool:
        """Whether it can be written and read, and its index, too."""
        return self.table["TableStatus"] == "ACTIVE" and (self.index is None or self.index["IndexStatus"] == "ACTIVE")


async def look(client: DynamoDBClient, table: str) -> Seen:
    """See what is there. Raises what the SDK raises."""
    described = await client.describe_table(TableName=table)
    ttl = await client.describe_time_to_live(TableName=table)
    return Seen(described["Table"], ttl["TimeToLiveDescription"])


def findings(seen: Seen, table: str, *, sessions_index: bool) -> list[Finding]:
    """What ``fireforget doctor`` says of it."""
    provision = "run 'fireforget provision'"
    state = seen.table["TableStatus"]
    found = [Finding("table", "ok", f"the table {table} is there, and {state.lower()}")]
    if not seen.has_key:
        text = f"the keys of the table {table} are not those of a store"
        found = [Finding("table", "wrong", text, _OTHER_TABLE)]
    elif state not in {"ACTIVE", "UPDATING"}:
        found = [Finding("table", "wrong", f"the table {table} is {state.lower()}", "wait, or make it again")]
    if seen.expires:
        found.append(Finding("expiry", "ok", "DynamoDB deletes what has expired"))
    else:
        text = "DynamoDB deletes nothing: what has expired stays, and is paid for"
        found.append(Finding("expiry", "warning", text, provision))
    if sessions_index:
        found.append(_of_index(seen.index, provision))
    return found


def _of_index(index: Mapping[str, Any] | None, provision: str) -> Finding:
    name = layout.SESSIONS_INDEX
    if index is None:
        return Finding("index", "wrong", f"there is no index {name}", f"{provision}, or take sessions=index out")
    if index["KeySchema"] != _INDEX["KeySchema"] or index["Projection"] != _INDEX["Projection"]:
        text = f"the index {name} has other keys or fewer attributes than a store needs"
        return Finding("index", "wrong", text, f"delete it, and {provision}")
    state = index["IndexStatus"]
    if state != "ACTIVE":
        return Finding("index", "warning", f"the index {name} is {state.lower()}", "wait until it is active")
    return Finding("index", "ok", f"the index {name} is there")


async def missing_table(
    table: str, access: Access, *, sessions_index: bool = False, clock: Clock | None = None
) -> list[Step]:
    """What is missing before a table can be a store. Each step returns when DynamoDB has done it.

    Args:
        table: Its name.
        access: How AWS is reached.
        sessions_index: Whether the store uses the index of sessions.
        clock: Where time comes from; None for the machine's own.

    Raises:
        AdapterError: What is there cannot be seen, or is another kind of table.
    """
    clock = clock or SystemClock()
    seen = await _on(access, partial(_see, table))
    if seen is not None and not seen.has_key:
        raise PermanentError(f"the keys of the table {table} are not those of a store: {_OTHER_TABLE}")
    steps: list[Step] = []

    def add(action: str, work: Callable[..., Awaitable[None]]) -> None:
        steps.append(Step(action, partial(_on, access, partial(work, table, clock))))

    if seen is None:
        index = f", with the index {layout.SESSIONS_INDEX}" if sessions_index else ""
        add(f"make the table {table}{index}, paid by the request", partial(make, sessions_index=sessions_index))
    elif sessions_index and seen.index is None:
        add(f"add the index {layout.SESSIONS_INDEX} to the table {table}", _add_index)
    if seen is None or not seen.expires:
        add(f"let DynamoDB delete what has expired in the table {table}", let_expire)
    return steps


async def _on(access: Access, work: Callable[[DynamoDBClient], Awaitable[T]]) -> T:
    with translated():
        async with access.client("dynamodb") as client:
            return await work(client)


async def _see(table: str, client: DynamoDBClient) -> Seen | None:
    try:
        return await look(client, table)
    except client.exceptions.ResourceNotFoundException:
        return None


async def make(table: str, clock: Clock, client: DynamoDBClient, *, sessions_index: bool = False) -> None:
    """Make the table. Raises what the SDK raises."""
    request: dict[str, Any] = {
        "TableName": table,
        "BillingMode": _ON_DEMAND,
        "KeySchema": _KEY,
        "AttributeDefinitions": _attributes(layout.PARTITION, layout.SORT),
    }
    if sessions_index:
        request["AttributeDefinitions"] += _attributes(layout.SESSION)
        request["GlobalSecondaryIndexes"] = [_INDEX]
    with suppress(client.exceptions.ResourceInUseException):  # somebody else has made it meanwhile
        await client.create_table(**request)
    await _ready(table, clock, client)


async def _add_index(table: str, clock: Clock, client: DynamoDBClient) -> None:
    seen = await _ready(table, clock, client)
    if seen.index is not None:
        return
    if not seen.is_on_demand:
        raise PermanentError(
            f"the table {table} has provisioned capacity, and an index needs some of its own: make it on-demand, "
            f"or add the index {layout.SESSIONS_INDEX} with the capacity that it is worth"
        )
    await client.update_table(
        TableName=table,
        AttributeDefinitions=_attributes(layout.PARTITION, layout.SORT, layout.SESSION),
        GlobalSecondaryIndexUpdates=[{"Create": _INDEX}],
    )
    await _ready(table, clock, client)


async def let_expire(table: str, clock: Clock, client: DynamoDBClient) -> None:
    """Turn on time to live. Raises what the SDK raises."""
    if not (await _ready(table, clock, client)).expires:
        await client.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": layout.EXPIRES}
        )


async def _ready(table: str, clock: Clock, client: DynamoDBClient) -> Seen:
    """The table as it is when nothing is being made of it any more."""
    end = clock.monotonic() + _PATIENCE_SECONDS
    while (seen := await _see(table, client)) is None or not seen.is_ready:
        if clock.monotonic() >= end:
            raise TransientError(f"the table {table} is still being made after {_PATIENCE_SECONDS:.0f} s: look again")
        await clock.sleep(_LOOK_SECONDS)
    return seen


def _attributes(*names: str) -> list[Any]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]
