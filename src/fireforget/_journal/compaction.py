"""Compaction: rewriting files of which little is pending, so that one stuck lane does not fill the disk."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

from fireforget._journal.contexts import Contexts
from fireforget._journal.counts import Tally
from fireforget._journal.header import SegmentHeader
from fireforget._journal.mapping import PAGE
from fireforget._journal.reading import read
from fireforget._journal.record import CONTEXT, HEADER, MOST, PENDING_EVENT, TYPE, definition, seal
from fireforget._journal.segment_file import ALL, TEMPORARY, SegmentFile
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget._journal.chain import Chain
    from fireforget._journal.folding import Folding
    from fireforget._journal.segment import Segment

_SPARSE: Final = 4
"""A file is rewritten when at most one in so many bytes of its events is pending."""

_RUN: Final = 4
"""At least so many small neighbours are merged; fewer would be copied again and again."""


class Compaction:
    """Rewrites the files of a chain. Entries and positions that readers hold stay valid.

    Args:
        chain: The segments.
        folding: Removes the files that were replaced.
        segment_bytes: Most bytes of a merged file.
        durable: Bring a new file to the disk itself before it takes the place of the old ones.
    """

    __slots__ = ("_chain", "_durable", "_folding", "_segment_bytes")

    def __init__(self, chain: Chain, folding: Folding, segment_bytes: int, *, durable: bool) -> None:
        self._chain = chain
        self._folding = folding
        self._segment_bytes = segment_bytes
        self._durable = durable

    def run(self) -> bool:
        """Rewrite once where it is worth it; says whether there may be more to do, for a file takes some milliseconds.

        Raises:
            JournalError: A file cannot be made; those not yet rewritten stay as they are.
        """
        for file in self._chain.files():
            if _is_movable(file) and _is_sparse(file):
                self._rewrite([file])
                return True
        for files in self._small():
            self._rewrite(files)
            return True
        return False

    def _small(self) -> Iterator[list[SegmentFile]]:
        """Neighbours that fit in one file together."""
        run: list[SegmentFile] = []
        for file in [*self._chain.files(), None]:
            small = file is not None and _is_movable(file) and file.size * 2 <= self._segment_bytes
            if file is not None and small and self._fit([*run, file]):
                run.append(file)
                continue
            if len(run) >= _RUN:
                yield run
            run = [file] if file is not None and small else []

    def _fit(self, files: list[SegmentFile]) -> bool:
        contexts = sum(len(file.contexts) for file in files)
        return sum(file.size for file in files) <= self._segment_bytes and contexts <= MOST

    def _rewrite(self, files: list[SegmentFile]) -> None:
        """Put what is pending in some neighbours into one new file under the first one's name."""
        first = files[0]
        copy = _Copy(first.magic)
        removed = Tally()
        for file in files:
            for segment in file.segments:
                copy.take(segment)
            removed.add(file.tally)
        size = PAGE - -len(copy.body) // PAGE * PAGE
        header = SegmentHeader(first.header.nonce, first.header.number, files[-1].header.last, size, removed)
        new = SegmentFile.create(first.path and first.path.with_suffix(TEMPORARY), header)
        new.mapping[PAGE : PAGE + len(copy.body)] = copy.body
        new.types, new.contexts = copy.types, copy.contexts
        try:
            if self._durable:
                new.sync(ALL)
            with self._chain.handing:
                if any(file.doomed for file in files):
                    new.remove()
                    return
                new.rename(first.path)
                copy.move_to(new)
        except OSError as error:
            new.remove()
            raise JournalError(f"cannot replace {first.path}: {error.strerror}") from error
        self._chain.remove(segment for segment, names, _ in copy.moved if not names)
        first.unmap()
        self._folding.remove(files[1:])


def _is_movable(file: SegmentFile) -> bool:
    return file.pending > 0 and file.complete and not file.is_last and not file.doomed


def _is_sparse(file: SegmentFile) -> bool:
    live = file.pending_bytes
    return live * _SPARSE <= file.event_bytes and (PAGE + live) * 2 <= file.size


class _Copy:
    """What is pending in some segments, as the records of a new file."""

    __slots__ = ("_contexts", "_magic", "_types", "body", "contexts", "moved", "types")

    def __init__(self, magic: int) -> None:
        self._magic = magic
        self._types: dict[bytes, int] = {}
        self._contexts: dict[bytes, int] = {b"": 0}
        self.types: dict[int, bytes] = {}
        self.contexts = Contexts()
        self.body = bytearray()
        self.moved: list[tuple[Segment, array[int], array[int]]] = []

    def take(self, segment: Segment) -> None:
        """Copy one segment."""
        names, places = array("I"), array("I")
        for entry in read(segment, PAGE, segment.frontier, ALL, None)[0]:
            payload = segment.payload(entry)
            if payload is None:
                continue
            word = PENDING_EVENT | entry.key_hash << 16
            word |= self._type(entry.type) << 32 | self._context(entry.context) << 48
            names.append(entry.offset)
            places.append(PAGE + len(self.body))
            head = HEADER.pack(self._magic, entry.size, 0, entry.sequence, word, entry.time_ns)
            self.body += seal(head + payload)
        self.moved.append((segment, names, places))

    def move_to(self, file: SegmentFile) -> None:
        """Let the segments live in the new file from now on."""
        for segment, names, places in self.moved:
            if names:
                segment.move(file, names, places)

    def _type(self, text: bytes) -> int:
        number = self._types.get(text)
        if number is None:
            number = self._types[text] = len(self._types) + 1
            self.types[number] = text
            self.body += seal(definition(self._magic, TYPE, number, text))
        return number

    def _context(self, text: bytes) -> int:
        number = self._contexts.get(text)
        if number is None:
            number = self._contexts[text] = len(self._contexts)
            record = seal(definition(self._magic, CONTEXT, number, text))
            self.contexts.place(number, PAGE + len(self.body))
            self.body += record
        return number
