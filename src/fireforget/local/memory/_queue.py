"""The queue in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.adapters import DELIVERED, check_lease, judge, moment, span
from fireforget.local._limits import CAPABILITIES
from fireforget.local.memory._adapter import MemoryAdapter
from fireforget.local.memory._messages import messages_named

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fireforget.abc import Clock, Delivery, Depth, Message, Outcome


class MemoryQueue(MemoryAdapter):
    """A queue within this process.

    Args:
        name: Queues and dead letters of one name are one.
        clock: Where time comes from.
    """

    capabilities = CAPABILITIES

    def __init__(self, name: str = "", *, clock: Clock | None = None) -> None:
        self._name = name
        self._messages = messages_named(name)
        super().__init__(clock)

    @property
    def identity(self) -> str:
        """The name, as a URL."""
        return f"memory://{self._name}"

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish a batch. See `fireforget.abc.Queue`."""
        await self._begin()
        outcomes = [judge(message, CAPABILITIES) for message in messages]
        accepted = [message for message, outcome in zip(messages, outcomes, strict=True) if outcome is DELIVERED]
        with self._messages.lock:
            self._messages.add(accepted, self._elapsed())
        self._messages.bell.ring()
        return outcomes

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take up to `limit` messages, the oldest first. See `fireforget.abc.Queue`."""
        check_lease(lease, CAPABILITIES)
        with self._messages.bell.listen(self._clock, wait) as listener:
            while await listener.turn():
                await self._begin()
                with self._messages.lock:
                    deliveries = self._messages.take(limit, *self._lease(lease))
                if deliveries:
                    return deliveries
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle for good. See `fireforget.abc.Queue`."""
        await self._begin()
        with self._messages.lock:
            self._messages.settle(deliveries, self._elapsed())
        self._messages.bell.ring()

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back, for `delay` seconds later. See `fireforget.abc.Queue`."""
        await self._begin()
        with self._messages.lock:
            now = self._elapsed()
            self._messages.give_back(deliveries, now, due=now + span(delay))
        self._messages.bell.ring()

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases to `lease` seconds from now. See `fireforget.abc.Queue`."""
        check_lease(lease, CAPABILITIES)
        await self._begin()
        with self._messages.lock:
            return self._messages.extend(deliveries, *self._lease(lease))

    async def depth(self) -> Depth:
        """How full the queue is; exact."""
        await self._begin()
        with self._messages.lock:
            return self._messages.depth(self._elapsed())

    async def aclose(self) -> None:
        """Refuse any further call; a `receive` that waits ends with `ClosedError`. Idempotent."""
        await super().aclose()
        self._messages.bell.ring()

    def _lease(self, seconds: float) -> tuple[int, int, datetime]:
        """Now, the end of a lease of so many seconds, and that end by the time of day."""
        now = self._elapsed()
        return now, now + span(seconds), moment(self._now() + span(seconds))
