"""How time is measured here: interleaved rounds of all cases in one process, and ratios within each round.

Another program that takes the processor for a while slows all cases of a round alike, so the ratio of two cases in one
round says more than the ratio of their averages.
"""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence

import msgspec


class Case(msgspec.Struct, frozen=True):
    """One thing to measure.

    Args:
        name: As the table says it.
        run: One round of it; returns the seconds that one operation took.
        settle: Awaited after each round and not measured, such as until a queue is empty.
    """

    name: str
    run: Callable[[], Awaitable[float]]
    settle: Callable[[], Awaitable[object]] | None = None


class Spread(msgspec.Struct, frozen=True):
    """The middle of a row of numbers, and how far they lie apart.

    Args:
        median: Half of them are below.
        low: A tenth of them are below.
        high: A tenth of them are above.
        least: The smallest.
    """

    median: float
    low: float
    high: float
    least: float


class Percentiles(msgspec.Struct, frozen=True):
    """What half of many numbers stay below, and what nearly all do."""

    p50: float
    p99: float
    p999: float


Rounds = dict[str, list[float]]
"""By the name of a case, the seconds of one operation in each round."""


async def interleave(cases: Sequence[Case], rounds: int, warmup: int = 3) -> Rounds:
    """Run all cases once in each round. Who goes first changes from round to round; the warm-up is left out."""
    found: Rounds = {case.name: [] for case in cases}
    for number in range(-warmup, rounds):
        first = number % len(cases)
        for case in (*cases[first:], *cases[:first]):
            seconds = await case.run()
            if case.settle is not None:
                await case.settle()
            if number >= 0:
                found[case.name].append(seconds)
    return found


def spread(values: Sequence[float]) -> Spread:
    """The middle of some numbers, and how far they lie apart."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0], values[0])
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return Spread(statistics.median(values), tenths[0], tenths[-1], min(values))


def ratio(subject: Sequence[float], baseline: Sequence[float]) -> Spread:
    """What the subject costs in units of the baseline, round by round; `least` is the ratio of the two minima."""
    rounds = spread([ours / theirs for ours, theirs in zip(subject, baseline, strict=True)])
    return msgspec.structs.replace(rounds, least=min(subject) / min(baseline))


def percentiles(values: Sequence[float]) -> Percentiles:
    """Of a thousand numbers or more."""
    thousandths = statistics.quantiles(values, n=1000)
    return Percentiles(thousandths[499], thousandths[989], thousandths[998])
