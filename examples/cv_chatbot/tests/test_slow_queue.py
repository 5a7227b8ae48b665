from __future__ import annotations

import time
from contextlib import aclosing

import pytest

from examples.cv_chatbot.slow_queue import SlowQueue
from fireforget.abc import Message, Queue
from fireforget.local import backend

pytestmark = pytest.mark.asyncio


async def test_only_publishing_takes_longer() -> None:
    async with aclosing(backend.queue("memory://slow")) as behind:
        slow = SlowQueue(behind, latency=0.2)
        assert isinstance(slow, Queue)
        assert slow.capabilities == behind.capabilities
        assert slow.identity == behind.identity
        start = time.perf_counter()
        (outcome,) = await slow.publish([Message(id="1", key="k", body="[]")])
        assert outcome.status == "delivered"
        assert time.perf_counter() - start >= 0.2
        start = time.perf_counter()
        deliveries = await slow.receive(1, wait=1, lease=30)
        assert deliveries[0].message.body == "[]"
        assert (await slow.depth()).in_flight == 1
        await slow.nack(await slow.extend(deliveries, 30))
        await slow.ack(await slow.receive(1, wait=1, lease=30))
        assert (await slow.depth()).visible == 0
        assert time.perf_counter() - start < 0.2
        await slow.aclose()
