"""However many shards each day got from whichever writer, a scan is that of the reference in memory."""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireforget.abc import Query, Record
from fireforget.local.memory import MemoryStore
from fireforget.testing.events import NOON, event, uuid7
from fireforget_aws.access import Access
from fireforget_aws.store import DynamoDBStore
from tests.counterparts.aws import Counterpart
from tests.counterparts.tables import later, new_table

WIDTH = 3
"""Days of a scenario."""

_numbers = itertools.count()

minutes = st.integers(0, WIDTH * 24 * 60 - 1)
puts = st.tuples(
    st.integers(0, 2),  # which writer
    st.lists(st.tuples(minutes, st.sampled_from("abc"), st.sampled_from([None, "s1", "s2"])), max_size=12),
)
queries = st.tuples(st.none() | minutes, st.none() | minutes, st.sampled_from([None, "s1"]), st.none() | minutes)


@pytest.fixture
def table(ministack: Counterpart) -> str:
    return asyncio.run(new_table(ministack, sessions_index=True))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shards=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    written=st.lists(puts, max_size=6),
    asked=st.lists(queries, min_size=1, max_size=4),
    indexed=st.booleans(),
)
def test_any_shards_of_any_writers_are_read_as_one(
    ministack: Counterpart,
    table: str,
    shards: list[int],
    written: list[tuple[int, list[tuple[int, str, str | None]]]],
    asked: list[tuple[int | None, int | None, str | None, int | None]],
    indexed: bool,
) -> None:
    start = NOON.replace(hour=0) + timedelta(days=WIDTH * next(_numbers))
    asyncio.run(compared(start, ministack.url, table, shards, written, asked, indexed=indexed))


async def compared(
    start: datetime,
    url: str,
    table: str,
    shards: list[int],
    written: list[tuple[int, list[tuple[int, str, str | None]]]],
    asked: list[tuple[int | None, int | None, str | None, int | None]],
    *,
    indexed: bool,
) -> None:
    """Write to both, and ask both."""
    clock = later()
    reference = MemoryStore(f"shards-{start}", clock=clock)
    stores = [
        DynamoDBStore(table, Access(endpoint=url), shards=each, sessions_index=indexed, clock=clock) for each in shards
    ]

    def at(minute: int) -> datetime:
        return start + timedelta(minutes=minute)

    for writer, drawn in written:
        batch = [
            Record(event(id=id_, correlationid=uuid7(at(minute), minute), sessionid=session))
            for minute, id_, session in drawn
        ]
        known = {(each.event.correlation, each.event.id) async for each in reference.scan(Query())}
        new = [each for each in batch if (each.event.correlation, each.event.id) not in known]
        await stores[writer].put(new)
        await reference.put(new)
    for first, last, session, correlation in [*asked, (None, None, None, None)]:
        query = Query(
            start=start if first is None else at(first),
            end=start + timedelta(days=WIDTH) if last is None else at(last),
            sessionid=session,
            correlationid=None if correlation is None else uuid7(at(correlation), correlation),
        )
        expected = [record async for record in reference.scan(query)]
        for store in stores:
            assert [record async for record in store.scan(query)] == expected
    for store in stores:
        await store.aclose()
