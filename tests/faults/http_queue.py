"""A queue that is an HTTP service, as far as a publisher needs one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import anyio
import httpx

from fireforget.abc import Capabilities, Delivery, Depth, Message, Outcome
from fireforget.errors import TransientError


class HttpQueue:
    """Posts to a URL, a request for each batch of messages, as the queues of the clouds take them.

    Args:
        url: Where to.
    """

    capabilities: Final = Capabilities(
        max_message_bytes=256 * 1024,
        max_batch_messages=10,
        max_batch_bytes=256 * 1024,
        pack_bytes=64 * 1024,
        ordered=True,
        deduplication_seconds=0.0,
        delayed_nack=False,
        max_lease_seconds=3600.0,
    )

    def __init__(self, url: str) -> None:
        self.identity = url
        self._client = httpx.AsyncClient(base_url=url)

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            body = "\n".join(message.body for message in messages)
            (await self._client.post("/", content=body)).raise_for_status()
        except httpx.HTTPError as error:
            raise TransientError(str(error)) from error
        return [Outcome("delivered")] * len(messages)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        await anyio.sleep(wait)
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Nothing is received."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Nothing is received."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        return deliveries

    async def depth(self) -> Depth:
        return Depth()

    async def aclose(self) -> None:
        await self._client.aclose()
