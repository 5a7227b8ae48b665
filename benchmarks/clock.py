"""A clock that is set by hand, for an hour that passes in seconds."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from contextlib import suppress
from heapq import heappop, heappush
from itertools import count


class ManualClock:
    """Stands still until `advance`. Sleepers may be on any event loop, `advance` in any thread.

    Its `time_ns` begins at the machine's time, so that ids look as they do in earnest.
    """

    def __init__(self) -> None:
        self._now_ns = self._began_ns = time.time_ns()
        self._lock = threading.Lock()
        self._order = count()
        self._sleepers: list[tuple[int, int, asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._random = random.Random(0)

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._now_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return (self._now_ns - self._began_ns) / 1e9

    def random(self) -> float:
        """The same numbers in each run."""
        return self._random.random()

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced so far."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            due = self._now_ns + round(seconds * 1e9)
            heappush(self._sleepers, (due, next(self._order), loop, future))
        if seconds <= 0:
            self.advance(0.0)
        await future

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake who has slept long enough."""
        due = []
        with self._lock:
            self._now_ns += round(seconds * 1e9)
            while self._sleepers and self._sleepers[0][0] <= self._now_ns:
                due.append(heappop(self._sleepers))
        for _, _, loop, future in due:
            with suppress(RuntimeError):  # the loop has closed, and nobody sleeps there any more
                loop.call_soon_threadsafe(_wake, future)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
