"""The counters page: what became of events whose segments are gone, exact at whatever moment death comes."""

from __future__ import annotations

import mmap
from collections import deque
from struct import Struct
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal
from zlib import crc32

import msgspec

from fireforget._journal import mapping as memory
from fireforget._journal.counts import Counts
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FILE_NAME: Final = "counters"
SLOT: Final = 8192
"""Bytes of one of the two slots."""

Note = Literal["refused", "sampled_out", "filtered", "recovered"]
"""What is counted outside of the law."""

_HEAD: Final = Struct("<II")
_MOST_REASONS: Final = 32
_LONGEST_REASON: Final = 40
_MOST_NOTES: Final = 4096


class Slot(msgspec.Struct):
    """What one slot holds.

    Args:
        generation: Of two slots the greater one counts.
        folded: Segments that went into the counts and whose files may still be there: the first and the last number
            of each file.
        counts: What became of events.
    """

    generation: int
    folded: list[tuple[int, int]]
    counts: Counts

    def has_folded(self, number: int) -> bool:
        """Is the file of this segment to be removed where it is found?"""
        return any(first <= number <= last for first, last in self.folded)


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Slot)


class Counters:
    """Two slots that are written in turn, each with a checksum, so that one of them is always whole.

    A segment is *folded* into the counts in one write; only then its file is removed. Whoever finds the file of a
    segment that the page calls folded removes it and counts nothing.

    Args:
        folder: Where its file is, or is made; None for anonymous memory.

    Raises:
        JournalError: The file cannot be made.
    """

    __slots__ = ("_changed", "_mapping", "_notes", "_noting", "_path", "_slot")

    def __init__(self, folder: Path | None) -> None:
        self._path = folder and folder / FILE_NAME
        self._mapping = _open(self._path)
        self._slot = _newest(self._mapping[:])
        self._notes: deque[tuple[Note, str, int]] = deque()
        self._noting = Lock()
        self._changed = False

    @property
    def counts(self) -> Counts:
        """Everything counted here; nothing is pending in it."""
        self._absorb()
        return self._slot.counts

    @property
    def slot(self) -> Slot:
        """What the page says, or will say when it is written next."""
        return self._slot

    def note(self, kind: Note, reason: str, number: int) -> None:
        """Count what lies outside of the law. From any thread, and in the middle of another note."""
        self._notes.append((kind, reason, number))
        if len(self._notes) > _MOST_NOTES:
            self._absorb()

    def fold(self, counts: Counts, files: Iterable[tuple[int, int]]) -> None:
        """Take over the counts of some files, in one write."""
        self.counts.add(counts)
        self._slot.folded += files
        self._changed = True
        self.write()

    def removed(self, files: Iterable[tuple[int, int]]) -> None:
        """These files are gone. Remembered with the next write."""
        gone = set(files)
        self._slot.folded = [numbers for numbers in self._slot.folded if numbers not in gone]

    def write(self) -> None:
        """Bring the page up to date."""
        counts = self.counts
        if not self._changed:
            return
        self._changed = False
        self._slot.generation += 1
        body = _encode(self._slot)
        if len(body) > SLOT - _HEAD.size:
            counts.refused = {"other": sum(counts.refused.values())}
            body = _encode(self._slot)
        at = self._slot.generation % 2 * SLOT
        self._mapping[at : at + _HEAD.size + len(body)] = _HEAD.pack(len(body), crc32(body)) + body

    def sync(self) -> None:
        """Bring the page to the disk itself."""
        if self._path is not None:
            memory.sync_file(self._path)

    def close(self) -> None:
        """Unmap the page."""
        self._mapping.close()

    def _absorb(self) -> None:
        """Add up the notes; left to the one who is at it already, in another thread or further up the stack."""
        if not self._notes or not self._noting.acquire(blocking=False):
            return
        try:
            counts = self._slot.counts
            while self._notes:
                kind, reason, number = self._notes.popleft()
                self._changed = True
                if kind != "refused":
                    setattr(counts, kind, getattr(counts, kind) + number)
                    continue
                reason = reason[:_LONGEST_REASON]
                if reason not in counts.refused and len(counts.refused) >= _MOST_REASONS:
                    reason = "other"
                counts.refused[reason] = counts.refused.get(reason, 0) + number
        finally:
            self._noting.release()


def read_page(folder: Path) -> Slot:
    """Read the page of a journal, which may be a living one; an empty slot where there is none.

    Raises:
        OSError: It cannot be read.
    """
    try:
        return _newest((folder / FILE_NAME).read_bytes())
    except FileNotFoundError:
        return _newest(b"")


def _newest(data: bytes) -> Slot:
    """The newest whole slot of a page; an empty one where there is none."""
    newest = Slot(0, [], Counts())
    for at in (0, SLOT):
        if len(data) < at + _HEAD.size:
            break
        size, total = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + size]
        if not size or crc32(body) != total:
            continue
        try:
            slot = _decoder.decode(body)
        except msgspec.DecodeError:
            continue  # the checksum holds and the text does not: not ours
        if slot.generation > newest.generation:
            newest = slot
    return newest


def _open(path: Path | None) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, 2 * SLOT)
    try:
        if path.exists() and path.stat().st_size == 2 * SLOT:
            return memory.open_file(path, 2 * SLOT)
        path.unlink(missing_ok=True)
        return memory.create(path, 2 * SLOT)
    except OSError as error:
        raise JournalError(f"cannot make {path}: {error.strerror}") from error
