"""What a reader of the journal gets: a pending event, and a place in the order of all events."""

from __future__ import annotations

import msgspec

from fireforget._journal.segment import Segment


class Position(msgspec.Struct, frozen=True, order=True, gc=False):
    """A place in a journal. Stays valid for the life of the process, through compaction too.

    Args:
        number: Of the segment.
        offset: Where the record was appended.
    """

    number: int
    offset: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One pending event, without its payload.

    Args:
        segment: That it was appended to.
        offset: Where in it; compaction moves the record, not this name of it.
        size: Bytes of the payload.
        key_hash: Decides the lane, 0 to 65535; outside any request runs of 64 events share one.
        time_ns: When it was emitted, in nanoseconds since the Unix epoch.
        sequence: Which record of the journal it is.
        type: JSON members of its event type.
        context: JSON members of its request; ``b""`` for none.
    """

    segment: Segment
    offset: int
    size: int
    key_hash: int
    time_ns: int
    sequence: int
    type: bytes
    context: bytes

    @property
    def position(self) -> Position:
        """Its place in the journal."""
        return Position(self.segment.number, self.offset)
