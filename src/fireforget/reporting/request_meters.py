"""Meters of whole requests: they count only when all events of a request have been seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from fireforget.reporting.conditions import test_all
from fireforget.reporting.figures import Figure, Lone, Orphans, Ratio, Visits
from fireforget.reporting.legible import LABEL_CHARACTERS, label
from fireforget.reporting.measures import Count, Distinct, Share, Top
from fireforget.reporting.meters import Meter

if TYPE_CHECKING:
    from datetime import datetime

    from fireforget.reporting import kinds
    from fireforget.reporting.reading import Reading


class Request(NamedTuple):
    """The request whose events are passing by."""

    correlationid: str
    time: datetime


@runtime_checkable
class RequestMeter(Meter, Protocol):
    """What they have in common."""

    def close(self, request: Request) -> None:
        """The request's last event has been seen."""
        ...


class AlsoMeter:
    """The most frequent texts of requests that have another event as well; each request counts once."""

    def __init__(self, measure: kinds.Top, also: kinds.Also) -> None:
        self._measure, self._also = measure, also
        self._events = frozenset(measure.events)
        self._first, self._other = test_all(measure.where), test_all(also.where)
        self._top = Top()
        self._text: str | None = None
        self._note: str | None = None

    def add(self, reading: Reading) -> None:
        """Take an event of either kind."""
        kind = reading.event.type
        if (kind in self._events or "*" in self._events) and (self._first is None or self._first(reading)):
            text = reading.text(self._measure.field)
            self._text = text if self._text is None else self._text
        if kind == self._also.event:
            note = (reading.text(self._also.note) or "") if self._also.note else ""
            if self._note is None and (self._other is None or self._other(reading)):
                self._note = note[: 4 * LABEL_CHARACTERS]

    def close(self, request: Request) -> None:  # noqa: ARG002 - any request counts alike
        """Count the request if it has both."""
        if self._text is not None and self._note is not None:
            self._top.add(self._text, self._note)
        self._text = self._note = None

    def figure(self) -> Figure:
        """The top of the list."""
        return self._top.figure(self._measure.rows)


class SessionsMeter:
    """Whose the requests were."""

    def __init__(self, _: kinds.Sessions) -> None:
        self._ids = Distinct()
        self._anonymous = Count()
        self._identified = False

    def add(self, reading: Reading) -> None:
        """Take any event."""
        if reading.event.sessionid:
            self._ids.add(reading.event.sessionid)
            self._identified = True

    def close(self, request: Request) -> None:  # noqa: ARG002 - any request counts alike
        """Count the request if none of its events has a session id."""
        if not self._identified:
            self._anonymous.add()
        self._identified = False

    def figure(self) -> Visits:
        """How many sessions there were."""
        return Visits(self._ids.figure(), self._anonymous.value)


class PairsMeter:
    """Requests with one event that lack another."""

    def __init__(self, measure: kinds.Pairs) -> None:
        self._measure = measure
        self._events = frozenset(measure.events)
        self._where = test_all(measure.where)
        self._answered = Share()
        self._unexpected = Count()
        self._lone: list[Lone] = []
        self._asked = self._found = False
        self._text: str | None = None

    def add(self, reading: Reading) -> None:
        """Take an event of either type."""
        if reading.event.type == self._measure.without:
            self._found = True
        elif self._where is None or self._where(reading):
            self._asked = True
            if self._text is None and self._measure.show:
                self._text = reading.text(self._measure.show)

    def close(self, request: Request) -> None:
        """Count the request by which of the two it has."""
        asked, found, text = self._asked, self._found, self._text
        self._asked, self._found, self._text = False, False, None
        if not asked:
            self._unexpected.add(found)
            return
        self._answered.add(hit=found)
        if not found and len(self._lone) < self._measure.rows:
            self._lone.append(Lone(request.time, label(request.correlationid), label(text or "")))

    def figure(self) -> Orphans:
        """What did not come together."""
        answered = self._answered.figure()
        return Orphans(Ratio(answered.whole - answered.part, answered.whole), self._unexpected.value, tuple(self._lone))
