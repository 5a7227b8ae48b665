"""The upkeep of a journal's segments: seal, take out what is settled, rewrite what is sparse, bring to the disk."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from fireforget._journal.compaction import Compaction
from fireforget._journal.folding import Folding
from fireforget._journal.mapping import sync_directory
from fireforget._journal.segment_file import ALL
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fireforget._journal.appender import Options
    from fireforget._journal.chain import Chain
    from fireforget._journal.counters import Counters

_STEP: Final = 500
"""Records that are sealed at once by who counts; it takes one or two milliseconds."""

_BREATH_SECONDS: Final = 50e-6
"""So long it then lets go of the lock and of the GIL."""

_MOST_MAPPED: Final = 16
"""So many of the oldest files stay in memory, besides those in use."""


class Upkeep:
    """What is done to segments besides appending, reading and settling.

    Args:
        chain: The segments.
        counters: The page of what is folded.
        folder: Where their files are; None for anonymous memory.
        options: Of the journal.
    """

    __slots__ = ("_chain", "_compaction", "_counters", "_folder", "_folding", "_power")

    def __init__(self, chain: Chain, counters: Counters, folder: Path | None, options: Options) -> None:
        self._chain = chain
        self._counters = counters
        self._folder = folder
        self._power = options.durability == "power"
        self._folding = Folding(chain, counters)
        self._compaction = Compaction(chain, self._folding, options.segment_bytes, durable=self._power)

    def seal(self, limit: int = ALL) -> int:
        """Check, count and seal up to `limit` records; says how many."""
        sealed = 0
        with self._chain.reading:
            for segment in self._chain:
                if sealed < limit and not segment.complete:
                    sealed += segment.seal(limit - sealed)
                    self.unmap_idle()
        return sealed

    @contextmanager
    def all_sealed(self) -> Iterator[None]:
        """Hold still while everything is sealed; before that in steps, between which readers get in."""
        while self.seal(_STEP) == _STEP:
            time.sleep(_BREATH_SECONDS)
        with self._chain.reading:
            self.seal()
            yield

    def collect(self) -> None:
        """Take out what is settled or given up. With ``durability="power"`` that waits for `sync`."""
        if not self._power:
            with self._chain.reading:
                while folded := self._folding.fold():
                    self._folding.remove(folded)

    def compact(self) -> bool:
        """Rewrite one file that is sparse; says whether there may be more.

        Raises:
            JournalError: A file cannot be made.
        """
        with self._chain.reading:
            return self._compaction.run()

    def sync(self) -> None:
        """Seal everything and, with ``durability="power"``, bring it to the disk itself.

        Files are removed only when the counts that stand for them are on the disk.

        Raises:
            JournalError: The disk failed.
        """
        with self._chain.reading:
            self.seal()
            if not self._power or self._folder is None:
                return
            dirty = [(file, file.frontier) for file in self._chain.files() if file.frontier > file.synced]
            folded = self._folding.fold()
        if not dirty and not folded:
            return
        try:
            for file, frontier in dirty:
                with suppress(FileNotFoundError):  # compaction has replaced it, and has brought that to the disk
                    file.sync(frontier)
            self._counters.sync()
            with self._chain.reading:
                self._folding.remove(folded)
            sync_directory(self._folder)
        except OSError as error:
            raise JournalError(f"cannot sync the journal {self._folder}: {error.strerror}") from error

    def unmap_idle(self) -> None:
        """Keep few files in memory: before Python 3.13 each of them costs a descriptor."""
        mapped = [file for file in self._chain.files() if file.mapped]
        for file in mapped[_MOST_MAPPED:-1]:
            if file.path is not None and file.complete:
                file.unmap()
