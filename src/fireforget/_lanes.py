"""Lanes: the bounded window through which the dispatcher sees one journal, and the packs cut from it.

Order holds within a lane, and a lane has one publish in flight. The journal is read until each lane has a pack's worth
of events. Meanwhile one that gets more than others fills its window: it is passed over, remembers where, and catches
up later with a cursor of its own, so that one busy or stuck lane holds back neither the others nor memory.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from fireforget._journal import Wanted
from fireforget._pack import ENVELOPE_BYTES, Pack, Packer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fireforget._journal import Entry, Follower, Journal, Position

WINDOW_PACKS: Final = 8
"""So wide that under even load no lane is passed over: to catch up means to read again what others have had."""

STEP: Final = 200
"""Most entries read in one step: well under a millisecond, for the step shares the GIL with the application."""


class Lane:
    """The window of one lane.

    Args:
        number: From 0; the queue's ordering key follows from it.
    """

    __slots__ = ("attempts", "behind", "bytes", "entries", "in_flight", "key", "not_before", "number", "packs", "stuck")

    def __init__(self, number: int) -> None:
        self.number = number
        self.key = f"lane-{number:03d}"
        self.entries: deque[Entry] = deque()
        self.bytes = 0
        self.packs: deque[Pack] = deque()
        self.in_flight = False
        self.attempts = 0
        self.not_before = 0.0
        self.stuck = False
        self.behind: Follower | None = None

    def add(self, entry: Entry) -> None:
        """Take an entry into the window."""
        self.entries.append(entry)
        self.bytes += entry.size + ENVELOPE_BYTES

    @property
    def empty(self) -> bool:
        """Is there nothing to publish in the window?"""
        return not self.entries and not self.packs

    @property
    def oldest(self) -> Entry | None:
        """The first entry of the window that is not settled."""
        return self.packs[0].entries[0] if self.packs else self.entries[0] if self.entries else None


class Lanes:
    """All lanes of one journal.

    Args:
        journal: Where the events are.
        count: How many lanes.
        pack_bytes: Size worth packing up to.
    """

    def __init__(self, journal: Journal, count: int, pack_bytes: int) -> None:
        self.journal = journal
        self._pack_bytes = pack_bytes
        self._window = WINDOW_PACKS * pack_bytes
        self._packer = Packer(journal)
        self._lanes = [Lane(number) for number in range(count)]

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def fill(self) -> bool:
        """Read one step further where a lane wants more; says whether there may be more to read.

        Raises:
            OSError: The journal cannot be read at the moment. Nothing is passed over.
        """
        more = False
        for lane in self._lanes:
            if lane.behind is not None and lane.bytes < self._pack_bytes:
                more |= self._catch_up(lane)
        if all(lane.behind is not None or lane.bytes >= self._pack_bytes for lane in self._lanes):
            return more
        entries = self._walk()
        passed: list[Entry] = []
        for entry in entries:
            lane = self._lanes[entry.key_hash % len(self._lanes)]
            if lane.behind is None and lane.bytes < self._window:
                lane.add(entry)
                continue
            passed.append(entry)
            if lane.behind is None:
                lane.behind = self.journal.cursor(entry.position)
        if passed:
            self.journal.release(passed)  # held by nobody until their lane catches up: overflow may give them up
        return more or len(entries) == STEP or not self.journal.at_end

    def _walk(self) -> list[Entry]:
        """One step of the journal, without the events of lanes that were passed over: they would be read in vain."""
        late = [lane for lane in self._lanes if lane.behind is not None]
        if not late:
            return self.journal.walk(STEP)
        wanted = Wanted({lane.number for lane in self._lanes if lane.behind is None}, len(self._lanes))
        begin = self.journal.position
        entries = self.journal.walk(STEP, wanted)
        end = self.journal.position
        for lane in late:
            if lane.behind is not None and lane.number not in wanted.passed:
                lane.behind.skip(begin, end)
        return entries

    def _catch_up(self, lane: Lane) -> bool:
        cursor, count = lane.behind, len(self._lanes)
        if cursor is None:
            return False
        entries = cursor.take(STEP, Wanted((lane.number,), count))
        for entry in entries:
            lane.add(entry)
        if cursor.at_end:
            lane.behind = None
        return True

    def next_pack(self, lane: Lane) -> Pack | None:
        """The pack to publish next in a lane, frozen from now on; None where there is nothing to publish.

        Raises:
            OSError: The journal cannot be read at the moment. The lane stays as it is.
        """
        while not lane.packs and lane.entries:
            before = len(lane.entries)
            pack = self._packer.pack(lane.entries, lane.key, self._pack_bytes)
            if pack is not None and len(pack.entries) == before - len(lane.entries):
                lane.bytes -= _bytes(pack.entries)
            else:  # some of them were damaged
                lane.bytes = _bytes(lane.entries)
            if pack is not None:
                lane.packs.append(pack)
        return lane.packs[0] if lane.packs else None

    def split(self, lane: Lane, pack: Pack) -> None:
        """Replace a refused pack by one pack for each of its events.

        Raises:
            OSError: The journal cannot be read at the moment. The pack stays as it is.
        """
        singles = [self._packer.pack(deque((entry,)), lane.key, 1) for entry in pack.entries]
        lane.packs.popleft()
        lane.packs.extendleft(single for single in reversed(singles) if single is not None)

    def event_id(self, entry: Entry) -> str:
        """The id of the entry's event."""
        return self._packer.event_id(entry)

    def has_settled(self, end: Position) -> bool:
        """Is no event before this place pending any more?"""
        for lane in self._lanes:
            oldest = lane.oldest
            if oldest is not None and oldest.position < end:
                return False
            if lane.behind is not None and lane.behind.position < end and not lane.behind.at_end:
                return False
        return self.journal.has_passed(end)

    @property
    def pending(self) -> int:
        """Accepted events of this journal that are not settled."""
        return self.journal.pending

    @property
    def idle(self) -> bool:
        """Is nothing of this journal pending? Quicker to tell than how much is."""
        return self.journal.idle


class Shipment(NamedTuple):
    """A pack that is published.

    Args:
        lanes: The lanes of its journal.
        lane: Which of them it comes from.
        pack: The first of that lane.
    """

    lanes: Lanes
    lane: Lane
    pack: Pack


def _bytes(entries: Collection[Entry]) -> int:
    """About how large they are in packs."""
    return sum([entry.size for entry in entries]) + ENVELOPE_BYTES * len(entries)
