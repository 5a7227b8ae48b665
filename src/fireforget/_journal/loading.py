"""Loading the segments that a dead process left."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fireforget._journal.counts import Counts
from fireforget._journal.mapping import PAGE
from fireforget._journal.segment import Segment
from fireforget._journal.segment_file import SUFFIX, TEMPORARY, SegmentFile
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from fireforget._journal.chain import Chain
    from fireforget._journal.counters import Counters, Slot


class Loaded(msgspec.Struct):
    """The files of a folder that make no segment.

    Args:
        useless: Those that no longer count: unfinished, replaced or folded.
        stumps: Those of which so little is left, or nothing but zeros, that at least one event in each is lost.
    """

    useless: list[Path]
    stumps: list[Path]


def load(chain: Chain, folder: Path, slot: Slot, *, writable: bool = True) -> Loaded:
    """Link the segments of a folder to a chain. Changes nothing.

    Raises:
        OSError: A file cannot be read.
    """
    loaded = Loaded(list(folder.glob("*" + TEMPORARY)), [])
    covered, last = 0, chain.origin
    paths = sorted(folder.glob("[0-9]*" + SUFFIX))
    for path in paths:
        number = int(path.stem)
        if number <= covered or slot.has_folded(number):
            loaded.useless.append(path)
            continue
        file = SegmentFile.open(path, chain.nonce, writable=writable)
        if file is None or (path != paths[-1] and _is_blank(path)):  # the last one may not have been begun
            (loaded.stumps if path.stat().st_size else loaded.useless).append(path)
            continue
        covered = file.header.last
        segment = Segment(file, number, living=False, writable=writable)
        last.heirs.append(segment)
        last = segment
    return loaded


def _is_blank(path: Path) -> bool:
    """Are there only zeros in it, not even a header?"""
    with path.open("rb") as file:
        return not any(file.read(PAGE)) and not any(file.read())


def take_over(chain: Chain, counters: Counters, folder: Path) -> None:
    """Link the segments of a folder to a chain, and remove what makes none.

    Raises:
        JournalError: The folder cannot be read, or a file cannot be removed.
    """
    try:
        loaded = load(chain, folder, counters.slot)
        for path in loaded.stumps:
            counters.fold(Counts(corrupt=1), [(int(path.stem), int(path.stem))])
            path.unlink()
        for path in loaded.useless:
            path.unlink()
    except OSError as error:
        raise JournalError(f"cannot take over the journal {folder}: {error.strerror}") from error
    counters.removed(list(counters.slot.folded))
