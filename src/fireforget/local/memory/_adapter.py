"""What the adapters in memory have in common."""

from __future__ import annotations

from anyio.lowlevel import checkpoint

from fireforget.abc import Clock, SystemClock
from fireforget.adapters import Closable, span


class MemoryAdapter(Closable):
    """Something with a clock that ends once.

    Args:
        clock: Where time comes from; the system's by default.
    """

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock or SystemClock()

    async def _begin(self) -> None:
        """Let others run, and be cancelled if at all: what follows happens at once."""
        self._check_open()
        await checkpoint()

    def _now(self) -> int:
        """Microseconds since 1970 UTC."""
        return self._clock.time_ns() // 1000

    def _elapsed(self) -> int:
        """Microseconds of the monotonic clock."""
        return span(self._clock.monotonic())
