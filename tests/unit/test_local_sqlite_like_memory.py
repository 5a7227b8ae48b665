"""Whatever is done to it in whatever order, the SQLite queue does what the readable reference in memory does."""

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from fireforget.abc import DeadLetters, Delivery, Message, Queue
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue
from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue
from fireforget.testing.clock import ManualClock

_names = itertools.count()

EVERYTHING = 1000  # a limit that no test reaches: which lane comes first is each queue's own choice

KEYS = st.sampled_from("abc")
SECONDS = st.sampled_from([1, 10, 29, 30, 31, 170])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), KEYS, st.integers(0, 12)),
        st.tuples(st.just("receive"), SECONDS),
        st.tuples(st.just("ack"), st.sets(st.integers(0, 5))),
        st.tuples(st.just("nack"), st.sets(st.integers(0, 5)), st.sampled_from([0, 5, 40])),
        st.tuples(st.just("extend"), st.sets(st.integers(0, 5)), SECONDS),
        st.tuples(st.just("bury"), st.sets(st.integers(0, 5))),
        st.tuples(st.just("redrive")),
        st.tuples(st.just("elapse"), SECONDS),
    ),
    min_size=5,
    max_size=40,
)


class Side(NamedTuple):
    queue: Queue
    dead: DeadLetters


def by_key(deliveries: Sequence[Delivery]) -> list[tuple[str, str, int, str]]:
    """The deliveries key by key, each in the order that it came in."""
    return [
        (each.message.key, each.message.id, each.attempt, str(each.expires_at))
        for each in sorted(deliveries, key=lambda each: each.message.key)
    ]


async def do(side: Side, held: list[Delivery], operation: tuple[object, ...]) -> object:
    """Do the operation; `held` are the last deliveries received, of which some may be settled or lost by now."""
    match operation:
        case "publish", str(key), int(number):
            await side.queue.publish([Message(f"{key}{number}", key, f"{number}")])
        case "receive", int(lease):
            deliveries = await side.queue.receive(EVERYTHING, wait=0, lease=lease)
            held[:] = [*held, *sorted(deliveries, key=lambda each: each.message.key)][-8:]
            return by_key(deliveries)
        case "ack", set(chosen):
            await side.queue.ack([each for n, each in enumerate(held) if n in chosen])
        case "nack", set(chosen), int(delay):
            await side.queue.nack([each for n, each in enumerate(held) if n in chosen], delay=delay)
        case "extend", set(chosen), int(lease):
            return by_key(await side.queue.extend([each for n, each in enumerate(held) if n in chosen], lease))
        case "bury", set(chosen):
            for each in [each for n, each in enumerate(held) if n in chosen]:
                await side.dead.put(each.message, "because", attempts=each.attempt)
                await side.queue.ack([each])
        case ("redrive",):
            letters = [letter async for letter in side.dead.list()]
            return [letter.message.id for letter in letters], await side.dead.redrive([each.id for each in letters])
    return await side.queue.depth()


async def compare(path: Path, operations: list[tuple[object, ...]]) -> None:
    clock = ManualClock()
    name = f"like-{next(_names)}"
    memory = Side(MemoryQueue(name, clock=clock), MemoryDeadLetters(name, clock=clock))
    sqlite = Side(SQLiteQueue(path, clock=clock), SQLiteDeadLetters(path, clock=clock))
    held: tuple[list[Delivery], list[Delivery]] = ([], [])
    for operation in operations:
        match operation:
            case "elapse", int(seconds):
                clock.advance(seconds)
        assert await do(memory, held[0], operation) == await do(sqlite, held[1], operation), operation
    for adapter in (*memory, *sqlite):
        await adapter.aclose()


@given(OPERATIONS)
@example([("publish", "a", 0), ("publish", "a", 1), ("receive", 30), ("nack", {0}, 0), ("receive", 30)])
@example([("publish", "a", 0), ("receive", 30), ("bury", {0}), ("publish", "a", 0), ("redrive",), ("receive", 30)])
def test_the_two_queues_agree(operations: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as directory:
        asyncio.run(compare(Path(directory, "fireforget.db"), operations))
