"""One measure for each name: of few names each has its own, of many the largest."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from fireforget.reporting.legible import label

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

GROUPS_KEPT: Final = 500

OTHER: Final = "(all others)"


class Group(Protocol):
    """What a measure needs to be one of many."""

    @property
    def weight(self) -> float:
        """How large it is, 0 or more; it never shrinks."""
        ...

    def merge(self, other: Self) -> None:
        """Take all that the other one has taken."""
        ...


G = TypeVar("G", bound=Group)


class Grouped(Generic[G]):
    """Measures by name, of which the largest are wanted; those of all others are merged.

    Up to `kept` names each have a measure. One name more takes the place of the smallest, whose measure is merged into
    that of all others, and inherits its rank (after Metwally's Space-Saving): so whoever is large stays, however late
    it came. What a name carried before it got its last place is among all others. That is at most `slack`, and at most
    one in `kept` of the weight of everything; a name that weighs more than that is never missed.

    Args:
        make: Makes the measure of a name.
        kept: How many names have one.
    """

    def __init__(self, make: Callable[[], G], kept: int = GROUPS_KEPT) -> None:
        self._make = make
        self._kept = kept
        self._groups: dict[str, G] = {}
        self._inherited: dict[str, float] = {}
        self._ranks: list[tuple[float, str]] = []  # a heap; ranks that have grown since are put right when they show
        self._others: G | None = None

    def of(self, name: str) -> G:
        """The measure of that name."""
        group = self._groups.get(name)  # a name that is fit to be read is its own label
        if group is None:
            shown = label(name)
            group = self._groups.get(shown)
        if group is None:
            rank = self._inherited[shown] = self._give_up_smallest() if len(self._groups) >= self._kept else 0.0
            heapq.heappush(self._ranks, (rank, shown))
            group = self._groups[shown] = self._make()
        return group

    def largest(self, rows: int) -> list[tuple[str, G]]:
        """The `rows` largest with their names, the largest first; all others together come last, as `OTHER`."""
        ordered = sorted(self._groups.items(), key=lambda item: (-item[1].weight, item[0]))
        smaller = [group for _, group in ordered[rows:]] + ([self._others] if self._others is not None else [])
        if not smaller:
            return ordered
        others = self._make()
        for group in smaller:
            others.merge(group)
        return [*ordered[:rows], (OTHER, others)]

    @property
    def slack(self) -> float:
        """How much weight a name may lack at most; 0 where none was ever given up."""
        return max(self._inherited.values(), default=0.0)

    def _give_up_smallest(self) -> float:
        """Merge the smallest into the others; says its rank."""
        rank, name = self._ranks[0]
        while (grown := self._inherited[name] + self._groups[name].weight) > rank:
            heapq.heapreplace(self._ranks, (grown, name))
            rank, name = self._ranks[0]
        heapq.heappop(self._ranks)
        del self._inherited[name]
        if self._others is None:
            self._others = self._make()
        self._others.merge(self._groups.pop(name))
        return rank
