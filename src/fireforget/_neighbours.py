"""The journals that dead processes have left, as far as this one has taken them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget import _process
from fireforget._journal import adopt
from fireforget._site import journal_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget._journal import Journal
    from fireforget._settings import Settings


class Neighbours:
    """Takes over the journals of dead processes that published to the same queue. Who gets one closes it.

    Args:
        settings: Where the journals are, and how they are kept.
        queue_digest: Tells which queue they are for.

    Attributes:
        recovered: How many pending events they held.
    """

    def __init__(self, settings: Settings, queue_digest: Callable[[], str]) -> None:
        self._settings = settings
        self._queue_digest = queue_digest
        self._taken: list[Journal] = []
        self.recovered = 0

    def adopt(self) -> list[Journal]:
        """Take over what is there now, from any thread.

        Raises:
            FireForgetError: The journals cannot be read, or there is no such queue.
            OSError: The disk failed.
        """
        with _process.adopting:
            found = adopt(self._settings.journal_directory, self._queue_digest(), journal_options(self._settings))
            self._taken = [*(journal for journal in self._taken if not journal.closed), *found]
            self.recovered += sum(journal.pending for journal in found)
        return found

    def after_fork_in_child(self) -> None:
        """Leave them to the parent, in the child of a fork."""
        for journal in self._taken:
            journal.after_fork_in_child()
        self._taken, self.recovered = [], 0
