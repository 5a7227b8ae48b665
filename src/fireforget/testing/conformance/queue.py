"""What every queue promises, as tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fireforget.errors import ClosedError
from fireforget.testing.conformance.awaits import at_every_await
from fireforget.testing.conformance.closing import ClosingConformance
from fireforget.testing.conformance.interruptions import InterruptionConformance
from fireforget.testing.conformance.leases import LeaseConformance
from fireforget.testing.conformance.on_queue import MANY, apart, message, names, offer
from fireforget.testing.conformance.order import OrderConformance
from fireforget.testing.conformance.queue_scenario import QueueScenario
from fireforget.testing.conformance.scenarios import run_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget.abc import DeadLetters, Delivery, Queue
    from fireforget.testing.conformance.closing import Calls
    from fireforget.testing.place import Place

_TOGETHER = 10
"""Calls at the same time of one adapter."""

_LONG = 20
"""Seconds of a `receive` that is to be ended by something else."""

_WHILE = 1.0
"""Seconds after which a `receive` surely waits, and one that it may take."""

_STEP = 0.1
"""Seconds by which time passes meanwhile."""


class QueueConformance(LeaseConformance, OrderConformance, InterruptionConformance, ClosingConformance):
    """All that `fireforget.abc.Queue` promises. Needs a place with `queue` and `dead_letters`."""

    port: ClassVar[str] = "queue"

    async def calls(self, place: Place) -> Calls:
        """The calls of a queue, on a message that is under lease."""
        queue = place.open_queue()
        await self.publish(queue, [message("under lease")])
        deliveries = await self.take(queue)
        assert names(deliveries) == ["under lease"]
        return {
            "publish": lambda it: it.publish([message("another")]),
            "receive": lambda it: it.receive(1, wait=0, lease=self.lease),
            "ack": lambda it: it.ack(deliveries),
            "nack": lambda it: it.nack(deliveries),
            "extend": lambda it: it.extend(deliveries, self.lease),
            "depth": lambda it: it.depth(),
        }

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
        outcomes = await offer(queue, [small[0], too_big, small[1]])
        assert [outcome.status for outcome in outcomes] == ["delivered", "refused", "delivered"]
        assert str(size) in outcomes[1].reason, "the reason names the limit"
        assert sorted(names(await self.settle(queue))) == ["a", "c"]

    async def test_an_empty_body_is_refused_alone(self, queue: Queue) -> None:
        outcomes = await offer(queue, [message("a"), message("b", key="other", body=""), message("c")])
        assert [outcome.status for outcome in outcomes] == ["delivered", "refused", "delivered"]
        assert outcomes[1].reason
        assert sorted(names(await self.settle(queue))) == ["a", "c"]

    async def test_what_is_declared_goes_together(self, queue: Queue) -> None:
        limits = queue.capabilities
        assert 0 < limits.pack_bytes <= limits.max_message_bytes <= limits.max_batch_bytes
        assert limits.max_batch_messages >= 1
        assert limits.deduplication_seconds >= 0
        assert 0 <= limits.min_lease_seconds <= limits.max_lease_seconds

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
            await self._pass_a_while(place)
            await self.publish(queue, [message("a")])
            await self._until(place, lambda: received)
            group.cancel_scope.cancel()
        assert names(received) == ["a"]

    async def test_who_waits_in_vain_gets_nothing(self, place: Place, queue: Queue) -> None:
        ended: list[bool] = []

        async def wait() -> None:
            assert list(await queue.receive(MANY, wait=_WHILE, lease=self.lease)) == []
            ended.append(True)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await self._until(place, lambda: ended)
            group.cancel_scope.cancel()
        assert ended, f"a receive that may wait {_WHILE} s has not ended"

    async def test_calls_may_be_made_at_the_same_time(self, queue: Queue) -> None:
        sent = [message(f"{n:02}", f"{n}") for n in range(_TOGETHER)]
        async with anyio.create_task_group() as group:
            for each in sent:
                group.start_soon(self.publish, queue, [each])
        seen: list[Delivery] = []
        async with anyio.create_task_group() as group:
            for _ in sent:
                group.start_soon(self.consume, queue, seen)
                group.start_soon(queue.depth)
        assert sorted(names(seen)) == [each.id for each in sent]

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
        outcomes = await offer(queue, [message("a"), message("a")])
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
        window = queue.capabilities.deduplication_seconds
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
        before = place.now()
        await self.publish(queue, apart("0", "1", "2"))
        await place.pass_time(self.early)
        deliveries = await self.take(queue, limit=1)
        await place.open_dead_letters().put(message("d"), "a reason")
        depth = await queue.depth()
        if not self.tolerance:  # what a service counts at its leisure is approximate
            assert depth.visible in {2, None}
            assert depth.in_flight in {1, None}
            assert depth.dead in {1, None}
        if depth.oldest_seconds is not None:
            oldest = (place.now() - before).total_seconds()
            assert self.early - self.tolerance <= depth.oldest_seconds <= oldest + self.tolerance
        await at_every_await(self.awaits, queue.depth, queue.depth)
        await queue.nack(deliveries)
        if not self.tolerance:
            assert (await queue.depth()).visible in {3, None}

    async def test_random_scenarios_go_as_in_memory(self, place: Place, queue: Queue, dead: DeadLetters) -> None:
        await run_scenarios(
            lambda: QueueScenario(place, queue, dead, lease=self.lease, tolerance=self.tolerance), self.examples
        )

    async def test_what_is_constant_needs_no_connection(self, place: Place, queue: Queue) -> None:
        other = place.open_queue()
        assert (other.capabilities, other.identity) == (queue.capabilities, queue.identity)
        await queue.aclose()
        assert (other.capabilities, other.identity) == (queue.capabilities, queue.identity)

    async def test_closing_ends_a_receive_that_waits(self, place: Place, queue: Queue) -> None:
        ended: list[bool] = []

        async def wait() -> None:
            with pytest.raises(ClosedError):
                await queue.receive(1, wait=_LONG, lease=self.lease)
            ended.append(True)

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await self._pass_a_while(place)
            await queue.aclose()
            await self._until(place, lambda: ended)
            group.cancel_scope.cancel()
        assert ended

    async def _pass_a_while(self, place: Place) -> None:
        """Let so much time pass, in small steps, that a `receive` which was begun surely waits."""
        for _ in range(round(_WHILE / _STEP)):
            await anyio.sleep(_STEP / 100)
            await place.pass_time(_STEP)

    async def _until(self, place: Place, condition: Callable[[], object]) -> None:
        """Let time pass in small steps until the condition holds, though less than a long `receive` waits."""
        passed = _WHILE
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
