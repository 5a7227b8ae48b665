"""Queues that stand in for a real one, so that only the way to the queue is measured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from fireforget.abc import Capabilities, Delivery, Depth, Message, Outcome
from fireforget.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DELIVERED: Final = Outcome("delivered")


class NullQueue:
    """Accepts everything at once and forgets it, within the limits of Amazon SQS.

    Attributes:
        down: While it is, each publish fails as that of an unreachable queue does.
        calls: Calls of `publish`, failed ones included.
        events: Events accepted.
        bytes: Bytes of the bodies accepted.
    """

    capabilities = Capabilities(
        max_message_bytes=256 * 1024,
        max_batch_messages=10,
        max_batch_bytes=256 * 1024,
        pack_bytes=64 * 1024,
        ordered=True,
        deduplication_seconds=300.0,
        delayed_nack=True,
        max_lease_seconds=12 * 3600.0,
    )
    identity = "null:"

    def __init__(self, *, down: bool = False) -> None:
        self.down = down
        self.calls = self.events = self.bytes = 0

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Accept a batch, or fail while the queue is down."""
        self.calls += 1
        if self.down:
            raise TransientError("the queue is down")
        self.events += sum(message.count for message in messages)
        self.bytes += sum(len(message.body.encode()) for message in messages)
        return [_DELIVERED] * len(messages)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:  # noqa: ARG002
        """Wait in vain."""
        await asyncio.sleep(wait)
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing was delivered."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Nothing was delivered."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:  # noqa: ARG002
        """Nothing was delivered."""
        return deliveries

    async def depth(self) -> Depth:
        """Always empty."""
        return Depth(0, 0, 0)

    async def aclose(self) -> None:
        """Nothing to free."""
