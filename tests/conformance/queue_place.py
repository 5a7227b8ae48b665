"""Where the promises of a queue are tested, and what the tests of all of them use."""

from collections.abc import Sequence
from typing import Protocol

import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import DeadLetters, Delivery, Message, Queue

LEASE = 30.0
"""Seconds."""


class QueuePlace(Protocol):
    """One queue, empty at first, and its dead letters."""

    def queue(self) -> Queue:
        """Make another adapter of the queue; the fixture closes it."""

    def dead_letters(self) -> DeadLetters:
        """Make another adapter of its dead letters; the fixture closes it."""

    async def elapse(self, seconds: float) -> None:
        """Let so much time pass for all adapters."""


@pytest.mark.anyio
class OnQueuePlace:
    """A subclass says with the fixture `place` which adapter is tested, with `anyio_backend` on which event loop."""

    @pytest.fixture
    def place(self) -> QueuePlace:
        raise NotImplementedError("say which adapter is to be tested")

    @pytest.fixture
    async def queue(self, place: QueuePlace) -> Queue:
        return place.queue()

    @pytest.fixture
    async def dead(self, place: QueuePlace) -> DeadLetters:
        return place.dead_letters()


def message(name: str, key: str = "key", body: str = "{}", count: int = 1) -> Message:
    return Message(id=name, key=key, body=body, count=count)


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.message.id for delivery in deliveries]


async def take(queue: Queue, limit: int = 10, lease: float = LEASE) -> Sequence[Delivery]:
    return await queue.receive(limit, wait=0, lease=lease)


async def settle_all(queue: Queue, seen: list[Delivery], expected: int) -> None:
    """Receive and settle, as one of several consumers, until all of them together have seen what is expected."""
    while len(seen) < expected:
        deliveries = await take(queue, limit=3)
        seen.extend(deliveries)
        await queue.ack(deliveries)
        await checkpoint()
