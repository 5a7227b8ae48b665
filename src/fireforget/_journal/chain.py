"""The chain of a journal's segments, from the oldest to the one that is written."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from fireforget._journal.counts import Tally
from fireforget._journal.header import SegmentHeader
from fireforget._journal.mapping import PAGE
from fireforget._journal.segment import Segment
from fireforget._journal.segment_file import SegmentFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Chain:
    """A list of segments linked by their heirs.

    Emitters only ever add at its end, readers only take out what is not its end; neither waits for the other.

    Args:
        nonce: That of the journal.

    Attributes:
        origin: Stands before the first segment, is never taken out, and accepts no record.
        reading: Held by who reads, settles or rewrites; never by an emitter.
        doomed: Was a file given up that is still to be taken out?
        handing: Held for a moment by who hands out entries, and by who gives up a segment that nobody holds.
    """

    __slots__ = ("doomed", "handing", "nonce", "origin", "reading")

    def __init__(self, nonce: int) -> None:
        nothing = SegmentFile.create(None, SegmentHeader(nonce, 0, 0, PAGE, Tally()))
        self.nonce = nonce
        self.origin = Segment(nothing, 0, living=False)
        self.origin.complete = True
        self.doomed = False
        self.reading = RLock()
        self.handing = RLock()

    def __iter__(self) -> Iterator[Segment]:
        segment = self.origin.heir
        while segment is not None:
            yield segment
            segment = segment.heir

    @property
    def last(self) -> Segment:
        """The last segment, or the origin where there is none."""
        segment = self.origin
        while (heir := segment.heir) is not None:
            segment = heir
        return segment

    def files(self) -> list[SegmentFile]:
        """The files of all segments, in order; segments that share one stand side by side."""
        files: list[SegmentFile] = []
        for segment in self:
            if not files or segment.file is not files[-1]:
                files.append(segment.file)
        return files

    def remove(self, segments: Iterable[Segment]) -> None:
        """Take out segments, never the last one. They still lead on to their heirs, for who stands at them."""
        for segment in segments:
            segment.gone = True
        before = self.origin
        while (after := before.heir) is not None:
            if after.gone and after.heir is not None:
                before.heirs[0] = after.heir
            else:
                before = after
