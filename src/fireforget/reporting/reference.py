"""The reference report: which measures it takes of the events ``query`` and ``response``.

The measures themselves know nothing of events, and what a report looks like is decided elsewhere: here stands
only which field of which event feeds which measure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._event import uuid7_time
from fireforget.errors import SchemaError
from fireforget.reporting.fields import Fields
from fireforget.reporting.figures import (
    Figures,
    ModelUsage,
    Orphan,
    Orphans,
    Part,
    Quality,
    Ranked,
    Ranking,
    Ratio,
    Sessions,
    Slice,
)
from fireforget.reporting.legible import LABEL_CHARACTERS, label
from fireforget.reporting.measures import Count, Distinct, Grouped, Mean, Percentiles, Share, Top
from fireforget.reporting.prices import total
from fireforget.reporting.timeline import Timeline

if TYPE_CHECKING:
    from fireforget._event import Event
    from fireforget._schema import EventTypes
    from fireforget.reporting.period import Period
    from fireforget.reporting.prices import PriceList

ROWS: Final = 10
"""Rows of each ranking."""
EXAMPLES: Final = 5
"""Requests without a response that are named."""
NAMES: Final = 20
"""Models, and parts of the processing, that have rows of their own."""
MOST_MS: Final = 86_400_000.0
"""The longest processing time that is believed: a day."""
MOST_TOKENS: Final = 100_000_000
"""The most tokens of one response that are believed."""

MATCHES: Final = ("full", "partial", "none")
UNNAMED_MODEL: Final = "(no model named)"

_VALUES_OF_SLICE: Final = 20_000


class Reference:
    """Takes the events of a period one by one, in the order of a scan, and says the figures at the end.

    The events of a request must come together, which the order of a scan promises. What is kept does not grow
    with the
    number of events: see the bounds of `measures`.

    Args:
        period: The period that the events are of.
        types: Knows how to lift events of older versions.
    """

    def __init__(self, period: Period, types: EventTypes) -> None:
        self._types = types
        self._request: _Request | None = None
        self._events = Grouped(Count)
        self._sessions = Distinct()
        self._anonymous = Count()
        self._top_queries = Top()
        self._top_sources = Top()
        self._responses = _Responses()
        self._missed = Top()
        self._answered = Share()
        self._unasked = Count()
        self._orphans: list[Orphan] = []
        self._timeline = Timeline(period, _SliceMeasure)
        self._unreadable = Count()
        self._unusable: Counter[str] = Counter()
        self._queries = Count()

    def add(self, event: Event) -> None:
        """Take the next event. Whatever it carries, this does not raise."""
        self._events.of(event.type).add()
        request = self._request_of(event)
        if event.sessionid:
            self._sessions.add(event.sessionid)
            request.identified = True
        if event.type == "query":
            self._add_query(request, self._fields(event))
        elif event.type == "response":
            request.responses += 1
            self._responses.add(self._fields(event), request, self._timeline.at(request.time))

    def figures(self, prices: PriceList) -> Figures:
        """The figures of all events so far; the open request is closed with this."""
        self._close()
        responses = self._responses
        models = tuple(responses.usage(prices))
        full, partial, none = (responses.matches[match] for match in MATCHES)
        return Figures(
            events=_ranking(self._events),
            queries=self._queries.value,
            responses=responses.count.value,
            sessions=Sessions(self._sessions.figure(), self._anonymous.value),
            quality=Quality(full, partial, none, responses.score.figure()),
            speed=responses.speed.figure(),
            parts=tuple(Part(name, part.figure(), part.total) for name, part in responses.parts),
            cache=responses.cache.figure(),
            models=models,
            cost=total(models),
            unpriced=tuple(model.model for model in models if model.cost is None and model.tokens),
            top_queries=self._top_queries.figure(ROWS),
            top_sources=self._top_sources.figure(ROWS),
            top_skills=responses.skills.figure(ROWS),
            missed=self._missed.figure(ROWS),
            orphans=self._orphaned(),
            slices=tuple(measure.figure(start, name) for start, name, measure in self._timeline),
            unreadable=self._unreadable.value,
            unusable=tuple(Ranked(field, count) for field, count in sorted(self._unusable.items())),
        )

    def _request_of(self, event: Event) -> _Request:
        """The request that the event belongs to; a new one closes the one before."""
        if self._request is None or self._request.correlationid != event.correlation:
            self._close()
            time = uuid7_time(event.correlation) or event.time
            self._request = _Request(event.correlation, time)
        return self._request

    def _close(self) -> None:
        """Count what is known of a request only when all its events have been seen."""
        request, self._request = self._request, None
        if request is None:
            return
        if not request.identified:
            self._anonymous.add()
        if not request.queries:
            self._unasked.add(bool(request.responses))
            return
        self._answered.add(hit=bool(request.responses))
        if not request.responses and len(self._orphans) < EXAMPLES:
            query = label(request.query or "")
            self._orphans.append(Orphan(request.time, label(request.correlationid), query))
        if request.missed and request.query is not None:
            self._missed.add(request.query, request.reasoning)

    def _orphaned(self) -> Orphans:
        answered = self._answered.figure()
        unanswered = Ratio(answered.whole - answered.part, answered.whole)
        return Orphans(unanswered, self._unasked.value, tuple(self._orphans))

    def _fields(self, event: Event) -> Fields:
        """The event's data in the version that this process knows; without any where it cannot be read."""
        try:
            data = self._types.upcast(event).data
        except SchemaError:
            data = None
        if not isinstance(data, Mapping):
            self._unreadable.add()
            data = {}
        return Fields(event.type, data, self._unusable)

    def _add_query(self, request: _Request, fields: Fields) -> None:
        self._queries.add()
        self._timeline.at(request.time).queries.add()
        request.queries += 1
        text = fields.text("query")
        if text is not None:
            self._top_queries.add(text)
            request.query = text if request.query is None else request.query
        source = fields.fields("metadata").text("source")
        if source is not None:
            self._top_sources.add(source)


class _Request(msgspec.Struct):
    """The request whose events are passing by."""

    correlationid: str
    time: datetime
    identified: bool = False
    queries: int = 0
    responses: int = 0
    query: str | None = None
    missed: bool = False
    reasoning: str = ""


class _Usage:
    """What one model did."""

    def __init__(self) -> None:
        self.responses = Count()
        self.input_tokens = Count()
        self.output_tokens = Count()


class _SliceMeasure:
    """What is measured in each slice of the period."""

    def __init__(self) -> None:
        self.queries = Count()
        self.matches: Counter[str] = Counter()
        self.speed = Percentiles(_VALUES_OF_SLICE)

    def figure(self, start: datetime, name: str) -> Slice:
        """The slice's figures."""
        full, partial, none = (self.matches[match] for match in MATCHES)
        return Slice(start, name, self.queries.value, full, partial, none, self.speed.figure())


class _Responses:
    """What is measured of responses."""

    def __init__(self) -> None:
        self.count = Count()
        self.matches: Counter[str] = Counter()
        self.score = Mean()
        self.speed = Percentiles()
        self.parts = Grouped(Percentiles, NAMES)
        self.cache = Share()
        self.models = Grouped(_Usage, NAMES)
        self.skills = Top()

    def add(self, fields: Fields, request: _Request, piece: _SliceMeasure) -> None:
        """Take one response."""
        self.count.add()
        reasoning = fields.text("reasoning")
        match = fields.choice("match_type", MATCHES)
        if match is not None:
            self.matches[match] += 1
            piece.matches[match] += 1
        if match == "none" and not request.missed:
            request.missed = True
            request.reasoning = (reasoning or "")[: 4 * LABEL_CHARACTERS]
        score = fields.number("match_score", most=100)
        if score is not None:
            self.score.add(score)
        for skill in fields.texts("matched_skills"):
            self.skills.add(skill)
        elapsed = fields.number("processing_ms", most=MOST_MS)
        if elapsed is not None:
            self.speed.add(elapsed)
            piece.speed.add(elapsed)
        for name, value in fields.numbers("processing_parts", most=MOST_MS):
            self.parts.of(name).add(value)
        hit = fields.flag("cache_hit")
        if hit is not None:
            self.cache.add(hit=hit)
        self._add_tokens(fields)

    def _add_tokens(self, fields: Fields) -> None:
        model = fields.text("model")
        tokens = [fields.whole(name, most=MOST_TOKENS) for name in ("input_tokens", "output_tokens")]
        if model is None and tokens == [None, None]:
            return
        usage = self.models.of(UNNAMED_MODEL if model is None else model)
        usage.responses.add()
        usage.input_tokens.add(tokens[0] or 0)
        usage.output_tokens.add(tokens[1] or 0)

    def usage(self, prices: PriceList) -> list[ModelUsage]:
        """What each model did, those that used most tokens first."""
        used = (
            ModelUsage(name, usage.responses.value, read, written, prices.cost(name, read, written))
            for name, usage in self.models
            for read, written in [(usage.input_tokens.value, usage.output_tokens.value)]
        )
        return sorted(used, key=lambda usage: (-usage.tokens, -usage.responses, usage.model))


def _ranking(groups: Grouped[Count]) -> Ranking:
    counted = (Ranked(name, count.value) for name, count in groups)
    rows = sorted(counted, key=lambda row: (-row.count, row.label))
    return Ranking(tuple(rows), sum(row.count for row in rows))
