"""What lives in the engine's loop for one `FireForget`: dispatcher, journal upkeep, embedded worker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

from fireforget import _telemetry
from fireforget._dispatcher import Dispatcher
from fireforget._refused import RefusedFile
from fireforget.errors import FireForgetError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._journal import Journal
    from fireforget._settings import Settings
    from fireforget.abc import Queue
    from fireforget.processing import Worker

_logger: Final = logging.getLogger("fireforget")

UPKEEP_SECONDS: Final = 0.1
"""How often a spare segment is made ready and nearly empty ones are compacted."""

WORKER_SHARE: Final = 0.5
"""The share of a drain's time that the embedded worker gets at least."""


class Runtime:
    """Runs in the engine's loop until it is closed.

    Args:
        journal: The process's own journal.
        neighbours: Takes over the journals of dead processes.
        settings: The whole configuration.
        queue: Where to.
        clock: Time, sleep and chance.
        hooks: The user's callbacks.
    """

    def __init__(
        self,
        journal: Journal,
        neighbours: Callable[[], list[Journal]],
        settings: Settings,
        queue: Queue,
        clock: Clock,
        hooks: Hooks,
    ) -> None:
        self._journal = journal
        self._neighbours = neighbours
        self._settings = settings
        self._make_worker: Callable[[AsyncExitStack], Worker] | None = None
        self._worker: Worker | None = None
        self._clock = clock
        self._hooks = hooks
        self._dispatcher = Dispatcher(
            journal,
            queue,
            settings.dispatch,
            clock,
            RefusedFile(settings.journal_directory.parent, clock),
            hooks,
        )
        self.waker = self._dispatcher.waker
        self._adapters = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._telemetry = _telemetry.Telemetry()
        self._dropped: dict[str, int] = {}

    def start(self, make_worker: Callable[[AsyncExitStack], Worker] | None, adapters: AsyncExitStack) -> None:
        """Start the tasks.

        Args:
            make_worker: Makes the embedded worker, and leaves what it made for it with the stack; None where no worker
                runs in this process. While it cannot be made, events are published all the same.
            adapters: What is closed with the runtime.
        """
        self._make_worker, self._adapters = make_worker, adapters
        self._keep("the dispatcher", self._dispatcher.run)
        self._keep("the journal's upkeep", self._upkeep)
        if self._settings.journal.durability != "none":
            self._keep("the adoption of journals", self._adopt)
        if self._settings.journal.durability == "power":
            self._keep("the journal's sync", self._sync)
        if make_worker is not None:
            self._keep("the worker", self._work)

    async def drain(self, seconds: float) -> int:
        """Deliver what is pending within `seconds`; says how many events are still pending."""
        until = self._clock.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._dispatcher.drain()
        except TimeoutError:
            _logger.warning("the drain ended with %d events pending; they stay in the journal", self.pending)
        if self._worker is not None:
            await self._worker.drain(max(0.0, until - self._clock.monotonic()))
        return self.pending

    @property
    def pending(self) -> int:
        """Accepted events that are not settled."""
        return self._dispatcher.pending

    async def aclose(self) -> None:
        """End the tasks, and close the adapters that were made for them."""
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell_of_drops()
        for journal in self._dispatcher.neighbours:
            journal.close()  # so that somebody else can adopt it
        await self._adapters.aclose()

    def _keep(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.ensure_future(self._restart(what, run)))

    async def _restart(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a task of ours; should it fail by a mistake, say so and run it again: events wait for it."""
        while True:
            try:
                await run()
                return
            except (Exception, SystemExit) as error:  # noqa: BLE001 - of whatever kind, events wait for the next time
                self._hooks.failed(f"{what} failed and is started again", error)
                await self._clock.sleep(self._settings.dispatch.max_backoff_seconds)

    async def _work(self) -> None:
        if self._worker is None and self._make_worker is not None:
            async with AsyncExitStack() as made:
                self._worker = self._make_worker(made)
                self._adapters.push_async_exit(made.pop_all())
        if self._worker is not None:
            await self._worker.run()

    async def _upkeep(self) -> None:
        while True:
            self._journal.prepare()
            self._journal.compact()
            self._tell_of_drops()
            await self._clock.sleep(UPKEEP_SECONDS)

    def _tell_of_drops(self) -> None:
        """Tell of accepted events that the journal has given up since the last time."""
        if self._settings.journal.overflow != "drop_oldest":
            return
        for reason, number in self._journal.counts.dropped.items():
            more = number - self._dropped.get(reason, 0)
            if more:
                self._dropped[reason] = number
                self._telemetry.add(_telemetry.EVENTS, more, {"outcome": "dropped", "reason": reason})
                self._hooks.dropped(reason, more)

    async def _sync(self) -> None:
        while True:
            await asyncio.to_thread(self._journal.sync)
            await self._clock.sleep(self._settings.journal.sync_seconds)

    async def _adopt(self) -> None:
        while True:
            try:
                for journal in await self._look_for_neighbours():
                    _logger.info("adopted a journal with %d events pending", journal.pending)
                    self._dispatcher.add(journal)
            except (FireForgetError, OSError) as error:
                _logger.warning("cannot look for journals of dead processes: %s", error)
            for journal in self._dispatcher.finished():
                journal.close()
            await self._clock.sleep(self._settings.journal.adopt_seconds)

    async def _look_for_neighbours(self) -> list[Journal]:
        """In a thread, for there may be many files to read. What it finds too late is given back."""
        looking = asyncio.ensure_future(asyncio.to_thread(self._neighbours))
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            for journal in await looking:
                journal.close()
            raise
