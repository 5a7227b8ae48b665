"""Whose the files of this machine are: what one user makes, another one may not be able to open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fireforget.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget._settings import Settings


def refuse_root(settings: Settings) -> None:
    """Keep root from making files where they belong to somebody else: the application could not open them.

    Raises:
        PermanentError: This is root, and a directory of the configuration is another user's.
    """
    owner = other_owner(settings)
    if owner:
        raise PermanentError(
            f"this is root, and {owner[0]} belongs to {owner[1]}, who could not open what root makes in it: run this "
            f"as that user, such as by 'sudo -u {owner[1]}'; or make the directory first, for whom it is to be"
        )


def other_owner(settings: Settings) -> tuple[Path, str] | None:
    """Where this is root, a directory that is another user's, and that user's name."""
    if not _is_root():
        return None
    for directory in (settings.journal_directory, Path(settings.directory)):
        place = existing(directory.absolute())
        if owner := place.stat().st_uid:
            return place, _name(owner)
    return None


def unusable(settings: Settings) -> Iterator[Path]:
    """The files beside the journals that all processes write, but this user may not, or root has made for itself."""
    root = settings.journal_directory.absolute()
    if not os.access(root, os.F_OK):
        return
    owner = root.stat().st_uid
    for file in (*root.glob("ledger.*"), *root.parent.glob("dead-letters.*")):
        if file.stat().st_uid != owner if _is_root() else not os.access(file, os.R_OK | os.W_OK):
            yield file


def existing(path: Path) -> Path:
    """The directory, or the nearest one above it that is there and can be seen."""
    return next(each for each in (path, *path.parents) if os.access(each, os.F_OK))


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _name(user: int) -> str:
    """What the system calls a user, else the number."""
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
