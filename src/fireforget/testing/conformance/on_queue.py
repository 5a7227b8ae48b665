"""What the tests of a queue and of its dead letters use: adapters of one place, and ways to empty it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import Message
from fireforget.testing.conformance.base import Conformance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fireforget.abc import DeadLetters, Delivery, Outcome, Queue
    from fireforget.testing.place import Place

MANY = 10
"""Messages asked for at once."""

_LOOKS = 3
"""A consumer that finds nothing so often in a row has nothing more to do: what others hold is theirs to settle."""


class OnQueue(Conformance):
    """Needs a place with a queue and its dead letters.

    Attributes:
        consumers: How many consumers take from one queue at the same time.
    """

    consumers: ClassVar[int] = 50

    @pytest.fixture
    async def queue(self, place: Place) -> Queue:
        """An adapter of the queue."""
        queue = place.open_queue()
        shortest, longest = queue.capabilities.min_lease_seconds, queue.capabilities.max_lease_seconds
        if not shortest <= self.lease <= longest:
            raise ValueError(
                f"the tests would ask for leases of {self.lease} s, and the queue declares {shortest} to {longest} s: "
                f"set `lease` on {type(self).__name__}"
            )
        return queue

    @pytest.fixture
    async def dead(self, place: Place) -> DeadLetters:
        """An adapter of its dead letters."""
        return place.open_dead_letters()

    async def take(self, queue: Queue, limit: int = MANY, lease: float | None = None) -> list[Delivery]:
        """Receive once, waiting no longer than the tolerance."""
        return list(await queue.receive(limit, wait=self.tolerance, lease=lease or self.lease))

    async def gather(self, queue: Queue, lease: float | None = None) -> list[Delivery]:
        """Receive until nothing more comes, and settle nothing; of each key what comes in one call."""
        gathered: list[Delivery] = []
        while deliveries := await self.take(queue, lease=lease):
            gathered += deliveries
        return gathered

    async def settle(self, queue: Queue) -> list[Delivery]:
        """Receive and settle until nothing more comes."""
        settled: list[Delivery] = []
        while deliveries := await self.take(queue):
            settled += deliveries
            await queue.ack(deliveries)
        return settled

    async def consume(self, queue: Queue, seen: list[Delivery]) -> None:
        """Receive and settle as one of several consumers, until there is nothing left to do."""
        looks = 0
        while looks < _LOOKS:
            deliveries = await self.take(queue, limit=3)
            looks = 0 if deliveries else looks + 1
            seen += deliveries
            await queue.ack(deliveries)
            await checkpoint()

    async def publish(self, queue: Queue, messages: Sequence[Message]) -> None:
        """Publish in batches within the limits; all of them must be delivered."""
        outcomes = await offer(queue, messages)
        assert [outcome.status for outcome in outcomes] == ["delivered"] * len(messages)

    def longer(self, queue: Queue) -> float:
        """A lease twice as long, as far as the queue gives one."""
        return min(2 * self.lease, queue.capabilities.max_lease_seconds)

    def need_delay(self, queue: Queue) -> float:
        """Seconds for which a message may be given back; skips the test where the queue knows no delay."""
        if not queue.capabilities.delayed_nack:
            pytest.skip("this queue declares that it knows no delay")
        return self.late + self.lease / 3


async def offer(queue: Queue, messages: Sequence[Message]) -> list[Outcome]:
    """Publish, no more at once than the queue declares to take; says what became of each."""
    size = queue.capabilities.max_batch_messages
    return [
        outcome
        for start in range(0, len(messages), size)
        for outcome in await queue.publish(messages[start : start + size])
    ]


def message(name: str, key: str = "key", body: str = "{}", count: int = 1) -> Message:
    """A message with the name as its id."""
    return Message(id=name, key=key, body=body, count=count)


def apart(*names: str) -> list[Message]:
    """Messages that no order binds together: each has a key of its own."""
    return [message(name, key=f"key of {name}") for name in names]


def names(deliveries: Iterable[Delivery]) -> list[str]:
    """The ids of the messages, in order."""
    return [delivery.message.id for delivery in deliveries]
