"""The bell: it wakes whoever waits for a queue to change."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fireforget.abc import Clock

SHORTEST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.5
"""Seconds between two looks while the bell is silent: what another process does to the file does not ring it, nor
does a lease that ends."""


class Bell:
    """Rung after every change that may let a waiting receiver go on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: set[Listener] = set()

    def ring(self) -> None:
        """Wake all listeners. May be called from any thread."""
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener.hear()

    @contextmanager
    def listen(self, clock: Clock, wait: float) -> Iterator[Listener]:
        """Listen for up to `wait` seconds by the given clock, on asyncio or trio."""
        listener = Listener(clock, wait)
        with self._lock:
            self._listeners.add(listener)
        try:
            yield listener
        finally:
            with self._lock:
                self._listeners.discard(listener)


class Listener:
    """One waiting receiver. A ring between two of its turns is not missed."""

    def __init__(self, clock: Clock, wait: float) -> None:
        self._clock = clock
        self._deadline = clock.monotonic() + wait
        self._first = True
        self._pause = SHORTEST_PAUSE
        self._heard = False
        self._nap: anyio.CancelScope | None = None
        self._call_soon = _call_soon_threadsafe()

    async def turn(self) -> bool:
        """True when it is time to look (again): at once, after each ring, each pause, and once at the very end."""
        if self._first:
            self._first = False
            return True
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            return False
        with anyio.CancelScope() as self._nap:
            if not self._heard:
                await self._clock.sleep(min(self._pause, left))
        self._nap = None
        self._pause = SHORTEST_PAUSE if self._heard else min(self._pause * 2, LONGEST_PAUSE)
        self._heard = False
        return True

    def hear(self) -> None:
        """End the nap. May be called from any thread."""
        if self._heard:
            return
        self._heard = True
        with suppress(RuntimeError):  # the listener's loop has ended, and the listener with it
            self._call_soon(self._wake)

    def _wake(self) -> None:
        if self._nap is not None:
            self._nap.cancel()


def _call_soon_threadsafe() -> Callable[[Callable[[], None]], object]:
    """How another thread calls into the event loop that runs here."""
    try:
        return asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
