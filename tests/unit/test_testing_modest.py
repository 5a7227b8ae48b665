"""The kit asks for no more than is declared: it passes on a queue that declares as little as it may, and insists."""

import itertools
from collections.abc import Sequence

import msgspec
import pytest

from fireforget.abc import Delivery, Message, Outcome
from fireforget.errors import PermanentError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue
from fireforget.testing import DeadLettersConformance, ManualClock, Place, QueueConformance

_numbers = itertools.count()


class ModestQueue(MemoryQueue):
    """Takes and gives one message at a time, in no order, remembers no id and knows no delay."""

    capabilities = msgspec.structs.replace(
        MemoryQueue.capabilities,
        max_message_bytes=1000,
        max_batch_messages=1,
        max_batch_bytes=1000,
        pack_bytes=500,
        ordered=False,
        deduplication_seconds=0,
        delayed_nack=False,
        max_lease_seconds=30,
        min_lease_seconds=10,
    )

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        if len(messages) > 1:
            raise PermanentError(f"{len(messages)} messages are too many at once")
        size = sum(len(message.body.encode()) for message in messages)
        if size > self.capabilities.max_message_bytes:
            return [Outcome("refused", f"{size} bytes are more than {self.capabilities.max_message_bytes}")]
        # of its own each: the queue beneath would keep an order, and drop an id that it knows
        return await super().publish([_changed(each, f"{next(_numbers)}/") for each in messages])

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        deliveries = await super().receive(min(limit, 1), wait=wait, lease=self._possible(lease))
        return _unchanged(deliveries)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        await super().nack(deliveries, delay=min(delay, 0.0))

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        return _unchanged(await super().extend(deliveries, self._possible(lease)))

    def _possible(self, lease: float) -> float:
        if not 0 < lease <= self.capabilities.max_lease_seconds:
            raise PermanentError(f"{lease} seconds are too long or too short")
        return max(lease, self.capabilities.min_lease_seconds)


def _changed(message: Message, number: str) -> Message:
    return msgspec.structs.replace(message, id=number + message.id, key=number + message.key)


def _unchanged(deliveries: Sequence[Delivery]) -> list[Delivery]:
    return [msgspec.structs.replace(each, message=_original(each.message)) for each in deliveries]


def _original(message: Message) -> Message:
    number, slash, id_ = message.id.partition("/")
    key = message.key.removeprefix(number + slash)
    return msgspec.structs.replace(message, id=id_, key=key) if slash else message  # what was redriven has no number


class OnModestQueue:
    @pytest.fixture
    def place(self) -> Place:
        name, clock = f"modest-{next(_numbers)}", ManualClock()
        return Place(
            queue=lambda: ModestQueue(name, clock=clock),
            dead_letters=lambda: MemoryDeadLetters(name, clock=clock),
            clock=clock,
        )


class TestModestQueue(OnModestQueue, QueueConformance): ...


class TestDeadLettersOfAModestQueue(OnModestQueue, DeadLettersConformance): ...
