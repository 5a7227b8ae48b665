"""What every queue promises, as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.errors import AdapterError, ClosedError
from fireforget.testing.conformance.interruptions import InterruptionConformance
from fireforget.testing.conformance.leases import LeaseConformance
from fireforget.testing.conformance.on_queue import MANY, apart, message, names
from fireforget.testing.conformance.order import OrderConformance
from fireforget.testing.conformance.queue_scenario import QueueScenario
from fireforget.testing.conformance.scenarios import run_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget.abc import DeadLetters, Delivery, Queue
    from fireforget.testing.place import Place

_LONG = 20
"""Seconds of a `receive` that is to be ended by something else."""

_STEP = 0.1
"""Seconds by which time passes while it waits."""


class QueueConformance(LeaseConformance, OrderConformance, InterruptionConformance):
    """All that `fireforget.abc.Queue` promises. Needs a place with `queue` and `dead_letters`."""

    port: ClassVar[str] = "queue"

    @pytest.mark.parametrize(
        "body",
        ["0", '{"a": "b"}', '"žluťoučký 漢字 🐎"', '"\\ufffe \\uffff \\u0000"', '"\\\\ \' -- ; %"', " {}\n\t"],
        ids=["smallest", "ascii", "non-ascii", "noncharacters", "punctuation", "blanks"],
    )
    async def test_what_was_published_arrives_exactly(self, queue: Queue, body: str) -> None:
        sent = message("id-1", key="Schlüssel/1", body=body, count=7)
        (outcome,) = await queue.publish([sent])
        assert outcome.status == "delivered"
        (delivery,) = await self.take(queue)
        assert delivery.message == sent
        assert delivery.attempt == 1

    async def test_a_message_at_the_limit_arrives(self, queue: Queue) -> None:
        size = queue.capabilities.max_message_bytes
        sent = message("big", body="é" * (size // 2) + "x" * (size % 2))
        (outcome,) = await queue.publish([sent])
        assert outcome.status == "delivered"
        (delivery,) = await self.take(queue)
        assert delivery.message == sent

    async def test_a_message_over_the_limit_is_refused_alone(self, queue: Queue) -> None:
        size = queue.capabilities.max_message_bytes
        too_big = message("b", key="other", body="é" * (size // 2) + "x" * (size % 2 + 1))
        small = [message("a"), message("c")]
        outcomes = await queue.publish([small[0], too_big, small[1]])
        assert [outcome.status for outcome in outcomes] == ["delivered", "refused", "delivered"]
        assert str(size) in outcomes[1].reason, "the reason names the limit"
        assert sorted(names(await self.settle(queue))) == ["a", "c"]

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
        arrived = names(await self.settle(queue))
        assert (arrived if limits.ordered else sorted(arrived)) == [each.id for each in batch]

    async def test_an_empty_batch_is_no_error(self, queue: Queue) -> None:
        assert list(await queue.publish([])) == []
        await queue.ack([])
        await queue.nack([])
        assert list(await queue.extend([], self.lease)) == []

    async def test_an_empty_queue_gives_nothing(self, queue: Queue) -> None:
        assert await self.take(queue) == []

    async def test_no_more_than_the_limit_is_taken(self, queue: Queue) -> None:
        await self.publish(queue, apart("0", "1", "2", "3", "4"))
        counts = []
        while deliveries := await self.take(queue, limit=3):
            counts.append(len(deliveries))
        assert sum(counts) == 5
        assert max(counts) <= 3

    async def test_who_waits_gets_a_message_that_comes(self, place: Place, queue: Queue) -> None:
        received: list[Delivery] = []

        async def wait() -> None:
            received.extend(await place.open_queue().receive(MANY, wait=_LONG, lease=self.lease))

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await checkpoint()
            await self.publish(queue, [message("a")])
            await self._until(place, lambda: received)
            group.cancel_scope.cancel()
        assert names(received) == ["a"]

    async def test_adapters_of_one_identity_share_the_messages(self, place: Place) -> None:
        first, second = place.open_queue(), place.open_queue()
        assert first.identity == second.identity
        await self.publish(first, [message("a")])
        deliveries = await self.take(second)
        assert names(deliveries) == ["a"]
        assert await self.take(first) == []
        await first.ack(deliveries)
        assert await self.settle(second) == []

    async def test_a_second_message_with_an_id_is_dropped_for_a_while(self, place: Place, queue: Queue) -> None:
        window = self._need_deduplication(queue)
        outcomes = await queue.publish([message("a"), message("a")])
        assert {outcome.status for outcome in outcomes} == {"delivered"}
        await self.publish(queue, [message("a")])
        deliveries = await self.gather(queue)
        assert names(deliveries) == ["a"], "dropped while it is queued"
        await queue.ack(deliveries)
        await self.publish(queue, [message("a")])
        assert await self.take(queue) == [], "dropped when it is settled"
        await place.pass_time(window / 2)
        await self.publish(queue, [message("a")])
        assert await self.take(queue) == [], "dropped while its id is remembered"

    async def test_an_id_is_forgotten_in_the_end(self, place: Place, queue: Queue) -> None:
        window = self._need_deduplication(queue)
        await self.publish(queue, [message("a")])
        assert names(await self.settle(queue)) == ["a"]
        await place.pass_time(window + self.tolerance)
        await self.publish(queue, [message("a")])
        assert names(await self.take(queue)) == ["a"]

    async def test_depth_tells_what_it_knows(self, place: Place, queue: Queue) -> None:
        empty = await queue.depth()
        assert empty.visible in {0, None}
        assert empty.in_flight in {0, None}
        assert empty.dead in {0, None}
        await self.publish(queue, apart("0", "1", "2"))
        await place.pass_time(self.early)
        deliveries = await self.take(queue, limit=1)
        await place.open_dead_letters().put(message("d"), "a reason")
        depth = await queue.depth()
        if not self.tolerance:  # what a service counts at its leisure is approximate
            assert depth.visible in {2, None}
            assert depth.in_flight in {1, None}
            assert depth.dead in {1, None}
        assert depth.oldest_seconds is None or depth.oldest_seconds >= self.early - self.tolerance
        await queue.nack(deliveries)
        if not self.tolerance:
            assert (await queue.depth()).visible in {3, None}

    async def test_random_scenarios_go_as_in_memory(self, place: Place, queue: Queue, dead: DeadLetters) -> None:
        await run_scenarios(
            lambda: QueueScenario(place, queue, dead, lease=self.lease, tolerance=self.tolerance), self.examples
        )

    async def test_closing_twice_is_no_error(self, queue: Queue) -> None:
        await self.publish(queue, [message("a")])
        await queue.aclose()
        await queue.aclose()

    async def test_what_was_never_used_can_be_closed(self, place: Place) -> None:
        await place.open_queue().aclose()

    async def test_what_is_constant_needs_no_connection(self, place: Place, queue: Queue) -> None:
        other = place.open_queue()
        assert (other.capabilities, other.identity) == (queue.capabilities, queue.identity)
        await queue.aclose()
        assert (other.capabilities, other.identity) == (queue.capabilities, queue.identity)

    async def test_a_closed_adapter_refuses_every_call(self, place: Place, queue: Queue) -> None:
        await self.publish(queue, [message("a")])
        deliveries = await self.take(queue)
        await queue.aclose()
        for call in (
            lambda: queue.publish([message("b")]),
            lambda: queue.receive(1, wait=0, lease=self.lease),
            lambda: queue.ack(deliveries),
            lambda: queue.nack(deliveries),
            lambda: queue.extend(deliveries, self.lease),
            queue.depth,
        ):
            with pytest.raises(ClosedError):
                await call()
        await place.open_queue().ack(deliveries)

    async def test_closing_ends_a_receive_that_waits(self, place: Place, queue: Queue) -> None:
        ended: list[bool] = []

        async def wait() -> None:
            with pytest.raises(ClosedError):
                await queue.receive(1, wait=_LONG, lease=self.lease)
            ended.append(True)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await checkpoint()
            await queue.aclose()
            await self._until(place, lambda: ended)
            group.cancel_scope.cancel()
        assert ended

    async def test_an_error_of_the_service_comes_as_an_adapter_error(self, place: Place, queue: Queue) -> None:
        if place.unreachable is None:
            pytest.skip("nothing can fail here")
        await self.publish(queue, [message("a")])
        deliveries = await self.take(queue)
        lost = place.unreachable.open_queue()

        for call in (
            lambda: lost.publish([message("b")]),
            lambda: lost.receive(1, wait=0, lease=self.lease),
            lambda: lost.ack(deliveries),
            lambda: lost.nack(deliveries),
            lambda: lost.extend(deliveries, self.lease),
            lost.depth,
        ):
            with pytest.raises(AdapterError) as caught:
                await call()
            assert caught.value.__cause__ is not None, "the service's own error is the cause"
            assert not isinstance(caught.value, ClosedError)

    async def _until(self, place: Place, condition: Callable[[], object]) -> None:
        """Let time pass in small steps until the condition holds, though less than a long `receive` waits."""
        passed = 0.0
        with anyio.move_on_after(self.patience):
            while not condition():
                await anyio.sleep(_STEP / 100)
                if passed + _STEP < _LONG:
                    await place.pass_time(_STEP)
                    passed += _STEP

    @staticmethod
    def _need_deduplication(queue: Queue) -> float:
        window = queue.capabilities.deduplication_seconds
        if not window:
            pytest.skip("this queue declares that it drops no duplicates")
        return window
