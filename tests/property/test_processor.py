"""Whatever fails, and however: order per key holds, and every event ends in exactly one place."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Literal

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireforget._schema import EventTypes
from fireforget._settings import ProcessingSettings
from fireforget.errors import TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.processing import Worker
from fireforget.processing.addresses import addresses, replace_addresses
from tests.pipeline import Bench, SteppingClock, broken, event, message, unused_name, uuid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fireforget._event import Event
    from fireforget.abc import Message, Record

Kind = Literal["fine", "broken", "misfit", "refused", "bug", "store bug", "busy", "store down"]

BURIED: frozenset[Kind] = frozenset({"broken", "misfit", "refused", "bug", "store bug"})
HARMLESS: frozenset[Kind] = frozenset({"fine", "broken", "misfit", "refused"})

kinds: st.SearchStrategy[Kind] = st.sampled_from(
    ["fine", "fine", "fine", "broken", "misfit", "refused", "bug", "store bug", "busy", "store down"]
)
sent_messages = st.lists(st.tuples(st.sampled_from("abc"), st.lists(kinds, min_size=1, max_size=4)), max_size=8)


class World:
    """What was published, and ports that fail by the kinds of the events."""

    def __init__(self, sent: Sequence[tuple[str, Sequence[Kind]]], patience: int, *, letters_fail: int) -> None:
        self.clock = SteppingClock()
        self.kinds: dict[str, Kind] = {}
        self.lanes: dict[str, list[str]] = {}
        self.messages: list[Message] = []
        self._left = Counter[str]()
        self._letters_left = letters_fail
        numbers = count()
        for number, (lane, contents) in enumerate(sent):
            events = [self._event(next(numbers), lane, kind, patience) for kind in contents]
            self.messages.append(message(*events, key=lane, id_=f"message-{number}"))
        name = unused_name()
        self.queue = MemoryQueue(name, clock=self.clock)
        self.bench = Bench(
            self._enrich,
            settings=ProcessingSettings(batch=4, concurrency=2, wait_seconds=60),
            types=_types(),
            clock=self.clock,
            letters=name,
        )
        self.bench.store.failure = self._store_failure
        self.bench.store.refusal = lambda record: "no" if self.kinds[record.event.id] == "refused" else None
        self.bench.letters.failure = self._letters_failure

    def _event(self, number: int, lane: str, kind: Kind, patience: int) -> Event | str:
        id_ = uuid(number)
        self.kinds[id_] = kind
        self.lanes.setdefault(lane, []).append(id_)
        self._left[id_] = patience
        if kind == "broken":
            return broken(number)
        return event(number, data={"n": "none" if kind == "misfit" else number})

    def _tries_left(self, id_: str) -> bool:
        self._left[id_] -= 1
        return self._left[id_] >= 0

    async def _enrich(self, event: Event) -> Event:
        kind = self.kinds[event.id]
        if kind == "bug":
            raise ValueError(event.id)
        if kind == "busy" and self._tries_left(event.id):
            raise TransientError("later", retry_after=3)
        return event

    def _store_failure(self, record: Record) -> Exception | None:
        kind = self.kinds[record.event.id]
        if kind == "store bug":
            return ValueError(record.event.id)
        if kind == "store down" and self._tries_left(record.event.id):
            return TransientError("down")
        return None

    def _letters_failure(self, message: Message) -> Exception | None:
        self._letters_left -= 1
        return TransientError("down") if self._letters_left >= 0 else None

    def check(self) -> None:
        """Every event is in the one place where it belongs, and each lane was written in order."""
        stored, buried = self.bench.store.ids, set(self.bench.letters.kept)
        assert sorted([*stored, *buried]) == sorted(self.kinds)
        assert buried == {id_ for id_, kind in self.kinds.items() if kind in BURIED}
        for lane in self.lanes.values():
            assert [id_ for id_ in stored if id_ in lane] == [id_ for id_ in lane if id_ not in buried]

    def harmless(self, lane: str) -> bool:
        """Has nothing in the lane a reason to come again?"""
        return all(self.kinds[id_] in HARMLESS for id_ in self.lanes[lane])


def _types() -> EventTypes:
    types = EventTypes()

    @types.event_type("query")
    class Query(msgspec.Struct):
        n: int

    return types


@pytest.fixture(autouse=True, scope="module")
def _patient_queue() -> Iterator[None]:
    """Let the queue in memory look less often while simulated time passes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fireforget.local._bell.LONGEST_PAUSE", 5.0)
        yield


@given(sent_messages, st.integers(1, 9), st.integers(0, 3), st.integers(1, 10))
def test_called_as_by_a_platform(
    sent: list[tuple[str, list[Kind]]], patience: int, letters_fail: int, limit: int
) -> None:
    """Batches over all lanes, settled by the verdicts, as a function on a cloud does it."""

    async def work() -> None:
        world = World(sent, patience, letters_fail=letters_fail)
        await world.queue.publish(world.messages)
        for _ in range(500):
            deliveries = await world.queue.receive(limit, wait=0, lease=30)
            verdicts = await world.bench.processor.process(deliveries)
            gone_back: set[str] = set()
            for delivery, verdict in zip(deliveries, verdicts, strict=True):
                lane = delivery.message.key
                assert verdict.status == "retry" or lane not in gone_back
                if verdict.status == "ack":
                    await world.queue.ack([delivery])
                else:
                    gone_back.add(lane)
                    await world.queue.nack([delivery])
                    if "store down" not in world.kinds.values() and not letters_fail:
                        assert not world.harmless(lane)
            if not deliveries and (await world.queue.depth()).visible == 0:
                break
        world.check()

    asyncio.run(work())


@settings(max_examples=50)
@given(sent_messages, st.integers(1, 9), st.integers(0, 3))
def test_worked_on_by_a_worker(sent: list[tuple[str, list[Kind]]], patience: int, letters_fail: int) -> None:
    """Lanes side by side, with backoff, until all is settled."""

    async def work() -> None:
        world = World(sent, patience, letters_fail=letters_fail)
        await world.queue.publish(world.messages)
        worker = Worker(world.queue, world.bench.processor, world.bench.settings, clock=world.clock)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            for _ in range(500):
                await world.clock.run(30)
                depth = await world.queue.depth()
                if (depth.visible, depth.in_flight) == (0, 0):
                    break
            await worker.stop()
        world.check()

    asyncio.run(work())


@given(st.ip_addresses(), st.text(), st.text())
def test_no_address_survives_in_any_surrounding(address: object, before: str, behind: str) -> None:
    """Set off by a blank, an address is recognised whatever stands around it."""
    text = f"{before} {address} {behind}"
    replaced = replace_addresses(text, lambda found: "#")
    assert "#" in replaced
    assert not list(addresses(replaced))


@given(st.text(alphabet="0123456789abcdefABCDEF.:[]%, x"))
def test_whatever_looks_like_an_address_is_judged(text: str) -> None:
    """No text makes the search fail, and nothing that was replaced is found again."""
    replaced = replace_addresses(text, lambda found: "#")
    assert not list(addresses(replaced))
