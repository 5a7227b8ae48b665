"""What an ordered queue promises of keys."""

from collections import defaultdict

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import Queue
from tests.conformance.queue_place import LEASE, OnQueuePlace, QueuePlace, message, names, take


class OrderConformance(OnQueuePlace):
    async def test_a_key_has_one_consumer_at_a_time(self, queue: Queue) -> None:
        self._need_order(queue)
        await queue.publish([message("a1", "a"), message("a2", "a"), message("b1", "b")])
        first = await take(queue, limit=1)
        assert names(first) == ["a1"]
        assert names(await take(queue)) == ["b1"]
        await queue.ack(first)
        assert names(await take(queue)) == ["a2"]

    async def test_one_call_may_take_several_of_a_key_in_order(self, queue: Queue) -> None:
        self._need_order(queue)
        await queue.publish([message(f"a{n}", "a") for n in range(4)])
        deliveries = await take(queue, limit=3)
        assert names(deliveries) == ["a0", "a1", "a2"][: len(deliveries)]
        await queue.ack(deliveries[:-1])
        assert not await take(queue), "the last of them is under lease still"
        await queue.ack(deliveries[-1:])
        rest = await take(queue)
        assert names(rest)[0] == f"a{len(deliveries)}"

    async def test_what_was_given_back_comes_before_what_is_later(self, place: QueuePlace, queue: Queue) -> None:
        self._need_order(queue)
        await queue.publish([message("a1", "a"), message("a2", "a")])
        await queue.nack(await take(queue, limit=1))
        assert names(await take(queue))[0] == "a1"
        await place.elapse(LEASE)
        await queue.nack(await take(queue, limit=1), delay=5)
        assert not await take(queue), "a later message must not overtake the delayed one"
        await place.elapse(5)
        assert names(await take(queue))[0] == "a1"

    async def test_what_is_delayed_holds_back_what_is_later_only(self, place: QueuePlace, queue: Queue) -> None:
        self._need_order(queue)
        await queue.publish([message("a1", "a"), message("a2", "a"), message("a3", "a")])
        deliveries = await take(queue)
        if len(deliveries) != 3:
            pytest.skip("this queue takes one message of a key at a time")
        await queue.nack(deliveries[1:2], delay=10)
        await queue.nack([deliveries[0], deliveries[2]])
        first = await take(queue)
        assert names(first) == ["a1"]
        await queue.ack(first)
        assert not await take(queue)
        await place.elapse(10)
        assert names(await take(queue)) == ["a2", "a3"]

    async def test_what_expired_comes_before_what_is_later(self, place: QueuePlace, queue: Queue) -> None:
        self._need_order(queue)
        await queue.publish([message("a1", "a"), message("a2", "a"), message("a3", "a")])
        await take(queue, limit=1, lease=5)
        await place.elapse(5)
        assert names(await take(queue))[0] == "a1"

    async def test_a_key_keeps_its_order_under_concurrency(self, place: QueuePlace, queue: Queue) -> None:
        self._need_order(queue)
        keys, each = 6, 15
        batch = [message(f"{key}-{n:02}", f"{key}") for n in range(each) for key in range(keys)]
        for start in range(0, len(batch), 10):
            await queue.publish(batch[start : start + 10])
        settled: dict[str, list[str]] = defaultdict(list)

        async def consume(number: int) -> None:
            mine = place.queue()
            while sum(map(len, settled.values())) < len(batch):
                deliveries = await mine.receive(1 + number % 4, wait=0, lease=LEASE)
                if number % 3 == 0 and len(deliveries) > 1:
                    await mine.nack(deliveries[1:])
                    deliveries = deliveries[:1]
                for delivery in deliveries:
                    settled[delivery.message.key].append(delivery.message.id)
                await mine.ack(deliveries)
                await checkpoint()

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(consume, number)
        assert dict(settled) == {f"{key}": [f"{key}-{n:02}" for n in range(each)] for key in range(keys)}

    @staticmethod
    def _need_order(queue: Queue) -> None:
        if not queue.capabilities.ordered:
            pytest.skip("this queue declares that it keeps no order")
