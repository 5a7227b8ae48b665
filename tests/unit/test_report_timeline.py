from datetime import UTC, datetime, timedelta

import pytest

from fireforget.reporting.measures import Count
from fireforget.reporting.period import Period
from fireforget.reporting.timeline import Timeline

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def cut(text: str, zone: str = "UTC") -> Timeline[Count]:
    return Timeline(Period.parse(text, now=NOW, zone=zone), Count)


@pytest.mark.parametrize(
    ("text", "unit", "labels", "number"),
    [
        ("2026-11-22", "hour", ("00:00", "23:00"), 24),
        ("2026-11-21..2026-11-22", "hour", ("00:00", "23:00"), 48),
        ("2026-W47", "day", ("Mon 16 Nov", "Sun 22 Nov"), 7),
        ("2026-12", "day", ("Tue 1 Dec", "Thu 31 Dec"), 31),
        ("2026-07-01..2026-09-30", "week", ("1 Jul", "28 Sep"), 14),
        ("2026-01-01..2026-12-31", "week", ("1 Jan", "28 Dec"), 53),
        ("2025-01-01..2026-12-31", "month", ("Jan 2025", "Dec 2026"), 24),
    ],
)
def test_a_period_is_cut_by_its_length(text: str, unit: str, labels: tuple[str, str], number: int) -> None:
    timeline = cut(text, "Europe/London")
    names = [name for _, name, _ in timeline]

    assert timeline.unit == unit
    assert (names[0], names[-1]) == labels
    assert len(names) == number


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_on_which_the_clocks_change_has_as_many_hours_as_it_has(day: str, hours: int) -> None:
    assert len(list(cut(day, "Europe/London"))) == hours


def test_a_slice_holds_its_first_moment_and_not_the_next_one_s() -> None:
    timeline = cut("2026-W47", "America/New_York")
    midnight = datetime(2026, 11, 17, 5, tzinfo=UTC)  # in New York

    timeline.at(midnight - timedelta(microseconds=1)).add()
    timeline.at(midnight).add(10)

    assert [measure.value for _, _, measure in timeline] == [1, 10, 0, 0, 0, 0, 0]


def test_a_moment_outside_counts_in_the_nearest_slice() -> None:
    timeline = cut("2026-W47")

    timeline.at(datetime(2020, 1, 1, tzinfo=UTC)).add()
    timeline.at(datetime(2030, 1, 1, tzinfo=UTC)).add()

    assert [measure.value for _, _, measure in timeline] == [1, 0, 0, 0, 0, 0, 1]


def test_a_day_without_a_midnight_is_a_slice() -> None:
    starts = [start for start, _, _ in cut("2022-03", "Asia/Beirut")]

    assert len(starts) == 31
    assert starts == sorted(set(starts))
