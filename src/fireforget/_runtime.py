"""What lives in the engine's loop for one `FireForget`: dispatcher, journal upkeep, embedded worker."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from fireforget import _telemetry
from fireforget._breaker import Backoff
from fireforget._dispatcher import Dispatcher
from fireforget._engine import shared_engine
from fireforget._journal import ADOPTED_AT_ONCE, strangers
from fireforget._refused import RefusedFile
from fireforget._site import queue_digest
from fireforget.errors import FireForgetError, JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._journal import Journal
    from fireforget._settings import Settings
    from fireforget.abc import Queue
    from fireforget.processing import Worker

T = TypeVar("T")

_logger: Final = logging.getLogger("fireforget")

UPKEEP_SECONDS: Final = 0.1
"""How often a spare segment is made ready, nearly empty ones are compacted, and what piles up is sealed."""

_STEP: Final = 200
"""Records that are sealed at once: well under a millisecond, for it shares the GIL with the application."""

_MOST_STEPS: Final = 100
"""So often in one round, so that what has piled up since the last one is soon sealed."""

_MOST_ADOPTED: Final = 16
"""Journals of dead processes that are drained at a time; each holds some descriptors and some memory."""


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
        self._queue_digest = queue_digest(queue.identity)
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
        self._troubled = False
        self._looked = asyncio.Event()  # for journals of dead processes, once

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
        shared_engine.pace.pressed.append(self._pressed)

    async def drain(self, seconds: float) -> int:
        """Deliver what is pending within `seconds`, dead processes' events too; says how many are still pending."""
        until = self._clock.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._dispatcher.drain()
                if self._settings.journal.durability != "none":
                    await self._looked.wait()
                    await self._dispatcher.drain()
        except TimeoutError:
            _logger.warning("the drain ended with %d events pending; they stay in the journal", self.pending)
        if self._worker is not None:
            await self._worker.drain(max(0.0, until - self._clock.monotonic()))
        return self.pending

    async def flush(self) -> None:
        """Deliver what has been accepted so far, unless the queue is down. The caller sets the deadline."""
        await self._dispatcher.flush()

    async def settle(self, seconds: float, *, rest: bool) -> None:
        """Deliver what is pending within `seconds`, dead processes' events too, unless the queue is down.

        Args:
            seconds: The most it may take, but for calls under way.
            rest: Begin no call afterwards, and wait for those under way. The caller sets a limit to that by cancelling.
        """
        until = self._clock.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._dispatcher.settle()
                if self._settings.journal.durability != "none":
                    await self._looked.wait()
                    await self._dispatcher.settle()
        except TimeoutError:
            _logger.info("out of time with %d events pending; they wait in the journal", self.pending)
        if self._worker is not None:
            await self._worker.drain(max(0.0, until - self._clock.monotonic()))
        if rest:
            await self._dispatcher.rest()

    def resume(self) -> None:
        """Publish again after a rest."""
        self._dispatcher.resume()

    @property
    def pending(self) -> int:
        """Accepted events that are not settled."""
        return self._dispatcher.pending

    @property
    def neighbours(self) -> list[Journal]:
        """The journals of dead processes that this one drains at present."""
        return self._dispatcher.neighbours

    async def aclose(self) -> None:
        """End the tasks, and close the adapters that were made for them."""
        if self._pressed in shared_engine.pace.pressed:
            shared_engine.pace.pressed.remove(self._pressed)
        if self._worker is not None:
            await self._worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tell_of_drops()
        _close(self.neighbours)  # so that somebody else can adopt them
        await self._adapters.aclose()

    def _pressed(self) -> bool:
        """Must the background go on, even at the application's expense?"""
        behind = self._worker is not None and self._worker.busy_seconds > self._settings.dispatch.defer_seconds
        return behind or self._dispatcher.pressed

    def _keep(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks.append(asyncio.ensure_future(self._restart(what, run)))

    async def _restart(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run a task of ours; should it fail, say so and run it again, soon at first: events wait for it."""
        backoff, failures = Backoff(self._settings.dispatch, self._clock), 0
        while True:
            began = self._clock.monotonic()
            try:
                await run()
                return
            except (Exception, SystemExit) as error:  # noqa: BLE001 - of whatever kind, events wait for the next time
                lasted = self._clock.monotonic() - began
                failures = 1 if lasted > self._settings.dispatch.max_backoff_seconds else failures + 1
                self._hooks.failed(f"{what} failed and is started again", error)
                await self._clock.sleep(backoff.seconds(failures))

    async def _work(self) -> None:
        if self._worker is None and self._make_worker is not None:
            async with AsyncExitStack() as made:
                self._worker = self._make_worker(made)
                self._adapters.push_async_exit(made.pop_all())
        if self._worker is not None:
            await self._worker.run()

    async def _upkeep(self) -> None:
        while True:
            await self._tend()
            self._tell_of_drops()
            await self._clock.sleep(UPKEEP_SECONDS)

    async def _tend(self) -> None:
        """One round of the journal's upkeep. A full disk is told of once, and tried again at the next round."""
        try:
            self._journal.prepare()
            more = True
            while more:
                more = self._journal.compact()
                await asyncio.sleep(0)
        except JournalError as error:
            if not self._troubled:
                _logger.warning("%s: events are accepted as long as the last segment has room", error)
                self._hooks.error(error)
            self._troubled = True
        else:
            if self._troubled:
                _logger.warning("the journal has room again")
            self._troubled = False
        until = self._clock.monotonic() + UPKEEP_SECONDS
        for _ in range(_MOST_STEPS):  # what nobody reads at the moment; counting it later takes no time then
            if self._journal.seal(_STEP) < _STEP or self._clock.monotonic() > until:
                break
            await asyncio.sleep(0)

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
            await _in_thread(self._journal.sync)
            await self._clock.sleep(self._settings.journal.sync_seconds)

    async def _adopt(self) -> None:
        root = self._settings.journal_directory
        for stranger in await _in_thread(partial(strangers, root, self._queue_digest)):
            _logger.warning("the journal %s of a dead process is left alone: %s", stranger.path, stranger.reason)
        while True:
            found: list[Journal] = []
            try:
                if len(self.neighbours) < _MOST_ADOPTED:
                    found = await self._look_for_neighbours()
            except (FireForgetError, OSError) as error:
                _logger.warning("cannot look for journals of dead processes: %s", error)
            for journal in found:
                _logger.info("adopted a journal with %d events pending", journal.pending)
                self._dispatcher.add(journal)
            self._looked.set()
            if done := self._dispatcher.finished():
                await asyncio.shield(_in_thread(partial(_close, done)))
            more = len(found) == ADOPTED_AT_ONCE
            await self._clock.sleep(UPKEEP_SECONDS if more else self._settings.journal.adopt_seconds)

    async def _look_for_neighbours(self) -> list[Journal]:
        """In a thread, for there may be many files to read. What it finds too late is given back."""
        looking = _in_thread(self._neighbours)
        try:
            return await asyncio.shield(looking)
        except asyncio.CancelledError:
            _close(await looking)
            raise


def _close(journals: Iterable[Journal]) -> None:
    for journal in journals:
        journal.close()


def _in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a function in a thread; here and now where the interpreter is ending and starts none any more."""
    loop = asyncio.get_running_loop()
    try:
        return loop.run_in_executor(None, function)
    except RuntimeError:
        done: asyncio.Future[T] = loop.create_future()
        done.set_result(function())
        return done
