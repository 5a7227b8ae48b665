"""Measures: accumulators that take one value at a time and keep a bounded amount of memory.

They do no I/O, read no clock and use no chance: the same values give the same figure, every time, in every
process. Each is exact up to a bound; beyond it, it says that it is not and how far off it can be.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter
from hashlib import blake2b
from itertools import accumulate
from typing import Final

from fireforget.reporting.figures import Average, Ranked, Ranking, Ratio, Spread, Uniques
from fireforget.reporting.legible import label

DISTINCT_KEPT: Final = 65_536
VALUES_KEPT: Final = 500_000
KEYS_KEPT: Final = 20_000


class Count:
    """How many."""

    def __init__(self) -> None:
        self.value = 0

    def add(self, amount: int = 1) -> None:
        """Count `amount` more."""
        self.value += amount

    @property
    def weight(self) -> float:
        """How large it is among others of a `Grouped`."""
        return self.value

    def merge(self, other: Count) -> None:
        """Count what the other one counted."""
        self.value += other.value


class Share:
    """How many of how many."""

    def __init__(self) -> None:
        self._part = 0
        self._whole = 0

    def add(self, *, hit: bool) -> None:
        """Count one more, and whether it belongs to the part."""
        self._whole += 1
        self._part += hit

    def figure(self) -> Ratio:
        """The part and the whole."""
        return Ratio(self._part, self._whole)


class Mean:
    """The arithmetic mean."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Take one value."""
        self._count += 1
        self._sum += value

    def figure(self) -> Average:
        """The mean of all values."""
        return Average(self._count, self._sum / self._count if self._count else None)


class Distinct:
    """How many different texts.

    Exact up to `kept` of them (but for a collision of 64-bit hashes: at 65,536 texts one chance in ten
    billion). Beyond, only the `kept` smallest hashes stay, and the count follows from how densely they lie:
    the k minimum values sketch. Its standard error is 1/√kept: 0.4 % for 65,536. The order of the texts makes
    no difference.
    """

    def __init__(self, kept: int = DISTINCT_KEPT) -> None:
        self._kept = kept
        self._hashes: set[int] = set()
        self._largest: list[int] = []  # a heap of the negated hashes
        self._exact = True

    def add(self, text: str) -> None:
        """Take one text."""
        value = _hash(text)
        if value in self._hashes:
            return
        if len(self._hashes) < self._kept:
            heapq.heappush(self._largest, -value)
            self._hashes.add(value)
            return
        self._exact = False
        if value < -self._largest[0]:
            self._hashes.remove(-heapq.heapreplace(self._largest, -value))
            self._hashes.add(value)

    def figure(self) -> Uniques:
        """The count, and whether it is exact."""
        if self._exact:
            return Uniques(len(self._hashes))
        density = (-self._largest[0] + 1) / 2**64
        return Uniques(round((self._kept - 1) / density), exact=False)


class Percentiles:
    """The spread of numbers that are not negative.

    A percentile p is the value of the nearest rank: the smallest value that at least p % of the values do not
    exceed. Exact up to `kept` values, which take 8 bytes each. Beyond, they are counted in buckets whose
    borders grow by 2 %, and a percentile is within 1 % of the exact one. The order of the values makes no
    difference.
    """

    def __init__(self, kept: int = VALUES_KEPT) -> None:
        self._kept = kept
        self._values = array("d")
        self._buckets: Counter[int] | None = None
        self._count = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Take one value, 0 or more."""
        self._count += 1
        self.total += value
        if self._buckets is not None:
            self._buckets[_bucket(value)] += 1
            return
        self._values.append(value)
        if self._count > self._kept:
            self._in_buckets()

    @property
    def weight(self) -> float:
        """How large it is among others of a `Grouped`: the sum of its values."""
        return self.total

    def merge(self, other: Percentiles) -> None:
        """Take all values of the other one."""
        self._count += other._count
        self.total += other.total
        if other._buckets is not None:
            self._in_buckets().update(other._buckets)
        elif self._buckets is not None or self._count > self._kept:
            self._in_buckets().update(map(_bucket, other._values))
        else:
            self._values.extend(other._values)

    def figure(self) -> Spread:
        """The percentiles 50, 95 and 99."""
        if not self._count:
            return Spread()
        ranks = [-(-percent * self._count // 100) for percent in (50, 95, 99)]
        if self._buckets is None:
            ordered = sorted(self._values)
            p50, p95, p99 = (ordered[rank - 1] for rank in ranks)
        else:
            p50, p95, p99 = (_of_rank(self._buckets, rank) for rank in ranks)
        return Spread(self._count, p50, p95, p99, exact=self._buckets is None)

    def _in_buckets(self) -> Counter[int]:
        """The values counted in buckets, from now on at the latest."""
        if self._buckets is None:
            self._buckets = Counter(map(_bucket, self._values))
            self._values = array("d")
        return self._buckets


class Top:
    """The most frequent texts, without regard to case.

    Exact up to `kept` different texts. With one more, the median of the counts is taken off all of them, and
    those that fall to nothing are forgotten (after Misra and Gries). From then on a count is never too high
    and at most `slack` too low, and what occurs more often than that is never missed; `slack` is at most two
    in `kept` of all that was counted.
    """

    def __init__(self, kept: int = KEYS_KEPT) -> None:
        self._kept = kept
        self._counts: dict[str, int] = {}
        self._labels: dict[str, tuple[str, str]] = {}
        self._total = 0
        self._slack = 0

    def add(self, text: str, note: str = "") -> None:
        """Count one text. The first spelling and the first note that is not empty are shown."""
        self._total += 1
        key = _key(text)
        known = self._counts.get(key)
        if known is None:
            self._counts[key] = 1
            self._labels[key] = (label(text), label(note) if note else "")
            if len(self._counts) > self._kept:
                self._prune()
            return
        self._counts[key] = known + 1
        spelling, first_note = self._labels[key]
        if note and not first_note:
            self._labels[key] = (spelling, label(note))

    def figure(self, rows: int) -> Ranking:
        """The `rows` most frequent; of equally frequent ones, in the order of the alphabet."""
        ordered = heapq.nsmallest(rows, self._counts.items(), key=lambda item: (-item[1], item[0]))
        ranked = (Ranked(self._labels[key][0], count, self._labels[key][1]) for key, count in ordered)
        return Ranking(tuple(ranked), self._total, self._slack)

    def _prune(self) -> None:
        toll = sorted(self._counts.values())[len(self._counts) // 2]
        self._slack += toll
        self._counts = {key: count - toll for key, count in self._counts.items() if count > toll}
        self._labels = {key: self._labels[key] for key in self._counts}


def _hash(text: str) -> int:
    """64 bits that are the same in every process, which `hash` is not."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def _key(text: str) -> str:
    """What two spellings of the same text have in common; short, however long the text is."""
    key = " ".join(text.casefold().split())
    if len(key) <= 64:  # noqa: PLR2004 - longer than the digest it would become
        return key
    return key[:32] + blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()


_GROWTH: Final = math.log(1.02)
_ZERO: Final = -(10**9)
"""The bucket of 0, below that of every positive number."""


def _bucket(value: float) -> int:
    """Which bucket a value belongs to: bucket i holds what is above 1.02^(i-1), up to 1.02^i."""
    return math.ceil(math.log(value) / _GROWTH) if value > 0 else _ZERO


def _of_rank(buckets: Counter[int], rank: int) -> float:
    """The middle of the bucket that holds the value of that rank, at most 1 % from either border."""
    order = sorted(buckets)
    seen = accumulate(buckets[index] for index in order)
    index = next(index for index, so_far in zip(order, seen, strict=True) if so_far >= rank)
    return 0.0 if index == _ZERO else math.exp((index - 0.5) * _GROWTH)
