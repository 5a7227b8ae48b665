"""What the tests of the report share: a week of events, a store that keeps them, and hostile text."""

from __future__ import annotations

import asyncio
import unicodedata
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any

from fireforget._configuration import settings_from
from fireforget._event import Event, uuid7_text, uuid7_time
from fireforget._schema import EventTypes
from fireforget._settings import Settings
from fireforget.abc import Query, Record
from fireforget.errors import TransientError
from fireforget.reporting import Figures, Health, Period, Report, aggregate
from fireforget.reporting.figures import (
    Average,
    Orphans,
    Part,
    Parts,
    Ranking,
    Ratio,
    Shares,
    Slice,
    Spread,
    Total,
    Usage,
    Visits,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
WEEK = Period(MONDAY, MONDAY + timedelta(days=7))
AFTER = datetime(2026, 11, 23, 7, tzinfo=UTC)
PRICED = settings_from({"name": "cv", "report": {"prices": {"gpt-x": {"input": 0.15, "output": 0.6}}}})

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "]]><!--<svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "a\u202egnp.exe\u2066b\u200f",
    "nul\x00esc\x1b[31mbell\x07del\x7fnel\x85",
    "line\r\nBcc: everybody@example.org\u2028\u2029",
    "tags\U000e0041\U000e007f private\ue000 surrogate\ud800 nonchar\uffff",
    "zalgo" + "\u0335" * 500,
    "\u3164\u2800\u115f",
    "&lt;b&gt;&amp;amp;",
    "javascript:alert(1)//" + "A" * 100_000,
    "שלום עולם 12 مرحبا",
    "漢字" * 300,
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "$\\frac{1}{2}$ $x^{2",
    "",
    " \t\n ",
)

UNPRINTED = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}

_numbers = count(1)


def hidden(text: str) -> set[str]:
    """Characters that control, reorder or hide, and that a rendered report must not have."""
    suspects = (char for char in set(text) if unicodedata.category(char) in UNPRINTED)
    return {char for char in suspects if char not in "\n\u200c\u200d"}


def moment(day: float = 0, **more: float) -> datetime:
    """A moment of the week: so many days after its Monday began."""
    return MONDAY + timedelta(days=day, **more)


def uuid(time: datetime) -> str:
    """A new UUIDv7 of that time; a later one is greater."""
    return uuid7_text(int(time.timestamp() * 1000) * 1_000_000, next(_numbers))


def event(kind: str, data: Any, time: datetime | None = None, **changes: Any) -> Event:
    """An event; its correlation id is new unless one is given."""
    when = moment(0.5) if time is None else time
    known = {"id": uuid(when), "source": "cv", "type": kind, "time": when, "data": data, "correlationid": uuid(when)}
    return Event(**(known | changes))


def asked(
    text: Any = "Does he know Rust?",
    answer: Mapping[str, Any] | None = None,
    /,
    *,
    time: datetime | None = None,
    **also: Any,
) -> list[Event]:
    """The events of one request: a query and, where there is an answer, its response."""
    when = moment(0.5) if time is None else time
    shared = {"correlationid": uuid(when)} | also
    events = [event("query", {"query": text, "metadata": {"source": "website"}}, when, **shared)]
    if answer is not None:
        events.append(event("response", answer, when + timedelta(milliseconds=200), **shared))
    return events


def full(**changes: Any) -> dict[str, Any]:
    """The data of a response that matched."""
    known: dict[str, Any] = {
        "match_type": "full",
        "match_score": 90,
        "reasoning": "He wrote a compiler in it.",
        "matched_skills": ["Rust"],
        "processing_ms": 100.0,
        "processing_parts": {"embed": 10.0, "answer": 90.0},
        "cache_hit": False,
        "model": "gpt-x",
        "input_tokens": 1000,
        "output_tokens": 200,
    }
    return known | changes


class ListStore:
    """A store that is a list; it keeps what the port promises of a scan, and fails as often as it is told to."""

    def __init__(self, events: Iterable[Event] = (), *, failures: int = 0) -> None:
        self._events = sorted(events, key=lambda event: (uuid7_time(event.correlation), event.correlation, event.id))
        self._failures = failures
        self.queries: list[Query] = []

    async def scan(self, query: Query) -> AsyncIterator[Record]:
        self.queries.append(query)
        for number, known in enumerate(self._events):
            time = uuid7_time(known.correlation)
            assert time is not None
            assert query.start is not None
            assert query.end is not None
            if number and self._failures:
                self._failures -= 1
                raise TransientError("throttled")
            if query.start <= time < query.end:
                yield Record(known)

    async def put(self, records: Any) -> Any:
        raise NotImplementedError

    async def claim(self, key: str, lease: float, *, holder: str) -> bool:
        raise NotImplementedError

    async def purge(self, limit: int = 1000) -> int:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class Questions:
    """The figures of the reference definition, each as what it is."""

    def __init__(self, figures: Figures) -> None:
        self.events = figures.events
        self.unreadable = figures.unreadable
        self.unusable = figures.unusable
        self.queries = figures.of("queries", Total).value
        self.responses = figures.of("responses", Total).value
        self.sessions: Visits = figures.of("sessions", Visits)
        self.match = figures.of("match", Shares).counts
        self.matched: Ratio = figures.of("matched", Ratio)
        self.score: Average = figures.of("score", Average)
        self.speed: Spread = figures.of("speed", Spread)
        self.parts: tuple[Part, ...] = figures.of("parts", Parts).parts
        self.cache: Ratio = figures.of("cache", Ratio)
        self.usage: Usage = figures.of("models", Usage)
        self.models = self.usage.models
        self.top_queries: Ranking = figures.of("top_queries", Ranking)
        self.top_sources: Ranking = figures.of("top_sources", Ranking)
        self.top_skills: Ranking = figures.of("top_skills", Ranking)
        self.missed: Ranking = figures.of("missed", Ranking)
        self.orphans: Orphans = figures.of("orphans", Orphans)
        self.slices = [Day(piece) for piece in figures.slices]


class Day:
    """A slice of them."""

    def __init__(self, piece: Slice) -> None:
        self.queries = piece.of("queries", Total).value
        self.full = piece.of("match", Shares).counts["Full"]
        self.speed: Spread = piece.of("speed", Spread)


def report_of(
    events: Iterable[Event] = (),
    period: Period = WEEK,
    settings: Settings = PRICED,
    *,
    types: EventTypes | None = None,
    health: Health | None = None,
    as_of: datetime | None = AFTER,
) -> Report:
    """The report of a store with these events."""
    registry = EventTypes() if types is None else types
    return asyncio.run(aggregate(ListStore(events), period, settings, types=registry, health=health, as_of=as_of))


def busy_week() -> list[Event]:
    """Two weeks of a small chatbot: every figure has something to say, and every text is hostile once."""
    events: list[Event] = []
    kinds = ("full", "full", "partial", "none")
    for number in range(-40, 80):
        text = HOSTILE[number % len(HOSTILE)] if number % 3 == 0 else "What databases does he know?"
        kind = kinds[number % len(kinds)]
        answer = full(
            match_type=kind,
            match_score=number % 101,
            reasoning=text,
            matched_skills=[text, "Rust"],
            processing_ms=50.0 + number % 17,
            processing_parts={text: 5.0, "answer": 40.0},
            cache_hit=number % 2 == 0,
            model=text if number % 9 == 0 else "gpt-x",
        )
        time = moment((number + 0.5) * 7 / 80)
        also = {"sessionid": f"s{number % 11}"} if number % 4 else {}
        events += asked(text, None if number % 20 == 7 else answer, time=time, **also)
    events.append(event("response", {"match_type": HOSTILE[0], "match_score": "high", "cache_hit": 1}))
    events.append(event(HOSTILE[1], {}))
    events.append(event("query", {"query": "?", "metadata": {"source": HOSTILE[2]}}, correlationid=uuid(MONDAY)))
    return events
