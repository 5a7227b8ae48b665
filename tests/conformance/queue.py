"""What every queue promises, as tests."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import Delivery, Queue
from fireforget.errors import ClosedError
from tests.conformance.queue_leases import LeaseConformance
from tests.conformance.queue_order import OrderConformance
from tests.conformance.queue_place import LEASE, QueuePlace, message, names, settle_all, take


class QueueConformance(LeaseConformance, OrderConformance):
    """All that a queue promises."""

    @pytest.mark.parametrize(
        "body",
        ["0", '{"a": "b"}', '"žluťoučký 漢字 🐎"', '"\\ufffe \\uffff \\u0000"', '"\\\\ \' -- ; %"', " {}\n\t"],
        ids=["smallest", "ascii", "non-ascii", "noncharacters", "punctuation", "blanks"],
    )
    async def test_what_was_published_arrives_exactly(self, queue: Queue, body: str) -> None:
        sent = message("id-1", key="Schlüssel/1", body=body, count=7)
        (outcome,) = await queue.publish([sent])
        assert outcome.status == "delivered"
        (delivery,) = await take(queue)
        assert delivery.message == sent
        assert delivery.attempt == 1

    async def test_a_message_at_the_limit_arrives(self, queue: Queue) -> None:
        sent = message("big", body="é" * (queue.capabilities.max_message_bytes // 2))
        (outcome,) = await queue.publish([sent])
        assert outcome.status == "delivered"
        (delivery,) = await take(queue)
        assert delivery.message == sent

    async def test_a_message_over_the_limit_is_refused_alone(self, queue: Queue) -> None:
        too_big = "é" * (queue.capabilities.max_message_bytes // 2) + "x"
        outcomes = await queue.publish([message("a"), message("b", body=too_big), message("c")])
        assert [outcome.status for outcome in outcomes] == ["delivered", "refused", "delivered"]
        assert str(queue.capabilities.max_message_bytes) in outcomes[1].reason
        assert names(await take(queue)) == ["a", "c"]

    async def test_an_empty_body_is_refused(self, queue: Queue) -> None:
        (outcome,) = await queue.publish([message("a", body="")])
        assert outcome.status == "refused"
        assert outcome.reason

    async def test_the_largest_batch_is_taken_at_once(self, queue: Queue) -> None:
        limits = queue.capabilities
        size = min(limits.max_message_bytes, limits.max_batch_bytes // limits.max_batch_messages)
        batch = [message(f"{n:03}", body="x" * size) for n in range(limits.max_batch_messages)]
        outcomes = await queue.publish(batch)
        assert {outcome.status for outcome in outcomes} == {"delivered"}
        seen: list[Delivery] = []
        await settle_all(queue, seen, len(batch))
        assert names(seen) == [each.id for each in batch]

    async def test_an_empty_batch_is_no_error(self, queue: Queue) -> None:
        assert list(await queue.publish([])) == []
        await queue.ack([])
        await queue.nack([])
        assert list(await queue.extend([], LEASE)) == []

    async def test_an_empty_queue_gives_nothing(self, queue: Queue) -> None:
        assert list(await take(queue)) == []

    async def test_no_more_than_the_limit_is_taken(self, queue: Queue) -> None:
        await queue.publish([message(f"{n}", key=f"{n}") for n in range(5)])
        assert len(await take(queue, limit=3)) == 3
        assert len(await take(queue, limit=3)) == 2

    async def test_who_waits_is_woken_by_a_message(self, place: QueuePlace, queue: Queue) -> None:
        received: list[Delivery] = []

        async def wait() -> None:
            received.extend(await place.queue().receive(10, wait=20, lease=LEASE))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await checkpoint()
            await queue.publish([message("a")])
        assert names(received) == ["a"]

    async def test_adapters_of_one_identity_share_the_messages(self, place: QueuePlace) -> None:
        first, second = place.queue(), place.queue()
        assert first.identity == second.identity
        await first.publish([message("a")])
        deliveries = await take(second)
        assert names(deliveries) == ["a"]
        await first.ack(deliveries)
        assert (await second.depth()).in_flight in {0, None}

    async def test_a_second_message_with_an_id_is_dropped_for_a_while(self, place: QueuePlace, queue: Queue) -> None:
        window = queue.capabilities.deduplication_seconds
        if not window:
            pytest.skip("this queue declares that it drops no duplicates")
        outcomes = await queue.publish([message("a"), message("a")])
        assert {outcome.status for outcome in outcomes} == {"delivered"}
        await queue.publish([message("a")])
        deliveries = await take(queue)
        assert names(deliveries) == ["a"], "dropped while it is queued"
        await queue.ack(deliveries)
        await place.elapse(window / 2)
        await queue.publish([message("a")])
        assert not await take(queue), "dropped while its id is remembered"
        await place.elapse(window)
        await queue.publish([message("a")])
        assert names(await take(queue)) == ["a"], "forgotten in the end"

    async def test_depth_tells_what_it_knows(self, place: QueuePlace, queue: Queue) -> None:
        empty = await queue.depth()
        assert empty.visible in {0, None}
        assert empty.in_flight in {0, None}
        assert empty.dead in {0, None}
        await queue.publish([message(f"{n}", f"{n}") for n in range(3)])
        await place.elapse(10)
        deliveries = await take(queue, limit=1)
        await place.dead_letters().put(message("d"), "a reason")
        depth = await queue.depth()
        assert depth.visible in {2, None}
        assert depth.in_flight in {1, None}
        assert depth.dead in {1, None}
        assert depth.oldest_seconds is None or depth.oldest_seconds >= 10
        await queue.nack(deliveries, delay=5)
        assert (await queue.depth()).visible in {3, None}

    async def test_closing_twice_is_no_error(self, queue: Queue) -> None:
        await queue.publish([message("a")])
        await queue.aclose()
        await queue.aclose()

    async def test_what_was_never_used_can_be_closed(self, place: QueuePlace) -> None:
        await place.queue().aclose()

    async def test_a_closed_adapter_refuses_every_call(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a")])
        deliveries = await take(queue)
        await queue.aclose()
        for call in (
            lambda: queue.publish([message("b")]),
            lambda: queue.receive(1, wait=0, lease=LEASE),
            lambda: queue.ack(deliveries),
            lambda: queue.nack(deliveries),
            lambda: queue.extend(deliveries, LEASE),
            queue.depth,
        ):
            with pytest.raises(ClosedError):
                await call()
        await place.queue().ack(deliveries)

    async def test_closing_ends_a_receive_that_waits(self, queue: Queue) -> None:
        async def wait() -> None:
            with pytest.raises(ClosedError):
                await queue.receive(1, wait=20, lease=LEASE)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await checkpoint()
            await queue.aclose()
