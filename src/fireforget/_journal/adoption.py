"""Adoption: a living process drains the journals of dead neighbours, in place, under their locks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._journal.appender import Options
from fireforget._journal.directory import (
    GONE,
    LOCK,
    UNBORN,
    Directory,
    is_held,
    read_manifest,
    remove_tree,
    sweep_tree,
)
from fireforget._journal.journal import Journal
from fireforget._journal.ledger import Ledger
from fireforget._journal.locks import lock
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator


ADOPTED_AT_ONCE: Final = 8
"""Journals that one call of `adopt` takes over at most: each costs up to three descriptors."""


class Stranger(msgspec.Struct, frozen=True):
    """The journal of a dead process that is left alone.

    Args:
        path: Of its directory.
        reason: Why.
    """

    path: Path
    reason: str


def adopt(root: Path, queue: str, options: Options | None = None) -> list[Journal]:
    """Take over journals of dead processes that were for the same queue, a few at once. Who gets one, has it alone.

    Nothing is copied: they are read and settled where they are, and vanish when they are closed with nothing pending.
    Removes on the way what is left of journals that were never born, or are written down in the ledger.

    Args:
        root: The directory of all journals.
        queue: Digest of the identity of the queue.
        options: How they are kept; as for `Journal.open`.

    Raises:
        JournalError: One of ours cannot be locked or read, and there is no other. Else that one is left for later.
    """
    root = root.absolute()
    if not root.is_dir():
        return []
    _sweep(root)
    finished = Ledger(root).ids()
    journals: list[Journal] = []
    failure: JournalError | None = None
    for path in directories(root):
        if len(journals) == ADOPTED_AT_ONCE:
            break
        try:
            directory = None if _reason_to_leave(path, queue) else Directory.claim(path)
            if directory is not None and directory.id in finished:
                directory.remove()
            elif directory is not None:
                journals.append(_take_over(directory, options or Options()))
        except JournalError as error:
            failure = error
    if failure is not None and not journals:
        raise failure
    return journals


def strangers(root: Path, queue: str) -> list[Stranger]:
    """The journals of the dead that `adopt` leaves alone: for another queue, for another version, or damaged."""
    reasons = ((path, _reason_to_leave(path, queue)) for path in directories(root))
    return [Stranger(path, reason) for path, reason in reasons if reason and not _is_held(path)]


def directories(root: Path) -> Iterator[Path]:
    """The directories of journals, living or dead."""
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        if path.is_dir() and not path.name.startswith("."):
            yield path


def _take_over(directory: Directory, options: Options) -> Journal:
    try:
        return Journal(directory, options, recovered=True)
    except OSError as error:
        directory.release()
        raise JournalError(f"cannot read the journal {directory.path}: {error.strerror}") from error
    except BaseException:  # whatever it is: nobody else could adopt what stays locked
        directory.release()
        raise


def _is_held(path: Path) -> bool:
    try:
        return is_held(path)
    except JournalError:
        return False  # without a lock that can be looked at, it is damaged, or another user's


def _reason_to_leave(path: Path, queue: str) -> str:
    try:
        manifest = read_manifest(path)
    except JournalError as error:
        return str(error)
    return "" if manifest.queue == queue else "it is for another queue"


def _sweep(root: Path) -> None:
    """Remove what is left of directories whose owner died while it made or removed them."""
    for path in root.glob(GONE + "*"):
        sweep_tree(path)
    for path in root.glob(UNBORN + "*"):
        try:
            file = os.open(path / LOCK, os.O_RDWR)
        except FileNotFoundError:
            _remove_if_empty(path)
            continue
        try:
            if lock(file):
                remove_tree(path)
        finally:
            os.close(file)


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        return  # its owner has gone on, or somebody else was faster
