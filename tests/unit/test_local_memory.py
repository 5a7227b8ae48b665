"""What only the memory adapters promise: names, and threads that share one."""

import asyncio
import gc

import anyio
import pytest

from fireforget.abc import Message, Query, Record
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.testing.events import event, scan

pytestmark = pytest.mark.asyncio


async def test_adapters_of_one_name_share_what_they_hold() -> None:
    await MemoryQueue("shared").publish([Message("a", "k", "{}")])
    first, second, other = MemoryQueue("shared"), MemoryQueue("shared"), MemoryQueue("other")
    assert (first.identity, other.identity) == ("memory://shared", "memory://other")
    await first.publish([Message("b", "k", "{}")])
    await MemoryDeadLetters("shared").put(Message("c", "k", "{}"), "because")
    depth = await second.depth()
    assert (depth.visible, depth.dead) == (1, 1), "what nobody had in hand was forgotten"
    assert (await other.depth()).visible == 0
    await first.aclose()
    assert (await second.depth()).visible == 1


async def test_stores_of_one_name_share_what_they_hold() -> None:
    first, second = MemoryStore("shared"), MemoryStore("shared")
    sent = event()
    await first.put([Record(sent)])
    assert await scan(second) == [sent]
    del first, second
    gc.collect()
    assert await scan(MemoryStore("shared"), Query()) == []


async def test_threads_share_a_queue() -> None:
    queue = MemoryQueue("threads")
    expected = [f"{name}{n:02}" for name in "abc" for n in range(30)]

    async def publish(name: str) -> None:
        for n in range(30):
            await MemoryQueue("threads").publish([Message(f"{name}{n:02}", name, "{}")])

    async def consume() -> list[str]:
        seen: list[str] = []
        while len(seen) < len(expected):
            deliveries = await queue.receive(5, wait=5, lease=60)
            seen += [delivery.message.id for delivery in deliveries]
            await queue.ack(deliveries)
        return sorted(seen)

    consuming = asyncio.ensure_future(consume())
    await asyncio.gather(*(asyncio.to_thread(anyio.run, publish, name) for name in "ab"))
    await asyncio.to_thread(lambda: anyio.run(publish, "c", backend="trio"))
    assert await consuming == expected
