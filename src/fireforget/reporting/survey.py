"""A survey: takes the events of a period one by one and says the figures of a definition at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from fireforget._event import uuid7_time
from fireforget.reporting import kinds, meters, request_meters
from fireforget.reporting.conditions import test_all
from fireforget.reporting.figures import Figure, Figures, Ranked, Ranking, Ratio, Slice, Total
from fireforget.reporting.grouped import Grouped
from fireforget.reporting.measures import VALUES_KEPT, Count
from fireforget.reporting.reading import Reading
from fireforget.reporting.request_meters import Request, RequestMeter
from fireforget.reporting.timeline import Timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget._event import Event
    from fireforget._schema import EventTypes
    from fireforget.reporting.definition import Definition
    from fireforget.reporting.meters import Meter
    from fireforget.reporting.period import Period
    from fireforget.reporting.prices import PriceList

VALUES_OF_SLICE: Final = 20_000
"""How many values percentiles keep for a day of a chart before they become approximate."""

_ROWS: Final = 50
"""How many types of events, and fields that could not be used, are named in the figures."""

_ANY: Final = "*"


class _Feed(NamedTuple):
    """How one event reaches one meter."""

    name: str
    meter: Meter
    where: Callable[[Reading], bool] | None
    charted: bool


class Survey:
    """Takes the events of a period in the order of a scan.

    The events of a request must come together, which the order of a scan promises. What is kept does not grow with
    the number of events: see the bounds of `measures`.

    Args:
        definition: What is measured.
        period: The period that the events are of.
        types: Knows how to lift events of older versions.
        prices: What tokens cost.
    """

    def __init__(self, definition: Definition, period: Period, types: EventTypes, prices: PriceList) -> None:
        self._definition, self._types, self._prices = definition, types, prices
        self._meters = {
            name: meter for name, measure in definition.measures.items() if (meter := make(measure, prices)) is not None
        }
        self._of_requests = [meter for meter in self._meters.values() if isinstance(meter, RequestMeter)]
        self._feeds: dict[str, list[_Feed]] = {}
        self._timeline = Timeline(period, self._slice)
        self._events = Grouped(Count)
        self._request: Request | None = None
        self._piece: dict[str, Meter] = {}
        self._unreadable = 0
        self._unusable = Grouped(Count)

    def add(self, event: Event) -> None:
        """Take the next event. Whatever it carries, this does not raise."""
        self._events.of(event.type).add()
        request = self._request_of(event)
        feeds = self._feeds.get(event.type)
        if feeds is None:
            feeds = self._feeds_of(event.type)
        reading = Reading(event, request.time, self._types)
        for name, meter, where, charted in feeds:
            if where is None or where(reading):
                meter.add(reading)
                if charted:
                    self._piece[name].add(reading)
        self._unreadable += reading.unreadable
        for field, times in reading.unusable.items():
            self._unusable.of(field).add(times)

    def figures(self) -> Figures:
        """The figures of all events so far; the open request is closed with this."""
        self._close()
        found = {name: meter.figure() for name, meter in self._meters.items()}
        measures: dict[str, Figure] = {
            name: _ratio(measure, found) if isinstance(measure, kinds.Ratio) else found[name]
            for name, measure in self._definition.measures.items()
        }
        return Figures(
            events=_ranking(self._events),
            measures=measures,
            slices=tuple(
                Slice(start, label, {name: meter.figure() for name, meter in piece.items()})
                for start, label, piece in self._timeline
            ),
            unreadable=self._unreadable,
            unusable=_ranking(self._unusable).rows,
        )

    def _request_of(self, event: Event) -> Request:
        """The request that the event belongs to; a new one closes the one before."""
        if self._request is None or self._request.correlationid != event.correlation:
            self._close()
            self._request = Request(event.correlation, uuid7_time(event.correlation) or event.time)
            self._piece = self._timeline.at(self._request.time)
        return self._request

    def _close(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            for meter in self._of_requests:
                meter.close(request)

    def _slice(self) -> dict[str, Meter]:
        """What is measured in each slice of the period."""
        made = (
            (name, make(self._definition.measures[name], self._prices, VALUES_OF_SLICE))
            for name in sorted(self._definition.charted)
        )
        return {name: meter for name, meter in made if meter is not None}

    def _feeds_of(self, event_type: str) -> list[_Feed]:
        """Which meters take events of that type."""
        feeds: list[_Feed] = []
        for name, meter in self._meters.items():
            measure = self._definition.measures[name]
            types = events_of(measure)
            if event_type in types or _ANY in types:
                charted = name in self._definition.charted
                feeds.append(_Feed(name, meter, _filter(measure), charted))
        if len(self._feeds) < _TYPES_KEPT:
            self._feeds[event_type] = feeds
        return feeds


_TYPES_KEPT: Final = 1000
"""Types beyond these, which only a stranger invents, are looked up each time."""


def events_of(measure: kinds.Kind) -> tuple[str, ...]:
    """The types of events that a measure takes."""
    match measure:
        case kinds.Sessions():
            return (_ANY,)
        case kinds.Ratio():
            return ()
        case kinds.Pairs():
            return (*measure.events, measure.without)
        case kinds.Top(also=kinds.Also() as also):
            return (*measure.events, also.event)
        case _:
            return measure.events


def make(measure: kinds.Kind, prices: PriceList, kept: int = VALUES_KEPT) -> Meter | None:
    """Make the meter of a measure; None for a ratio, which is made of the figures of others.

    Args:
        measure: What is measured.
        prices: What tokens cost.
        kept: How many values percentiles keep before they become approximate.
    """
    match measure:
        case kinds.Mean() | kinds.Percentiles():
            return meters.ValueMeter(measure, kept)
        case kinds.Models():
            return meters.ModelsMeter(measure, prices)
        case kinds.Top(also=kinds.Also() as also):
            return request_meters.AlsoMeter(measure, also)
        case kinds.Ratio():
            return None
        case _:
            made: Meter = _MADE[type(measure)](measure)
            return made


_MADE: Final[dict[type, Callable[..., Meter]]] = {
    kinds.Count: meters.CountMeter,
    kinds.Sum: meters.SumMeter,
    kinds.Groups: meters.GroupsMeter,
    kinds.Distinct: meters.DistinctMeter,
    kinds.Share: meters.ShareMeter,
    kinds.Split: meters.SplitMeter,
    kinds.Top: meters.TopMeter,
    kinds.Pairs: request_meters.PairsMeter,
    kinds.Sessions: request_meters.SessionsMeter,
}


def _filter(measure: kinds.Kind) -> Callable[[Reading], bool] | None:
    """The measure's conditions; none for a meter that takes events of two types, and so tries them itself."""
    if isinstance(measure, kinds.Pairs | kinds.Sessions | kinds.Ratio):
        return None
    return None if isinstance(measure, kinds.Top) and measure.also is not None else test_all(measure.where)


def _ratio(measure: kinds.Ratio, found: dict[str, Figure]) -> Ratio:
    part, whole = found[measure.part], found[measure.whole]
    return Ratio(part.value, whole.value) if isinstance(part, Total) and isinstance(whole, Total) else Ratio()


def _ranking(groups: Grouped[Count]) -> Ranking:
    rows = tuple(Ranked(name, count.value) for name, count in groups.largest(_ROWS))
    return Ranking(rows, sum(row.count for row in rows))
