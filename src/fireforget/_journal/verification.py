"""Looking at journals without touching them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Final

import msgspec

from fireforget._journal.adoption import Stranger, directories
from fireforget._journal.chain import Chain
from fireforget._journal.counters import read_page
from fireforget._journal.counts import Counts
from fireforget._journal.directory import Manifest, read_manifest
from fireforget._journal.ledger import Ledger
from fireforget._journal.loading import load
from fireforget.errors import JournalError

_ATTEMPTS: Final = 20
_LOOKS: Final = 3


class Damage(msgspec.Struct, frozen=True):
    """Bytes of a segment that are of no use.

    Args:
        segment: Number of the segment.
        begin: Offset of the first byte in its file.
        end: Offset after the last one.
    """

    segment: int
    begin: int
    end: int


class Verification(msgspec.Struct, frozen=True):
    """What a look at a journal's directory showed.

    Args:
        manifest: Whose journal it is.
        counts: What became of its events.
        segments: How many segments there are.
        damage: Bytes that are of no use; their events count as corrupt.
        torn: Where writes were cut short by death; no accepted event was in them.
        leftovers: Files that no longer count and wait for removal.
    """

    manifest: Manifest
    counts: Counts
    segments: int
    damage: list[Damage]
    torn: list[Damage]
    leftovers: list[Path]

    @property
    def sound(self) -> bool:
        """Is nothing damaged?"""
        return not self.counts.corrupt and not self.damage


class Totals(msgspec.Struct, frozen=True):
    """All journals of a directory together.

    Args:
        counts: What became of all events ever.
        journals: How many journals are there at present, living or dead, that can be read.
        unread: The others, whose events are not in the counts.
    """

    counts: Counts
    journals: int
    unread: list[Stranger] = []


Progress = Callable[[int, int], None]


def verify(path: Path, progress: Progress = lambda _done, _all: None) -> Verification:
    """Read a whole journal, and change nothing. Of a living one this is a snapshot.

    Args:
        path: Of its directory.
        progress: Told how many of its segments have been read, and of how many.

    Raises:
        JournalError: It is no journal, or cannot be read.
    """
    manifest, seen = read_manifest(path), list[Damage]()
    for attempt in range(_ATTEMPTS):
        try:
            before = read_page(path)
            verification = _look(path, manifest, progress)
            after = read_page(path)
        except FileNotFoundError:
            continue  # it lives, and has just removed a file
        except OSError as error:
            raise JournalError(f"cannot read {path}: {error.strerror}") from error
        is_steady = after.counts.accepted == before.counts.accepted and verification.damage in ([], seen)
        if is_steady or attempt == _ATTEMPTS - 1:
            return verification  # nothing was folded meanwhile; where that never stops, it is off by that much
        seen = verification.damage  # what its owner was just writing looks damaged, but not twice
    raise JournalError(f"{path} has been removed meanwhile")


def totals(root: Path) -> Totals:
    """What became of all events of all journals of a directory, those that are finished and gone included.

    Raises:
        JournalError: The ledger cannot be locked.
    """
    ledger = Ledger(root)
    if not root.is_dir():
        return Totals(Counts(), 0)
    for _ in range(_LOOKS):
        before = ledger.counts()
        found = _totals(root, ledger)
        if ledger.counts() == before:  # nobody finished meanwhile, so that none is counted twice or not at all
            return found
    with ledger.locked(inf):  # there is much coming and going: who finishes now has to be left to an adopter
        return _totals(root, ledger)


def _totals(root: Path, ledger: Ledger) -> Totals:
    found = Totals(ledger.counts(), 0, [])
    journals, finished = 0, ledger.ids()
    for path in directories(root):
        if path.name in finished:
            continue
        try:
            found.counts.add(verify(path).counts)
            journals += 1
        except JournalError as error:
            if path.exists():  # else it was removed meanwhile
                found.unread.append(Stranger(path, str(error)))
    return msgspec.structs.replace(found, journals=journals)


def _look(path: Path, manifest: Manifest, progress: Progress) -> Verification:
    page = read_page(path)
    chain = Chain(manifest.nonce)
    loaded = load(chain, path, page, writable=False)
    counts = Counts(corrupt=len(loaded.stumps))
    counts.add(page.counts)
    damage, torn = list[Damage](), list[Damage]()
    files = chain.files()
    for done, segment in enumerate(chain, start=1):
        file = segment.file
        file.seal()
        counts.settle(file.tally)
        counts.pending += file.pending
        damage += [Damage(segment.number, begin, end) for begin, end in sorted(segment.damage.items())]
        torn += [Damage(segment.number, segment.torn, file.size)] if segment.torn else []
        file.unmap()
        progress(done, len(files))
    return Verification(manifest, counts, len(files), damage, torn, loaded.useless)
