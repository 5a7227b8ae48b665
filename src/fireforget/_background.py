"""What a `FireForget` has in the engine's thread: a runtime that is started, asked from other threads, and ended."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from fireforget import _process
from fireforget._engine import shared_engine
from fireforget._journal import Journal, Options

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from concurrent.futures import Future

    from fireforget._clock import Clock
    from fireforget._equipment import Equipment
    from fireforget._hooks import Hooks
    from fireforget._neighbours import Neighbours
    from fireforget._runtime import Runtime
    from fireforget._settings import Settings
    from fireforget._waker import Waker

_logger: Final = logging.getLogger("fireforget")

_GRACE_SECONDS: Final = 1.0
"""How much longer than the work itself its caller waits for the answer from the background thread."""


class Background:
    """Carries on in the background what a journal holds. Its public methods may be called from any thread.

    Args:
        equipment: Makes the queue and the embedded worker.
        neighbours: Finds the journals of dead processes.
        settings: The whole configuration.
        clock: Time, sleep and chance.
        hooks: The user's callbacks.
        wake_with: Is told what to wake when an event has been accepted.
    """

    def __init__(
        self,
        equipment: Equipment,
        neighbours: Neighbours,
        settings: Settings,
        clock: Clock,
        hooks: Hooks,
        wake_with: Callable[[Waker], None],
    ) -> None:
        self._equipment = equipment
        self._neighbours = neighbours
        self._settings = settings
        self._clock = clock
        self._hooks = hooks
        self._wake_with = wake_with
        self.forget()

    def forget(self) -> None:
        """Begin with nothing, as in the child of a fork: its parent's threads are not there."""
        self._journal: Journal | None = None
        self._runtime: Runtime | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._started = False

    def start(self) -> None:
        """Start the thread and the runtime in it, where it does not run. Where threads start no more, events wait."""
        with _process.changing:
            if not self._started:
                try:
                    shared_engine.start()
                except RuntimeError as error:
                    _logger.debug("cannot start the background thread any more (%s): events wait in the journal", error)
                    return
                self._started = True
                shared_engine.call(self._begin)

    def serve(self, journal: Journal) -> None:
        """Carry on this journal from now on. What ran without it is replaced."""
        with _process.changing:
            self._journal, self._started = journal, False
            self.start()

    def drain(self, seconds: float) -> int:
        """Deliver what is pending within `seconds`; says how many accepted events are still pending."""
        self.start()
        try:
            return shared_engine.submit(self._drain(seconds)).result(seconds + _GRACE_SECONDS)
        except TimeoutError:
            _logger.warning("the background thread gave no answer in time; what is pending stays in the journal")
        except RuntimeError as error:
            _logger.warning("cannot drain any more (%s); what is pending stays in the journal", error)
        return self._pending

    async def flush(self, seconds: float) -> None:
        """Deliver within `seconds` what has been accepted so far, unless the queue is down."""
        from fireforget._work import outcome

        self.start()
        try:
            await outcome(shared_engine.submit(self._flush(seconds)))
        except RuntimeError as error:
            _logger.warning("cannot deliver (%s); what is pending stays in the journal", error)

    def flush_blocking(self, seconds: float) -> None:
        """As `flush`, for a thread without an event loop."""
        self.start()
        try:
            shared_engine.submit(self._flush(seconds)).result(seconds + _GRACE_SECONDS)
        except (TimeoutError, RuntimeError) as error:
            _logger.warning("cannot deliver (%s); what is pending stays in the journal", error)

    def settle(self, seconds: float, *, rest: bool) -> Future[None]:
        """Deliver what is pending, unless the queue is down, before the host freezes the process.

        Args:
            seconds: The most it may take, but for calls of the queue that are under way.
            rest: Publish nothing more afterwards, until `resume`.

        Raises:
            RuntimeError: The background thread cannot be started any more.
        """
        self.start()
        return shared_engine.submit(self._settle(seconds, rest=rest))

    def resume(self) -> None:
        """Publish again after a rest, and at once what waited for another try."""
        if self._runtime is not None:
            shared_engine.call(self._runtime.resume)

    def let_go(self) -> Runtime | None:
        """Stop caring for the journal; what still runs is the caller's to `end`. It can be started again at once."""
        with _process.changing:
            runtime, self._runtime = self._runtime, None
            self._journal, self._started = None, False
        return runtime

    def end(self, runtime: Runtime) -> None:
        """Wait until a runtime has ended, but not for ever."""
        allowed = self._settings.processing.stop_seconds + _GRACE_SECONDS
        try:
            shared_engine.submit(runtime.aclose()).result(allowed)
        except (TimeoutError, RuntimeError) as error:
            _logger.warning("cannot close in good order: %s", str(error) or "no answer in time")

    @property
    def _pending(self) -> int:
        return self._journal.pending if self._journal is not None else 0

    def _begin(self) -> None:
        import asyncio

        self._beginning = asyncio.ensure_future(self._make_runtime())

    async def _make_runtime(self) -> None:
        """Make the adapters and start the tasks; while that fails, events wait in the journal.

        Where there is no room for a journal of its own, one in memory that nothing comes into stands in for it.
        """
        from fireforget._runtime import Runtime

        before, self._runtime = self._runtime, None
        if before is not None:
            await before.aclose()
        own = self._journal
        journal = own or Journal(None, Options(durability="none"))
        while self._started and own is self._journal:
            async with AsyncExitStack() as made:
                try:
                    queue = self._equipment.queue(made)
                    make_worker = partial(self._equipment.make_worker, queue) if self._equipment.embedded else None
                    runtime = Runtime(journal, self._neighbours.adopt, self._settings, queue, self._clock, self._hooks)
                except Exception as error:  # noqa: BLE001 - of whatever kind, it may be over the next time
                    self._hooks.failed("cannot start: events wait in the journal", error)
                    await self._clock.sleep(self._settings.dispatch.max_backoff_seconds)
                else:
                    runtime.start(make_worker, made.pop_all())
                    self._runtime = runtime
                    self._wake_with(runtime.waker)
                    return

    async def _flush(self, seconds: float) -> None:
        import asyncio

        with suppress(TimeoutError):  # what is left goes on at the next chance
            async with asyncio.timeout(seconds):
                if self._beginning is not None:
                    await asyncio.wait({self._beginning})
                if self._runtime is not None:
                    await self._runtime.flush()

    async def _drain(self, seconds: float) -> int:
        left = await self._begun(seconds)
        return await self._runtime.drain(left) if self._runtime is not None else self._pending

    async def _settle(self, seconds: float, *, rest: bool) -> None:
        left = await self._begun(seconds)
        if self._runtime is not None:
            await self._runtime.settle(left, rest=rest)

    async def _begun(self, seconds: float) -> float:
        """Wait for a start that is under way; says how many of the seconds are left."""
        import asyncio

        until = self._clock.monotonic() + seconds
        if self._beginning is not None:
            await asyncio.wait({self._beginning}, timeout=seconds)
        return max(0.0, until - self._clock.monotonic())
