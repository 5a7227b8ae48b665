"""When to try again: backoff with full jitter, and the breaker that leaves a queue alone while it is down."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from fireforget._clock import Clock
    from fireforget._settings import DispatchSettings

_logger: Final = logging.getLogger("fireforget")

_LARGEST_EXPONENT: Final = 30


class Backoff:
    """Exponential backoff with full jitter: a random share of a bound that doubles with each attempt."""

    def __init__(self, settings: DispatchSettings, clock: Clock) -> None:
        self._base = settings.backoff_seconds
        self._most = settings.max_backoff_seconds
        self._clock = clock

    def seconds(self, attempts: int, hint: float | None = None) -> float:
        """How long to wait after `attempts` failures; never less than the service's own hint."""
        bound: float = min(self._most, self._base * 2 ** min(max(attempts - 1, 0), _LARGEST_EXPONENT))
        return max(self._clock.random() * bound, hint or 0.0)


class Breaker:
    """Closed, it lets every call through; open, none until its time is up; then one, whose outcome decides.

    Attributes:
        state: Which of the three it is.
        held: Lets no call through, whatever its state.
        reason: Why the last call failed.
    """

    def __init__(self, settings: DispatchSettings, clock: Clock, backoff: Backoff) -> None:
        self._threshold = settings.breaker_failures
        self._clock = clock
        self._backoff = backoff
        self.held = False
        self._failures = 0
        self._openings = 0
        self._opens_until = 0.0
        self.state: Literal["closed", "open", "half-open"] = "closed"
        self.reason = ""

    def seconds_until_call(self) -> float:
        """How long no call may be made; 0.0 where one may be made now."""
        if self.held:
            return float("inf")
        if self.state == "closed":
            return 0.0
        if self.state == "half-open":
            return float("inf")
        return max(0.0, self._opens_until - self._clock.monotonic())

    @property
    def untroubled(self) -> bool:
        """Did the last call reach the queue, or was there none?"""
        return self.state == "closed" and not self._failures

    def resume(self) -> None:
        """Time has passed unseen: let calls through again. One more failure opens it anew where it was open."""
        self.held = False
        if self.state == "open":
            self.state = "closed"
            self._failures = self._threshold - 1

    def begin(self) -> None:
        """A call is being made."""
        if self.state == "open":
            self.state = "half-open"

    def succeeded(self) -> None:
        """A call reached the queue."""
        if self.state != "closed":
            _logger.warning("the queue answers again: publishing goes on")
        self.state = "closed"
        self._failures = self._openings = 0

    def failed(self, reason: str, hint: float | None = None) -> None:
        """A whole call failed."""
        self.reason = reason
        self._failures += 1
        if self.state == "open" or (self.state == "closed" and self._failures < self._threshold):
            return
        if self.state == "closed":
            _logger.warning("the queue does not take messages (%s): events wait in the journal", reason)
        self.state = "open"
        self._openings += 1
        self._opens_until = self._clock.monotonic() + self._backoff.seconds(self._threshold + self._openings, hint)

    def abandoned(self) -> None:
        """A call ended without telling anything of the queue."""
        if self.state == "half-open":
            self.state = "open"
