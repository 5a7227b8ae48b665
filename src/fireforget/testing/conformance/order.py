"""What an ordered queue promises of keys."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.testing.conformance.on_queue import OnQueue, message, names

if TYPE_CHECKING:
    from fireforget.abc import Queue
    from fireforget.testing.place import Place


class OrderConformance(OnQueue):
    """Takes messages of one key, of several keys, and of several keys at the same time."""

    async def test_a_key_has_one_consumer_at_a_time(self, queue: Queue) -> None:
        self._need_order(queue)
        await self.publish(queue, [message("a1", "a"), message("a2", "a"), message("b1", "b")])
        first = await self.take(queue, limit=1)
        held = first[0].message.key
        assert names(first) == [f"{held}1"]
        others = await self.gather(queue)
        assert {delivery.message.key for delivery in others} == {"a", "b"} - {held}
        await queue.ack([*first, *others])
        left = {"a1", "a2", "b1"} - set(names([*first, *others]))
        assert set(names(await self.gather(queue))) == left

    async def test_one_call_may_take_several_of_a_key_in_order(self, queue: Queue) -> None:
        self._need_order(queue)
        await self.publish(queue, [message(f"a{n}", "a") for n in range(4)])
        deliveries = await self.take(queue, limit=3)
        assert deliveries
        assert names(deliveries) == ["a0", "a1", "a2"][: len(deliveries)]
        await queue.ack(deliveries[:-1])
        assert await self.take(queue) == [], "the last of them is under lease still"
        await queue.ack(deliveries[-1:])
        assert names(await self.take(queue))[:1] == [f"a{len(deliveries)}"]

    async def test_what_was_given_back_comes_before_what_is_later(self, queue: Queue) -> None:
        self._need_order(queue)
        await self.publish(queue, [message("a1", "a"), message("a2", "a")])
        await queue.nack(await self.take(queue, limit=1))
        assert names(await self.take(queue))[:1] == ["a1"]

    async def test_what_is_delayed_is_not_overtaken(self, place: Place, queue: Queue) -> None:
        self._need_order(queue)
        delay = self.need_delay(queue)
        await self.publish(queue, [message("a1", "a"), message("a2", "a")])
        await queue.nack(await self.take(queue, limit=1), delay=delay)
        assert await self.take(queue) == []
        await place.pass_time(delay + self.tolerance)
        assert names(await self.take(queue))[:1] == ["a1"]

    async def test_what_is_delayed_holds_back_what_is_later_only(self, place: Place, queue: Queue) -> None:
        self._need_order(queue)
        delay = self.need_delay(queue)
        await self.publish(queue, [message("a1", "a"), message("a2", "a"), message("a3", "a")])
        deliveries = await self.take(queue)
        if len(deliveries) != 3:
            pytest.skip("this queue takes one message of a key at a time")
        await queue.nack(deliveries[1:2], delay=delay)
        await queue.nack([deliveries[0], deliveries[2]])
        first = await self.take(queue)
        assert names(first) == ["a1"]
        await queue.ack(first)
        assert await self.take(queue) == []
        await place.pass_time(delay + self.tolerance)
        assert names(await self.take(queue)) == ["a2", "a3"]

    async def test_what_expired_comes_before_what_is_later(self, place: Place, queue: Queue) -> None:
        self._need_order(queue)
        await self.publish(queue, [message("a1", "a"), message("a2", "a"), message("a3", "a")])
        await self.take(queue, limit=1)
        await place.pass_time(self.lease + self.tolerance)
        assert names(await self.take(queue))[:1] == ["a1"]

    async def test_a_key_keeps_its_order_under_concurrency(self, place: Place, queue: Queue) -> None:
        self._need_order(queue)
        keys, each = 6, 15
        await self.publish(queue, [message(f"{key}-{n:02}", f"{key}") for n in range(each) for key in range(keys)])
        settled: dict[str, list[str]] = defaultdict(list)

        async def consume(number: int) -> None:
            mine = place.open_queue()
            looks = 0
            while looks < keys:
                deliveries = await self.take(mine, limit=1 + number % 4)
                looks = 0 if deliveries else looks + 1
                if number % 3 == 0 and len(deliveries) > 1:
                    await mine.nack(deliveries[1:])
                    deliveries = deliveries[:1]
                for delivery in deliveries:
                    settled[delivery.message.key].append(delivery.message.id)
                await mine.ack(deliveries)
                await checkpoint()

        async with anyio.create_task_group() as group:
            for number in range(keys):
                group.start_soon(consume, number)
        assert dict(settled) == {f"{key}": [f"{key}-{n:02}" for n in range(each)] for key in range(keys)}

    @staticmethod
    def _need_order(queue: Queue) -> None:
        if not queue.capabilities.ordered:
            pytest.skip("this queue declares that it keeps no order")
