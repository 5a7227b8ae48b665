"""A dispatcher between a journal in memory and a queue that does as a test says, under a clock that stands still."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from fireforget import Event
from fireforget._dispatcher import Dispatcher
from fireforget._event import decode_event, split_batch
from fireforget._hooks import Hooks
from fireforget._journal import Counts
from fireforget._refused import RefusedFile
from fireforget._settings import DispatchSettings
from fireforget.abc import Capabilities, Delivery, Depth, Message, Outcome
from fireforget.testing.clock import ManualClock
from tests.emitting import Pen, correlated

DELIVERED = Outcome("delivered")
TURNS = 200
"""So many turns of the loop, and everything has happened that waits for no time."""


class LuckyClock(ManualClock):
    """Its chance is what a test says."""

    chance = 0.5

    def random(self) -> float:
        return self.chance

    def next_moment(self) -> float | None:
        """How long until somebody wakes; None where nobody sleeps."""
        moments = [moment for moment, _ in self._sleepers]
        return (min(moments) - self._passed_ns) / 1e9 if moments else None


class ScriptedQueue:
    """Takes messages as it is told to, and remembers all calls.

    Attributes:
        calls: The messages of each call.
        failures: What the next calls raise, one each.
        outcome: What becomes of a message where the call does not fail.
        answers: What the next calls return in the place of outcomes, one each.
        stuck: The call hangs as long as a message of such a key is in it.
    """

    identity = "scripted"

    def __init__(self, **limits: Any) -> None:
        known: dict[str, Any] = {
            "max_message_bytes": 256 * 1024,
            "max_batch_messages": 10,
            "max_batch_bytes": 256 * 1024,
            "pack_bytes": 2000,
            "ordered": True,
            "deduplication_seconds": 300.0,
            "delayed_nack": True,
            "max_lease_seconds": 3600.0,
        }
        self.capabilities = Capabilities(**(known | limits))
        self.calls: list[list[Message]] = []
        self.failures: deque[BaseException] = deque()
        self.answers: deque[Any] = deque()
        self.outcome: Callable[[Message], Outcome] = lambda message: DELIVERED
        self.stuck: set[str] = set()
        self.freed = asyncio.Event()
        self.under_way = 0
        self.most_under_way = 0
        self.taken: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        self.calls.append(list(messages))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(0)
            while self.stuck & {message.key for message in messages}:
                await self.freed.wait()
            if self.failures:
                raise self.failures.popleft()
            if self.answers:
                answer: Sequence[Outcome] = self.answers.popleft()
                return answer
            outcomes = [self.outcome(message) for message in messages]
        finally:
            self.under_way -= 1
        for message, outcome in zip(messages, outcomes, strict=True):
            if outcome.status == "delivered":
                self.taken.append(message)
        return outcomes

    @property
    def events(self) -> list[Event]:
        """The events that it has taken, in order."""
        return events_of(self.taken)

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        return ()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Settle nothing."""

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        """Give nothing back."""

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        return deliveries

    async def depth(self) -> Depth:
        return Depth()

    async def aclose(self) -> None:
        """Free nothing."""


def events_of(messages: Sequence[Message]) -> list[Event]:
    return [decode_event(raw) for message in messages for raw in split_batch(message.body)]


class Bench:
    """A dispatcher with all that it needs.

    Args:
        directory: For the dead-letter file.
        settings: Changes to settings without linger and with 4 lanes.
    """

    def __init__(self, directory: Path, queue: ScriptedQueue | None = None, **settings: Any) -> None:
        self.clock = LuckyClock()
        self.queue = queue or ScriptedQueue()
        self.settings = DispatchSettings(**({"linger_seconds": 0.0, "lanes": 4} | settings))
        self.pen = Pen(clock=self.clock)
        self.hooks = Hooks()
        self.file = RefusedFile(directory, self.clock)
        self.delivered: list[Message] = []
        self.buried: list[tuple[Message, str]] = []
        self.errors: list[BaseException] = []
        self.hooks.on_delivered(self.delivered.append)
        self.hooks.on_dead_letter(lambda message, reason: self.buried.append((message, reason)))
        self.hooks.on_error(self.errors.append)
        self.dispatcher: Dispatcher
        self.dispatching: asyncio.Task[None]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Dispatcher]:
        """Dispatch while the body runs."""
        journal = self.pen.open_journal()
        self.dispatcher = Dispatcher(journal, self.queue, self.settings, self.clock, self.file, self.hooks)
        self.pen._waker = self.dispatcher.waker
        task = self.dispatching = asyncio.ensure_future(self.dispatcher.run())
        try:
            await self.settle()
            yield self.dispatcher
        finally:
            task.cancel()
            await asyncio.wait({task})

    def emit(self, n: int, lane: int = 0, size: int = 0) -> str:
        """Emit one event into a lane; its id."""
        with correlated(n, self.session(lane)):
            return str(self.pen.emit("query", {"n": n, "text": "x" * size}))

    def session(self, lane: int) -> str:
        """A session id whose events go to that lane."""
        names = (f"s{number}" for number in range(10_000))
        return next(name for name in names if (crc32(name.encode()) & 0xFFFF) % self.settings.lanes == lane)

    async def settle(self) -> None:
        """Let everything happen that waits for no time."""
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, from one sleeper's moment to the next, and everything happen that then can."""
        until = self.clock.monotonic() + seconds
        while True:
            await self.settle()
            wait = self.clock.next_moment()
            if wait is None or self.clock.monotonic() + wait > until:
                break
            self.clock.advance(max(wait, 1e-9))  # a sleep of less than the clock can tell must end, too
        self.clock.advance(max(0.0, until - self.clock.monotonic()))
        await self.settle()

    async def until(self, condition: Callable[[], object]) -> None:
        """Let time pass, from one sleeper's moment to the next, until the condition holds."""
        for _ in range(500):
            await self.settle()
            if condition():
                return
            self.clock.advance(max(self.clock.next_moment() or 0.0, 1e-9))
        raise AssertionError(self.counts)

    async def finish(self) -> None:
        """Let time pass until nothing is pending."""
        await self.until(lambda: not self.counts.pending)

    @property
    def counts(self) -> Counts:
        """What became of the events so far."""
        return self.pen.counts

    @property
    def numbers(self) -> list[int]:
        """What the queue has taken, by the events' own numbers."""
        return [event.data["n"] for event in self.queue.events]
