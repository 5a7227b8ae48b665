"""The crash-safe buffer between `emit` and the queue."""

from fireforget._journal.adoption import Stranger, adopt, strangers
from fireforget._journal.appender import PACK, Binding, Options
from fireforget._journal.counts import Counts
from fireforget._journal.cursor import Cursor
from fireforget._journal.entry import Entry, Position
from fireforget._journal.journal import START, Journal
from fireforget._journal.segment import Segment
from fireforget._journal.verification import Totals, Verification, totals, verify

__all__ = [
    "PACK",
    "START",
    "Binding",
    "Counts",
    "Cursor",
    "Entry",
    "Journal",
    "Options",
    "Position",
    "Segment",
    "Stranger",
    "Totals",
    "Verification",
    "adopt",
    "strangers",
    "totals",
    "verify",
]
