"""The emitters' side of a journal: appending from any thread, in a signal handler, in the middle of another append."""

from __future__ import annotations

from collections import deque
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from fireforget._journal.counts import Tally
from fireforget._journal.header import SegmentHeader
from fireforget._journal.mapping import PAGE, touch
from fireforget._journal.record import CONTEXT, HEADER, HEADER_SIZE, PENDING_EVENT, TYPE, definition
from fireforget._journal.segment import GIL, Segment
from fireforget._journal.segment_file import SUFFIX, SegmentFile
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fireforget._journal.chain import Chain

PACK: Final = HEADER.pack
"""Packs the header of a record: magic, size, 0, sequence, word, time."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a journal is kept.

    Args:
        segment_bytes: Bytes of one segment file. 1 MiB.
        max_bytes: Most bytes of all segments; at least two segments. 256 MiB.
        overflow: What gives way when they are full: the event to come, or the oldest segment that nobody holds.
        durability: What an accepted event survives: ``"process"`` the death of the process, ``"power"`` a power cut
            too once `Journal.sync` has run, ``"none"`` nothing.

    Raises:
        JournalError: `max_bytes` is less than two segments.
    """

    segment_bytes: int = 1024 * 1024
    max_bytes: int = 256 * 1024 * 1024
    overflow: Literal["drop_newest", "drop_oldest"] = "drop_newest"
    durability: Literal["process", "power", "none"] = "process"

    def __post_init__(self) -> None:
        if self.max_bytes < 2 * self.segment_bytes:
            raise JournalError("journal.max_bytes must be at least twice journal.segment_bytes")


_NOWHERE: Final = None, 0


class Binding:
    """What events have in common, and the segment that already holds it, so that the next such event is one write.

    Args:
        fragment: JSON members that they share; ``b""`` outside any request.
        key_hash: Low 16 bits of a hash of the ordering key.

    Attributes:
        place: The segment that holds its context record, and the word that its events there carry, but for their
            types. Replaced whole: threads, and an emit in the middle of another one, may each bring one.
    """

    __slots__ = ("fragment", "key_hash", "place")

    def __init__(self, fragment: bytes, key_hash: int) -> None:
        self.fragment = fragment
        self.key_hash = key_hash
        self.place: tuple[Segment | None, int] = _NOWHERE

    def enter(self, tail: Segment) -> int:
        """Write the context record into a segment; the word that events there carry, but for their types.

        Raises:
            ValueError: The segment is full, or has no number left.
        """
        word = PENDING_EVENT
        if self.fragment:
            number = tail.next_context()
            tail.write(definition(tail.magic, CONTEXT, number, self.fragment))
            word |= self.key_hash << 16 | number << 48
        self.place = tail, word
        return word


def describe(type_name: str) -> bytes:
    """The JSON members of an event type of which nothing but its name is known."""
    return b'"type":' + msgspec.json.encode(type_name)


class Appender:
    """Appends records to the last segment of a chain, and makes the next segment when it is full.

    Args:
        chain: The segments.
        folder: Where segment files are made; None for anonymous memory.
        options: Sizes and what to do on overflow.
        describe: The JSON members of an event type, given its name.

    Attributes:
        nonce: 62 random bits, part of every event's id.
        tail: Where emitters append. `Segment.write` raises ValueError where `append` has to be called instead.
        next_sequence: Gives every record its sequence number.
        trouble: Why no segment could be made; None while all is well.
    """

    def __init__(self, chain: Chain, folder: Path | None, options: Options, describe: Callable[[str], bytes]) -> None:
        self.nonce = chain.nonce
        self.next_sequence = _counter()
        self.tail = chain.origin
        self.trouble: str | None = None
        self._chain = chain
        self._folder = folder
        self._options = options
        self._describe = describe
        self._lock = RLock()
        self._closed = False
        self._spares: deque[Segment] = deque()
        self._next_number = count(1).__next__

    def append(self, binding: Binding, type_name: str, time_ns: int, sequence: int, payload: bytes) -> bool:
        """Append an event, with the records of its type and its context where the segment lacks them.

        A nested call (a signal handler, a `__del__`) may come at any point of another one in the same thread.

        Returns:
            False where the journal is closed or full, or no segment can be made (`trouble` says why).
        """
        with self._lock:
            while not self._closed:
                tail = self.tail
                try:
                    bound, word = binding.place
                    if bound is not tail:
                        word = binding.enter(tail)
                    number, record = self._type(tail, type_name)
                    word |= number << 32
                    tail.write(record + PACK(tail.magic, len(payload), 0, sequence, word, time_ns) + payload)
                except ValueError:
                    texts = len(binding.fragment) + len(self._describe(type_name)) + len(payload)
                    if not self._rotate(tail, 3 * HEADER_SIZE + texts):
                        return False
                    continue
                tail.type_numbers[type_name] = number
                return True
            return False

    def _type(self, tail: Segment, type_name: str) -> tuple[int, bytes]:
        """The number of an event type, and the record of it if the segment lacks that.

        Raises:
            ValueError: The segment has no number left.
        """
        number = tail.type_numbers.get(type_name)
        if number is not None:
            return number, b""
        number = tail.next_type()
        return number, definition(tail.magic, TYPE, number, self._describe(type_name))

    def _rotate(self, full: Segment, need: int) -> bool:
        """Move on to the next segment. Nested calls may each bring one: the first in line wins."""
        heir = full.heir
        if heir is None:
            fresh = self._fresh(full.number, need)
            if fresh is None:
                return False
            full.close()  # from now on, who still holds the old segment comes back here
            full.heirs.append(fresh)
            heir = full.heirs[0]
            if heir is not fresh:
                fresh.file.discard()
        if self.tail is full:
            self.tail = heir
        return True

    def _fresh(self, after: int, need: int) -> Segment | None:
        """A segment with room for `need` bytes: the spare one, else a new one if that is allowed."""
        while self._spares:
            try:
                spare = self._spares.pop()
            except IndexError:
                break
            if spare.number > after and spare.file.size - PAGE >= need:
                return spare
            spare.file.discard()
        if self.trouble is not None:
            return None  # the engine tries again, not every emit
        size = max(self._options.segment_bytes, PAGE + -(-need // PAGE) * PAGE)
        if not self._room(size):
            return None
        try:
            return self._make(size)
        except JournalError as error:
            self.trouble = str(error)
            return None

    def _add_spare(self, size: int) -> None:
        """Make a segment ahead.

        Raises:
            JournalError: That is not possible.
        """
        try:
            spare = self._make(size)
        except JournalError as error:
            self.trouble = str(error)
            raise
        touch(spare.file.mapping)
        with self._lock:
            if self._closed or self.bytes_used + size > self._options.max_bytes:
                spare.file.discard()  # an emitter made one meanwhile
            else:
                self._spares.append(spare)

    def _make(self, size: int) -> Segment:
        number = self._next_number()
        path = self._folder and self._folder / f"{number:08d}{SUFFIX}"
        header = SegmentHeader(self.nonce, number, number, size, Tally())
        return Segment(SegmentFile.create(path, header), number, living=True)

    def _room(self, size: int) -> bool:
        """May an emitter use another `size` bytes?

        Under ``drop_oldest`` old segments make way for it. The engine removes them at its next step; until then one
        segment may stand beyond the bound, even where a reader is just taking events and none can be given up.
        """
        bound = self._options.max_bytes
        if self._options.overflow == "drop_oldest":
            self._make_way(size)
            bound += self._options.segment_bytes
        return self.bytes_used + size <= bound

    def _make_way(self, size: int) -> None:
        """Give up the oldest files that nobody holds, as many as `size` bytes more take; none if too few are left."""
        files = self._chain.files()
        missing = self.bytes_used + size - self._options.max_bytes - sum(file.size for file in files if file.doomed)
        if missing <= 0 or not self._chain.handing.acquire(blocking=False):
            return  # an emitter does not wait for a reader: the next one, or the engine, does it
        try:
            victims: list[SegmentFile] = []
            for file in files:
                if missing > 0 and not (file.is_last or file.doomed or file.held):
                    victims.append(file)
                    missing -= file.size
            if missing <= 0:
                for file in victims:
                    file.doom()
                self._chain.doomed = True
        finally:
            self._chain.handing.release()

    @property
    def fullness(self) -> float:
        """The share of `max_bytes` that is in use."""
        return self.bytes_used / self._options.max_bytes

    @property
    def bytes_used(self) -> int:
        """Bytes of all segment files."""
        spares = sum(spare.file.size for spare in tuple(self._spares))
        return spares + sum(file.size for file in self._chain.files())


def _counter() -> Callable[[], int]:
    """1, 2, 3, … from any thread."""
    following = count(1).__next__
    if GIL:
        return following
    lock = RLock()

    def locked() -> int:
        with lock:
            return following()

    return locked
