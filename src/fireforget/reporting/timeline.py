"""The timeline of a period: hours, days, weeks or months, and a measure for each of them."""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from fireforget.reporting.period import MONTHS, WEEKDAYS, Period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Unit = Literal["hour", "day", "week", "month"]

M = TypeVar("M")

_MOST_HOURS: Final = timedelta(hours=50)  # two days, and the hour that the clocks may be put back
_MOST_DAYS: Final = timedelta(days=62, hours=2)
_MOST_WEEKS: Final = timedelta(days=372)


class Timeline(Generic[M]):
    """One measure for each slice of a period.

    Up to two days are cut into hours, up to 62 days into days, up to a year into weeks (Monday to Sunday),
    and longer
    periods into months: all by the calendar of the period's zone.

    Args:
        period: What is cut.
        make: Makes the measure of a slice.
    """

    def __init__(self, period: Period, make: Callable[[], M]) -> None:
        self.unit = unit(period)
        self._starts = _starts(period, self.unit)
        self._labels = [_label(start, self.unit, period) for start in self._starts]
        self._measures = [make() for _ in self._starts]

    def at(self, moment: datetime) -> M:
        """The measure of the slice that the moment falls in; the nearest one for a moment outside."""
        return self._measures[max(bisect_right(self._starts, moment) - 1, 0)]

    def __iter__(self) -> Iterator[tuple[datetime, str, M]]:
        """The start, the label and the measure of each slice, in order."""
        return iter(zip(self._starts, self._labels, self._measures, strict=True))


def unit(period: Period) -> Unit:
    """What a period of that length is cut into."""
    length = period.end - period.start
    if length <= _MOST_HOURS:
        return "hour"
    if length <= _MOST_DAYS:
        return "day"
    return "week" if length <= _MOST_WEEKS else "month"


def _starts(period: Period, by: Unit) -> list[datetime]:
    """When each slice begins: the first with the period, the others as the calendar has it."""
    if by == "hour":
        hours = -(-(period.end - period.start) // timedelta(hours=1))
        return [period.start + timedelta(hours=hour) for hour in range(hours)]
    starts = [period.start]
    day = _next(period.local(period.start).date(), by)
    while (start := period.midnight(day)) < period.end:
        starts.append(start)
        day = _next(day, by)
    return starts


def _next(day: date, by: Unit) -> date:
    """The next day on which a slice begins."""
    if by == "day":
        return day + timedelta(days=1)
    if by == "week":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def _label(start: datetime, by: Unit, period: Period) -> str:
    local = period.local(start)
    if by == "hour":
        return f"{local:%H:%M}"
    month = MONTHS[local.month - 1][:3]
    if by == "month":
        return f"{month} {local.year}"
    if by == "week":
        return f"{local.day} {month}"
    return f"{WEEKDAYS[local.weekday()][:3]} {local.day} {month}"
