"""Watching what is appended to the journals of a directory, by living processes too, without touching them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget._journal.directory import read_manifest
from fireforget._journal.entry import Entry
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import CONTEXT, EVENT, HEADER, HEADER_SIZE, MOST, SEALED_FROM, TYPE
from fireforget._journal.resync import is_sealed, is_whole
from fireforget._journal.segment import Segment
from fireforget._journal.segment_file import SUFFIX, SegmentFile

if TYPE_CHECKING:
    from pathlib import Path

_unpack: Final = HEADER.unpack_from


class Watch:
    """Sees the events of one journal, settled or not.

    Args:
        path: Of its directory.

    Attributes:
        nonce: That of the journal.

    Raises:
        JournalError: It is no journal that this version can read.
    """

    def __init__(self, path: Path) -> None:
        self.nonce = read_manifest(path).nonce
        self._path = path
        self._open: dict[int, tuple[Segment, int]] = {}
        self._stale: list[SegmentFile] = []
        self._last = 0

    def look(self) -> list[Entry]:
        """The events that were appended since the last look, in order.

        What was delivered and cleared away between two looks is not seen, and behind damage a segment is not read on.

        Raises:
            FileNotFoundError: The journal has been finished and removed.
            OSError: It cannot be read.
        """
        self._let_go()
        names = {int(path.stem): path for path in self._path.glob("[0-9]*" + SUFFIX)}
        for number in sorted(names.keys() - range(self._last + 1)):
            self._follow(names[number])
        entries: list[Entry] = []
        for number, (segment, at) in sorted(self._open.items()):
            found, end = _read(segment, at)
            entries += found
            self._open[number] = segment, end
        begun = max((number for number, (_, end) in self._open.items() if end > PAGE), default=0)
        for number in list(self._open):
            if number < begun or number not in names:  # a spare one comes after the one that is appended to
                segment, at = self._open.pop(number)
                entries += _read(segment, at)[0]  # what came between the look at it and that at its heir
                self._stale.append(segment.file)
        if not entries and not self._path.is_dir():
            raise FileNotFoundError(self._path)
        return entries

    def payload(self, entry: Entry) -> bytes:
        """The event's data, JSON text. Only until the next look."""
        begin = entry.offset + HEADER_SIZE
        return entry.segment.file.mapping[begin : begin + entry.size]

    def close(self) -> None:
        """Let go of the files."""
        self._stale += [segment.file for segment, _ in self._open.values()]
        self._open.clear()
        self._let_go()

    def _follow(self, path: Path) -> None:
        file = SegmentFile.open(path, self.nonce, writable=False)
        if file is not None and file.mapping:  # from now on it is there, even if its owner removes it
            self._last = int(path.stem)
            self._open[self._last] = Segment(file, self._last, living=False, writable=False), PAGE

    def _let_go(self) -> None:
        while self._stale:
            self._stale.pop().unmap()


def _read(segment: Segment, at: int) -> tuple[list[Entry], int]:
    """The events that begin at an offset or later, and where to go on."""
    entries: list[Entry] = []
    file, magic = segment.file, segment.magic
    mapping, end = file.mapping, file.size
    while end - at >= HEADER_SIZE and (is_sealed(mapping, magic, at, end) or is_whole(mapping, magic, at, end)):
        _, size, _, sequence, word, time_ns = _unpack(mapping, at)
        kind, after = mapping[at + SEALED_FROM], at + HEADER_SIZE + size
        if kind == TYPE:
            file.types[word >> 32 & MOST] = mapping[at + HEADER_SIZE : after]
        elif kind == CONTEXT:
            file.contexts.place(word >> 48, at)
        elif kind == EVENT and (members := _members(file, word)) is not None:
            entries.append(Entry(segment, at, size, 0, time_ns, sequence, *members))
        at = after
    return entries, at


def _members(file: SegmentFile, word: int) -> tuple[bytes, bytes] | None:
    """The JSON members of an event's type and context, sealed or not."""
    if not file.defines(word):
        return None
    context = b""
    if word >> 48:
        at = file.contexts.at(word >> 48)
        size = _unpack(file.mapping, at)[1]
        context = file.mapping[at + HEADER_SIZE : at + HEADER_SIZE + size]
    return file.types[word >> 32 & MOST], context
