"""When a report is due: by the clocks of its zone, once, whatever they do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireforget.errors import SettingsError
from fireforget.reporting.schedule import Schedule

WEDNESDAY = datetime(2026, 11, 25, 12, tzinfo=UTC)
EARLY = datetime.fromisoformat("2011-01-01")  # hypothesis adds the zone


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "last", "period", "following"),
    [
        ("weekly monday 07:00", at(2026, 11, 23, 7), "Week 47, 2026", at(2026, 11, 30, 7)),
        ("Weekly  Friday 17:30", at(2026, 11, 20, 17, 30), "Week 46, 2026", at(2026, 11, 27, 17, 30)),
        ("daily 07:00", at(2026, 11, 25, 7), "Tuesday 24 November 2026", at(2026, 11, 26, 7)),
        ("daily 12:00", at(2026, 11, 25, 12), "Tuesday 24 November 2026", at(2026, 11, 26, 12)),
        ("daily 12:01", at(2026, 11, 24, 12, 1), "Monday 23 November 2026", at(2026, 11, 25, 12, 1)),
        ("monthly 1 00:00", at(2026, 11, 1), "October 2026", at(2026, 12, 1)),
        ("monthly 28 06:00", at(2026, 10, 28, 6), "September 2026", at(2026, 11, 28, 6)),
    ],
)
def test_the_last_and_the_next(text: str, last: datetime, period: str, following: datetime) -> None:
    schedule = Schedule.parse(text)

    assert (schedule.last(WEDNESDAY).moment, schedule.last(WEDNESDAY).period.label) == (last, period)
    assert schedule.next(WEDNESDAY).moment == following


def test_the_hour_is_that_of_the_zone_in_summer_and_in_winter() -> None:
    schedule = Schedule.parse("weekly monday 07:00", "Europe/London")

    assert schedule.last(at(2026, 7, 7)).moment == at(2026, 7, 6, 6)
    assert schedule.last(at(2026, 12, 8)).moment == at(2026, 12, 7, 7)


def test_an_hour_that_the_clocks_skip_comes_later_and_the_same_day() -> None:
    """In Berlin 02:30 does not exist on 29 March 2026: after 01:59 the clocks show 03:00."""
    schedule = Schedule.parse("daily 02:30", "Europe/Berlin")
    due = schedule.last(at(2026, 3, 29, 23))

    assert (due.moment, due.period.label) == (at(2026, 3, 29, 1, 30), "Saturday 28 March 2026")
    assert schedule.next(due.moment).moment == at(2026, 3, 30, 0, 30)


def test_an_hour_that_comes_twice_counts_once() -> None:
    """In Berlin the clocks show 02:30 twice on 25 October 2026."""
    schedule = Schedule.parse("daily 02:30", "Europe/Berlin")
    first, second = at(2026, 10, 25, 0, 30), at(2026, 10, 25, 1, 30)

    assert schedule.last(first).moment == schedule.last(second).moment == first
    assert schedule.next(first).moment == at(2026, 10, 26, 1, 30)


def test_a_midnight_that_does_not_exist_belongs_to_its_day() -> None:
    """In Beirut 27 March 2022 began at one o'clock."""
    due = Schedule.parse("daily 00:00", "Asia/Beirut").last(at(2022, 3, 27, 12))

    assert (due.moment, due.period.label) == (at(2022, 3, 26, 22), "Saturday 26 March 2022")


@given(
    st.sampled_from(["daily 02:30", "daily 00:00", "weekly sunday 02:30", "monthly 25 02:30"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia"]),
    st.datetimes(EARLY, EARLY.replace(year=2031), timezones=st.just(UTC)),
)
def test_every_moment_lies_between_two_reports_that_are_neighbours(text: str, zone: str, now: datetime) -> None:
    schedule = Schedule.parse(text, zone)
    last, following = schedule.last(now), schedule.next(now)

    assert last.moment <= now < following.moment
    assert schedule.next(last.moment) == following
    assert schedule.last(following.moment) == following
    assert last.period.end <= last.moment
    assert following.moment - last.moment <= timedelta(days=32)
    assert last.period != following.period


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("monday 07:00", "no such form"),
        ("weekly 07:00", "no such form"),
        ("weekly moonday 07:00", "moonday is no day of the week"),
        ("monthly 31 07:00", "not every month has a day 31"),
        ("monthly 0 07:00", "not every month has a day 0"),
        ("daily 24:00", "hour must be in"),
        ("daily 7:00", "no such form"),
    ],
)
def test_what_is_no_schedule_is_refused_with_the_mend(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=r"schedule of \[report\] is .*: write 'daily 07:00', 'weekly") as refusal:
        Schedule.parse(text)
    assert words in str(refusal.value)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match="'Mars' is not a known time zone"):
        Schedule.parse("daily 07:00", "Mars")
