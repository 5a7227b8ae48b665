"""The journal: what emitters append to, and what the engine reads and settles."""

from __future__ import annotations

from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Final

from fireforget._clock import SystemClock
from fireforget._journal.appender import Appender, Options, describe
from fireforget._journal.chain import Chain
from fireforget._journal.counters import Counters, Note
from fireforget._journal.counts import Counts
from fireforget._journal.cursor import Cursor, Follower
from fireforget._journal.directory import Directory, random_nonce
from fireforget._journal.entry import Entry, Position
from fireforget._journal.ledger import Ledger
from fireforget._journal.loading import take_over
from fireforget._journal.record import STATE_OF, Outcome
from fireforget._journal.segment_file import ALL
from fireforget._journal.upkeep import Upkeep
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from fireforget._clock import Clock
    from fireforget._journal.reading import Wanted

START: Final = Position(0, 0)
"""Before the first event of any journal."""


class Journal(Appender):
    """A crash-safe buffer of events.

    Made by `open`, or by `adopt` from what a dead process left. Emitters call `append`, `next_sequence` and `note`
    from any thread. Everything else is the engine's: one thread, with `sync` in another if it likes.

    Args:
        directory: Where it lives; None for memory alone.
        options: Sizes, overflow, durability.
        describe: The JSON members of an event type, given its name.
        recovered: Is it that of a dead process? Then nothing can be appended.

    Raises:
        JournalError: A file of it cannot be made or read.
    """

    def __init__(
        self,
        directory: Directory | None,
        options: Options,
        describe: Callable[[str], bytes] = describe,
        *,
        recovered: bool = False,
    ) -> None:
        folder = directory.path if directory else None
        chain = Chain(directory.manifest.nonce if directory else random_nonce())
        super().__init__(chain, folder, options, describe)
        self._directory = directory
        self._recovered = recovered
        self._final: Counts | None = None
        self._counters = Counters(folder)
        self._upkeep = Upkeep(chain, self._counters, folder, options)
        if folder is not None and recovered:
            self._closed = True
            take_over(chain, self._counters, folder)
            self._counters.note("recovered", "", self.pending)
            self._counters.write()
        else:
            self.tail = self._make(options.segment_bytes)
            chain.origin.heirs.append(self.tail)
        self._leader = Cursor(chain, START)

    @classmethod
    def open(
        cls,
        root: Path,
        queue: str,
        options: Options | None = None,
        *,
        describe: Callable[[str], bytes] = describe,
        clock: Clock | None = None,
    ) -> Journal:
        """A new journal for this process.

        Args:
            root: The directory of all journals; made if need be, readable for its owner alone.
            queue: Digest of the identity of the queue that the events are for.
            options: How it is kept. With ``durability="none"`` nothing is written anywhere.
            describe: The JSON members of an event type, given its name; called while appending.
            clock: For the manifest.

        Raises:
            JournalError: The directory cannot be made or locked, or the disk is full.
        """
        options = options or Options()
        if options.durability == "none":
            return cls(None, options, describe)
        directory = Directory.create(root.absolute(), queue, (clock or SystemClock()).time_ns())
        try:
            journal = cls(directory, options, describe)
            if options.durability == "power":
                directory.sync()
        except BaseException:  # whatever it is: nothing half made stays
            directory.remove()
            raise
        return journal

    @property
    def closed(self) -> bool:
        """Has it been closed, or left to the parent of a fork?"""
        return self._final is not None

    @property
    def id(self) -> str:
        """The name of its directory; empty for memory."""
        return self._directory.id if self._directory else ""

    def walk(self, limit: int, wanted: Wanted | None = None) -> list[Entry]:
        """Up to `limit` pending events in order, each once; fewer only where no more are written, or can be read.

        Args:
            limit: How many.
            wanted: Which of them; the others are passed, for a `cursor` to read. Then there may be more after fewer.

        Raises:
            OSError: The next file cannot be read at the moment. Nothing is passed over.
        """
        before = self._leader.position.number
        entries = self._leader.take(limit, wanted)
        if self._leader.position.number != before or self._chain.doomed:
            with self._chain.reading, suppress(OSError):  # tried again later; what was read belongs to the reader
                self._upkeep.collect()
                self._upkeep.unmap_idle()
        return entries

    def cursor(self, start: Position = START) -> Follower:
        """Read once more what `walk` has passed, from `start` on, up to where `walk` stands."""
        return Follower(self._chain, start, self._leader)

    @property
    def end(self) -> Position:
        """Behind the last event so far."""
        last = self._chain.last
        return Position(last.number, last.end())

    def has_passed(self, place: Position) -> bool:
        """Has `walk` returned all events before it?"""
        return self._leader.position >= place or self.at_end

    @property
    def position(self) -> Position:
        """Up to where `walk` has come."""
        return self._leader.position

    @property
    def at_end(self) -> bool:
        """Has `walk` come to the end of what is written?"""
        return self._leader.at_end

    def payload(self, entry: Entry) -> bytes | None:
        """The event's data, JSON text; None where it turns out to be damaged, which is counted."""
        with self._chain.reading:
            return entry.segment.payload(entry)

    def seal(self, limit: int = ALL) -> int:
        """Check, count and seal up to `limit` records that were not yet; says how many. Counting needs all of them."""
        return 0 if self.closed else self._upkeep.seal(limit)

    def settle(self, entries: Iterable[Entry], outcome: Outcome) -> None:
        """Say what became of events. What is settled already, or was given up since, stays as it is."""
        state, ripe = STATE_OF[outcome], False
        with self._chain.reading:
            for entry in entries:
                segment = entry.segment
                if segment.settle(entry, state) and not segment.pending:
                    ripe |= segment.complete
            if ripe or self._chain.doomed:
                self._upkeep.collect()

    def release(self, entries: Iterable[Entry]) -> None:
        """Hand back events that the reader will not settle: still pending, but no longer held by anybody."""
        with self._chain.reading:
            for entry in entries:
                entry.segment.out -= 1

    def compact(self) -> bool:
        """Rewrite a file of which little is pending, or neighbours that are small; says whether there may be more.

        Raises:
            JournalError: The disk is full; nothing is changed.
        """
        return not self.closed and self._upkeep.compact()

    def note(self, kind: Note, reason: str = "", number: int = 1) -> None:
        """Count what was not accepted. From any thread; written to the disk with the next `prepare`."""
        self._counters.note(kind, reason, number)

    @property
    def counts(self) -> Counts:
        """What became of all events so far. Seals what is not sealed; after `close`, what it was then."""
        if self._final is not None:
            return self._final
        with self._upkeep.all_sealed():
            counts = Counts()
            counts.add(self._counters.counts)
            for file in self._chain.files():
                counts.settle(file.tally)
                counts.pending += file.pending
            return counts

    @property
    def pending(self) -> int:
        """Accepted events that are not settled."""
        if self._final is not None:
            return self._final.pending
        with self._upkeep.all_sealed():
            return sum(segment.pending for segment in self._chain)

    @property
    def idle(self) -> bool:
        """Is nothing pending? Seals no more than it takes to tell."""
        if self._final is not None:
            return not self._final.pending
        with self._chain.reading:
            return all(segment.idle for segment in self._chain)

    def prepare(self) -> None:
        """What the engine does now and then: keep one spare segment, make room, bring the counters page up to date.

        Raises:
            JournalError: No segment can be made. Emitters are refused once the last one is full, until this succeeds.
        """
        with self._chain.reading:
            if self.closed or self._recovered:
                return
            self._counters.write()
            self.trouble = None
            size = self._options.segment_bytes
            if self._spares:
                return
            if self._options.overflow == "drop_oldest":
                self._make_way(size)
            self._upkeep.collect()
            if self.bytes_used + size > self._options.max_bytes:
                return
        self._add_spare(size)

    def sync(self) -> None:
        """Seal everything and, with ``durability="power"``, bring it to the disk itself. Takes as long as that takes.

        Raises:
            JournalError: The disk failed.
        """
        try:
            if not self.closed:
                self._upkeep.sync()
        except JournalError:
            if not self.closed:
                raise  # else it was closed meanwhile, by somebody who synced it first

    def close(self, *, remove_if_settled: bool = True) -> None:
        """Close it for good. Settled events are written down in the ledger; pending ones wait for who adopts.

        Args:
            remove_if_settled: Remove the directory where nothing is pending.

        Raises:
            JournalError: ``durability="power"`` and the disk failed. It is closed nevertheless.
        """
        if self.closed:
            return
        with self._lock:
            self._closed = True
            self.tail = self._chain.origin
            self._chain.last.close()
        try:
            self.sync()
        finally:
            with self._chain.reading:
                if self._final is None:
                    self._finish(remove=remove_if_settled)

    def _finish(self, *, remove: bool) -> None:
        while self._spares:
            self._spares.pop().file.discard()
        counts = self._final = self.counts
        finished = remove and not counts.pending and self._write_down(counts)
        self._counters.write()
        self._unmap()
        if self._directory is not None and finished:
            self._directory.remove()
        elif self._directory is not None:
            self._directory.release()

    def _write_down(self, counts: Counts) -> bool:
        """Enter the counts in the ledger; where that fails, the directory stays, and who adopts it tries again."""
        if self._directory is None or counts == Counts():
            return True
        try:
            Ledger(self._directory.path.parent).append(self.id, counts)
        except JournalError:
            return False
        return True

    def _unmap(self) -> None:
        for segment in self._chain:
            segment.gone = True
            segment.file.unmap()
        self._counters.close()

    def after_fork_in_child(self) -> None:
        """Leave the journal to the parent, in the child of a fork: nothing of it is touched, nothing is sent.

        To be called first of all in the child, where no other thread runs. A new journal has to be opened then.
        """
        self._lock = RLock()
        self._closed = True
        self.tail = self._chain.origin
        self._chain.reading, self._chain.handing = RLock(), RLock()
        self._final = self._final or Counts()
        for spare in self._spares:
            spare.file.unmap()
        self._spares.clear()
        self._unmap()
        if self._directory is not None:
            self._directory.release()
