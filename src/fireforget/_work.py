"""Work that nobody awaits in place: where it runs, and what of it is unfinished.

It runs on the loop that it was handed over on; where there is none, on the loop that serves the request, and failing
that in the engine. There no request's cancellation reaches it: an asyncio task is held until it ends, a trio one is a
system task. A drain waits for both.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import anyio

from fireforget import _telemetry
from fireforget._engine import shared_engine

if TYPE_CHECKING:
    import trio

_logger: Final = logging.getLogger("fireforget")
_telemetry_of_work: Final = _telemetry.Telemetry()

T = TypeVar("T")

Start = Callable[[], Coroutine[Any, Any, None]]


class Home(Protocol):
    """An event loop that takes work from any thread."""

    @property
    def alive(self) -> bool:
        """Does the loop still run?"""
        ...

    def start(self, work: Start) -> None:
        """Start the work there, in a copy of the caller's context."""
        ...


class AsyncioHome:
    """An asyncio loop."""

    _held: Final[set[asyncio.Task[None]]] = set()

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def alive(self) -> bool:
        """Does the loop still run?"""
        return self._loop.is_running()

    @property
    def stands_still(self) -> bool:
        """Is the loop stopped, but not closed?"""
        return not self._loop.is_running() and not self._loop.is_closed()

    def run_on(self, jobs: Iterable[Job], seconds: float | None) -> None:
        """Run the loop in this thread until the jobs have ended, at most `seconds`."""
        try:
            self._loop.run_until_complete(finish(jobs, seconds))
        except (SystemExit, KeyboardInterrupt):
            _logger.exception("something on a loop that was run on wanted to end the program: its work waits")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsyncioHome) and other._loop is self._loop

    def __hash__(self) -> int:
        return hash(self._loop)

    def start(self, work: Start) -> None:
        """Start the work as a task that is held until it ends."""
        if current_loop() is self._loop:
            self._hold(work)
        else:
            self._loop.call_soon_threadsafe(self._hold, work, context=copy_context())

    def _hold(self, work: Start) -> None:
        task = self._loop.create_task(work())
        self._held.add(task)
        task.add_done_callback(self._held.discard)


class TrioHome:
    """A trio run."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        self._token = token

    @property
    def alive(self) -> bool:
        """Does the run still take work?"""
        import trio

        try:
            self._token.run_sync_soon(int)
        except trio.RunFinishedError:
            return False
        return True

    def start(self, work: Start) -> None:
        """Start the work as a system task: no cancel scope of the application holds it."""
        import trio

        spawn = partial(trio.lowlevel.spawn_system_task, work, context=copy_context())
        if current_home() == self:
            spawn()
        else:
            self._token.run_sync_soon(spawn)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrioHome) and other._token is self._token

    def __hash__(self) -> int:
        return hash(self._token)


class EngineHome:
    """The background thread."""

    @property
    def alive(self) -> bool:
        """Does the thread still run?"""
        return shared_engine.running

    def start(self, work: Start) -> None:
        """Start the work in the background thread, which is started if need be."""
        shared_engine.submit(work(), copy_context())


def current_loop() -> object:
    """The asyncio loop or the trio token that runs in this thread; None where there is neither."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        if "trio" in sys.modules:
            import trio

            if trio.lowlevel.in_trio_run():
                return trio.lowlevel.current_trio_token()
        return None


def home_of(loop: Any) -> Home | None:
    """The home that an asyncio loop or a trio token is; None for None."""
    if loop is None:
        return None
    return AsyncioHome(loop) if isinstance(loop, asyncio.AbstractEventLoop) else TrioHome(loop)


def current_home() -> Home | None:
    """The loop that runs in this thread; None where there is none."""
    return home_of(current_loop())


_running: Final[ContextVar[Job | None]] = ContextVar("fireforget.job", default=None)
"""The work that the code that runs now belongs to."""


class Job:
    """One awaitable on its way to its end.

    Args:
        awaitable: What to await.
        loop: The asyncio loop or trio token that serves the request, if there is one.
        on_error: Called with what the awaitable raised.

    Attributes:
        ended: Has it?
    """

    __slots__ = ("_awaitable", "_on_error", "_waiters", "ended", "home")

    unfinished: Final[set[Job]] = set()

    def __init__(
        self, awaitable: Awaitable[object], loop: object, on_error: Callable[[BaseException], None] | None
    ) -> None:
        self._awaitable = awaitable
        self._on_error = on_error
        self.home = current_home() or home_of(loop) or EngineHome()
        self.ended = False
        self._waiters: list[Future[None]] = []
        self.unfinished.add(self)

    @property
    def name(self) -> str:
        """What it is, for the log."""
        name: str = getattr(self._awaitable, "__qualname__", type(self._awaitable).__qualname__)
        return name

    def end(self) -> Future[None]:
        """A future that is done when it has ended. Made for who waits: most work nobody waits for."""
        future: Future[None] = Future()
        self._waiters.append(future)
        if self.ended:  # else whoever ends it finds the future
            _finish(future)
        return future

    @classmethod
    def others(cls) -> list[Job]:
        """All that is unfinished, but for the work that asks."""
        return [job for job in tuple(cls.unfinished) if job is not _running.get()]

    def start(self) -> None:
        """Start it on its loop; where that has ended, in the engine."""
        try:
            self.home.start(self._run)
        except RuntimeError:
            self.home = EngineHome()
            self.home.start(self._run)

    async def _run(self) -> None:
        outcome = "cancelled"
        _running.set(self)
        try:
            await self._awaitable
            outcome = "done"
        except (Exception, SystemExit) as error:  # that would end the loop, and is the business of this work alone
            outcome = "failed"
            _logger.exception("work handed to wait_until failed: %s", self.name)
            if self._on_error is not None:
                self._on_error(error)
        finally:
            if outcome == "cancelled":
                _logger.warning("work handed to wait_until was cancelled before its end: %s", self.name)
            self.unfinished.discard(self)
            self.ended = True
            for future in self._waiters:
                _finish(future)
            _count(outcome)


def _finish(future: Future[None]) -> None:
    with suppress(InvalidStateError):  # it may be told twice
        future.set_result(None)


def _count(outcome: str) -> None:
    if _telemetry_of_work.knows(_telemetry.TASKS):
        _telemetry_of_work.add(_telemetry.TASKS, 1, {"outcome": outcome})
    else:  # in the background: the first measurement loads OpenTelemetry
        with suppress(RuntimeError):  # at the very end of the interpreter nobody is left to count for
            shared_engine.start()
            shared_engine.call(_telemetry_of_work.add, _telemetry.TASKS, 1, {"outcome": outcome})


def wait_for(jobs: Iterable[Job], seconds: float | None) -> list[Job]:
    """Block until the jobs have ended, at most `seconds`; those that have not. Dead loops are not waited for."""
    running = [job for job in jobs if job.home.alive]
    if running:
        wait([job.end() for job in running], timeout=seconds)
    return [job for job in running if not job.ended]


def run_on(jobs: Callable[[], Iterable[Job]], seconds: float | None) -> None:
    """Run the loops that stand still in this thread until their jobs have ended, at most `seconds`.

    Args:
        jobs: Says what is unfinished; asked again, for work may hand over more of it.
        seconds: None for no limit.
    """
    left, until = seconds, None if seconds is None else time.monotonic() + seconds
    while left is None or left > 0:
        unfinished = list(jobs())
        homes = {job.home for job in unfinished if isinstance(job.home, AsyncioHome) and job.home.stands_still}
        if not homes:
            return
        for home in homes:
            home.run_on([job for job in unfinished if job.home == home], left)
            left = None if until is None else until - time.monotonic()


async def finish(jobs: Iterable[Job], seconds: float | None) -> int:
    """Wait until the jobs have ended, at most `seconds`; says how many have not. Dead loops are not waited for."""
    running = [job for job in jobs if job.home.alive]
    with anyio.move_on_after(seconds):
        for job in running:
            await outcome(job.end())
    return sum(not job.ended for job in running)


async def outcome(future: Future[T]) -> T:
    """What becomes of a future of another thread; on any event loop, and without a thread that waits."""
    home, done = current_home(), anyio.Event()

    async def tell() -> None:
        done.set()

    def wake(_: Future[T]) -> None:
        if home is not None:
            with suppress(RuntimeError):  # the loop has ended, and so has who waited there
                home.start(tell)

    future.add_done_callback(wake)
    await done.wait()
    return future.result()
