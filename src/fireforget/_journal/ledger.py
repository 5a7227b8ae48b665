"""The ledger: what became of the events of journals that are finished and gone."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._journal.counts import Counts
from fireforget._journal.locks import lock
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_NAME: Final = "ledger.jsonl"
LOCK_NAME: Final = "ledger.lock"
_MOST_LINES: Final = 1000
_PATIENCE_SECONDS: Final = 0.5
"""Who closes a journal waits no longer to write it down: the next who adopts it does that just as well."""


class _Line(msgspec.Struct, frozen=True):
    """The counts of one journal; with an empty id the sum of several that are long gone."""

    id: str
    counts: Counts


_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(_Line)


class Ledger:
    """One line of JSON for each finished journal.

    A journal is written down here before its directory is removed. A directory whose id stands here has therefore
    been counted, and only remains to be removed.

    Args:
        root: The directory of all journals.
    """

    __slots__ = ("_path", "_root")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / FILE_NAME

    @contextmanager
    def locked(self, wait: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """Keep others from writing.

        Raises:
            JournalError: The lock cannot be had, or somebody keeps it for `wait` seconds.
        """
        try:
            file = os.open(self._root / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise JournalError(f"cannot lock the ledger in {self._root}: {error.strerror}") from error
        try:
            if not lock(file, wait=wait):
                raise JournalError(f"another process keeps the ledger in {self._root} locked")
            yield
        finally:
            os.close(file)

    def append(self, journal: str, counts: Counts) -> None:
        """Write down a finished journal, once. The file is replaced as a whole, so no death leaves a torn line.

        Raises:
            JournalError: The ledger cannot be written; then it is what it was.
        """
        with self.locked():
            lines = self._lines()
            if any(line.id == journal for line in lines):
                return
            lines.append(_Line(journal, counts))
            if len(lines) > _MOST_LINES:
                lines = self._summed(lines)
            temporary = self._path.with_suffix(".tmp")
            try:
                temporary.write_bytes(b"".join(_encode(line) + b"\n" for line in lines))
                temporary.replace(self._path)
            except OSError as error:
                raise JournalError(f"cannot write {self._path}: {error.strerror}") from error

    def ids(self) -> set[str]:
        """The journals that are written down, for as long as their directories are there."""
        return {line.id for line in self._lines()}

    def counts(self) -> Counts:
        """The sum of everything written down."""
        total = Counts()
        for line in self._lines():
            total.add(line.counts)
        return total

    def _lines(self) -> list[_Line]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return []
        lines = []
        for text in data.splitlines():
            try:
                lines.append(_decoder.decode(text))
            except msgspec.DecodeError:
                continue  # damaged from outside; the other lines still count
        return lines

    def _summed(self, lines: list[_Line]) -> list[_Line]:
        """The same, with the lines of journals whose directories are gone in one."""
        total = _Line("", Counts())
        kept: list[_Line] = []
        for line in lines:
            if line.id and (self._root / line.id).exists():
                kept.append(line)
            else:
                total.counts.add(line.counts)
        return [total, *kept]
