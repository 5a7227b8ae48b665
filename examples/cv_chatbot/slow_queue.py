"""A queue at a distance: any queue of fireforget's, with the time that a cloud's takes to answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Capabilities, Delivery, Depth, Message, Outcome, Queue

LATENCY = 0.1
"""Seconds from a publish to its acknowledgement."""


class SlowQueue:
    """Passes everything on to another queue, and every `publish` takes `latency` seconds longer."""

    def __init__(self, queue: Queue, latency: float = LATENCY) -> None:
        self._queue = queue
        self._latency = latency

    @property
    def capabilities(self) -> Capabilities:
        """What the queue behind can do."""
        return self._queue.capabilities

    @property
    def identity(self) -> str:
        """Which queue is behind."""
        return self._queue.identity

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Wait, then publish."""
        await asyncio.sleep(self._latency)
        return await self._queue.publish(messages)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        """Take messages under a lease."""
        return await self._queue.receive(limit, wait=wait, lease=lease)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle for good."""
        await self._queue.ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give back."""
        await self._queue.nack(deliveries, delay=delay)

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        """Renew leases."""
        return await self._queue.extend(deliveries, lease)

    async def depth(self) -> Depth:
        """Tell how full the queue behind is."""
        return await self._queue.depth()

    async def aclose(self) -> None:
        """Close the queue behind."""
        await self._queue.aclose()
