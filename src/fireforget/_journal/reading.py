"""Reading pending events out of a segment."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from fireforget._journal.entry import Entry
from fireforget._journal.record import HEADER, HEADER_SIZE, MOST, PENDING_EVENT
from fireforget._journal.sealing import recount

if TYPE_CHECKING:
    from array import array
    from collections.abc import Collection

    from fireforget._journal.segment import Segment


class Wanted:
    """Which events a reader wants: those whose key hash has one of some remainders.

    Args:
        remainders: Of the key hash.
        count: What it is divided by.

    Attributes:
        passed: The other remainders of pending events that were met.
    """

    __slots__ = ("count", "passed", "remainders")

    def __init__(self, remainders: Collection[int], count: int) -> None:
        self.remainders = remainders
        self.count = count
        self.passed: set[int] = set()


_ALL: Final = Wanted(frozenset({0}), 1)
_unpack: Final = HEADER.unpack_from


def read(segment: Segment, at: int, stop: int, limit: int, wanted: Wanted | None) -> tuple[list[Entry], int]:
    """Up to `limit` pending events that begin between two offsets, and the offset to go on from."""
    if segment.moved is not None:
        return _read_moved(segment, segment.moved, at, stop, limit, wanted)
    entries: list[Entry] = []
    file, damage = segment.file, segment.damage
    mapping, magic, end = file.mapping, segment.magic, segment.frontier
    wanted = wanted or _ALL
    remainders, count, passed = wanted.remainders, wanted.count, wanted.passed
    known, members = -1, None
    while at < stop and len(entries) < limit:
        if at in damage:
            at = damage[at]
            continue
        found, size, _, sequence, word, time_ns = _unpack(mapping, at)
        after = at + HEADER_SIZE + size
        if found != magic or after > end:
            recount(segment)
            return entries, segment.past_damage(at)
        if word & 0xFFFF == PENDING_EVENT:
            key_hash = word >> 16 & MOST if word >> 48 else sequence >> 6 & MOST
            remainder = key_hash % count
            if remainder not in remainders:
                passed.add(remainder)
            else:
                if word >> 32 != known:
                    known, members = word >> 32, file.members(word)
                if members is None:
                    recount(segment)
                    return entries, segment.past_damage(at)
                entries.append(Entry(segment, at, size, key_hash, time_ns, sequence, *members))
        at = after
    return entries, at


def _read_moved(
    segment: Segment, moved: tuple[array[int], array[int]], at: int, stop: int, limit: int, wanted: Wanted | None
) -> tuple[list[Entry], int]:
    """The same after compaction, when a record is no longer where its name says."""
    names, places = moved
    entries: list[Entry] = []
    file, damage = segment.file, segment.damage
    wanted = wanted or _ALL
    for i in range(bisect_left(names, at), bisect_left(names, stop)):
        if len(entries) == limit:
            return entries, names[i]
        if places[i] in damage:
            continue
        _, size, _, sequence, word, time_ns = _unpack(file.mapping, places[i])
        if word & 0xFFFF != PENDING_EVENT:
            continue
        key_hash = word >> 16 & MOST if word >> 48 else sequence >> 6 & MOST
        remainder = key_hash % wanted.count
        if remainder not in wanted.remainders:
            wanted.passed.add(remainder)
            continue
        members = file.members(word)
        if members is None:
            recount(segment)
            continue
        entries.append(Entry(segment, names[i], size, key_hash, time_ns, sequence, *members))
    return entries, stop
