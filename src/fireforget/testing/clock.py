"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
START: Final = datetime(2025, 6, 15, 12, tzinfo=UTC)


class ManualClock:
    """Implements `fireforget.abc.Clock`: only `advance` moves the time, and it wakes whoever has slept long enough.

    It may be shared by threads and by event loops of asyncio and trio. Its chance is the same in every run.

    Args:
        start: What time it is at first.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start_ns = (start - EPOCH) // timedelta(microseconds=1) * 1000
        self._passed_ns = 0
        self._random = random.Random(0)  # noqa: S311 - the same in every run is the purpose
        self._lock = threading.Lock()
        self._sleepers: list[tuple[int, _Waiter]] = []
        self._watchers: list[tuple[int, _Waiter]] = []

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._start_ns + self._passed_ns

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._passed_ns / 1e9

    def random(self) -> float:
        """The next of a fixed sequence of numbers in [0, 1)."""
        with self._lock:
            return self._random.random()

    def now(self) -> datetime:
        """What time it is, in UTC."""
        return EPOCH + timedelta(microseconds=self.time_ns() // 1000)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved so far. Cancellable."""
        if seconds <= 0:
            await checkpoint()
            return
        waiter = _Waiter()
        with self._lock:
            sleeper = self._passed_ns + round(seconds * 1e9), waiter
            self._sleepers.append(sleeper)
            watching = [waiter for count, waiter in self._watchers if len(self._sleepers) >= count]
        for watcher in watching:
            watcher.wake()
        try:
            await waiter.wait()
        finally:
            with self._lock:
                if sleeper in self._sleepers:
                    self._sleepers.remove(sleeper)

    def advance(self, seconds: float) -> None:
        """Move the time, and wake who has slept long enough by then.

        Raises:
            ValueError: `seconds` is less than 0.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot be moved by {seconds} s: time only goes on")
        with self._lock:
            self._passed_ns += round(seconds * 1e9)
            due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._passed_ns]
            for sleeper in due:
                self._sleepers.remove(sleeper)
        for _, waiter in due:
            waiter.wake()

    @property
    def sleeping(self) -> list[float]:
        """For how long each sleeper has still to sleep, the shortest first."""
        with self._lock:
            return sorted((until - self._passed_ns) / 1e9 for until, _ in self._sleepers)

    async def asleep(self, count: int = 1) -> None:
        """Wait until at least so many sleep."""
        watcher = count, _Waiter()
        with self._lock:
            self._watchers.append(watcher)
            enough = len(self._sleepers) >= count
        try:
            if not enough:
                await watcher[1].wait()
        finally:
            with self._lock:
                self._watchers.remove(watcher)


class _Waiter:
    """An event that any thread may set."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._call_soon = _call_soon_threadsafe()

    async def wait(self) -> None:
        await self._event.wait()

    def wake(self) -> None:
        self._call_soon(self._event.set)


def _call_soon_threadsafe() -> Callable[[Callable[[], object]], object]:
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
