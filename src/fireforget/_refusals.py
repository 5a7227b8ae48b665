"""Events that were not accepted: counted by reason, and told once."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fireforget._journal import Journal

_logger: Final = logging.getLogger("fireforget")

_MOST_SAID: Final = 200
"""Of so many reasons and types the log tells; a type name that somebody makes up must not fill it."""


class Refusals:
    """What was refused, and what of it a journal has not been told yet.

    Attributes:
        untold: The number of refused events by reason, from before there was a journal.
    """

    def __init__(self) -> None:
        self.untold: dict[str, int] = {}
        self._said: set[tuple[str, str]] = set()

    def note(self, journal: Journal | None, reason: str, event_type: object, error: Exception) -> None:
        """Count a refused event; say why once for each reason and type."""
        name = event_type if isinstance(event_type, str) else type(event_type).__name__
        if (reason, name) not in self._said and len(self._said) < _MOST_SAID:
            self._said.add((reason, name))
            with suppress(Exception):  # a log handler of the application's, or the error's own text, may raise
                _logger.warning(
                    "an event of type %.80r was refused (%s): %s; others like it are only counted", name, reason, error
                )
        if journal is not None:
            journal.note("refused", reason)
        else:
            self.untold[reason] = self.untold.get(reason, 0) + 1

    def tell(self, journal: Journal) -> None:
        """Let the journal count what came before it."""
        while self.untold:
            journal.note("refused", *self.untold.popitem())
