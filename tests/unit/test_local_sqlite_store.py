"""What only the SQLite store promises: its scans use their indexes, and a spoilt row is named."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from fireforget.abc import Query, Record
from fireforget.errors import PermanentError
from fireforget.local.sqlite import SQLiteStore
from fireforget.testing.clock import ManualClock
from fireforget.testing.events import NOON, event, scan

pytestmark = pytest.mark.asyncio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def store(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(tmp_path / "fireforget.db", clock=clock)
    yield store
    await store.aclose()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (Query(start=NOON), "PRIMARY KEY ((correlationid,id)>"),
        (Query(end=NOON), "PRIMARY KEY ((correlationid,id)>(?,?) AND correlationid<?)"),
        (Query(correlationid="x"), "PRIMARY KEY (correlationid=?"),
        (Query(sessionid="x", start=NOON, end=NOON), "events_by_session (sessionid=? AND (correlationid,id)>"),
    ],
    ids=["start", "end", "correlation", "session"],
)
async def test_a_scan_searches_by_its_key(store: SQLiteStore, query: Query, index: str) -> None:
    await store.put([Record(event())])
    statements: list[str] = []
    await store._database.read(lambda connection: connection.set_trace_callback(statements.append))
    await scan(store, query)
    plan = await store._database.read(
        lambda connection: [detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    )
    assert len(plan) == 1
    assert index in plan[0]


async def test_a_page_of_large_events_is_short(store: SQLiteStore) -> None:
    await store.put([Record(event(data={"text": "x" * 300_000})) for _ in range(8)])
    statements: list[str] = []
    await store._database.read(lambda connection: connection.set_trace_callback(statements.append))
    assert len(await scan(store)) == 8
    assert len(statements) == 3, "two pages of four, and an empty one"


async def test_a_spoilt_row_is_named(store: SQLiteStore) -> None:
    await store.put([Record(event())])
    await store._database.write(lambda connection: connection.execute("UPDATE events SET body = '{\"id\": 7}'"))
    with pytest.raises(PermanentError, match=r'cannot be read.*\{"id": 7\}'):
        await scan(store)


async def test_purging_clears_claims_that_have_ended(store: SQLiteStore, clock: ManualClock) -> None:
    await store.claim("a", 10, holder="x")
    await store.claim("b", 30, holder="x")
    clock.advance(20)
    assert await store.purge() == 0
    keys = await store._database.read(lambda connection: connection.execute("SELECT key FROM claims").fetchall())
    assert keys == [("b",)]


async def test_an_expiry_without_offset_is_refused_alone(store: SQLiteStore, clock: ManualClock) -> None:
    good, bad = event(), event()
    naive = (clock.now() + timedelta(days=1)).replace(tzinfo=None)
    (refusal,) = await store.put([Record(bad, naive), Record(good)])
    assert refusal.event_id == bad.id
    assert await scan(store) == [good]
