"""How the table is laid out: keys, attributes and sizes. Nothing here does I/O.

Three kinds of items share the table, each in partitions of its own::

    p (partition key)   s (sort key)                    besides
    2025-06-15/0        correlation id + event id       e: the event, i: its session, x and u: when it expires
    days                2025-06-15                      n: how many shards that day has
    claims              the claim's key                 h: its holder, t: its end, x: when it can be deleted

The day is that of the correlation id, in UTC. Names are short, for every write is billed by the bytes of names, too.
"""

from __future__ import annotations

import zlib
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from fireforget.abc import Query, Record, Refusal, is_uuid7
from fireforget.adapters import PER_SECOND, first_uuid7, parse_record, render_record
from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

Item: TypeAlias = dict[str, Any]
"""An item as the wire has it: ``{name: {type: value}}``."""

PARTITION: Final = "p"
SORT: Final = "s"
EVENT: Final = "e"
SESSION: Final = "i"
EXPIRES: Final = "x"
EARLIER: Final = "u"
SHARDS: Final = "n"
HOLDER: Final = "h"
UNTIL: Final = "t"

SESSIONS_INDEX: Final = "sessions"
"""Name of the index with the partition key `SESSION` and the sort key `SORT`: a session in the order of a scan."""

CORRELATION_LENGTH: Final = 36
"""Characters of a UUIDv7, with which a sort key begins."""

DAYS: Final = "days"
CLAIMS: Final = "claims"

MAX_SHARDS: Final = 64
"""A day is read shard by shard, side by side: more of them cost a scan more than they help a writer."""

ITEM_BYTES: Final = 400 * 1024
"""Largest item, names of attributes included (DynamoDB, "Quotas", "Item size")."""
SORT_BYTES: Final = 1024
"""Largest sort key (the same page, "Sort key")."""
PARTITION_BYTES: Final = 2048
"""Largest partition key, of an index, too (the same page, "Partition key")."""

_NUMBER_BYTES: Final = 21
"""More than any number needs (the same page, "Numbers": 38 digits, two to a byte)."""
_DAY_MILLIS: Final = 86_400_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date.max.toordinal()
_FIRST, _LAST = "0", "g"
"""Before and after every day and every correlation id: they begin with a hexadecimal digit."""


def day_of(correlation: str) -> str:
    """The day of a UUIDv7 in UTC, as in ``2025-06-15``: days sort as text."""
    return _day(_millis(correlation) // _DAY_MILLIS)


def _millis(correlation: str) -> int:
    return int(correlation[:8] + correlation[9:13], 16)


@lru_cache(maxsize=1024)
def _day(number: int) -> str:
    return date.fromordinal(min(_EPOCH_DAY + number, _LAST_DAY)).isoformat()


def shard_of(correlation: str, shards: int) -> int:
    """In which shard of its day a correlation lies; the same for ever, or its events would be lost to scans."""
    return zlib.crc32(correlation.encode()) % shards if shards > 1 else 0


def check_shards(shards: int) -> None:
    """Refuse a number of shards that no day can have.

    Raises:
        SettingsError: It is not from 1 to `MAX_SHARDS`.
    """
    if not 1 <= shards <= MAX_SHARDS:
        raise SettingsError(
            f"a day has from 1 to {MAX_SHARDS} shards: write ?shards=4 into the dynamodb URL, or nothing"
        )


def partition(day: str, shard: int) -> str:
    """Where the events of one shard of a day lie."""
    return f"{day}/{shard}"


def to_item(record: Record) -> Item | Refusal:
    """What a record becomes, its partition left out; or why the table will never take it."""
    rendered = render_record(record)
    if isinstance(rendered, Refusal):
        return rendered
    event, (text, expires_at) = record.event, rendered
    sort = event.correlation + event.id
    item: Item = {SORT: {"S": sort}, EVENT: {"S": text}}
    if expires_at is not None:
        seconds = -(-expires_at // PER_SECOND)
        item[EXPIRES] = {"N": str(seconds)}
        if earlier := seconds * PER_SECOND - expires_at:
            item[EARLIER] = {"N": str(earlier)}
    try:
        if event.sessionid is not None and is_indexed(event.sessionid):
            item[SESSION] = {"S": event.sessionid}
        if (size := _length(sort)) > SORT_BYTES:
            return Refusal(event.id, f"its ids of {size} bytes are over DynamoDB's limit of {SORT_BYTES} for a key")
        if (size := size_of(item)) > ITEM_BYTES:
            return Refusal(event.id, f"its item of {size} bytes is over DynamoDB's limit of {ITEM_BYTES}")
    except UnicodeEncodeError as error:
        return Refusal(event.id, f"it is not UTF-8 text: {error.reason}")
    return item


def to_record(item: Mapping[str, Any]) -> Record:
    """The record of which `to_item` made the item.

    Raises:
        PermanentError: It is not what `to_item` makes.
    """
    return parse_record(item[EVENT]["S"], expiry(item))


def expiry(item: Mapping[str, Any]) -> int | None:
    """When the item expires, in microseconds since 1970 UTC.

    DynamoDB deletes by whole seconds, so `EXPIRES` is rounded up, and `EARLIER` says by how many microseconds.
    """
    if EXPIRES not in item:
        return None
    earlier = int(item[EARLIER]["N"]) if EARLIER in item else 0
    return int(item[EXPIRES]["N"]) * PER_SECOND - earlier


def size_of(item: Mapping[str, Mapping[str, str]]) -> int:
    """The bytes of an item as they count against `ITEM_BYTES`, its partition included; at most a few too many."""
    size = len(PARTITION) + len("2025-06-15/63")
    for name, value in item.items():
        size += len(name) + (_length(value["S"]) if "S" in value else _NUMBER_BYTES)
    return size


def sort_key(item: Mapping[str, Any]) -> str:
    """Where in its partition an item lies."""
    key: str = item[SORT]["S"]
    return key


def event_id(item: Mapping[str, Any]) -> str:
    """The id of the event in it."""
    return sort_key(item)[CORRELATION_LENGTH:]


def partition_of(item: Mapping[str, Any], day: str, shards: int) -> str:
    """The partition of an item of that day, which has so many shards."""
    return partition(day, shard_of(sort_key(item)[:CORRELATION_LENGTH], shards))


def claim(key: str, holder: str, until: int) -> Item:
    """A claim that ends at `until`, in microseconds since 1970 UTC."""
    return {
        PARTITION: {"S": CLAIMS},
        SORT: {"S": key},
        HOLDER: {"S": holder},
        UNTIL: {"N": str(until)},
        EXPIRES: {"N": str(-(-until // PER_SECOND))},
    }


CLAIMABLE: Final = f"attribute_not_exists({PARTITION}) OR {HOLDER} = :holder OR {UNTIL} <= :now"
"""On what condition a claim may be written."""


def day_key(day: str) -> Item:
    """Where it is recorded how many shards a day has."""
    return {PARTITION: {"S": DAYS}, SORT: {"S": day}}


def shards_in(day: Mapping[str, Any]) -> int:
    """How many shards the item of a day says it has."""
    return int(day[SHARDS]["N"])


def partitions(day: Mapping[str, Any], correlation: str | None) -> list[str]:
    """Where the events of a day lie, of which this is the item; or those of one correlation."""
    shards = shards_in(day)
    numbers = range(shards) if correlation is None else [shard_of(correlation, shards)]
    return [partition(day[SORT]["S"], number) for number in numbers]


def between(name: str, value: str, first: str, last: str, session: str | None = None) -> dict[str, Any]:
    """The request for the items of a partition between two sort keys.

    Args:
        name: Which attribute is the partition key: `PARTITION`, or `SESSION` in the index.
        value: The partition.
        first: Not after any of the sort keys.
        last: Not before any of them.
        session: The session whose items alone are to be sent; None for all.
    """
    request: dict[str, Any] = {
        "KeyConditionExpression": f"{name} = :partition AND {SORT} BETWEEN :first AND :last",
        "ExpressionAttributeValues": {":partition": {"S": value}, ":first": {"S": first}, ":last": {"S": last}},
    }
    if session is not None:
        request["FilterExpression"] = f"{SESSION} = :session"
        request["ExpressionAttributeValues"][":session"] = {"S": session}
    return request


def is_indexed(sessionid: str) -> bool:
    """Whether events of that session are in the index, where the table has one: a key is neither empty nor long."""
    return 0 < _length(sessionid) <= PARTITION_BYTES


def _length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Bounds(msgspec.Struct, frozen=True):
    """Between which sort keys the events of a query lie, and on which days; all inclusive.

    Args:
        first: Not after any of the keys.
        last: After all of the keys.
        first_day: Not after any of the days.
        last_day: Not before any of the days.
    """

    first: str
    last: str
    first_day: str
    last_day: str


def bounds_of(query: Query) -> Bounds | None:
    """Where the events lie that answer; None where none can."""
    first = _FIRST if query.start is None else first_uuid7(query.start)
    last = _LAST if query.end is None else first_uuid7(query.end)
    if (correlation := query.correlationid) is not None:
        if not is_uuid7(correlation):
            return None
        first = max(first, correlation)
        last = min(last, correlation[:-1] + chr(ord(correlation[-1]) + 1))
    if first >= last:
        return None
    if correlation is not None:
        first_day = last_day = day_of(correlation)
    else:
        first_day = _FIRST if query.start is None else day_of(first)
        last_day = _LAST if query.end is None else _day((_millis(last) - 1) // _DAY_MILLIS)
    return Bounds(first, last, first_day, last_day)
