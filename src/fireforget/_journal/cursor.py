"""Reading forward through a journal."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from fireforget._journal.entry import Entry, Position
from fireforget._journal.mapping import PAGE
from fireforget._journal.reading import read

if TYPE_CHECKING:
    from fireforget._journal.chain import Chain
    from fireforget._journal.reading import Wanted
    from fireforget._journal.segment import Segment

_STRIDE: Final = 256
"""Most records that are sealed at once, so that not much is sealed beyond what is read."""

_STRETCH: Final = 128 * 1024
"""Bytes that are looked at in one call in search of what is wanted: some hundreds of microseconds."""


_MOST_GAPS: Final = 64
"""So many gaps are remembered; what lies in others is read in vain."""


class Cursor:
    """Reads what is pending from some position to the end of what is written.

    Args:
        chain: The segments.
        start: Where to begin: with the first event at or after it.
    """

    __slots__ = ("_chain", "_offset", "_segment")

    def __init__(self, chain: Chain, start: Position) -> None:
        self._chain = chain
        self._segment = next((segment for segment in chain if segment.number >= start.number), chain.origin)
        self._offset = max(PAGE, start.offset) if self._segment.number == start.number else PAGE

    @property
    def position(self) -> Position:
        """Where it stands: before the next event that it will look at."""
        return Position(self._segment.number, self._offset)

    @property
    def at_end(self) -> bool:
        """Is there nothing more to read at the moment?"""
        with self._chain.reading:
            return not self._stop()

    def take(self, limit: int, wanted: Wanted | None = None) -> list[Entry]:
        """Up to `limit` pending events in order; fewer only at the end.

        Where only some are wanted, one call looks at a stretch of the journal only, so that it is short
        however few there are: whether there is more says `at_end`. Events that a reader holds and has not settled are
        pending too: who reads with several cursors keeps them apart.

        Raises:
            OSError: The next file cannot be read at the moment, and the cursor stands before it. What was read of the
                files ahead of it was returned by the call before.
        """
        entries: list[Entry] = []
        with self._chain.reading:
            try:
                while len(entries) < limit and (stop := self._stop()):
                    segment, begin = self._segment, self._offset
                    if wanted is not None and segment.moved is None:
                        stop = min(stop, begin + _STRETCH)
                    found, self._offset = read(segment, begin, stop, limit - len(entries), wanted)
                    if found and self._hold(segment, len(found)):
                        entries += found
                    if wanted is not None:
                        break
            except OSError:
                if not entries:
                    raise  # else the next call meets it: what the cursor has passed belongs to its reader
        return entries

    def _hold(self, segment: Segment, number: int) -> bool:
        """Keep an emitter from giving up the segment while its events are held; False where it was faster."""
        with self._chain.handing:
            segment.out += number
            if segment.doomed:
                segment.out = 0
            return not segment.doomed

    def _stop(self) -> int:
        """Up to where the segment can be read; 0 where nothing is left. Moves on at the end of a segment."""
        while True:
            segment = self._segment
            if not (segment.gone or segment.doomed):
                stop = self._readable(segment)
                if self._offset < stop:
                    return stop
                if not self._finished(segment):
                    return 0
            heir = segment.heir
            if heir is None:
                return 0
            self._segment, self._offset = heir, PAGE

    def _readable(self, segment: Segment) -> int:
        if self._offset >= segment.frontier:
            segment.seal(_STRIDE)
        return segment.frontier

    def _finished(self, segment: Segment) -> bool:
        return segment.complete


class Follower(Cursor):
    """Reads once more what another cursor has passed, up to where that one stands.

    Args:
        chain: The segments.
        start: Where to begin.
        leader: The cursor that is never passed.
    """

    __slots__ = ("_gaps", "_leader")

    def __init__(self, chain: Chain, start: Position, leader: Cursor) -> None:
        super().__init__(chain, start)
        self._leader = leader
        self._gaps: deque[tuple[Position, Position]] = deque()

    def skip(self, begin: Position, end: Position) -> None:
        """Nothing between two places is wanted: what comes after earlier gaps need not be read there."""
        gaps = self._gaps
        if gaps and gaps[-1][1] == begin:
            gaps[-1] = gaps[-1][0], end
        elif len(gaps) < _MOST_GAPS:
            gaps.append((begin, end))

    def _stop(self) -> int:
        stop = super()._stop()
        gaps = self._gaps
        while gaps and self.position >= gaps[0][0]:
            _, end = gaps.popleft()
            if self.position < end:
                self._jump(end)
                stop = super()._stop()
        if gaps and gaps[0][0].number == self._segment.number:
            return min(stop, gaps[0][0].offset)
        return stop

    def _jump(self, place: Position) -> None:
        segment = self._segment
        while segment.number < place.number and (heir := segment.heir) is not None:
            segment = heir
        self._segment = segment
        self._offset = place.offset if segment.number == place.number else PAGE

    def _readable(self, segment: Segment) -> int:
        end = self._leader.position
        if segment.number == end.number:
            return min(segment.frontier, end.offset)
        return segment.frontier if segment.number < end.number else 0

    def _finished(self, segment: Segment) -> bool:
        return segment.number < self._leader.position.number
