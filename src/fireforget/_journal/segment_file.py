"""The file of a segment: a header page, then records."""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from fireforget._journal import mapping as memory
from fireforget._journal.contexts import Contexts
from fireforget._journal.counts import Tally
from fireforget._journal.header import SegmentHeader
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import HEADER, HEADER_SIZE, MOST, SEALED_FROM, checksum, magic_of
from fireforget._journal.resync import is_sealed
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget._journal.segment import Segment

SUFFIX: Final = ".seg"
TEMPORARY: Final = ".tmp"

_unpack: Final = HEADER.unpack_from

ALL: Final = sys.maxsize
"""Without limit."""


class SegmentFile:
    """The bytes that one segment lives in, or several after compaction.

    Args:
        path: Of the file; None for anonymous memory.
        header: What its header page says, or what stands in for a damaged one.
        size: Bytes of the file.
        mapping: The file in memory; None to map it when it is needed.
        writable: May it be written to?

    Attributes:
        types: The members of its event types, by number.
        synced: Up to where it has been brought to the disk itself.
    """

    __slots__ = ("_contexts", "_mapping", "_writable", "header", "magic", "path", "segments", "size", "synced", "types")

    def __init__(
        self,
        path: Path | None,
        header: SegmentHeader,
        size: int,
        mapping: mmap.mmap | None = None,
        *,
        writable: bool = True,
    ) -> None:
        self.path = path
        self.header = header
        self.size = size
        self.magic = magic_of(header.nonce, header.number)
        self.segments: list[Segment] = []
        self.types: dict[int, bytes] = {}
        self._contexts: Contexts | None = Contexts()
        self.synced = 0
        self._mapping = mapping
        self._writable = writable

    @property
    def mapping(self) -> mmap.mmap:
        """The file in memory, where it is put if it is not there.

        Raises:
            OSError: It cannot be mapped.
        """
        if self._mapping is None:
            self._mapping = memory.open_file(self._named, self.size, writable=self._writable)
        return self._mapping

    @property
    def contexts(self) -> Contexts:
        """Where the records of its contexts stand.

        Raises:
            OSError: The file cannot be mapped.
        """
        if self._contexts is None:
            self._contexts = Contexts.find(self.mapping, self.magic)
        return self._contexts

    @contexts.setter
    def contexts(self, contexts: Contexts) -> None:
        self._contexts = contexts

    @property
    def mapped(self) -> bool:
        """Is it in memory?"""
        return self._mapping is not None

    @property
    def _named(self) -> Path:
        if self.path is None:
            raise ValueError("anonymous memory has no file")
        return self.path

    def unmap(self) -> None:
        """Take it out of memory; before Python 3.13 that frees a descriptor too."""
        if self._mapping is not None:
            self._mapping.close()
            self._mapping = None
            if self.complete:
                self._contexts = None  # found again in the file where they are needed

    @property
    def numbers(self) -> tuple[int, int]:
        """The first and the last of the segments that it stands for."""
        return self.header.number, self.header.last

    @property
    def is_last(self) -> bool:
        """Does the chain end in it?"""
        return self.segments[-1].heir is None

    @property
    def doomed(self) -> bool:
        """Is it given up?"""
        return any(segment.doomed for segment in self.segments)

    def doom(self) -> None:
        """Give it up."""
        for segment in self.segments:
            segment.doomed = True

    @property
    def held(self) -> bool:
        """Does a reader hold pending events of it?"""
        return any(segment.out > 0 for segment in self.segments)

    @property
    def done(self) -> bool:
        """Is all of it settled, and can nothing be added?"""
        return all(segment.complete and not segment.pending for segment in self.segments)

    @property
    def complete(self) -> bool:
        """Is everything in it checked and counted, and can nothing be added?"""
        return all(segment.complete for segment in self.segments)

    @property
    def frontier(self) -> int:
        """Up to where the last of its segments is checked and counted."""
        return self.segments[-1].frontier

    @property
    def pending(self) -> int:
        """Events that are counted and pending."""
        return sum(segment.pending for segment in self.segments)

    @property
    def pending_bytes(self) -> int:
        """Bytes of the events that are counted and pending."""
        return sum(segment.pending_bytes for segment in self.segments)

    @property
    def event_bytes(self) -> int:
        """Bytes of all events that are counted."""
        return sum(segment.pending_bytes + segment.settled_bytes for segment in self.segments)

    @property
    def tally(self) -> Tally:
        """Everything in it that is settled, and what compaction took out."""
        total = Tally()
        total.add(self.header.removed)
        for segment in self.segments:
            total.add(segment.tally)
        return total

    def seal(self) -> None:
        """Check and count everything in it."""
        for segment in self.segments:
            segment.seal(ALL)

    @property
    def truncated(self) -> bool:
        """Was it cut short?"""
        return self.size < self.header.size

    def defines(self, word: int) -> bool:
        """Does the file hold the type and the context of an event?"""
        context = word >> 48
        return (not context or bool(self.contexts.at(context))) and word >> 32 & MOST in self.types

    def members(self, word: int) -> tuple[bytes, bytes] | None:
        """The JSON members of an event's type and of its context; None where the file does not hold them whole."""
        if not self.defines(word):
            return None
        kind, context = self.types[word >> 32 & MOST], word >> 48
        if not context:
            return kind, b""
        at, mapping = self.contexts.at(context), self.mapping
        found, size, total, sequence, _, _ = _unpack(mapping, at)
        covered = mapping[at + SEALED_FROM : at + HEADER_SIZE + size]
        if found != self.magic or total != checksum(found, size, sequence, covered):
            return None
        return kind, covered[HEADER_SIZE - SEALED_FROM :]

    def forget_damaged(self) -> None:
        """Forget where contexts stand whose records turned out to be damaged."""
        for number, at in self.contexts.items():
            if not is_sealed(self.mapping, self.magic, at, self.size):
                self.contexts.place(number, 0)

    def sync(self, frontier: int) -> None:
        """Bring it to the disk itself, as far as the frontier was when it was taken.

        Raises:
            OSError: The disk failed.
        """
        if self.path is not None:
            memory.sync_file(self.path)
            self.synced = frontier

    def rename(self, path: Path | None) -> None:
        """Take the place of another file, at once for everybody.

        Raises:
            OSError: It cannot be renamed.
        """
        if self.path is not None and path is not None:
            self.path = self.path.replace(path)

    def remove(self) -> None:
        """Unmap and remove the file.

        Raises:
            OSError: It cannot be removed.
        """
        self.unmap()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove a file that was never used; where it cannot be removed, it does no harm."""
        with suppress(OSError):
            self.remove()

    @classmethod
    def create(cls, path: Path | None, header: SegmentHeader) -> SegmentFile:
        """Make a file.

        Raises:
            JournalError: The disk is full, or the directory cannot be written.
        """
        try:
            mapping = mmap.mmap(-1, header.size) if path is None else memory.create(path, header.size)
        except OSError as error:
            raise JournalError(f"cannot make {path}: {error.strerror}") from error
        head = header.pack()
        mapping[: len(head)] = head
        return cls(path, header, header.size, mapping)

    @classmethod
    def open(cls, path: Path, nonce: int, *, writable: bool = True) -> SegmentFile | None:
        """Take a file that is there; None where it ends before its first record could begin.

        Raises:
            OSError: It cannot be read.
        """
        number = int(path.stem)
        size = path.stat().st_size
        if size < PAGE:
            return None
        with path.open("rb") as file:
            header = SegmentHeader.unpack(file.read(PAGE))
        if header is None or header.nonce != nonce or header.number != number:
            header = SegmentHeader(nonce, number, number, size, Tally())
        return cls(path, header, size, writable=writable)
