"""Finding the way again past damaged bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget._journal.record import (
    CONTEXT,
    HEADER,
    HEADER_SIZE,
    SEALED_FROM,
    TYPE,
    checksum,
    plausible,
)

if TYPE_CHECKING:
    import mmap


def is_sealed(mapping: mmap.mmap, magic: int, at: int, end: int) -> bool:
    """Does a whole record with its checksum begin here?"""
    size, total, sequence, _ = _header(mapping, magic, at, end)
    if not total:
        return False
    return checksum(magic, size, sequence, mapping[at + SEALED_FROM : at + HEADER_SIZE + size]) == total


def is_whole(mapping: mmap.mmap, magic: int, at: int, end: int) -> bool:
    """Does a record begin here that never got its checksum, and that nothing speaks against?"""
    size, total, _, word = _header(mapping, magic, at, end)
    if total or not word:
        return False
    return plausible(word >> 8 & 0xFF, mapping[at + HEADER_SIZE : at + HEADER_SIZE + size])


def next_whole(mapping: mmap.mmap, magic: int, at: int, end: int, unsealed_from: int) -> tuple[int, int]:
    """Where the next usable record begins after damage at `at` (or `end`), and how many events were lost before it.

    Counted are the headers of events that are left; where the damaged bytes begin with no header, at least one.
    """
    mark = magic.to_bytes(4, "little")
    lost = 0 if mapping[at : at + 4] == mark else 1
    found = at
    while True:
        if mapping[found : found + 4] == mark and found + HEADER_SIZE <= end:
            kind = mapping[found + SEALED_FROM]
            lost += kind not in {TYPE, CONTEXT}
        found = mapping.find(mark, found + 1, end)
        if found < 0:
            return end, lost
        if is_sealed(mapping, magic, found, end):
            return found, lost
        if found >= unsealed_from and is_whole(mapping, magic, found, end):
            return found, lost


def last_seal(mapping: mmap.mmap, magic: int, at: int, end: int) -> int:
    """Where the last sealed record at or after `at` begins, else `at`: what is unsealed before it was damaged."""
    mark = magic.to_bytes(4, "little")
    while (found := mapping.rfind(mark, at, end)) >= 0:
        if is_sealed(mapping, magic, found, end):
            return found
        end = found + 3
    return at


def _header(mapping: mmap.mmap, magic: int, at: int, end: int) -> tuple[int, int, int, int]:
    """Size, checksum, sequence and word of the record at `at`; zeros where none can be."""
    if at + HEADER_SIZE > end:
        return 0, 0, 0, 0
    found, size, total, sequence, word, _ = HEADER.unpack_from(mapping, at)
    if found != magic or at + HEADER_SIZE + size > end:
        return 0, 0, 0, 0
    return size, total, sequence, word
