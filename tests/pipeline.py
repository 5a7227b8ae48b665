"""What the tests of the processor and its worker share: events, deliveries, and ports that fail on request."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fireforget._event import Event, encode_batch, encode_event, uuid7_text
from fireforget._hooks import Hooks
from fireforget._schema import EventTypes
from fireforget._settings import ProcessingSettings
from fireforget.abc import DeadLetter, Delivery, Message, Record, Refusal
from fireforget.local.memory import MemoryDeadLetters, MemoryStore
from fireforget.processing import Enricher, Intake, Processor
from fireforget.testing.clock import ManualClock

if TYPE_CHECKING:
    from fireforget._clock import Clock

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)

Failure = Callable[[Record], Exception | None]


def uuid(number: int, time: datetime = NOON) -> str:
    return uuid7_text(int(time.timestamp() * 1000) * 1_000_000, number)


def event(number: int, **changes: Any) -> Event:
    """A valid event; each number has an id of its own."""
    known: dict[str, Any] = {"id": uuid(number), "source": "app", "type": "query", "time": NOON, "data": {"n": number}}
    return Event(**(known | changes))


def message(*events: Event | str, key: str = "lane", id_: str | None = None) -> Message:
    """A message that carries events, or any text in the place of one."""
    texts = [text if isinstance(text, str) else encode_event(text) for text in events]
    body = encode_batch(texts)
    return Message(id=id_ or f"m-{abs(hash(body))}", key=key, body=body, count=len(texts))


def delivery(of: Message, attempt: int = 1) -> Delivery:
    return Delivery(of, attempt, f"receipt-{of.id}-{attempt}", NOON + timedelta(seconds=30))


def broken(number: int) -> str:
    """A text that has an id and is no CloudEvent."""
    return json.dumps({"specversion": "1.0", "id": uuid(number), "type": "query"})


_numbers = itertools.count()


def unused_name() -> str:
    """A name for adapters in memory that no other test shares."""
    return f"pipeline-{next(_numbers)}"


class TestedStore(MemoryStore):
    """A store in memory that counts its calls and fails as it is told to."""

    __test__ = False

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(unused_name(), clock=clock)
        self.calls: list[list[str]] = []
        self.written: list[Record] = []
        self.failure: Failure = lambda record: None
        self.refusal: Callable[[Record], str | None] = lambda record: None
        self.purged: list[int] = []

    async def put(self, records: Sequence[Record]) -> Sequence[Refusal]:
        self.calls.append([record.event.id for record in records])
        for record in records:
            error = self.failure(record)
            if error is not None:
                raise error
        reasons = {record.event.id: reason for record in records if (reason := self.refusal(record)) is not None}
        kept = [record for record in records if record.event.id not in reasons]
        self.written += kept
        return [*await super().put(kept), *(Refusal(id_, reason) for id_, reason in reasons.items())]

    async def purge(self, limit: int = 1000) -> int:
        self.purged.append(limit)
        return await super().purge(limit)

    @property
    def ids(self) -> list[str]:
        """The ids of the events written, each once, in the order of their first write."""
        return list(dict.fromkeys(record.event.id for record in self.written))


class TestedLetters(MemoryDeadLetters):
    """Dead letters in memory that fail as they are told to."""

    __test__ = False

    def __init__(self, name: str = "", clock: Clock | None = None) -> None:
        super().__init__(name or unused_name(), clock=clock)
        self.failure: Callable[[Message], Exception | None] = lambda message: None

    async def put(self, message: Message, reason: str, *, attempts: int = 0) -> None:
        error = self.failure(message)
        if error is not None:
            raise error
        await super().put(message, reason, attempts=attempts)

    @property
    def kept(self) -> dict[str, DeadLetter]:
        """The letters by their id."""
        return dict(self._messages.dead)


class Bench:
    """A processor with its ports, its hooks and what they were told."""

    def __init__(
        self,
        *enrichers: Enricher,
        settings: ProcessingSettings | None = None,
        types: EventTypes | None = None,
        clock: Clock | None = None,
        letters: str = "",
    ) -> None:
        self.settings = settings or ProcessingSettings()
        self.store = TestedStore(clock)
        self.letters = TestedLetters(letters, clock)
        self.hooks = Hooks()
        self.errors: list[BaseException] = []
        self.buried: list[tuple[Message, str]] = []
        self.hooks.on_error(self.errors.append)
        self.hooks.on_dead_letter(lambda message, reason: self.buried.append((message, reason)))
        self.processor = Processor(
            self.store,
            self.letters,
            Intake(self.settings, enrichers, types=types or EventTypes()),
            self.settings,
            hooks=self.hooks,
            clock=clock,
        )

    async def process(self, *messages: Message, attempt: int = 1) -> list[str]:
        """Process messages as one call; the statuses of the verdicts."""
        verdicts = await self.processor.process([delivery(message, attempt) for message in messages])
        return [verdict.status for verdict in verdicts]


class Raising:
    """An enricher that raises for some events."""

    def __init__(self, error: Exception, *ids: str) -> None:
        self.error = error
        self.ids = set(ids)

    async def __call__(self, event: Event) -> Event:
        if event.id in self.ids:
            raise self.error
        return event


def ids(events: Iterable[Event]) -> list[str]:
    return [event.id for event in events]


class SteppingClock(ManualClock):
    """A clock that passes from one sleeper's moment to the next, and lets everything happen that then can."""

    def __init__(self) -> None:
        super().__init__(NOON)
        self.chance = 0.5

    @property
    def seconds(self) -> float:
        """Seconds since the test began."""
        return self.monotonic()

    def random(self) -> float:
        return self.chance

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        await settle()
        until = self._passed_ns + round(seconds * 1e9)
        while due := [moment for moment, _ in self._sleepers if moment <= until]:
            self.advance((min(due) - self._passed_ns) / 1e9)
            await settle()
        self.advance((until - self._passed_ns) / 1e9)
        await settle()


async def settle() -> None:
    """Let everything happen that waits for no time."""
    loop = asyncio.get_running_loop()
    for _ in range(1000):
        await asyncio.sleep(0)
        if not loop._ready:  # type: ignore[attr-defined]
            return
