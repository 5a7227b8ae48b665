"""What a queue promises of leases: nothing is lost, and nothing settled comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from fireforget.errors import PermanentError
from fireforget.testing.conformance.on_queue import OnQueue, apart, message, names

if TYPE_CHECKING:
    from fireforget.abc import Delivery, Queue
    from fireforget.testing.place import Place


class LeaseConformance(OnQueue):
    """Takes, settles, gives back and extends."""

    async def test_a_message_comes_again_when_its_lease_has_ended(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, [message("a")])
        first = await self.take(queue)
        await place.pass_time(self.lease - self.early)
        assert await self.take(queue) == []
        await place.pass_time(self.late)
        second = await self.take(queue)
        assert [delivery.attempt for delivery in (*first, *second)] == [1, 2]
        assert second[0].message == first[0].message
        assert second[0].expires_at > first[0].expires_at

    async def test_a_delivery_says_when_its_lease_ends(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, [message("a")])
        before = place.now()
        (delivery,) = await self.take(queue)
        assert delivery.expires_at.utcoffset() is not None
        assert self.lease <= (delivery.expires_at - before).total_seconds() + self.tolerance
        assert (delivery.expires_at - place.now()).total_seconds() <= self.lease + self.tolerance

    async def test_what_is_settled_never_comes_again(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a", "b"))
        deliveries = await self.gather(queue)
        await queue.ack(deliveries)
        await queue.ack(deliveries)
        await place.pass_time(2 * self.lease)
        assert await self.take(queue) == []

    async def test_a_late_ack_does_no_harm(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a", "b"))
        late = await self.gather(queue)
        await place.pass_time(self.lease + self.tolerance)
        current = await self.gather(queue)
        await queue.ack(late)
        await queue.ack(await queue.extend(current, self.lease))
        await place.pass_time(2 * self.lease)
        assert await self.take(queue) == [], "whoever settled it, it is settled"

    async def test_what_is_given_back_comes_again_at_once(self, queue: Queue) -> None:
        delay = 0.0 if queue.capabilities.delayed_nack else self.lease  # which it then does not know
        await self.publish(queue, [message("a")])
        await queue.nack(await self.take(queue), delay=delay)
        (again,) = await self.take(queue)
        assert (again.message.id, again.attempt) == ("a", 2)

    async def test_what_is_given_back_with_a_delay_comes_after_it(self, place: Place, queue: Queue) -> None:
        delay = self.need_delay(queue)
        await self.publish(queue, [message("a")])
        await queue.nack(await self.take(queue), delay=delay)
        await place.pass_time(delay - self.early)
        assert await self.take(queue) == []
        await place.pass_time(self.late)
        (again,) = await self.take(queue)
        assert again.attempt == 2

    async def test_what_was_given_back_is_out_of_hand(self, place: Place, queue: Queue) -> None:
        delay = self.need_delay(queue)
        await self.publish(queue, [message("a")])
        deliveries = await self.take(queue)
        await queue.nack(deliveries, delay=delay)
        assert names(await queue.extend(deliveries, self.lease)) == []
        await queue.nack(deliveries)
        assert await self.take(queue) == []
        await place.pass_time(delay + self.tolerance)
        assert names(await self.take(queue)) == ["a"]

    async def test_a_late_nack_does_nothing(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, [message("a")])
        late = await self.take(queue)
        await place.pass_time(self.lease + self.tolerance)
        current = await self.take(queue)
        await queue.nack(late)
        assert await self.take(queue) == []
        await queue.ack(current)
        await queue.nack(current)
        assert await self.take(queue) == []

    async def test_an_extended_lease_lasts_longer(self, place: Place, queue: Queue) -> None:
        longer = self.longer(queue)
        await self.publish(queue, [message("a")])
        first = await self.take(queue)
        await place.pass_time(self.lease - self.early)
        (renewed,) = await queue.extend(first, longer)
        assert renewed.expires_at > first[0].expires_at
        assert (renewed.message, renewed.attempt) == (first[0].message, 1)
        await place.pass_time(longer - self.early)
        assert await self.take(queue) == []
        await queue.ack([renewed])
        await place.pass_time(longer)
        assert await self.take(queue) == []

    async def test_an_extended_lease_ends_too(self, place: Place, queue: Queue) -> None:
        longer = self.longer(queue)
        await self.publish(queue, [message("a")])
        await queue.extend(await self.take(queue), longer)
        await place.pass_time(longer + self.tolerance)
        assert [delivery.attempt for delivery in await self.take(queue)] == [2]

    async def test_a_lost_lease_is_not_extended(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, apart("a", "b", "c"))
        lost, settled, held = await self.gather(queue)
        await queue.ack([settled])
        await place.pass_time(self.lease - self.early)
        (held,) = await queue.extend([held], self.longer(queue))
        await place.pass_time(self.late)
        assert names(await queue.extend([lost, settled, held], self.lease)) == [held.message.id]
        assert names(await self.take(queue)) == [lost.message.id]
        assert names(await queue.extend([lost], self.lease)) == []

    @pytest.mark.parametrize("lease", [0.0, -1.0, None], ids=["zero", "negative", "too long"])
    async def test_a_lease_that_nobody_can_hold_is_refused(self, queue: Queue, lease: float | None) -> None:
        impossible = queue.capabilities.max_lease_seconds + 1 if lease is None else lease
        await self.publish(queue, [message("a")])
        with pytest.raises(PermanentError):
            await queue.receive(1, wait=0, lease=impossible)
        deliveries = await self.take(queue, lease=queue.capabilities.max_lease_seconds)
        assert names(deliveries) == ["a"]
        with pytest.raises(PermanentError):
            await queue.extend(deliveries, impossible)

    async def test_a_lease_below_the_shortest_becomes_the_shortest(self, place: Place, queue: Queue) -> None:
        shortest = queue.capabilities.min_lease_seconds
        if not shortest:
            pytest.skip("this queue declares no shortest lease")
        await self.publish(queue, [message("a")])
        before = place.now()
        (delivery,) = await self.take(queue, lease=shortest / 2)
        assert (delivery.expires_at - before).total_seconds() + self.tolerance >= shortest
        await place.pass_time(max(0, shortest - self.early))
        before = place.now()
        (delivery,) = await queue.extend([delivery], shortest / 2)
        assert (delivery.expires_at - before).total_seconds() + self.tolerance >= shortest
        await place.pass_time(max(0, shortest - self.early))
        assert await self.take(queue) == []

    async def test_many_consumers_lose_and_duplicate_nothing(self, place: Place, queue: Queue) -> None:
        batch = [message(f"{n:03}", f"{n % 40}") for n in range(8 * self.consumers)]
        await self.publish(queue, batch)
        seen: list[Delivery] = []
        async with anyio.create_task_group() as group:
            for _ in range(self.consumers):
                group.start_soon(self.consume, place.open_queue(), seen)
        assert sorted(names(seen)) == [each.id for each in batch]
        assert {delivery.attempt for delivery in seen} == {1}
