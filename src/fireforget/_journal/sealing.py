"""Sealing: checking and counting the records of a segment, and giving a checksum to those that have none yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget._journal.record import (
    CHECKSUM,
    CHECKSUM_AT,
    CONTEXT,
    EVENT,
    HEADER,
    HEADER_SIZE,
    MOST,
    PENDING,
    PENDING_EVENT,
    SEALED_FROM,
    SETTLED,
    STATE_AT,
    TYPE,
    checksum,
)
from fireforget._journal.resync import is_sealed, is_whole, last_seal, next_whole

if TYPE_CHECKING:
    from fireforget._journal.segment import Segment

_unpack: Final = HEADER.unpack_from
_pack: Final = CHECKSUM.pack_into


def seal(segment: Segment, limit: int) -> int:
    """Move the frontier on by up to `limit` records; says by how many."""
    if segment.complete:
        return 0
    file, magic, living = segment.file, segment.magic, segment.living
    mapping = file.mapping
    at, end, sealed, known = segment.frontier, segment.end(), 0, -1
    while sealed < limit and end - at >= HEADER_SIZE:
        found, size, total, sequence, word, _ = _unpack(mapping, at)
        after = at + HEADER_SIZE + size
        right = 0
        if found == magic and after <= end:
            right = checksum(magic, size, sequence, mapping[at + SEALED_FROM : after])
        if not right or (total != right and (total or not (living or _is_last_whole(segment, at, end)))):
            at = _skip(segment, at, end)
            if segment.complete:
                return sealed
            continue
        if not total and segment.writable:
            _pack(mapping, at + CHECKSUM_AT, right)  # one store of the processor: whole or not at all
        if word & 0xFFFF == PENDING_EVENT and (word >> 32 == known or file.defines(word)):
            known = word >> 32
            segment.pending += 1
            segment.pending_bytes += after - at
        else:
            _register(segment, at, after, word)
        segment.frontier = at = after
        sealed += 1
    if end - at < HEADER_SIZE and end == file.size:
        segment.complete = True
        segment.tally.corrupt += file.truncated
    return sealed


def recount(segment: Segment) -> None:
    """Count everything before the frontier anew from the bytes, because some of them turned out to be damaged."""
    frontier = segment.frontier
    segment.begin_count()
    segment.file.forget_damaged()
    if segment.moved is None:
        while segment.frontier < frontier and seal(segment, frontier):
            pass
        return
    segment.frontier, segment.complete = frontier, True
    mapping = segment.file.mapping
    for at in segment.moved[1]:
        if is_sealed(mapping, segment.magic, at, len(mapping)):
            _, size, _, _, word, _ = _unpack(mapping, at)
            _register(segment, at, at + HEADER_SIZE + size, word)
        else:
            segment.tally.corrupt += 1
            segment.damage[at] = at


def _is_last_whole(segment: Segment, at: int, end: int) -> bool:
    """Is an unsealed record one of those that death left behind the sealed ones, and whole?"""
    _find_unsealed(segment, at, end)
    return at >= segment.unsealed_from and is_whole(segment.file.mapping, segment.magic, at, end)


def _register(segment: Segment, at: int, after: int, word: int) -> None:
    """Take note of a record that is not simply a pending event."""
    kind, state, file = word >> 8 & 0xFF, word & 0xFF, segment.file
    if kind == TYPE:
        file.types[word >> 32 & MOST] = file.mapping[at + HEADER_SIZE : after]
    elif kind == CONTEXT:
        file.contexts.place(word >> 48, at)
    elif kind != EVENT:
        segment.tally.corrupt += 1  # nobody writes such a record
        segment.damage[at] = after
    elif state in SETTLED:
        segment.tally.count(state)
        segment.settled_bytes += after - at
    elif file.defines(word):
        if segment.writable:
            file.mapping[at + STATE_AT] = PENDING  # its state cannot be read: better sent again than lost
        segment.pending += 1
        segment.pending_bytes += after - at
    else:
        segment.tally.corrupt += 1  # of no use without its type and its context, which are lost
        segment.damage[at] = after


def _skip(segment: Segment, at: int, end: int) -> int:
    """Pass over bytes that are no record: fresh space, a torn tail, or damage. Returns where to go on."""
    file, magic = segment.file, segment.magic
    _find_unsealed(segment, at, end)
    segment.frontier, lost = next_whole(file.mapping, magic, at, end, segment.unsealed_from)
    if segment.frontier == file.size:
        segment.complete = True
        found, _, total, *_ = _unpack(file.mapping, at)
        if _is_torn(found, magic) and not total and not (found and segment.living):
            segment.frontier = at  # nothing more was written, or a write was torn, whose event was never accepted
            segment.torn = at if file.mapping[at:].strip(b"\0") else 0
            return at
    segment.damage[at] = segment.frontier
    segment.tally.corrupt += lost
    return segment.frontier


def _is_torn(found: int, magic: int) -> bool:
    """May this be as much of a magic as was written? A write is torn between bytes."""
    return all(byte in {0, whole} for byte, whole in zip(found.to_bytes(4), magic.to_bytes(4), strict=True))


def _find_unsealed(segment: Segment, at: int, end: int) -> None:
    """Sealing goes in order: an unsealed record with a sealed one after it is damaged."""
    if segment.unsealed_from < 0:
        segment.unsealed_from = last_seal(segment.file.mapping, segment.magic, at, end)
