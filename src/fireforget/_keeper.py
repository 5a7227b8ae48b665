"""What keeps events from their `emit` until they are delivered: a journal, and what carries it on in the background."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Self

from fireforget import _process
from fireforget._background import Background
from fireforget._context import current, earliest
from fireforget._emit import Emitter, NoWaker
from fireforget._engine import shared_engine
from fireforget._equipment import Equipment
from fireforget._journal import Counts
from fireforget._neighbours import Neighbours
from fireforget._opener import Opener

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from fireforget._clock import Clock
    from fireforget._context import ExecutionContext
    from fireforget._equipment import Given
    from fireforget._hooks import Hooks
    from fireforget._journal import Journal
    from fireforget._runtime import Runtime
    from fireforget._schema import EventTypes
    from fireforget._settings import Settings
    from fireforget.hosts import Host

_logger: Final = logging.getLogger("fireforget")


class Keeper(Emitter):
    """Accepts events, and is started, drained and closed.

    Args:
        settings: The whole configuration.
        given: Adapters in place of the configured ones.
        types: The event types.
        hooks: The user's callbacks.
        clock: Time, sleep and chance.
        host: Where the process runs: how long a shutdown may take there, and which directory ends with it.

    Raises:
        SettingsError: The configuration names what could never work in this process.
    """

    def __init__(
        self, settings: Settings, given: Given, types: EventTypes, hooks: Hooks, clock: Clock, host: Host
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._host = host
        equipment = Equipment(settings, given, types, hooks, clock)
        if settings.directory == host.directory and equipment.local_queue:
            _logger.warning("the queue is on this host, and ends with it: name one elsewhere, by backend or queue")
        self._neighbours = Neighbours(settings, equipment.queue_digest)
        self._opener = Opener(settings, equipment.queue_digest, self.describe, self._join, clock)
        self._background = Background(equipment, self._neighbours, settings, clock, hooks, self.wake_with)
        self._own: dict[str, Journal] = {}  # the same journal, for no signal handler comes in between in `setdefault`
        self._last_counts = Counts()
        super().__init__(
            source=settings.source or settings.name,
            types=types,
            max_event_bytes=settings.max_event_bytes,
            sampling=settings.sampling,
            clock=clock,
        )

    def stats(self) -> Counts:
        """What became of the events since the start; after `close`, what had become of them then.

        At every moment accepted = delivered + pending + dead-lettered + dropped + corrupt. Delivered means that the
        queue has them.
        """
        journal: Journal | None = self._journal
        if journal is None:
            counts = Counts(refused=dict(self._refusals.untold))
            counts.add(self._last_counts)
            return counts
        self._refusals.tell(journal)
        counts = journal.counts
        counts.recovered += self._neighbours.recovered
        return counts

    def start(self) -> None:
        """Open the journal and start the background thread. The first `emit` does it, too."""
        self._opener.forget_trouble()
        self.open_journal()
        self._background.start()

    def open_journal(self) -> Journal:
        """The process's journal, opened at the first need; the background thread is started with it.

        Raises:
            JournalError: It cannot be opened; the message says the mend. For a second the same is said again, without
                another try.
        """
        journal: Journal | None = self._journal
        if journal is not None:
            return journal
        with _process.changing:
            return self._journal or self._install(self._opener.open())

    def _install(self, made: Journal) -> Journal:
        """Take a new journal into use, unless a signal handler that emits came in between with its own."""
        self._journal = journal = self._own.setdefault("journal", made)
        if journal is not made:
            made.close()
            return journal
        self._refusals.tell(made)
        self._join(made)
        return made

    def _join(self, journal: Journal | None = None) -> None:
        """Be closed at the exit, and run in the background until then."""
        _process.members[self] = self._forget_parent
        if journal is not None:
            self._background.serve(journal)
        else:
            self._background.start()

    async def drain(self, seconds: float | None = None) -> int:
        """Finish the work handed to `wait_until` and deliver what is pending.

        Idempotent; what the time cuts off stays in the journal.

        Args:
            seconds: The most it may take; None for the setting `drain_seconds` or, if that is less, what the host gives
                a shutdown. The `deadline` of the context is a limit in any case.

        Returns:
            How many accepted events are still pending.
        """
        import anyio.to_thread

        return await anyio.to_thread.run_sync(self.drain_blocking, seconds, abandon_on_cancel=True)

    def drain_blocking(self, seconds: float | None = None) -> int:
        """As `drain`, for a thread without an event loop.

        Raises:
            RuntimeError: It was called in the background thread itself, as in a hook.
        """
        if shared_engine.current:
            message = "drain_blocking would block the background thread that has to deliver: await drain() there"
            raise RuntimeError(message)
        if seconds is None:
            seconds = earliest(self.settings.drain_seconds, self._host.drain_seconds)
        allowed = earliest(seconds, current.get().deadline) or 0.0
        until = self._clock.monotonic() + allowed
        _process.finish_work(allowed)
        if self._journal is None:
            return 0
        return self._background.drain(self._left(until))

    async def finish(self, context: ExecutionContext, seconds: float) -> None:
        """Finish the work of a request and deliver what has been accepted so far, as far as `seconds` allow.

        Where the queue is down, nothing is waited for: its events wait in the journal. The middleware calls it where
        the host lets nothing go on after a response.
        """
        until = self._clock.monotonic() + seconds
        await context.drain(seconds)
        if self._journal is not None:
            await self._background.flush(self._left(until))

    def finish_blocking(self, context: ExecutionContext, seconds: float | None) -> None:
        """As `finish`, for a thread without an event loop. Without a limit only the work is waited for."""
        until = None if seconds is None else self._clock.monotonic() + seconds
        context.drain_blocking(seconds)
        if until is not None and self._journal is not None:
            self._background.flush_blocking(self._left(until))

    def _left(self, until: float) -> float:
        return max(0.0, until - self._clock.monotonic())

    def settle(self, seconds: float, *, rest: bool) -> Future[None]:
        """Deliver what is pending, unless the queue is down, before the host freezes the process.

        Args:
            seconds: The most it may take, but for calls of the queue that are under way.
            rest: Publish nothing more afterwards, until `resume`.

        Raises:
            RuntimeError: The background thread cannot be started any more.
        """
        return self._background.settle(seconds, rest=rest)

    def resume(self) -> None:
        """Publish again after a rest, and at once what waited for another try."""
        self._background.resume()

    def close(self) -> None:
        """Drain and close.

        A later `emit` is still accepted, into a new journal: it is delivered if the process lives long enough for that,
        else after the next start.
        """
        self.drain_blocking()
        runtime, journal = self._let_go()
        if runtime is not None:
            self._background.end(runtime)
        if journal is not None:
            self._refusals.tell(journal)
            journal.close()
            self._last_counts = journal.counts
            self._last_counts.recovered += self._neighbours.recovered

    def _let_go(self) -> tuple[Runtime | None, Journal | None]:
        """Begin with nothing at the next `emit`; what there was is the caller's to close, in this order."""
        with _process.changing:
            runtime = self._background.let_go()
            journal, self._journal = self._journal, None
            self._own.clear()
            _process.members.pop(self, None)
        return runtime, journal

    async def aclose(self) -> None:
        """As `close`, for code on an event loop."""
        import anyio.to_thread

        await anyio.to_thread.run_sync(self.close)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and close."""
        self.close()

    async def __aenter__(self) -> Self:
        """Start."""
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain and close."""
        await self.aclose()

    def _forget_parent(self) -> None:
        """In a forked child: leave the parent's journal to the parent and begin with nothing."""
        if self._journal is not None:
            self._journal.after_fork_in_child()
        self._neighbours.after_fork_in_child()
        self._background.forget()
        self._journal, self._waker, self._last_counts = None, NoWaker(), Counts()
        self._own.clear()
