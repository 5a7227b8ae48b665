"""How a task sleeps until another thread, or a time, wakes it."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fireforget._clock import Clock

_logger: Final = logging.getLogger("fireforget")


class Waker:
    """Tells the dispatcher from any thread that there is something to do, at most once while it sleeps.

    Made in the dispatcher's loop.
    """

    __slots__ = ("_event", "_loop", "asleep")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self.asleep = False

    def wake(self) -> None:
        """Wake the dispatcher. Never blocks, never raises."""
        self.asleep = False
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:
            _logger.debug("the background loop has ended: events wait in the journal")

    async def sleep(self, clock: Clock, seconds: float | None) -> None:
        """Sleep until woken, at most `seconds`. The caller has set `asleep` and then looked once more for work."""
        waiting: list[asyncio.Future[object]] = [asyncio.ensure_future(self._event.wait())]
        if seconds is not None:
            waiting.append(asyncio.ensure_future(clock.sleep(seconds)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for future in waiting:
                future.cancel()
            self.asleep = False
            self._event.clear()
