"""Whatever is done to it in whatever order, a queue does what the readable reference in memory does.

Which key comes first is each queue's own choice, and so is how many of its messages come at once. The reference is
therefore one queue in memory for each key (for each message where the adapter keeps no order): what the adapter hands
out, the reference of that key must hand out too, and when the adapter has nothing more, neither has any reference.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from fireforget.abc import DeadLetter, Delivery, Message
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue
from fireforget.testing.conformance.on_queue import offer
from fireforget.testing.conformance.scenarios import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fireforget.abc import DeadLetters, Queue
    from fireforget.testing.place import Place

_numbers = itertools.count()

_KEYS = st.sampled_from("abc")
_NEWEST = 6
_CHOICE = st.sets(st.integers(0, _NEWEST - 1), min_size=1)
_EVERYTHING = 1000
_LONG = 600.0
"""Seconds of a lease that must not end while a scenario runs in real time."""


@dataclass
class Pair:
    """One delivery of the adapter, and the same of the reference; `over` once it was settled or given back."""

    real: Delivery
    model: Delivery
    over: bool = False


class Reference(NamedTuple):
    """The queue in memory of one key, and its dead letters."""

    queue: MemoryQueue
    dead: MemoryDeadLetters


class QueueScenario(Scenario):
    """Publishes, takes, settles, gives back, extends, buries and redrives on both sides, and compares.

    Args:
        place: Where the adapter is; what other scenarios left behind is known by its name.
        queue: The adapter.
        dead: Its dead letters.
        lease: Seconds of the usual lease.
        tolerance: How many seconds later than promised something may show.
    """

    def __init__(self, place: Place, queue: Queue, dead: DeadLetters, *, lease: float, tolerance: float) -> None:
        super().__init__()
        self._place = place
        self._queue = queue
        self._dead = dead
        self._tolerance = tolerance
        self._name = f"scenario-{next(_numbers)}"
        longest = queue.capabilities.max_lease_seconds
        self._leases = (lease, min(2 * lease, longest)) if place.clock else (min(_LONG, longest),) * 2
        self._references: dict[str, Reference] = {}
        self._published: dict[str, tuple[Message, float]] = {}
        self._taken: list[Pair] = []

    @initialize()
    def begin_with_nothing(self) -> None:
        """What is here is ours."""
        self.do(self._take_all, self._leases[0])

    @rule(key=_KEYS, count=st.integers(1, 3))
    def publish(self, key: str, count: int) -> None:
        """Publish messages that nobody has seen."""
        numbers = range(len(self._published), len(self._published) + count)
        messages = [Message(f"{self._name}-{key}-{n}", f"{self._name}-{key}", f"{n}", n + 1) for n in numbers]
        for message in messages:
            self._published[message.id] = message, self._place.time.monotonic()
        self.do(self._publish, messages)

    @precondition(lambda self: self._queue.capabilities.deduplication_seconds and self._published)
    @rule(data=st.data())
    def publish_again(self, data: st.DataObject) -> None:
        """Publish messages whose ids are remembered, wherever they are by now."""
        oldest = self._place.time.monotonic() - self._queue.capabilities.deduplication_seconds
        known = [message for message, at in self._published.values() if at > oldest]
        if known:
            self.do(self._publish, [data.draw(st.sampled_from(known), label="message")])

    @rule(longer=st.booleans())
    def receive(self, longer: bool) -> None:  # noqa: FBT001 - hypothesis passes it by its name
        """Take all that there is."""
        self.do(self._take_all, self._leases[longer])

    @rule(limit=st.integers(1, 3))
    def receive_some(self, limit: int) -> None:
        """Take a few of what there is, so that a key may be taken in part."""
        self.do(self._take, self._leases[0], limit)

    @precondition(lambda self: self._taken)
    @rule(choice=_CHOICE)
    def ack(self, choice: set[int]) -> None:
        """Settle deliveries whose lease lives: whether a late ack has an effect is not promised."""
        self.do(self._ack, self._alive(choice))

    @precondition(lambda self: self._taken)
    @rule(choice=_CHOICE, delayed=st.booleans())
    def nack(self, choice: set[int], delayed: bool) -> None:  # noqa: FBT001 - hypothesis passes it by its name
        """Give deliveries back, among them some that are lost or settled."""
        possible = self._queue.capabilities.delayed_nack and self._place.clock is not None
        self.do(self._nack, self._chosen(choice), self._leases[0] / 2 if delayed and possible else 0.0)

    @precondition(lambda self: self._taken)
    @rule(choice=_CHOICE, longer=st.booleans())
    def extend(self, choice: set[int], longer: bool) -> None:  # noqa: FBT001 - hypothesis passes it by its name
        """Renew leases, among them some that are lost."""
        self.do(self._extend, self._chosen(choice), self._leases[longer])

    @precondition(lambda self: self._taken)
    @rule(choice=_CHOICE)
    def bury(self, choice: set[int]) -> None:
        """Put messages among the dead letters and settle them."""
        self.do(self._bury, self._alive(choice))

    @rule(discard=st.booleans())
    def redrive(self, discard: bool) -> None:  # noqa: FBT001 - hypothesis passes it by its name
        """Send all dead letters to the queue again, or delete them."""
        self.do(self._redrive, "discard" if discard else "redrive")

    @precondition(lambda self: self._place.clock is not None)
    @rule(share=st.sampled_from([0.1, 0.5, 1.0, 1.5, 6.0]))
    def pass_time(self, share: float) -> None:
        """Let leases and delays end."""
        self.do(self._place.pass_time, share * self._leases[0])

    @precondition(lambda self: self._place.clock is not None and not self._tolerance)
    @invariant()
    def is_as_full(self) -> None:
        """Both sides count the same."""
        self.do(self._compare_depth)

    def teardown(self) -> None:
        """Leave nothing behind for the next scenario."""
        self.do(self._clear)

    def _chosen(self, choice: set[int]) -> list[Pair]:
        return [pair for number, pair in enumerate(self._taken[-_NEWEST:]) if number in choice]

    def _alive(self, choice: set[int]) -> list[Pair]:
        now = self._place.now()
        return [pair for pair in self._chosen(choice) if not pair.over and pair.model.expires_at > now]

    def _reference(self, message: Message) -> Reference:
        name = message.key if self._queue.capabilities.ordered else message.id
        if name not in self._references:
            clock = self._place.time
            self._references[name] = Reference(MemoryQueue(name, clock=clock), MemoryDeadLetters(name, clock=clock))
        return self._references[name]

    async def _publish(self, messages: list[Message]) -> None:
        outcomes = await offer(self._queue, messages)
        assert [outcome.status for outcome in outcomes] == ["delivered"] * len(messages)
        for message in messages:
            await self._reference(message).queue.publish([message])

    async def _receive(self, lease: float, limit: int = _EVERYTHING) -> list[Delivery]:
        return list(await self._queue.receive(limit, wait=self._tolerance, lease=lease))

    async def _take(self, lease: float, limit: int = _EVERYTHING) -> int:
        deliveries = await self._receive(lease, limit)
        for _, group in itertools.groupby(_together(deliveries), lambda each: id(self._reference(each.message))):
            found = list(group)
            reference = self._reference(found[0].message)
            models = await reference.queue.receive(len(found), wait=0, lease=lease)
            assert _seen(found) == _seen(models)
            self._taken += [Pair(*pair) for pair in zip(found, models, strict=True)]
        return len(deliveries)

    async def _take_all(self, lease: float) -> None:
        while await self._take(lease):
            pass
        for reference in self._references.values():
            assert _seen(await reference.queue.receive(1, wait=0, lease=lease)) == [], "the adapter did not hand it out"

    async def _ack(self, pairs: list[Pair]) -> None:
        await self._queue.ack([pair.real for pair in pairs])
        for pair in pairs:
            pair.over = True
            await self._reference(pair.real.message).queue.ack([pair.model])

    async def _nack(self, pairs: list[Pair], delay: float) -> None:
        await self._queue.nack([pair.real for pair in pairs], delay=delay)
        for pair in pairs:
            pair.over = True
            await self._reference(pair.real.message).queue.nack([pair.model], delay=delay)

    async def _extend(self, pairs: list[Pair], lease: float) -> None:
        renewed = {each.message.id: each for each in await self._queue.extend([pair.real for pair in pairs], lease)}
        for pair in pairs:
            for model in await self._reference(pair.real.message).queue.extend([pair.model], lease):
                assert model.message.id in renewed, "a lease that lives was not renewed"
                pair.real, pair.model = renewed.pop(model.message.id), model
        assert renewed == {}, "lost leases were renewed"

    async def _bury(self, pairs: list[Pair]) -> None:
        for pair in pairs:
            for dead in (self._dead, self._reference(pair.real.message).dead):
                await dead.put(pair.real.message, "a reason", attempts=pair.real.attempt)
        await self._ack(pairs)

    async def _redrive(self, what: str) -> None:
        ours = await self._letters()
        for reference in self._references.values():
            letters = [letter async for letter in reference.dead.list()]
            mine = [letter for letter in ours if self._reference(letter.message) is reference]
            assert [letter.message for letter in mine] == [letter.message for letter in letters]
            for dead, ids in (
                (self._dead, [each.id for each in mine]),
                (reference.dead, [each.id for each in letters]),
            ):
                assert await getattr(dead, what)(ids) == len(letters)

    async def _letters(self) -> list[DeadLetter]:
        return [each async for each in self._dead.list() if each.message.id in self._published]

    async def _compare_depth(self) -> None:
        expected = [await reference.queue.depth() for reference in self._references.values()]
        found = await self._queue.depth()
        for name in ("visible", "in_flight", "dead"):
            told = getattr(found, name)
            assert told is None or told == sum(getattr(depth, name) for depth in expected), name

    async def _clear(self) -> None:
        await self._dead.discard([letter.id for letter in await self._letters()])
        await self._queue.ack([pair.real for pair in self._taken])
        for _ in range(2):
            while deliveries := await self._receive(self._leases[0]):
                await self._queue.ack(deliveries)
            if self._place.clock is None:
                return  # what was taken is settled, and nothing was delayed
            await self._place.pass_time(self._leases[1])


def _together(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """The deliveries key by key, each in the order that it came in."""
    return sorted(deliveries, key=lambda delivery: delivery.message.key)


def _seen(deliveries: Iterable[Delivery]) -> list[tuple[Message, int]]:
    return [(delivery.message, delivery.attempt) for delivery in deliveries]
