"""A queue that counts what is settled through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Capabilities, Delivery, Depth, Message, Outcome, Queue


class CountingQueue:
    """The queue that it is given, and counts.

    Args:
        queue: The queue.

    Attributes:
        messages: Messages settled for good.
        events: Events in them.
        returned: Messages given back, each time.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.messages = self.events = self.returned = 0

    @property
    def capabilities(self) -> Capabilities:
        """See `fireforget.abc.Queue`."""
        return self._queue.capabilities

    @property
    def identity(self) -> str:
        """See `fireforget.abc.Queue`."""
        return self._queue.identity

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """See `fireforget.abc.Queue`."""
        return await self._queue.publish(messages)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """See `fireforget.abc.Queue`."""
        return await self._queue.receive(limit, wait=wait, lease=lease)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `fireforget.abc.Queue`."""
        await self._queue.ack(deliveries)
        self.messages += len(deliveries)
        self.events += sum(delivery.message.count for delivery in deliveries)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """See `fireforget.abc.Queue`."""
        await self._queue.nack(deliveries, delay=delay)
        self.returned += len(deliveries)

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """See `fireforget.abc.Queue`."""
        return await self._queue.extend(deliveries, lease)

    async def depth(self) -> Depth:
        """See `fireforget.abc.Queue`."""
        return await self._queue.depth()

    async def aclose(self) -> None:
        """See `fireforget.abc.Queue`."""
        await self._queue.aclose()
