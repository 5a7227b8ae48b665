"""Whatever the queue does, no event is lost, doubled or overtaken, and the law holds at every moment."""

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireforget.abc import Message, Outcome
from fireforget.errors import PermanentError, TransientError
from tests.publishing import DELIVERED, Bench, ScriptedQueue, events_of

LANES = 3


class MoodyQueue(ScriptedQueue):
    """Behaves after its mood."""

    def __init__(self, seed: int, **limits: Any) -> None:
        super().__init__(**limits)
        self.chance = random.Random(seed)
        self.mood = "fine"
        self.bodies: dict[str, str] = {}

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        for message in messages:
            assert self.bodies.setdefault(message.id, message.body) == message.body
        assert len({message.key for message in messages}) == len(messages)
        self.outcome = self._outcome
        if self.mood == "down":
            self.failures.append(TransientError("down", retry_after=self.chance.choice([None, 0.3])))
        elif self.mood == "broken":
            self.failures.append(self.chance.choice([PermanentError("no"), ValueError("no"), OSError("no")]))
        elif self.mood == "odd":
            self.answers.append(self.chance.choice([None, [], [DELIVERED] * (len(messages) + 1), ["delivered"]]))
        return await super().publish(messages)

    def _outcome(self, message: Message) -> Outcome:
        if self.mood == "picky" and any(event.data["n"] % 5 == 0 for event in events_of([message])):
            return Outcome("refused", "not a multiple of five")
        if self.mood == "stuck" and message.key == "lane-001":
            return Outcome("retry", "busy", self.chance.choice([None, 0.1]))
        if self.mood == "random":
            return self.chance.choice([DELIVERED, DELIVERED, Outcome("retry", "busy"), Outcome("refused", "no")])
        return DELIVERED


EMIT = st.tuples(
    st.just("emit"), st.integers(0, LANES - 1), st.integers(1, 25), st.sampled_from([0, 0, 0, 30, 300, 1500])
)
PASS = st.tuples(st.just("pass"), st.sampled_from([0.0, 0.01, 0.1, 0.5, 3.0]))
MOOD = st.tuples(st.just("mood"), st.sampled_from(["fine", "down", "broken", "odd", "picky", "stuck", "random"]))
SETTINGS = st.fixed_dictionaries(
    {
        "linger_seconds": st.sampled_from([0.0, 0.05]),
        "publish_concurrency": st.integers(1, 4),
        "breaker_failures": st.integers(1, 5),
        "max_backoff_seconds": st.sampled_from([0.2, 2.0]),
    }
)
LIMITS = st.fixed_dictionaries(
    {
        "pack_bytes": st.sampled_from([300, 1000, 5000]),
        "max_batch_messages": st.integers(1, 4),
        "max_batch_bytes": st.sampled_from([1500, 100_000]),
    }
)


class Story:
    """A sequence of steps, checked after each."""

    def __init__(self, bench: Bench, queue: MoodyQueue) -> None:
        self.bench = bench
        self.queue = queue
        self.emitted: list[tuple[str, int]] = []

    async def step(self, kind: str, *arguments: Any) -> None:
        steps: dict[str, Callable[..., Any]] = {"emit": self._emit, "pass": self._pass, "mood": self._mood}
        await steps[kind](*arguments)
        self.check()

    async def _emit(self, lane: int, count: int, size: int) -> None:
        for _ in range(count):
            number = len(self.emitted)
            self.emitted.append((self.bench.emit(number, lane, size), lane))
            self.check_law()

    async def _pass(self, seconds: float) -> None:
        await self.bench.pass_time(seconds)

    async def _mood(self, mood: str) -> None:
        self.queue.mood = mood

    def check_law(self) -> None:
        counts = self.bench.counts
        assert counts.accepted == len(self.emitted)
        assert counts.pending == len(self.emitted) - counts.delivered - counts.dead_lettered
        assert counts.dropped == counts.refused == {}
        assert counts.corrupt == 0

    def check(self) -> None:
        self.check_law()
        counts = self.bench.counts
        taken = [event.id for event in self.queue.events]
        letters = [letter.id for letter in self.bench.file.read()]
        assert len(set(taken) | set(letters)) == len(taken) + len(letters)
        assert len(taken) >= counts.delivered  # taken, and perhaps not yet told
        assert counts.dead_lettered == len(letters)
        order = {event_id: number for number, (event_id, _) in enumerate(self.emitted)}
        for lane in range(LANES):
            mine = [order[event_id] for event_id in taken if self.emitted[order[event_id]][1] == lane]
            assert mine == sorted(mine)


@given(
    st.lists(EMIT | EMIT | PASS | MOOD, max_size=25),
    SETTINGS,
    LIMITS,
    st.integers(0, 1000),
)
def test_no_event_is_lost_doubled_or_overtaken(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[Any, ...]],
    settings: dict[str, Any],
    limits: dict[str, Any],
    seed: int,
) -> None:
    directory: Path = tmp_path_factory.mktemp("letters")

    async def tell() -> None:
        queue = MoodyQueue(seed, **limits)
        bench = Bench(directory, queue, lanes=LANES, **settings)
        story = Story(bench, queue)
        async with bench.running():
            for step in steps:
                await story.step(*step)
            queue.mood = "fine"
            await bench.finish()
            story.check()
        ids = {event.id for event in queue.events} | {letter.id for letter in bench.file.read()}
        assert ids == {event_id for event_id, _ in story.emitted}
        assert bench.counts.delivered == len(queue.events)

    asyncio.run(tell())
