"""Time, sleep and randomness: the one injected source, so that tests never wait and never depend on luck."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """Where the library reads time and chance."""

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch; may step back when the system clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never steps back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. Cancellable."""
        ...

    def random(self) -> float:
        """A number in [0, 1), uniformly distributed."""
        ...


class SystemClock:
    """The machine's own clock and generator."""

    __slots__ = ()

    time_ns = staticmethod(time.time_ns)
    monotonic = staticmethod(time.monotonic)
    random = staticmethod(random.random)

    async def sleep(self, seconds: float) -> None:
        """Wait on whichever event loop is running."""
        import anyio

        await anyio.sleep(seconds)
