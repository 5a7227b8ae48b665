"""Locks that a process holds on a file until it closes it or dies."""

from __future__ import annotations

import time
from typing import Final

from fireforget.errors import JournalError

_STEP_SECONDS: Final = 0.001


def lock(file: int, *, wait: float = 0.0, shared: bool = False) -> bool:
    """Lock a file for this process alone; False where somebody has it and keeps it for `wait` seconds.

    Args:
        file: Its descriptor.
        wait: Seconds; infinite to wait until nobody has it.
        shared: Keep out only those who want it for themselves.

    Raises:
        JournalError: The platform or the file system has no such locks.
    """
    while not _try(file, shared=shared):
        if wait <= 0:
            return False
        time.sleep(_STEP_SECONDS)
        wait -= _STEP_SECONDS
    return True


def _try(file: int, *, shared: bool) -> bool:
    try:
        import fcntl
    except ImportError as error:
        raise JournalError('this platform has no fcntl locks: set journal.durability = "none"') from error
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        message = f'the file system has no locks ({error.strerror}): set journal.durability = "none"'
        raise JournalError(message) from error
    return True
