"""Every measure against what it is short for."""

import math
import statistics
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireforget.reporting.figures import Ranked, Ratio, Uniques
from fireforget.reporting.grouped import OTHER, Grouped
from fireforget.reporting.measures import Count, Distinct, Mean, Percentiles, Share, Top

times = st.floats(0, 1e9)
few = st.text("abc", max_size=3)


@given(st.lists(st.integers(0, 10**9)))
def test_count(amounts: list[int]) -> None:
    measure = Count()
    for amount in amounts:
        measure.add(amount)

    assert measure.value == sum(amounts)


@given(st.lists(st.booleans()))
def test_share(hits: list[bool]) -> None:
    measure = Share()
    for hit in hits:
        measure.add(hit=hit)

    assert measure.figure() == Ratio(sum(hits), len(hits))
    assert measure.figure().share == (statistics.fmean(hits) if hits else None)


@given(st.lists(times))
def test_mean(values: list[float]) -> None:
    measure = Mean()
    for value in values:
        measure.add(value)

    expected = statistics.fmean(values) if values else None
    assert measure.figure().count == len(values)
    assert measure.figure().mean == (expected if expected is None else pytest.approx(expected))


@given(st.lists(few | st.text()))
def test_distinct_is_exact_while_it_keeps_every_text(texts: list[str]) -> None:
    measure = Distinct()
    for text in texts:
        measure.add(text)

    assert measure.figure() == Uniques(len(set(texts)))


@given(st.integers(1, 4_000), st.integers(1, 2), st.randoms(use_true_random=False))
def test_distinct_is_close_and_heedless_of_order_and_repetition(number: int, times: int, random: "object") -> None:
    texts = [f"text {index}" for index in range(number)] * times
    ordered, shuffled = Distinct(kept=1024), Distinct(kept=1024)
    for text in texts:
        ordered.add(text)
    random.shuffle(texts)  # type: ignore[attr-defined]
    for text in texts:
        shuffled.add(text)
    figure = ordered.figure()

    assert figure == shuffled.figure()
    assert figure.exact == (number <= 1024)
    assert figure.count == (number if figure.exact else pytest.approx(number, rel=0.16))  # five standard errors


def nearest_rank(values: list[float], percent: int) -> float:
    """The definition, word for word: the smallest value that at least so many per cent do not exceed."""
    return min(value for value in values if 100 * sum(other <= value for other in values) >= percent * len(values))


@given(st.lists(times, min_size=1, max_size=200))
def test_percentiles_are_of_the_nearest_rank(values: list[float]) -> None:
    measure = Percentiles()
    for value in values:
        measure.add(value)
    figure = measure.figure()

    assert (figure.count, figure.exact) == (len(values), True)
    assert (figure.p50, figure.p95, figure.p99) == tuple(nearest_rank(values, percent) for percent in (50, 95, 99))
    assert measure.total == pytest.approx(math.fsum(values))


@given(st.lists(times, min_size=1, max_size=200), st.integers(0, 20))
def test_percentiles_of_more_values_than_are_kept_are_within_one_percent(values: list[float], kept: int) -> None:
    measure = Percentiles(kept)
    for value in values:
        measure.add(value)
    figure = measure.figure()

    assert figure.exact == (len(values) <= kept)
    for estimate, percent in ((figure.p50, 50), (figure.p95, 95), (figure.p99, 99)):
        assert estimate == pytest.approx(nearest_rank(values, percent), rel=0.01, abs=0)


@given(st.lists(times), st.integers(0, 10))
def test_percentiles_do_not_heed_the_order(values: list[float], kept: int) -> None:
    one, other = Percentiles(kept), Percentiles(kept)
    for value in values:
        one.add(value)
    for value in sorted(values):
        other.add(value)

    assert one.figure() == other.figure()


@given(st.lists(few))
def test_top_is_exact_while_it_keeps_every_text(texts: list[str]) -> None:
    measure = Top()
    for text in texts:
        measure.add(text)
    figure = measure.figure(rows=5)
    expected = sorted(Counter(texts).items(), key=lambda item: (-item[1], item[0]))[:5]

    assert figure.rows == tuple(Ranked(text or "(empty)", count) for text, count in expected)
    assert (figure.total, figure.exact) == (len(texts), True)


@given(st.lists(st.integers(0, 60).map(str), max_size=600), st.integers(2, 20))
def test_top_of_more_texts_than_are_kept_is_at_most_its_slack_too_low(texts: list[str], kept: int) -> None:
    measure = Top(kept)
    for text in texts:
        measure.add(text)
    figure = measure.figure(rows=kept)
    counted = {row.label: row.count for row in figure.rows}

    assert figure.total == len(texts)
    assert figure.slack * kept <= 2 * len(texts)
    for text, count in Counter(texts).items():
        assert count - figure.slack <= counted.get(text, 0) <= count


amounts_by_name = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9)))


def grouped(amounts: list[tuple[str, int]], kept: int) -> Grouped[Count]:
    measure = Grouped(Count, kept)
    for name, amount in amounts:
        measure.of(name).add(amount)
    return measure


@given(amounts_by_name, st.integers(1, 9))
def test_of_few_names_the_largest_are_exact_and_the_others_together(amounts: list[tuple[str, int]], rows: int) -> None:
    sums = Counter[str]()
    for name, amount in amounts:
        sums[name] += amount
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    others = [(OTHER, sum(amount for _, amount in ordered[rows:]))] if len(ordered) > rows else []
    measure = grouped(amounts, kept=8)

    assert [(name, group.value) for name, group in measure.largest(rows)] == ordered[:rows] + others
    assert measure.slack == 0


@given(amounts_by_name, st.integers(1, 5))
def test_of_many_names_none_that_is_large_is_missed_and_nothing_is_lost(
    amounts: list[tuple[str, int]], kept: int
) -> None:
    sums = Counter[str]()
    for name, amount in amounts:
        sums[name] += amount
    measure = grouped(amounts, kept)
    found = {name: group.value for name, group in measure.largest(kept)}

    assert measure.slack * kept <= sums.total()
    assert sum(found.values()) == sums.total()
    assert {name for name, amount in sums.items() if amount > measure.slack} <= set(found)
    for name in set(found) - {OTHER}:
        assert sums[name] - measure.slack <= found[name] <= sums[name]


@given(st.lists(times, max_size=40), st.lists(times, max_size=40), st.integers(1, 50), st.integers(1, 50))
def test_percentiles_that_are_merged_are_those_of_all_values(
    ones: list[float], others: list[float], kept: int, kept_of_others: int
) -> None:
    merged, other, whole = Percentiles(kept), Percentiles(kept_of_others), Percentiles(kept)
    for value in ones:
        merged.add(value)
    for value in others:
        other.add(value)
    for value in ones + others:
        whole.add(value)
    merged.merge(other)
    figure = merged.figure()

    assert figure.count == len(ones) + len(others)
    assert merged.total == pytest.approx(whole.total)
    if figure.exact or not whole.figure().exact:
        assert figure == whole.figure()
    else:
        assert figure.p50 == pytest.approx(whole.figure().p50, rel=0.01)
