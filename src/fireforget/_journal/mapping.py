"""Files of bytes in memory: allocated, mapped, and brought to the disk."""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PAGE: Final = 4096
"""The unit of every file's size."""

_ZEROS: Final = bytes(1 << 20)


def create(path: Path, size: int) -> mmap.mmap:
    """Create a file whose blocks are really allocated, and map it. A full disk shows here, and never as a SIGBUS.

    Raises:
        OSError: That cannot be done; nothing is left of the file.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _allocate(file, size)
        return _map(file, size, writable=True)
    except BaseException:  # whatever it is: nothing half made stays
        path.unlink()
        raise
    finally:
        os.close(file)


def open_file(path: Path, size: int, *, writable: bool = True) -> mmap.mmap:
    """Map a file that is there.

    Raises:
        OSError: It cannot be opened or mapped.
    """
    with path.open("rb+" if writable else "rb") as file:
        return _map(file.fileno(), size, writable=writable)


def touch(mapping: mmap.mmap) -> None:
    """Write to every page but the first ahead, so that no emitter pays for a page fault."""
    for at in range(PAGE, len(mapping), PAGE):
        mapping[at] = 0


def sync_file(path: Path) -> None:
    """Bring the data of a file to the disk itself. Never `mmap.flush`: it keeps the GIL while it waits.

    Raises:
        OSError: The disk failed.
    """
    with path.open("rb+") as file:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(file.fileno(), fcntl.F_FULLFSYNC)  # there, nothing else reaches the disk itself
        else:
            os.fdatasync(file.fileno())


def sync_directory(path: Path) -> None:
    """Bring the names in a directory to the disk.

    Raises:
        OSError: The disk failed.
    """
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    at = 0
    while at < size:  # macOS: what is written is allocated, zeros too
        at += os.pwrite(file, _ZEROS[: size - at], at)


def _map(file: int, size: int, *, writable: bool) -> mmap.mmap:
    access = mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ
    if sys.version_info >= (3, 13):
        return mmap.mmap(file, size, access=access, trackfd=False)  # without a descriptor of its own
    return mmap.mmap(file, size, access=access)
