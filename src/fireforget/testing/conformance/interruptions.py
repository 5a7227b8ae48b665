"""What a queue promises of calls that are cancelled: nothing is lost, whenever it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from fireforget.testing.conformance.awaits import at_every_await, cancelled_at
from fireforget.testing.conformance.on_queue import OnQueue, apart, names

if TYPE_CHECKING:
    from fireforget.abc import Delivery, Queue
    from fireforget.testing.place import Place


class InterruptionConformance(OnQueue):
    """Cancels every call at each of its awaits."""

    async def test_cancelling_a_receive_loses_nothing(self, place: Place, queue: Queue) -> None:
        expected = [f"{n:03}" for n in range(self.awaits)]
        await self.publish(queue, apart(*expected))
        seen: list[Delivery] = []

        async def receive() -> None:
            seen.extend(await queue.receive(1, wait=self.tolerance, lease=self.lease))

        for turn in range(1, self.awaits + 1):
            if not await cancelled_at(turn, receive):
                break
        await place.pass_time(self.lease + self.tolerance)
        seen += await self.settle(queue)
        assert sorted(set(names(seen))) == expected

    async def test_cancelling_a_receive_that_waits_loses_nothing(self, place: Place, queue: Queue) -> None:
        for turn in range(1, min(self.awaits, 5) + 1):
            with anyio.move_on_after(self.tolerance + 0.01):
                await cancelled_at(turn, lambda: queue.receive(1, wait=20, lease=self.lease))
        await self.publish(queue, apart("a"))
        await place.pass_time(self.lease + self.tolerance)
        assert names(await self.settle(queue)) == ["a"]

    async def test_publishing_again_after_a_cancelled_publish_loses_nothing(self, queue: Queue) -> None:
        size = min(2, queue.capabilities.max_batch_messages)
        batches = [apart(f"{turn:03}-a", f"{turn:03}-b")[:size] for turn in range(self.awaits)]
        for turn, batch in enumerate(batches, 1):
            reached = await cancelled_at(turn, lambda batch=batch: queue.publish(batch))  # type: ignore[misc]
            await self.publish(queue, batch)
            if not reached:
                break
        arrived = names(await self.settle(queue))
        assert set(arrived) == {each.id for batch in batches[:turn] for each in batch}
        if queue.capabilities.deduplication_seconds:
            assert len(arrived) == len(set(arrived)), "the second of an id is dropped"

    async def test_settling_again_after_a_cancelled_ack_is_for_good(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a"))
        deliveries = await self.take(queue)
        await at_every_await(self.awaits, lambda: queue.ack(deliveries), lambda: queue.ack(deliveries))
        await place.pass_time(self.lease + self.tolerance)
        assert await self.take(queue) == []

    async def test_a_cancelled_nack_loses_nothing(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a"))
        taken: list[Delivery] = []

        async def take_again() -> None:
            await place.pass_time(self.lease + self.tolerance)
            taken[:] = await self.take(queue)
            assert names(taken) == ["a"]

        await take_again()
        await at_every_await(self.awaits, lambda: queue.nack(taken), take_again)

    async def test_a_cancelled_extend_loses_nothing(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a"))
        longer = self.longer(queue)
        taken = await self.take(queue)

        async def take_again() -> None:
            await place.pass_time(longer + self.tolerance)
            taken[:] = await self.take(queue)
            assert names(taken) == ["a"]

        await at_every_await(self.awaits, lambda: queue.extend(taken, longer), take_again)
