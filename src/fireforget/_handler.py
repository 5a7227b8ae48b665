"""A function that a host calls once for each event, with an execution context for each call."""

from __future__ import annotations

import inspect
import logging
from contextvars import ContextVar
from functools import update_wrapper
from threading import local
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, Protocol, TypeVar

from fireforget._attributes import Attributes
from fireforget._context import ExecutionContext, current, earliest
from fireforget._request import current_traceparent, new_correlation_id
from fireforget.hosts import Invocation

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from fireforget.hosts import Host

P = ParamSpec("P")
R = TypeVar("R")

_logger: Final = logging.getLogger("fireforget")

calling: Final[ContextVar[Invocation | None]] = ContextVar("fireforget.call", default=None)
"""The call of a function that the code that runs now belongs to."""


class Keeper(Protocol):
    """What a handler needs of `FireForget`."""

    def finish_blocking(self, context: ExecutionContext, seconds: float | None) -> object:
        """Finish the work of a call and deliver what is pending, within `seconds`."""
        ...


class CallContext(ExecutionContext):
    """The execution context of one call of a function.

    Args:
        invocation: What the host tells of the call.
        seconds: Until the host ends it; None where it sets no limit.
        on_error: Called with what work handed to `wait_until` raised.
    """

    __slots__ = ()

    def __init__(
        self, invocation: Invocation, seconds: float | None, on_error: Callable[[BaseException], None]
    ) -> None:
        trace = current_traceparent() or invocation.traceparent
        super().__init__(Attributes(new_correlation_id(), None, invocation.id, trace), on_error=on_error)
        self._open = True
        if seconds is not None:
            self.limit(seconds)


class Handler(Generic[P, R]):
    """Wraps a function that a host calls with an event.

    An asynchronous one runs on a loop that lasts from call to call, so that what it keeps on that loop, clients and
    connections, does too. Each thread has one such loop.

    Args:
        function: The function.
        keeper: Finishes what a call leaves behind, where the host does not keep the process alive.
        host: What may run after an answer.
        hold_seconds: How long an answer is held at most where a host that keeps the process alive has not been able to.
        on_error: Called with what work handed to `wait_until` raised.
    """

    def __init__(
        self,
        function: Callable[P, R] | Callable[P, Coroutine[Any, Any, R]],
        keeper: Keeper,
        host: Host,
        hold_seconds: float,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._function = function
        self._keeper = keeper
        self._lifecycle = host.lifecycle
        self._limit = host.request_seconds
        self._hold_seconds = host.flush_seconds if host.lifecycle is None else hold_seconds
        self._on_error = on_error
        update_wrapper(self, function)

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> R:
        """Call the function."""
        lifecycle = self._lifecycle
        invocation = Invocation() if lifecycle is None else lifecycle.begin_call(arguments)
        context = CallContext(invocation, earliest(self._limit, invocation.seconds), self._on_error)
        tokens = current.set(context), calling.set(invocation)
        try:
            answer = self._function(*arguments, **keywords)
            return _loops.get().run_until_complete(answer) if inspect.iscoroutine(answer) else answer  # type: ignore[return-value]
        finally:
            current.reset(tokens[0])
            calling.reset(tokens[1])
            context.responded()
            if lifecycle is None or not lifecycle.keeps(invocation):
                self._finish(context)
            if lifecycle is not None:
                lifecycle.end(invocation)

    def _finish(self, context: CallContext) -> None:
        try:
            self._keeper.finish_blocking(context, self._hold_seconds)
        except Exception:  # the answer goes out all the same
            _logger.exception("cannot finish what a call leaves behind: it goes on later")


class ThreadLoop(local):
    """The event loop of a thread, which is closed when the thread has ended."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        """The loop, made at the first need."""
        if self._loop is None or self._loop.is_closed():
            import asyncio

            self._loop = asyncio.new_event_loop()
            self._closing = Closing(self._loop)
        return self._loop


class Closing:
    """Closes a loop when it is let go of.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __del__(self) -> None:
        if not self._loop.is_running():
            self._loop.close()


_loops: Final = ThreadLoop()
