"""When a report is due, and of which period: by the calendar and the clocks of the report's time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from fireforget.errors import SettingsError
from fireforget.reporting.period import LAST, WEEKDAYS, Period

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

Every = Literal["day", "week", "month"]

FORMS: Final = "'daily 07:00', 'weekly monday 07:00' or 'monthly 1 07:00' (a day up to the 28th)"

_DAILY: Final = re.compile(r"daily +([0-9]{2}):([0-9]{2})")
_WEEKLY: Final = re.compile(r"weekly +([a-z]+) +([0-9]{2}):([0-9]{2})")
_MONTHLY: Final = re.compile(r"monthly +([0-9]{1,2}) +([0-9]{2}):([0-9]{2})")
_LAST_DAY: Final = 28
"""The last day that every month has."""
_REACH: Final[dict[Every, int]] = {"day": 2, "week": 8, "month": 32}
"""Days within which there is certainly another one."""


class Due(NamedTuple):
    """One report that is due.

    Args:
        moment: When, in UTC.
        period: What it is of: the last whole day, week or month by then.
    """

    moment: datetime
    period: Period


class Schedule(msgspec.Struct, frozen=True):
    """A day, a day of the week or a day of the month, and a time of the day.

    Where the clocks skip that time, the report is due as much later; where they pass it twice, the first time.

    Args:
        every: How often; also what the report is of.
        on: The day of the week from 0 (Monday), or of the month from 1; without meaning for each day.
        at: The time of the day.
        zone: IANA name of the time zone whose clocks and calendar count.
    """

    every: Every
    on: int
    at: time
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str = "UTC") -> Schedule:
        """Read a schedule as it stands in the configuration.

        Raises:
            SettingsError: It is none, or the zone is not known.
        """
        written = text.strip().lower()
        try:
            schedule = cls._read(written, zone)
        except ValueError as error:
            message = f"schedule of [report] is {text!r:.60}, which is none ({error}): write {FORMS}"
            raise SettingsError(message) from error
        Period.parse("2000-01-01", now=datetime(2000, 1, 1, tzinfo=UTC), zone=zone)
        return schedule

    @classmethod
    def _read(cls, written: str, zone: str) -> Schedule:
        if found := _DAILY.fullmatch(written):
            return cls("day", 0, time(int(found[1]), int(found[2])), zone)
        if found := _WEEKLY.fullmatch(written):
            days = [day.lower() for day in WEEKDAYS]
            if found[1] not in days:
                message = f"{found[1]} is no day of the week"
                raise ValueError(message)
            return cls("week", days.index(found[1]), time(int(found[2]), int(found[3])), zone)
        if found := _MONTHLY.fullmatch(written):
            day = int(found[1])
            if not 1 <= day <= _LAST_DAY:
                message = f"not every month has a day {day}"
                raise ValueError(message)
            return cls("month", day, time(int(found[2]), int(found[3])), zone)
        raise ValueError("no such form")

    def last(self, now: datetime) -> Due:
        """The last report that was due at that moment or before."""
        return self._due(*max(known for known in self._around(now) if known[0] <= now))

    def next(self, now: datetime) -> Due:
        """The next report that will be due after that moment."""
        return self._due(*min(known for known in self._around(now) if known[0] > now))

    def _around(self, now: datetime) -> Iterator[tuple[datetime, date]]:
        """The moments around that one when a report is due, each with its day."""
        zone = self._zone
        today = now.astimezone(zone).date()
        reach = _REACH[self.every]
        for day in (today + timedelta(days=offset) for offset in range(-reach, reach + 1)):
            if self._falls_on(day):
                yield datetime.combine(day, self.at, zone).astimezone(UTC), day

    def _falls_on(self, day: date) -> bool:
        if self.every == "week":
            return day.weekday() == self.on
        return self.every == "day" or day.day == self.on

    def _due(self, moment: datetime, day: date) -> Due:
        noon = datetime.combine(day, time(12), self._zone)  # a time that no change of the clocks skips
        return Due(moment, Period.parse(LAST[self.every], now=noon, zone=self.zone))

    @property
    def _zone(self) -> ZoneInfo:
        from zoneinfo import ZoneInfo

        return ZoneInfo(self.zone)
