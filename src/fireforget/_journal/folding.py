"""Taking out segments in which nothing is pending: their counts first, then their files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget._journal.counts import Counts, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fireforget._journal.chain import Chain
    from fireforget._journal.counters import Counters
    from fireforget._journal.segment_file import SegmentFile


class Folding:
    """Folds what is done into the counters page, and removes the files.

    Args:
        chain: The segments.
        counters: The page.
    """

    __slots__ = ("_chain", "_counters", "_left")

    def __init__(self, chain: Chain, counters: Counters) -> None:
        self._chain = chain
        self._counters = counters
        self._left: list[SegmentFile] = []

    def fold(self) -> list[SegmentFile]:
        """Count what is settled or given up, in one write, and take it out. The files are still to be removed."""
        self._chain.doomed = False
        counts = Counts()
        folded: list[SegmentFile] = []
        for file in self._chain.files():
            if file.is_last:
                break
            if file.doomed:
                file.seal()
                given_up = Tally(dropped=sum(segment.pending for segment in file.segments))
                counts.settle(given_up, dropped="overflow")
            elif not file.done:
                continue
            counts.settle(file.tally)
            folded.append(file)
        if folded:
            self._counters.fold(counts, (number for file in folded for number in file.numbers))
            self._chain.remove(segment for file in folded for segment in file.segments)
        return folded

    def remove(self, files: Iterable[SegmentFile]) -> None:
        """Remove the files of folded segments. One that cannot be removed now is tried again the next time."""
        waiting, self._left = [*self._left, *files], []
        for file in waiting:
            try:
                file.remove()
            except OSError:
                self._left.append(file)  # the page calls it folded, so that nobody counts it twice
            else:
                left = {number for other in self._left for number in other.numbers}
                self._counters.removed(number for number in file.numbers if number not in left)
