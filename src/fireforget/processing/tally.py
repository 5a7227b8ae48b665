"""A count in the log, now and then, of what may happen with every event."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fireforget._clock import Clock

_logger: Final = logging.getLogger("fireforget")

_SECONDS: Final = 60.0


class Tally:
    """Counts, and logs the count at once the first time, then at most once a minute.

    Args:
        text: What to say before the count since the last line.
        clock: Time.
    """

    def __init__(self, text: str, clock: Clock) -> None:
        self._text = text
        self._clock = clock
        self._count = 0
        self._silent_until = 0.0

    def add_one(self, detail: str = "") -> None:
        """One more. The detail of the last one follows the count."""
        self._count += 1
        now = self._clock.monotonic()
        if now >= self._silent_until:
            _logger.warning("%s: %d%s", self._text, self._count, detail and f", the last for {detail}")
            self._count = 0
            self._silent_until = now + _SECONDS
