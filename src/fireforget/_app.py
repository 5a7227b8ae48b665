"""`FireForget`: the one object that a user holds."""

from __future__ import annotations

import errno
import logging
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, overload

import msgspec

from fireforget import _process
from fireforget._attributes import Attributes
from fireforget._backends import Adapters, Roles
from fireforget._clock import Clock, SystemClock
from fireforget._configuration import checked, load_settings
from fireforget._context import ExecutionContext, current, earliest, process_context
from fireforget._emit import Emitter, NoWaker
from fireforget._engine import shared_engine
from fireforget._hooks import Hooked, Hooks
from fireforget._journal import Counts, Journal, Options, adopt
from fireforget._schema import EventTypes, shared_types
from fireforget._settings import Settings
from fireforget._site import journal_options, queue_digest
from fireforget.errors import FireForgetError, JournalError
from fireforget.hosts import Host, detect_host

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine, Iterator
    from concurrent.futures import Future
    from types import TracebackType

    from fireforget._handler import Handler
    from fireforget._runtime import Runtime
    from fireforget.abc import DeadLetters, Queue, Store
    from fireforget.asgi import App, Middleware
    from fireforget.processing import Worker

A = TypeVar("A", "Queue", "DeadLetters", "Store")
P = ParamSpec("P")
R = TypeVar("R")

_logger: Final = logging.getLogger("fireforget")

_GRACE_SECONDS: Final = 1.0
"""How much longer than the drain itself its caller waits for the answer from the background thread."""

_TRY_AGAIN_SECONDS: Final = 1.0
"""How long an `emit` does not try again to open a journal that could not be opened."""


class FireForget(Hooked, Emitter):
    """Accepts events and side effects from an application, and carries them on in the background.

    Args:
        settings: The configuration; None to read `fireforget.toml` and the ``FIREFORGET_*`` variables.
        queue: An adapter in place of the configured queue.
        dead_letters: An adapter in place of the queue's own dead letters.
        store: An adapter in place of the configured store.
        types: The event types; None for those registered by `event_type`.
        clock: Time, sleep and chance.
        host: Where the process runs; None for what ``[host]`` says, or what shows itself.

    Raises:
        SettingsError: The configuration cannot be used; the message says the mend.
    """

    def __init__(  # noqa: PLR0913 - what a test, a backend or a host replaces, all by keyword
        self,
        settings: Settings | None = None,
        *,
        queue: Queue | None = None,
        dead_letters: DeadLetters | None = None,
        store: Store | None = None,
        types: EventTypes | None = None,
        clock: Clock | None = None,
        host: Host | None = None,
    ) -> None:
        given = checked(settings) if settings is not None else load_settings()
        self._host = _joined(host if host is not None else detect_host(given.host), given)
        self.settings = _placed(given, self._host)
        self._clock = clock if clock is not None else SystemClock()
        self._adapters = Adapters(self.settings)
        self._adapters.check(queue, store)
        if self.settings.directory == self._host.directory and queue is None and self._adapters.local_queue:
            _logger.warning("the queue is on this host, and ends with it: name one elsewhere, by backend or queue")
        self._queue, self._dead_letters, self._store = queue, dead_letters, store
        self._hooks = Hooks()
        self._runtime: Runtime | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._started = False
        self._own: dict[str, Journal] = {}  # the same journal, for no signal handler comes in between in `setdefault`
        self._neighbours: list[Journal] = []
        self._recovered = 0
        self._last_counts = Counts()
        self._trouble: tuple[float, str] | None = None
        super().__init__(
            source=self.settings.source or self.settings.name,
            types=types if types is not None else shared_types,
            max_event_bytes=self.settings.max_event_bytes,
            sampling=self.settings.sampling,
            clock=self._clock,
        )
        process_context.on_error = self._hooks.error

    def wrap(self, app: App) -> Middleware:
        """Wrap any ASGI application. Its lifespan starts and drains this object.

        Raises:
            TypeError: It cannot be called.
        """
        from fireforget._request import RequestSource
        from fireforget.asgi import Middleware

        if not callable(app):
            message = f"wrap takes an ASGI application, which can be called, not {type(app).__name__}"
            raise TypeError(message)
        http = self.settings.http
        source = RequestSource(http, self._hooks.error, self._clock, self.settings.secret_bytes)
        lifecycle = self._host.lifecycle
        if lifecycle is None:
            return Middleware(app, self, http, source, self._host)
        from fireforget._invoked import InvokedMiddleware

        return InvokedMiddleware(app, self, http, source, self._host, lifecycle, self.settings.host.flush_seconds)

    @overload
    def handler(self, function: Callable[P, Coroutine[Any, Any, R]]) -> Handler[P, R]: ...
    @overload
    def handler(self, function: Callable[P, R]) -> Handler[P, R]: ...
    def handler(self, function: Callable[P, Any]) -> Handler[P, Any]:
        """Wrap a function that a host calls once for each event, as AWS Lambda does.

        Each call has an execution context: its events share a correlation id, and work handed to `wait_until` goes on
        after the answer where the host keeps the process alive; elsewhere the end of the call waits for it.

        Args:
            function: Synchronous or asynchronous. What wraps it is synchronous in any case: it runs an event loop.

        Raises:
            TypeError: It cannot be called.
        """
        from fireforget._handler import Handler

        if not callable(function):
            message = f"handler takes a function, not {type(function).__name__}"
            raise TypeError(message)
        return Handler(function, self, self._host, self.settings.host.flush_seconds, self._hooks.error)

    @contextmanager
    def context(
        self,
        *,
        correlationid: str | None = None,
        sessionid: str | None = None,
        requestid: str | None = None,
        traceparent: str | None = None,
    ) -> Iterator[ExecutionContext]:
        """Share attributes between events outside a request: a job, a command, a message from elsewhere.

        Args:
            correlationid: UUIDv7; None for a new one.
            sessionid: Whose visit it belongs to.
            requestid: The id that somebody else gave it.
            traceparent: W3C trace context.

        Raises:
            AttributeNameError: One is no text, or all together are longer than 8 KiB.
        """
        from fireforget._request import new_correlation_id

        shared = Attributes(correlationid or new_correlation_id(), sessionid, requestid, traceparent)
        context = ExecutionContext(shared, on_error=self._hooks.error)
        token = current.set(context)
        try:
            yield context
        finally:
            current.reset(token)

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
        counts.recovered += self._recovered
        return counts

    def start(self) -> None:
        """Open the journal and start the background thread. The first `emit` does it, too."""
        self._trouble = None
        self.open_journal()
        self._start_runtime()

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
            journal = self._journal
            if journal is None:
                now = self._clock.monotonic()
                if self._trouble is not None and now < self._trouble[0]:
                    raise JournalError(self._trouble[1])
                try:
                    journal = self._install(self._make_journal())
                except FireForgetError as error:
                    self._trouble = now + _TRY_AGAIN_SECONDS, str(error)
                    if _is_full(error):
                        self._run()  # which drains the journals of the dead: that makes room
                    raise
        return journal

    def _install(self, made: Journal) -> Journal:
        """Take a new journal into use, unless a signal handler that emits came in between with its own."""
        self._journal = journal = self._own.setdefault("journal", made)
        if journal is not made:
            made.close()
            return journal
        self._trouble = None
        self._refusals.tell(made)
        self._started = False  # what ran without a journal is replaced
        self._run()
        return made

    def _run(self) -> None:
        _process.members[self] = self._forget_parent
        self._start_runtime()

    def _make_journal(self) -> Journal:
        options = journal_options(self.settings)
        root = self.settings.journal_directory
        try:
            return Journal.open(root, self._queue_digest, options, describe=self.describe, clock=self._clock)
        except JournalError as error:
            message = f"{error}; let this process write there, or name another `directory` in the configuration"
            raise JournalError(message) from error

    def _adopt(self) -> list[Journal]:
        """Take over the journals of dead processes that published to the same queue."""
        with _process.adopting:
            found = adopt(self.settings.journal_directory, self._queue_digest, journal_options(self.settings))
            self._neighbours = [*(journal for journal in self._neighbours if not journal.closed), *found]
            self._recovered += sum(journal.pending for journal in found)
        return found

    @property
    def _queue_digest(self) -> str:
        identity = self._queue.identity if self._queue is not None else self._adapters.identity
        return queue_digest(identity)

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
        self._start_runtime()
        left = max(0.0, until - self._clock.monotonic())
        try:
            return shared_engine.submit(self._drain_runtime(left)).result(left + _GRACE_SECONDS)
        except TimeoutError:
            _logger.warning("the background thread gave no answer in time; what is pending stays in the journal")
        except RuntimeError as error:
            _logger.warning("cannot drain any more (%s); what is pending stays in the journal", error)
        return self._journal.pending if self._journal is not None else 0

    async def finish(self, context: ExecutionContext, seconds: float) -> None:
        """Finish the work of a request and deliver what has been accepted so far, as far as `seconds` allow.

        Where the queue is down, nothing is waited for: its events wait in the journal. The middleware calls it where
        the host lets nothing go on after a response.
        """
        from fireforget._work import outcome

        until = self._clock.monotonic() + seconds
        await context.drain(seconds)
        if self._journal is None:
            return
        self._start_runtime()
        left = max(0.0, until - self._clock.monotonic())
        try:
            await outcome(shared_engine.submit(self._flush_runtime(left)))
        except RuntimeError as error:
            _logger.warning("cannot deliver (%s); what is pending stays in the journal", error)

    def finish_blocking(self, context: ExecutionContext, seconds: float | None) -> None:
        """As `finish`, for a thread without an event loop. Without a limit only the work is waited for."""
        until = None if seconds is None else self._clock.monotonic() + seconds
        context.drain_blocking(seconds)
        if until is None or self._journal is None:
            return
        self._start_runtime()
        left = max(0.0, until - self._clock.monotonic())
        try:
            shared_engine.submit(self._flush_runtime(left)).result(left + _GRACE_SECONDS)
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
        self._start_runtime()
        return shared_engine.submit(self._settle_runtime(seconds, rest=rest))

    def resume(self) -> None:
        """Publish again after a rest, and at once what waited for another try."""
        if self._runtime is not None:
            shared_engine.call(self._runtime.resume)

    def close(self) -> None:
        """Drain and close.

        A later `emit` is still accepted, into a new journal: it is delivered if the process lives long enough for that,
        else after the next start.
        """
        self.drain_blocking()
        with _process.changing:
            runtime, self._runtime, self._started = self._runtime, None, False
            journal, self._journal = self._journal, None
            self._own.clear()
            _process.members.pop(self, None)
        if runtime is not None:
            allowed = self.settings.processing.stop_seconds + _GRACE_SECONDS
            try:
                shared_engine.submit(runtime.aclose()).result(allowed)
            except (TimeoutError, RuntimeError) as error:
                _logger.warning("cannot close in good order: %s", str(error) or "no answer in time")
        if journal is not None:
            self._refusals.tell(journal)
            journal.close()
            self._last_counts = journal.counts
            self._last_counts.recovered += self._recovered

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

    def _start_runtime(self) -> None:
        with _process.changing:
            if not self._started:
                try:
                    shared_engine.start()
                except RuntimeError as error:
                    _logger.debug("cannot start the background thread any more (%s): events wait in the journal", error)
                    return
                self._started = True
                shared_engine.call(self._begin)

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
        journal = own or Journal.open(self.settings.journal_directory, self._queue_digest, Options(durability="none"))
        while self._started and own is self._journal:
            async with AsyncExitStack() as made:
                try:
                    queue = self._queue or _closing(made, self._adapters.queue())
                    make_worker = partial(self._make_worker, queue) if self._adapters.embedded else None
                    runtime = Runtime(journal, self._adopt, self.settings, queue, self._clock, self._hooks)
                except Exception as error:  # noqa: BLE001 - of whatever kind, it may be over the next time
                    self._hooks.failed("cannot start: events wait in the journal", error)
                    await self._clock.sleep(self.settings.dispatch.max_backoff_seconds)
                else:
                    runtime.start(make_worker, made.pop_all())
                    self._runtime, self._waker = runtime, runtime.waker
                    return

    def _make_worker(self, queue: Queue, made: AsyncExitStack) -> Worker:
        from fireforget.processing.factory import make_worker

        store = self._store or _closing(made, self._adapters.store())
        letters = self._dead_letters or _closing(made, self._adapters.dead_letters())
        given = Roles(queue, letters, store), self.settings, self._types, self._hooks, self._clock
        if not self.settings.report.schedule:
            return make_worker(*given)
        from fireforget.reporting.scheduled import ScheduledReport

        return make_worker(*given, chores=[ScheduledReport(*given).run])

    async def _flush_runtime(self, seconds: float) -> None:
        import asyncio

        with suppress(TimeoutError):  # what is left goes on at the next chance
            async with asyncio.timeout(seconds):
                if self._beginning is not None:
                    await asyncio.wait({self._beginning})
                if self._runtime is not None:
                    await self._runtime.flush()

    async def _drain_runtime(self, seconds: float) -> int:
        import asyncio

        until = self._clock.monotonic() + seconds
        if self._beginning is not None:
            await asyncio.wait({self._beginning}, timeout=seconds)
        if self._runtime is not None:
            return await self._runtime.drain(max(0.0, until - self._clock.monotonic()))
        return self._journal.pending if self._journal is not None else 0

    async def _settle_runtime(self, seconds: float, *, rest: bool) -> None:
        import asyncio

        until = self._clock.monotonic() + seconds
        if self._beginning is not None:
            await asyncio.wait({self._beginning}, timeout=seconds)
        if self._runtime is not None:
            await self._runtime.settle(max(0.0, until - self._clock.monotonic()), rest=rest)

    def _forget_parent(self) -> None:
        """In a forked child: leave the parent's journal to the parent and begin with nothing."""
        for journal in (self._journal, *self._neighbours):
            if journal is not None:
                journal.after_fork_in_child()
        self._journal = self._runtime = self._beginning = None
        self._own.clear()
        self._neighbours, self._recovered, self._last_counts = [], 0, Counts()
        self._waker = NoWaker()
        self._started = False


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def _is_full(error: BaseException | None) -> bool:
    """Is it for want of room on the disk?"""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error is not None and error.errno in _FULL


def _joined(host: Host, settings: Settings) -> Host:
    """The host, which knows of this process from now on; one that cannot keep it alive has responses held."""
    if host.lifecycle is None or host.lifecycle.join(_process):
        return host
    return msgspec.structs.replace(host, flush_seconds=settings.host.flush_seconds)


def _placed(settings: Settings, host: Host) -> Settings:
    """The settings with the host's directory, where the user has named none."""
    if host.directory is None or settings.directory != Settings().directory:
        return settings
    return msgspec.structs.replace(settings, directory=host.directory)


def _closing(made: AsyncExitStack, adapter: A) -> A:
    """An adapter of our own making is ours to close."""
    made.push_async_callback(adapter.aclose)
    return adapter
