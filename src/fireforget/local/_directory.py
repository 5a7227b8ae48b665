"""A directory of the embedded backend: is it usable, and making it."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from fireforget.abc import Finding, Step
from fireforget.errors import PermanentError

if TYPE_CHECKING:
    from pathlib import Path


def look(directory: Path) -> Finding:
    """Can files be made in it, or can it be made?"""
    place = next(each for each in (directory, *directory.absolute().parents) if os.access(each, os.F_OK))
    if not place.is_dir():
        return Finding("directory", "wrong", f"{place} is no directory", "name another one, or move that file away")
    if not os.access(place, os.W_OK | os.X_OK):
        mend = "change its owner or mode, or name another one"
        return Finding("directory", "wrong", f"this user cannot make files in {place}", mend)
    made = "" if place == directory else " is made when it is first used"
    return Finding("directory", "ok", f"{directory}{made}")


def steps(directory: Path) -> list[Step]:
    """What it takes to make it; nothing where it is there."""
    if directory.is_dir():
        return []
    return [Step(f"make the directory {directory}", partial(anyio.to_thread.run_sync, _make, directory))]


def _make(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = f"{directory}: it cannot be made ({error.strerror}): look at the owner and mode of what is above it"
        raise PermanentError(text) from error
