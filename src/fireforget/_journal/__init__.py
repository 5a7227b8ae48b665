"""The crash-safe buffer between `emit` and the queue.

A journal is a directory of small preallocated files, the *segments*, that are mapped into memory. Appending is one
`mmap.write`: atomic under the GIL, so that threads, signal handlers and ``__del__`` need no lock, and what it has
copied belongs to the kernel, so that the death of the process cannot take it back. Everything that takes time is
written behind by the engine: checksums, counts, the next segment, the disk itself.

    <root>/                       one for all processes of an application
        ledger.jsonl              what became of the events of journals that are finished; ledger.lock guards it
        <id>/                     one journal: one process, living or dead
            lock                  locked as long as somebody lives who appends to it or drains it
            manifest.json         format, digest of the queue's identity, pid, time, nonce
            counters              two slots, written in turn: counts of segments that are gone, and of what was refused
            00000001.seg …        segments: a header page of 4096 bytes, then records

`record` draws a record. There are three kinds: an event, and the type and the context that events refer to by number
and that every segment holds for itself. A record is *sealed* when it carries its checksum. Its state byte says
pending, delivered, dead or dropped; settling an event changes that one byte.

What survives what:

    death of the process          every accepted event, every count; at most one settling is repeated
    power cut                     with ``durability="power"`` what was accepted before the last `Journal.sync`;
                                  otherwise what the kernel had written by then
    full disk                     what was accepted: the blocks of a segment are allocated before it is used.
                                  New events are refused until there is room
    ``durability="none"``         nothing: the same journal in anonymous memory

Reading goes on past whatever is damaged. A sealed record whose checksum fails is counted as corrupt. Where not even
a header is left, the next record is found by the magic that all records of a segment begin with, and one event is
counted for each header in between, at least one. An unsealed record, as death leaves them at the end, is taken if it
is whole (its space was zero before, so that a torn copy shows), and if no sealed one follows it. A torn copy at the
very end was never accepted and is not counted. An event whose type or context is lost is corrupt. An unreadable
state means pending: better sent twice than lost.

A segment in which nothing is pending is *folded*: its counts go to the counters page in one write that also names
it, then its file is removed. A segment of which little is pending is rewritten, and small neighbours are merged.

Out of the promise: truncating a segment that is in use, network file systems, and a disk that dies with its
container. Linux and macOS; elsewhere, without `fcntl`, only ``durability="none"``.
"""

from fireforget._journal.adoption import ADOPTED_AT_ONCE, Stranger, adopt, directories, strangers
from fireforget._journal.appender import PACK, Binding, Options
from fireforget._journal.counts import Counts
from fireforget._journal.cursor import Cursor, Follower
from fireforget._journal.directory import is_held, read_manifest
from fireforget._journal.entry import Entry, Position
from fireforget._journal.journal import START, Journal
from fireforget._journal.locks import lock
from fireforget._journal.reading import Wanted
from fireforget._journal.segment import Segment
from fireforget._journal.verification import Totals, Verification, totals, verify
from fireforget._journal.watching import Watch

__all__ = [
    "ADOPTED_AT_ONCE",
    "PACK",
    "START",
    "Binding",
    "Counts",
    "Cursor",
    "Entry",
    "Follower",
    "Journal",
    "Options",
    "Position",
    "Segment",
    "Stranger",
    "Totals",
    "Verification",
    "Wanted",
    "Watch",
    "adopt",
    "directories",
    "is_held",
    "lock",
    "read_manifest",
    "strangers",
    "totals",
    "verify",
]
