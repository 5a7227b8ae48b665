"""Locks that a process holds on a file until it closes it or dies."""

from __future__ import annotations

from fireforget.errors import JournalError


def lock(file: int, *, wait: bool, shared: bool = False) -> bool:
    """Lock a file for this process alone; False where somebody has it and one does not wait.

    Args:
        file: Its descriptor.
        wait: Wait until nobody has it.
        shared: Keep out only those who want it for themselves.

    Raises:
        JournalError: The platform or the file system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise JournalError('this platform has no fcntl locks: set journal.durability = "none"') from error
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        message = f'the file system has no locks ({error.strerror}): set journal.durability = "none"'
        raise JournalError(message) from error
    return True
