"""How long to wait before another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.errors import TransientError

if TYPE_CHECKING:
    from fireforget._clock import Clock

_FIRST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 120.0
_LARGEST_EXPONENT: Final = 10


def backoff_seconds(attempts: int, clock: Clock, hint: float | None = None) -> float:
    """Half of a bound that doubles from 1 s to 120 s, and a random share of its other half.

    Half of it is certain, so that a queue which counts deliveries sees at most some 720 of a message in twelve hours
    of outage. Never less than the service's own hint.

    Args:
        attempts: Failures so far, from 1.
        clock: Chance.
        hint: Seconds that the service asked to wait, or None.
    """
    bound = min(_MOST_SECONDS, _FIRST_SECONDS * 2.0 ** min(max(attempts - 1, 0), _LARGEST_EXPONENT))
    return max(bound * (1 + clock.random()) / 2, hint or 0.0)


def hint_of(error: Exception) -> float | None:
    """Seconds that the service asked to wait, or None."""
    return error.retry_after if isinstance(error, TransientError) else None
