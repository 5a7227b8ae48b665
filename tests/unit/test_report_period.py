from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest

from fireforget.errors import SettingsError
from fireforget.reporting.period import Period

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday


def parse(text: str, zone: str = "UTC") -> Period:
    return Period.parse(text, now=NOW, zone=zone)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026-W47", utc(2026, 11, 16), utc(2026, 11, 23)),
        ("2026-W53", utc(2026, 12, 28), utc(2027, 1, 4)),
        ("2026-11", utc(2026, 11, 1), utc(2026, 12, 1)),
        ("2026-12", utc(2026, 12, 1), utc(2027, 1, 1)),
        ("2028-02", utc(2028, 2, 1), utc(2028, 3, 1)),
        ("2026-11-22", utc(2026, 11, 22), utc(2026, 11, 23)),
        ("2026-11-01..2026-11-15", utc(2026, 11, 1), utc(2026, 11, 16)),
        ("2026-11-01..2026-11-01", utc(2026, 11, 1), utc(2026, 11, 2)),
        ("yesterday", utc(2026, 11, 24), utc(2026, 11, 25)),
        ("last-week", utc(2026, 11, 16), utc(2026, 11, 23)),
        ("last-month", utc(2026, 10, 1), utc(2026, 11, 1)),
        (" 2026-W47\n", utc(2026, 11, 16), utc(2026, 11, 23)),
    ],
)
def test_a_period_is_read_as_people_write_it(text: str, start: datetime, end: datetime) -> None:
    assert parse(text) == Period(start, end)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "2026", "2026-W00", "2025-W53", "2026-W7", "2026-13", "2026-02-30", "0000-01", "next-week"),
        *("2026-11-15..2026-11-01", "2026-11-01..", "2026-11-01...2026-11-02", "9999-12-31", "9999-12", "٢٠٢٦-11"),
    ],
)
def test_what_is_no_period_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not a period .*: write an ISO week \(2026-W47\), a month"):
        parse(text)


@pytest.mark.parametrize("zone", ["", "Nowhere/City", "../etc/passwd", "/etc/passwd", "Europe", "a\x00b"])
def test_an_unknown_zone_is_refused_with_the_mend(zone: str) -> None:
    with pytest.raises(SettingsError, match="write an IANA name such as 'UTC'"):
        parse("2026-11", zone)


def test_the_ends_need_an_offset_and_an_order() -> None:
    with pytest.raises(SettingsError, match="offset"):
        Period(datetime(2026, 1, 1), utc(2026, 1, 2))  # noqa: DTZ001
    with pytest.raises(SettingsError, match="exchange the two ends"):
        Period(utc(2026, 1, 2), utc(2026, 1, 2))
    with pytest.raises(SettingsError, match="at most ten years"):
        Period(utc(2000, 1, 1), utc(2026, 1, 1))


def test_days_count_both_ends() -> None:
    period = Period.days(date(2026, 11, 1), date(2026, 11, 15), zone="Europe/London")

    assert period == parse("2026-11-01..2026-11-15", "Europe/London")


def test_the_calendar_is_that_of_the_zone() -> None:
    """In New York the 24th is still going on when it is the 25th in London."""
    period = Period.parse("yesterday", now=utc(2026, 11, 25, 3), zone="America/New_York")

    assert period == Period(utc(2026, 11, 23, 5), utc(2026, 11, 24, 5), "America/New_York")


def test_a_week_in_which_the_clocks_change_has_an_hour_more_or_less() -> None:
    spring = parse("2026-W13", "Europe/London")
    autumn = parse("2026-W43", "Europe/London")

    assert spring.end - spring.start == timedelta(hours=167)
    assert autumn.end - autumn.start == timedelta(hours=169)
    assert spring.previous().end == spring.start
    assert spring.previous() == parse("2026-W12", "Europe/London")


def test_a_day_without_a_midnight_joins_its_neighbours() -> None:
    """In Beirut the clocks of 27 March 2022 went from midnight to one o'clock."""
    before, day, after = (parse(f"2022-03-{number}", "Asia/Beirut") for number in (26, 27, 28))

    assert (before.end, day.end) == (day.start, after.start)
    assert day.end - day.start == timedelta(hours=23)
    assert (day.noun, day.previous()) == ("day", before)


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("2026-W01", "2025-W52"),
        ("2026-03", "2026-02"),
        ("2026-01", "2025-12"),
        ("2026-03-01", "2026-02-28"),
        ("2026-04-01..2026-06-30", "2026-01-01..2026-03-31"),
        ("2026-01-01..2026-12-31", "2025-01-01..2025-12-31"),
        ("2026-11-01..2026-11-15", "2026-10-17..2026-10-31"),
        ("last-month", "2026-09"),
    ],
)
def test_the_period_before_is_of_the_same_kind(text: str, before: str) -> None:
    assert parse(text).previous() == parse(before)
    assert parse(text, "Europe/London").previous() == parse(before, "Europe/London")


def test_before_a_span_of_hours_lie_as_many_hours() -> None:
    period = Period(utc(2026, 11, 22, 6), utc(2026, 11, 22, 9))

    assert period.previous() == Period(utc(2026, 11, 22, 3), utc(2026, 11, 22, 6))


def test_before_the_calendar_there_is_no_period() -> None:
    with pytest.raises(SettingsError, match="choose a later"):
        parse("0001-01").previous()


@pytest.mark.parametrize(
    ("text", "noun", "label", "span", "short"),
    [
        ("2026-W47", "week", "Week 47, 2026", "16–22 November 2026", "Week 47"),
        ("2026-W01", "week", "Week 1, 2026", "29 December 2025 – 4 January 2026", "Week 1"),
        ("2026-11", "month", "November 2026", "1–30 November 2026", "Nov 2026"),
        ("2026-11-22", "day", "Sunday 22 November 2026", "22 November 2026", "22 Nov"),
        ("2026-10-30..2026-11-02", "period", *["30 October – 2 November 2026"] * 2, "Period"),
        ("2026-11-17..2026-11-23", "period", *["17–23 November 2026"] * 2, "Period"),
    ],
)
def test_a_period_has_a_name(text: str, noun: str, label: str, span: str, short: str) -> None:
    period = parse(text, "Europe/London")

    assert (period.noun, period.label, period.span, period.short) == (noun, label, span, short)


def test_a_span_of_hours_is_called_by_its_moments() -> None:
    period = Period(utc(2026, 7, 1, 6), utc(2026, 7, 1, 9, 30), "Europe/London")

    assert period.label == "1 July 2026 07:00 – 1 July 2026 10:30"


def test_a_period_goes_through_json() -> None:
    period = parse("2026-W47", "Europe/London")

    assert msgspec.json.decode(msgspec.json.encode(period), type=Period) == period
