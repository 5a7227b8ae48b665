"""The period of a report: from a moment to a moment, half-open, in the calendar of one time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
"""Our own names: those of `calendar` and `strftime` change with the machine's locale."""

FORMS: Final = (
    "an ISO week (2026-W47), a month (2026-11), a day (2026-11-22), a span of days with both ends counted "
    "(2026-11-01..2026-11-15), 'yesterday', 'last-week' or 'last-month'"
)

LAST: Final = {"day": "yesterday", "week": "last-week", "month": "last-month"}
"""How the last whole one of each is written."""

_WEEK: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")
_MONTH: Final = re.compile(r"([0-9]{4})-([0-9]{2})")
_SPAN: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:\.\.([0-9]{4}-[0-9]{2}-[0-9]{2}))?")

_LONGEST: Final = timedelta(days=3660)
_DAYS_OF_WEEK: Final = 7
_MONTHS_OF_YEAR: Final = 12


class Period(msgspec.Struct, frozen=True):
    """From `start`, inclusive, to `end`, exclusive.

    Args:
        start: First moment; aware, kept in UTC.
        end: The moment after the last; aware, kept in UTC.
        zone: IANA name of the time zone whose days, weeks and months count. UTC.

    Raises:
        SettingsError: A moment has no offset, the end is not after the start, the period is longer than ten
            years, or the zone is not known.
    """

    start: datetime
    end: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise SettingsError("a period needs moments with an offset: give both ends a tzinfo")
        if self.end <= self.start:
            message = f"the period ends at {self.end.isoformat()}, not after its start: exchange the two ends"
            raise SettingsError(message)
        if self.end - self.start > _LONGEST:
            message = f"a period of {(self.end - self.start).days} days is too long: choose at most ten years"
            raise SettingsError(message)
        _zone(self.zone)
        msgspec.structs.force_setattr(self, "start", self.start.astimezone(UTC))
        msgspec.structs.force_setattr(self, "end", self.end.astimezone(UTC))

    @classmethod
    def parse(cls, text: str, *, now: datetime, zone: str = "UTC") -> Period:
        """Read a period as people write it.

        Args:
            text: ``2026-W47``, ``2026-11``, ``2026-11-22``, ``2026-11-01..2026-11-15`` (both days counted),
                ``yesterday``, ``last-week`` or ``last-month``.
            now: The present moment, aware; what ``yesterday`` and ``last-…`` are counted from.
            zone: IANA name of the time zone whose calendar is meant. UTC.

        Raises:
            SettingsError: The text is none of these, there is no such day, or the zone is not known.
        """
        today = now.astimezone(_zone(zone)).date()
        written = text.strip()
        try:
            first, after = _RELATIVE[written](today) if written in _RELATIVE else _read(written)
            return cls(_midnight(first, zone), _midnight(after, zone), zone)
        except (ValueError, OverflowError) as error:
            message = f"{text!r:.60} is not a period ({error}): write {FORMS}"
            raise SettingsError(message) from error

    @classmethod
    def days(cls, first: date, last: date, *, zone: str = "UTC") -> Period:
        """The whole days from `first` to `last`, both counted, in the calendar of `zone`.

        Raises:
            SettingsError: The last day is before the first, or the zone is not known.
        """
        return cls(_midnight(first, zone), _midnight(last + timedelta(days=1), zone), zone)

    @property
    def calendar(self) -> tuple[date, date] | None:
        """The first day and the day after the last, in the period's zone; None unless it is whole days."""
        first, after = self.local(self.start).date(), self.local(self.end).date()
        if (self.start, self.end) == (self.midnight(first), self.midnight(after)):
            return first, after
        return None

    @property
    def noun(self) -> str:
        """What the period is: ``day``, ``week`` (Monday to Sunday), ``month``, else ``period``."""
        if self.calendar is None:
            return "period"
        first, after = self.calendar
        if _month(after) - _month(first) == 1 and first.day == after.day == 1:
            return "month"
        length = (after - first).days
        if length == _DAYS_OF_WEEK and first.weekday() == 0:
            return "week"
        return "day" if length == 1 else "period"

    @property
    def label(self) -> str:
        """Its name for a heading: ``Week 47, 2026``, ``November 2026``, ``Sunday 22 November 2026``; or `span`.

        Only a calendar's own periods have a name; any other is called by its days or moments.
        """
        if self.calendar is None:
            return self.span
        first, _ = self.calendar
        match self.noun:
            case "week":
                year, week, _ = first.isocalendar()
                return f"Week {week}, {year}"
            case "month":
                return f"{MONTHS[first.month - 1]} {first.year}"
            case "day":
                return f"{WEEKDAYS[first.weekday()]} {_day(first)}"
            case _:
                return self.span

    @property
    def span(self) -> str:
        """Its first and last day, such as ``16–22 November 2026``; its moments where it is not whole days."""
        if self.calendar is None:
            return " – ".join(_moment(self.local(moment)) for moment in (self.start, self.end))
        first, after = self.calendar
        last = after - timedelta(days=1)
        if first == last:
            return _day(first)
        if first.year != last.year:
            return f"{_day(first)} – {_day(last)}"
        if first.month != last.month:
            return f"{first.day} {MONTHS[first.month - 1]} – {_day(last)}"
        return f"{first.day}–{_day(last)}"

    @property
    def short(self) -> str:
        """Its name for the head of a column: ``Week 47``, ``Nov 2026``, ``22 Nov``, else ``Period``."""
        if self.calendar is None:
            return "Period"
        first, _ = self.calendar
        month = MONTHS[first.month - 1][:3]
        named = {"week": self.label.split(",")[0], "month": f"{month} {first.year}", "day": f"{first.day} {month}"}
        return named.get(self.noun, "Period")

    def local(self, moment: datetime) -> datetime:
        """The moment as the clocks of the period's zone show it."""
        return moment.astimezone(_zone(self.zone))

    def midnight(self, day: date) -> datetime:
        """When a day begins in the period's zone, in UTC; where the clocks skip midnight, when they do."""
        return _midnight(day, self.zone)

    def previous(self) -> Period:
        """The period before, of the same kind, ending where this one starts.

        Whole months are preceded by as many whole months, whole days by as many days (so a day of 23 hours is
        preceded by one of 24), anything else by the same length of time.

        Raises:
            SettingsError: The calendar begins too late for it.
        """
        try:
            if self.calendar is None:
                return Period(self.start - (self.end - self.start), self.start, self.zone)
            first, after = self.calendar
            if first.day == after.day == 1:
                months = 2 * _month(first) - _month(after)
                before = date(months // _MONTHS_OF_YEAR, months % _MONTHS_OF_YEAR + 1, 1)
            else:
                before = first - (after - first)
            return Period(self.midnight(before), self.start, self.zone)
        except (ValueError, OverflowError) as error:
            message = f"there is no period before {self.span}: choose a later or a shorter one"
            raise SettingsError(message) from error


def _last_week(today: date) -> tuple[date, date]:
    monday = today - timedelta(days=today.weekday())
    return monday - timedelta(days=_DAYS_OF_WEEK), monday


def _last_month(today: date) -> tuple[date, date]:
    first = today.replace(day=1)
    return (first - timedelta(days=1)).replace(day=1), first


_RELATIVE: Final[dict[str, Callable[[date], tuple[date, date]]]] = {
    "yesterday": lambda today: (today - timedelta(days=1), today),
    "last-week": _last_week,
    "last-month": _last_month,
}


def _read(text: str) -> tuple[date, date]:
    """The first day and the day after the last one."""
    if week := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(week[1]), int(week[2]), 1)
        return monday, monday + timedelta(days=_DAYS_OF_WEEK)
    if month := _MONTH.fullmatch(text):
        first = date(int(month[1]), int(month[2]), 1)
        return first, (first + timedelta(days=31)).replace(day=1)
    if span := _SPAN.fullmatch(text):
        first = date.fromisoformat(span[1])
        last = date.fromisoformat(span[2] or span[1])
        if last < first:
            raise ValueError("it ends before it begins")
        return first, last + timedelta(days=1)
    raise ValueError("no such form")


def _zone(name: str) -> ZoneInfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (
        ValueError,
        OSError,
        KeyError,
    ) as error:  # a missing key, a path outside the data, a directory of it
        message = f"{name!r:.60} is not a known time zone: write an IANA name such as 'UTC' or 'Europe/London'"
        raise SettingsError(message) from error


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), _zone(zone)).astimezone(UTC)


def _month(day: date) -> int:
    """The months since the year 0."""
    return day.year * _MONTHS_OF_YEAR + day.month - 1


def _day(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _moment(moment: datetime) -> str:
    return f"{_day(moment.date())} {moment:%H:%M}"
