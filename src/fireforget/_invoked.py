"""The middleware on a host that is told of each invocation, and keeps the process alive until all is done."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from fireforget._context import current, earliest
from fireforget._handler import calling
from fireforget.asgi import Middleware

if TYPE_CHECKING:
    from fireforget._context import ExecutionContext
    from fireforget._request import RequestSource
    from fireforget._settings import HttpSettings
    from fireforget.asgi import App, Keeper, Receive, Scope, Send
    from fireforget.hosts import Host, Invocation, Lifecycle

_logger: Final = logging.getLogger("fireforget")


class InvokedMiddleware(Middleware):
    """Wraps an ASGI application whose requests are invocations.

    The execution context of a request has the deadline of its invocation. The end of the lifespan closes nothing: it
    may come with each request, and the host has what is pending delivered after the response.

    Args:
        app: The application.
        keeper: Where events go.
        settings: Which requests have an event.
        source: What requests tell of themselves.
        host: Where the process runs.
        lifecycle: The host's.
        hold_seconds: How long a response is held at most where its work could not go on behind it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - those of any middleware, and two
        self,
        app: App,
        keeper: Keeper,
        settings: HttpSettings,
        source: RequestSource,
        host: Host,
        lifecycle: Lifecycle,
        hold_seconds: float,
    ) -> None:
        super().__init__(self._serve, LastingKeeper(keeper), settings, source, host)
        self._invoked = app
        self._lifecycle = lifecycle
        self._hold_seconds = hold_seconds
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        call = calling.get()
        visit = Visit(call or self._lifecycle.begin_request(scope))
        token = visiting.set(visit)
        try:
            await super().__call__(scope, receive, send)
        finally:
            visiting.reset(token)
            if call is None:  # else the handler around it sees to the rest
                try:
                    await self._finish(visit)
                finally:
                    self._lifecycle.end(visit.invocation)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What the middleware has made a context for."""
        visit = visiting.get()
        if visit is not None and scope["type"] == "http":
            visit.begin(current.get())
        await self._invoked(scope, receive, send)

    async def _finish(self, visit: Visit) -> None:
        """Finish what could not go on behind the response."""
        context = visit.context
        if context is None or not visit.invocation.loop_stops:
            return
        if not self._lifecycle.keeps(visit.invocation):
            await self._keeper.finish(context, self._hold_seconds)
        elif context.unfinished:
            if not self._warned:
                self._warned = True
                _logger.warning(
                    "the event loop stops with the response, which therefore waits for work handed to wait_until: "
                    "wrap the function, too, as in `handler = ff.handler(Mangum(app))`"
                )
            await context.drain(self._hold_seconds)


class Visit:
    """One request that is an invocation.

    Args:
        invocation: What the host tells of it.

    Attributes:
        context: Its execution context, once there is one.
    """

    __slots__ = ("context", "invocation")

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self.context: ExecutionContext | None = None

    def begin(self, context: ExecutionContext) -> None:
        """Tell the execution context what the host has told."""
        self.context = context
        if (seconds := earliest(self.invocation.seconds, context.deadline)) is not None:
            context.limit(seconds)
        context.complete(self.invocation.id, self.invocation.traceparent)


visiting: Final[ContextVar[Visit | None]] = ContextVar("fireforget.visit", default=None)
"""The request that the code that runs now belongs to."""


class LastingKeeper:
    """A keeper that outlives the lifespan.

    Args:
        keeper: The one that does the work.
    """

    def __init__(self, keeper: Keeper) -> None:
        self.emit = keeper.emit
        self.start = keeper.start
        self.finish = keeper.finish

    async def aclose(self) -> None:
        """Leave everything open: the host says when it ends."""
