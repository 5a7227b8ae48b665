"""A segment: where records are appended, checked and counted, read and settled."""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from functools import partial
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from fireforget._journal.counts import Tally
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import HEADER, HEADER_SIZE, SEALED_FROM, SETTLED, STATE_AT, checksum
from fireforget._journal.sealing import recount, seal

if TYPE_CHECKING:
    import mmap
    from array import array
    from collections.abc import Callable

    from fireforget._journal.entry import Entry
    from fireforget._journal.segment_file import SegmentFile

P = ParamSpec("P")
T = TypeVar("T")

GIL: Final = getattr(sys, "_is_gil_enabled", lambda: True)()
"""Under the GIL one C call is atomic, and `mmap.write` advances its position last: appending needs no lock."""

PAYLOAD: Final = HEADER_SIZE - SEALED_FROM
"""Where the payload begins in the bytes that the checksum covers."""

_STRIDE: Final = 64
"""Records that are sealed at once in search of a pending one."""

_unpack: Final = HEADER.unpack_from


class Segment:
    """A run of records in the order in which they were appended.

    Args:
        file: Where the bytes are; shared with other segments after compaction.
        number: Its place among the segments of its journal.
        living: Was it made by this process? Then every record in it is whole.
        writable: False to read it without leaving a trace.

    Attributes:
        write: Appends one record, given whole. Raises ValueError where it does not fit or the segment is closed.
        magic: What each record begins with.
        words: What an emitter that need not ask adds to a record's word, by the type's name or its class.
        heirs: The first one is the segment that follows. A list, because appending to it is atomic.
        frontier: The offset up to which records are checked and counted.
        complete: Is the frontier at the end for good?
        pending: Events before the frontier that are not settled.
        out: Pending events that a reader holds.
        doomed: To be given up, because of overflow.
        gone: Out of its journal; its bytes may not be touched any more.
        damage: Where bytes are no use, and where to go on after them.
        torn: Where a write was cut short by death; 0 for nowhere.
    """

    __slots__ = (
        "_close",
        "_tell",
        "complete",
        "damage",
        "doomed",
        "file",
        "frontier",
        "gone",
        "heirs",
        "living",
        "magic",
        "moved",
        "next_context",
        "next_type",
        "number",
        "out",
        "pending",
        "pending_bytes",
        "settled_bytes",
        "tally",
        "torn",
        "type_numbers",
        "unsealed_from",
        "words",
        "writable",
        "write",
    )

    def __init__(self, file: SegmentFile, number: int, *, living: bool, writable: bool = True) -> None:
        self.file = file
        self.number = number
        self.magic = file.magic
        self.living = living
        self.writable = writable
        self.heirs: list[Segment] = []
        self.type_numbers: dict[str, int] = {}
        self.words: dict[object, int] = {}
        self.next_type = count(1).__next__
        self.next_context = count(1).__next__
        self.moved: tuple[array[int], array[int]] | None = None
        self.doomed = self.gone = False
        self.out = 0
        self.write: Callable[[bytes], object] = _refuse
        self._tell: Callable[[], int] | None = None
        self._close: Callable[[], object] = _nothing
        if living:
            self.write, self._tell, self._close = _writer(file.mapping)
        file.segments.append(self)
        self.begin_count()

    def begin_count(self) -> None:
        """Stand before the first record, with nothing counted."""
        self.frontier = PAGE
        self.complete = False
        self.unsealed_from = -1
        self.damage: dict[int, int] = {}
        self.torn = 0
        self.tally = Tally()
        self.pending = self.pending_bytes = self.settled_bytes = 0

    @property
    def heir(self) -> Segment | None:
        """The segment after this one."""
        return self.heirs[0] if self.heirs else None

    def close(self) -> None:
        """Let every later write fail."""
        self._close()

    @property
    def idle(self) -> bool:
        """Is nothing in it pending? Seals no further than to the first event that is."""
        while not self.pending and self.seal(_STRIDE):
            pass
        return not self.pending

    def end(self) -> int:
        """Up to where it is written."""
        if self._tell is not None:
            end = self._tell()
            if end < self.file.size:
                return end
            self._tell, self._close = None, _nothing
        return self.file.size

    def seal(self, limit: int) -> int:
        """Check, count and seal up to `limit` records after the frontier; says how many."""
        return seal(self, limit)

    def payload(self, entry: Entry) -> bytes | None:
        """The payload, checked once more; None where it is damaged, which is counted, or no longer there."""
        at = self.place(entry.offset)
        if at < 0 or at in self.damage:
            return None
        mapping = self.file.mapping
        found, size, total, sequence, _, _ = _unpack(mapping, at)
        covered = mapping[at + SEALED_FROM : at + HEADER_SIZE + entry.size]
        same = size == entry.size and sequence == entry.sequence
        if same and total == checksum(found, size, sequence, covered):
            return covered[PAYLOAD:]
        recount(self)
        return None

    def settle(self, entry: Entry, state: int) -> bool:
        """Give an event its last state, once; says whether it was pending until now."""
        at = self.place(entry.offset)
        if at < 0 or at in self.damage:
            return False
        mapping = self.file.mapping
        if mapping[at + STATE_AT] in SETTLED:
            return False
        mapping[at + STATE_AT] = state  # one byte: whole or not at all, whenever death comes
        size = HEADER_SIZE + entry.size
        self.tally.count(state)
        self.pending -= 1
        self.pending_bytes -= size
        self.settled_bytes += size
        self.out -= 1
        return True

    def move(self, file: SegmentFile, names: array[int], places: array[int]) -> None:
        """Live in another file from now on: what was `names[i]` stands at `places[i]` there, all of it pending."""
        file.segments.append(self)
        self.file, self.magic = file, file.magic
        self.moved = names, places
        frontier = self.frontier
        self.begin_count()
        self.frontier, self.complete = frontier, True
        self.pending = len(names)
        self.pending_bytes = sum(HEADER_SIZE + _unpack(file.mapping, at)[1] for at in places)

    def past_damage(self, at: int) -> int:
        """Where to go on from a place that is damaged."""
        return next((end for begin, end in self.damage.items() if begin <= at < end), self.frontier)

    def place(self, name: int) -> int:
        """Where the record of this name stands; -1 where it was taken out, for it was settled."""
        if self.gone:
            return -1
        if self.moved is None:
            return name
        names, places = self.moved
        i = bisect_left(names, name)
        return places[i] if i < len(names) and names[i] == name else -1


def _writer(mapping: mmap.mmap) -> tuple[Callable[[bytes], object], Callable[[], int], Callable[[], object]]:
    """How to append, to ask for the end, and to close: the mapping's own functions, in a lock where there is no GIL."""
    mapping.seek(PAGE)
    close = partial(mapping.seek, 0, os.SEEK_END)
    if GIL:
        return mapping.write, mapping.tell, close
    lock = RLock()
    return _locked(lock, mapping.write), _locked(lock, mapping.tell), _locked(lock, close)


def _locked(lock: RLock, function: Callable[P, T]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        with lock:
            return function(*args, **kwargs)

    return call


def _refuse(record: bytes) -> object:
    """Stands for appending where nothing can be appended."""
    raise ValueError(f"no room for {len(record)} bytes")


def _nothing() -> None:
    """Stands for closing what is closed."""
