"""What a queue promises of leases: nothing is lost, and nothing settled comes again."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import Delivery, Queue
from fireforget.errors import PermanentError
from tests.conformance.queue_place import LEASE, OnQueuePlace, QueuePlace, message, names, settle_all, take


class LeaseConformance(OnQueuePlace):
    async def test_a_message_comes_again_when_its_lease_has_ended(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a")])
        first = await take(queue)
        await place.elapse(LEASE - 1)
        assert not await take(queue)
        await place.elapse(1)
        second = await take(queue)
        assert [delivery.attempt for delivery in (*first, *second)] == [1, 2]
        assert second[0].message == first[0].message
        assert second[0].expires_at > first[0].expires_at

    async def test_what_is_settled_never_comes_again(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a"), message("b")])
        deliveries = await take(queue)
        await queue.ack(deliveries)
        await queue.ack(deliveries)
        await place.elapse(2 * LEASE)
        assert not await take(queue)

    async def test_a_late_ack_does_no_harm(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a"), message("b", key="other")])
        late = await take(queue)
        await place.elapse(LEASE)
        current = await take(queue)
        await queue.ack(late)
        assert names(await queue.extend(current, LEASE)) == names(current)
        await queue.ack(current)
        await place.elapse(2 * LEASE)
        assert not await take(queue)

    async def test_what_is_given_back_comes_again_at_once(self, queue: Queue) -> None:
        await queue.publish([message("a")])
        await queue.nack(await take(queue))
        (again,) = await take(queue)
        assert (again.message.id, again.attempt) == ("a", 2)

    async def test_what_is_given_back_with_a_delay_comes_after_it(self, place: QueuePlace, queue: Queue) -> None:
        if not queue.capabilities.delayed_nack:
            pytest.skip("this queue declares that it knows no delay")
        await queue.publish([message("a")])
        await queue.nack(await take(queue), delay=10)
        await place.elapse(9)
        assert not await take(queue)
        await place.elapse(1)
        (again,) = await take(queue)
        assert again.attempt == 2

    async def test_what_was_given_back_is_out_of_hand(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a")])
        deliveries = await take(queue)
        await queue.nack(deliveries, delay=10)
        assert names(await queue.extend(deliveries, LEASE)) == []
        await queue.nack(deliveries)
        assert not await take(queue)
        await place.elapse(10)
        assert names(await take(queue)) == ["a"]

    async def test_a_late_nack_does_nothing(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a")])
        late = await take(queue)
        await place.elapse(LEASE)
        current = await take(queue)
        await queue.nack(late)
        assert not await take(queue)
        await queue.ack(current)
        await queue.nack(current)
        assert not await take(queue)

    async def test_an_extended_lease_lasts_longer(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a")])
        first = await take(queue)
        await place.elapse(LEASE - 1)
        (renewed,) = await queue.extend(first, 2 * LEASE)
        assert renewed.expires_at > first[0].expires_at
        assert renewed.attempt == 1
        await place.elapse(2 * LEASE - 1)
        assert not await take(queue)
        await queue.ack([renewed])
        await place.elapse(LEASE)
        assert not await take(queue)

    async def test_a_lost_lease_is_not_extended(self, place: QueuePlace, queue: Queue) -> None:
        await queue.publish([message("a"), message("b", key="other"), message("c", key="third")])
        lost, settled, held = await take(queue)
        await queue.ack([settled])
        await queue.extend([held], 3 * LEASE)
        await place.elapse(LEASE)
        assert names(await queue.extend([lost, settled, held], LEASE)) == [held.message.id]
        await take(queue)
        assert names(await queue.extend([lost], LEASE)) == []

    @pytest.mark.parametrize("lease", [0.0, -1.0, None], ids=["zero", "negative", "too long"])
    async def test_a_lease_that_nobody_can_hold_is_refused(self, queue: Queue, lease: float | None) -> None:
        impossible = queue.capabilities.max_lease_seconds + 1 if lease is None else lease
        await queue.publish([message("a")])
        with pytest.raises(PermanentError, match="lease"):
            await queue.receive(1, wait=0, lease=impossible)
        deliveries = await queue.receive(1, wait=0, lease=queue.capabilities.max_lease_seconds)
        with pytest.raises(PermanentError, match="lease"):
            await queue.extend(deliveries, impossible)

    async def test_fifty_consumers_lose_and_duplicate_nothing(self, place: QueuePlace, queue: Queue) -> None:
        batch = [message(f"{n:03}", f"{n % 40}") for n in range(400)]
        for start in range(0, len(batch), 10):
            await queue.publish(batch[start : start + 10])
        seen: list[Delivery] = []
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(settle_all, place.queue(), seen, len(batch))
        assert sorted(names(seen)) == [each.id for each in batch]
        assert {delivery.attempt for delivery in seen} == {1}

    async def test_cancelling_a_receive_loses_nothing(self, place: QueuePlace, queue: Queue) -> None:
        batch = [message(f"{n:02}", f"{n}") for n in range(30)]
        await queue.publish(batch)
        seen: list[Delivery] = []
        for pause in range(60):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(self._cancel_after, scope, pause % 6)
                    seen.extend(await queue.receive(1, wait=20, lease=LEASE))
                    group.cancel_scope.cancel()
            if len(seen) == len(batch):
                break
        await place.elapse(LEASE)
        while deliveries := await take(queue):
            seen.extend(deliveries)
        assert {delivery.message.id for delivery in seen} == {each.id for each in batch}

    @staticmethod
    async def _cancel_after(scope: anyio.CancelScope, turns: int) -> None:
        for _ in range(turns):
            await checkpoint()
        scope.cancel()
