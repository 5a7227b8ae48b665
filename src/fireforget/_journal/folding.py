"""Taking out segments in which nothing is pending: their counts first, then their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget._journal.counts import Counts, Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fireforget._journal.chain import Chain
    from fireforget._journal.counters import Counters
    from fireforget._journal.segment_file import SegmentFile

_MOST: Final = 64
"""So many files at most are folded in one write; the page must hold their numbers."""


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
        """Count what is settled or given up, in one write, and take it out. The files are still to be removed.

        There may be more of it than goes into one write; then the next call takes the rest.
        """
        if len(self._left) >= _MOST:
            return []
        self._chain.doomed = False
        counts = Counts()
        folded: list[SegmentFile] = []
        for file in self._chain.files():
            if file.is_last or len(folded) == _MOST:
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
            self._counters.fold(counts, (file.numbers for file in folded))
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
                self._forget(file)

    def _forget(self, file: SegmentFile) -> None:
        """The page need not name a file any more, unless one that it has replaced is still there."""
        first, last = file.numbers
        if not any(first <= left.header.number <= last for left in self._left):
            self._counters.removed([file.numbers])
