"""How a process comes by a journal of its own, and what it does where it comes by none."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from fireforget._journal import Journal
from fireforget._site import journal_options
from fireforget.errors import FireForgetError, JournalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget._clock import Clock
    from fireforget._settings import Settings

_TRY_AGAIN_SECONDS: Final = 1.0
"""How long an `emit` does not try again to open a journal that could not be opened."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Opener:
    """Opens new journals.

    Args:
        settings: Where, and how they are kept.
        queue_digest: Tells which queue their events are for.
        describe: The JSON members of an event type, given its name.
        make_room: Called where the disk is full: begins to drain the journals of the dead.
        clock: Time.
    """

    def __init__(
        self,
        settings: Settings,
        queue_digest: Callable[[], str],
        describe: Callable[[str], bytes],
        make_room: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._queue_digest = queue_digest
        self._describe = describe
        self._make_room = make_room
        self._clock = clock
        self._trouble: tuple[float, str] | None = None

    def open(self) -> Journal:
        """A new journal.

        Raises:
            JournalError: It cannot be made; the message says the mend. For a second the same is said again, without
                another try.
            FireForgetError: There is no such queue.
        """
        now = self._clock.monotonic()
        if self._trouble is not None and now < self._trouble[0]:
            raise JournalError(self._trouble[1])
        try:
            journal = self._make()
        except FireForgetError as error:
            self._trouble = now + _TRY_AGAIN_SECONDS, str(error)
            if _is_full(error):
                self._make_room()
            raise
        self._trouble = None
        return journal

    def forget_trouble(self) -> None:
        """Try again at once."""
        self._trouble = None

    def _make(self) -> Journal:
        root, options = self._settings.journal_directory, journal_options(self._settings)
        digest = self._queue_digest()
        try:
            return Journal.open(root, digest, options, describe=self._describe, clock=self._clock)
        except JournalError as error:
            message = f"{error}; let this process write there, or name another `directory` in the configuration"
            raise JournalError(message) from error


def _is_full(error: BaseException | None) -> bool:
    """Is it for want of room on the disk?"""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno in _FULL
