"""What only the SQLite queue promises: cancelled receives cost nothing, other processes are seen, backlogs are free."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fireforget.abc import Delivery, Message
from fireforget.errors import PermanentError
from fireforget.local.sqlite import SQLiteQueue, _queue
from fireforget.testing.clock import ManualClock
from tests.unit.busy_writer import BusyWriter

pytestmark = pytest.mark.asyncio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest_asyncio.fixture
async def queue(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SQLiteQueue]:
    queue = SQLiteQueue(tmp_path / "fireforget.db", clock=clock)
    yield queue
    await queue.aclose()


def message(name: str, key: str = "key") -> Message:
    return Message(name, key, "{}")


async def test_what_a_cancelled_receive_had_taken_is_had_at_once(queue: SQLiteQueue) -> None:
    await queue.publish([message("a"), message("b")])
    async with BusyWriter(queue._database) as before:
        taking = asyncio.ensure_future(queue.receive(10, wait=0, lease=30))
        await before.waiting(1)
        after = BusyWriter(queue._database)
        holding = asyncio.ensure_future(after.__aenter__())
        await before.waiting(2)
    await holding
    try:
        taking.cancel()  # the writer has taken them, and has told nobody
        with pytest.raises(asyncio.CancelledError):
            await taking
    finally:
        await after.__aexit__()
    deliveries = await queue.receive(10, wait=0, lease=30)
    assert [(delivery.message.id, delivery.attempt) for delivery in deliveries] == [("a", 1), ("b", 1)]


async def test_a_receive_that_waits_looks_again_for_what_other_processes_do(
    tmp_path: Path, clock: ManualClock, queue: SQLiteQueue
) -> None:
    other = SQLiteQueue(tmp_path / "fireforget.db", synchronous="full", clock=clock)  # shares no thread, hence no bell
    waiting = asyncio.ensure_future(queue.receive(10, wait=20, lease=30))
    await clock.asleep()
    await other.publish([message("a")])
    clock.advance(0.05)
    (delivery,) = await waiting
    assert delivery.message.id == "a"
    await other.aclose()


async def test_a_receive_that_waits_looks_ever_less_often(queue: SQLiteQueue, clock: ManualClock) -> None:
    waiting = asyncio.ensure_future(queue.receive(10, wait=2, lease=30))
    for expected in (0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.25):
        await clock.asleep()
        assert clock.sleeping == [pytest.approx(expected)]
        clock.advance(expected)
    assert await waiting == ()


async def test_a_lane_that_was_served_goes_to_the_back_of_the_line(queue: SQLiteQueue, clock: ManualClock) -> None:
    for key in "abc":
        await queue.publish([message(f"{key}{n}", key) for n in range(2)])
        clock.advance(1)
    order = []
    while deliveries := await queue.receive(1, wait=0, lease=30):
        clock.advance(1)
        order.append(deliveries[0].message.id)
        await queue.ack(deliveries)
    assert order == ["a0", "b0", "c0", "a1", "b1", "c1"]


async def test_a_lane_waits_for_all_its_leases(queue: SQLiteQueue, clock: ManualClock) -> None:
    await queue.publish([message("a"), message("b"), message("c")])
    first, second, third = await queue.receive(10, wait=0, lease=30)
    await queue.nack([first])
    await queue.extend([third], 60)
    clock.advance(30)
    assert await queue.receive(10, wait=0, lease=30) == (), "the third is under lease still"
    await queue.ack([third])
    deliveries = await queue.receive(10, wait=0, lease=30)
    assert [delivery.message.id for delivery in deliveries] == ["a", "b"]
    await queue.ack([second])
    assert (await queue.depth()).in_flight == 2, "settled too late: it is delivered anew"


async def test_a_receipt_from_elsewhere_is_refused(queue: SQLiteQueue, clock: ManualClock) -> None:
    foreign = Delivery(message("a"), 1, "receipt-handle", clock.now())
    with pytest.raises(PermanentError, match="not a receipt of this queue"):
        await queue.ack([foreign])


async def test_a_receipt_names_one_delivery_for_ever(queue: SQLiteQueue) -> None:
    await queue.publish([message("a")])
    old = await queue.receive(1, wait=0, lease=30)
    await queue.ack(old)
    await queue.publish([message("b")])
    new = await queue.receive(1, wait=0, lease=30)
    await queue.ack(old)
    assert await queue.extend(new, 30)


async def test_settled_ids_are_forgotten_in_the_file_too(queue: SQLiteQueue, clock: ManualClock) -> None:
    for n in range(3):
        await queue.publish([message(f"{n}")])
        await queue.ack(await queue.receive(1, wait=0, lease=30))
        clock.advance(200)
    tables = ("messages", "deliveries", "lanes", "settled")
    counts = await queue._database.read(
        lambda connection: [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]
    )
    assert counts == [0, 0, 0, 2]


async def test_texts_that_json_would_escape_arrive_exactly(queue: SQLiteQueue) -> None:
    sent = Message("id \x00 '\"", "key \x00", "\x00 \x1f \ufffe \uffff \U0001f600")
    await queue.publish([sent, message("lone \ud800 surrogate"), Message("c", "k", "\ud800")])
    deliveries = await queue.receive(10, wait=0, lease=30)
    assert [delivery.message for delivery in deliveries] == [sent]


async def test_taking_reads_no_more_of_a_backlog_than_it_takes(queue: SQLiteQueue) -> None:
    plan = await queue._database.read(
        lambda connection: [
            detail for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {_queue._TAKE}", {"now": 0, "limit": 1})
        ]
    )
    assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
