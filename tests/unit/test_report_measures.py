import subprocess
import sys

import pytest

from fireforget.reporting.figures import Ranked, Ranking, Spread, Uniques
from fireforget.reporting.grouped import Grouped
from fireforget.reporting.measures import Count, Distinct, Mean, Percentiles, Share, Top


def test_of_nothing_there_is_no_figure() -> None:
    assert Share().figure().share is None
    assert Mean().figure().mean is None
    assert Distinct().figure() == Uniques(0)
    assert Percentiles().figure() == Spread()
    assert Top().figure(rows=10) == Ranking()


def test_a_percentile_is_a_value_that_occurred() -> None:
    measure = Percentiles()
    for value in range(1, 101):
        measure.add(value)

    assert measure.figure() == Spread(100, 50, 95, 99)


def test_texts_count_together_without_regard_to_case_and_space() -> None:
    measure = Top()
    for text in ("Who  is\nhe?", "who is he?", "WHO IS HE? ", "Straße", "STRASSE", "who?"):
        measure.add(text)

    assert measure.figure(rows=2).rows == (Ranked("Who is he?", 3), Ranked("Straße", 2))


def test_long_texts_that_begin_alike_are_not_the_same() -> None:
    measure = Top()
    for end in "abb":
        measure.add("x" * 100_000 + end)
    first, second = measure.figure(rows=2).rows

    assert (first.count, second.count) == (2, 1)
    assert len(first.label) == 160


def test_the_first_note_that_says_something_stays() -> None:
    measure = Top()
    for note in ("", "first", "second"):
        measure.add("text", note)

    assert measure.figure(rows=1).rows == (Ranked("text", 3, "first"),)


def test_memory_is_bounded() -> None:
    distinct, top, percentiles, grouped = Distinct(kept=100), Top(kept=100), Percentiles(kept=100), Grouped(Count, 10)
    for number in range(20_000):
        text = f"text {number}"
        distinct.add(text)
        top.add(text, note=text)
        percentiles.add(number)
        grouped.of(text).add()

    assert len(distinct._hashes) == len(distinct._largest) == 100
    assert len(top._counts) == len(top._labels) <= 100
    assert len(percentiles._values) == 0
    assert percentiles._buckets is not None
    assert len(percentiles._buckets) < 600
    assert len(grouped._groups) == len(grouped._inherited) == len(grouped._ranks) == 10
    assert len(grouped.largest(10)) == 11


def test_a_sketch_is_the_same_in_every_process() -> None:
    """Python's own hashes are not: they would make a report change from run to run."""
    program = """
from fireforget.reporting.measures import Distinct, Top
distinct, top = Distinct(kept=64), Top(kept=64)
for number in range(5000):
    distinct.add(f"text {number}")
    top.add(f"text {number * number % 997}")
print(distinct.figure(), top.figure(rows=20))
"""
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(runs) == 1


@pytest.mark.parametrize("value", [0.0, 5e-324, 1e-9, 1.0, 1e308])
def test_a_bucket_holds_any_value(value: float) -> None:
    measure = Percentiles(kept=0)
    measure.add(value)

    assert measure.figure().p50 == pytest.approx(value, rel=0.01)
