"""The ASGI middleware: an execution context for each request, and a lifespan that drains.

Pure ASGI, HTTP and WebSocket. It alters no response and raises nothing into the application. The lifespan is wrapped
even where the application has none or fails it, so that a shutdown always drains.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from fireforget._context import current, earliest
from fireforget._request import RequestContext, RequestSource, route_template
from fireforget._work import current_loop
from fireforget.errors import FireForgetError

if TYPE_CHECKING:
    from fireforget._context import ExecutionContext
    from fireforget._settings import HttpSettings
    from fireforget.hosts import Host

_logger: Final = logging.getLogger("fireforget")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
"""Any ASGI application: each framework has types of its own for scope and messages, stricter than the protocol's."""

REQUEST_EVENT: Final = "http.request"
_ENDS: Final = frozenset({"http.response.body", "http.response.pathsend"})
"""Messages that a response ends with, where nothing says that more follows."""
_CONNECTIONS: Final = frozenset({"http", "websocket"})


class Keeper(Protocol):
    """What the middleware needs of `FireForget`."""

    def emit(self, event_type: object, data: object = None) -> object:
        """Accept an event."""
        ...

    def start(self) -> None:
        """Start the background thread before the first request."""
        ...

    async def finish(self, context: ExecutionContext, seconds: float) -> object:
        """Finish the work of a request and deliver what is pending, within `seconds`."""
        ...

    async def aclose(self) -> object:
        """Deliver what is pending, within the configured time, and let go of everything."""
        ...


class Middleware:
    """Wraps an ASGI application.

    Args:
        app: The application.
        keeper: Where events go and what is drained.
        settings: Which requests have an event.
        source: What requests tell of themselves.
        host: What may run after a response.
    """

    def __init__(
        self, app: App, keeper: Keeper, settings: HttpSettings, source: RequestSource, host: Host | None = None
    ) -> None:
        self.app = app
        self._keeper = keeper
        self._source = source
        self._events = settings.events
        self._exact = frozenset(path for path in settings.exclude if not path.endswith("*"))
        self._prefixes = tuple(path[:-1] for path in settings.exclude if path.endswith("*"))
        self._flush_seconds = host.flush_seconds if host else None
        self._request_seconds = host.request_seconds if host else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        kind = scope["type"]
        if kind not in _CONNECTIONS:
            await (Lifespan(self.app, self._keeper) if kind == "lifespan" else self.app)(scope, receive, send)
            return
        context = RequestContext(scope, self._source, current_loop())
        if self._request_seconds is not None and kind == "http":
            context.limit(self._request_seconds)
        token = current.set(context)
        try:
            if self._flush_seconds is not None and kind == "http":
                await self._hold(scope, receive, send, context, self._flush_seconds)
            elif self._events and kind == "http" and not self._excluded(scope.get("path", "")):
                await self._observe(scope, receive, send)
            else:
                await self.app(scope, receive, send)
        finally:
            current.reset(token)
            context.responded()

    async def _observe(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request and emit what it was."""
        status = 0

        def observed(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        began = perf_counter()
        failed = True
        try:
            await self.app(scope, receive, observed)
            failed = False
        finally:
            self._tell(scope, status or (500 if failed else 0), perf_counter() - began)

    async def _hold(self, scope: Scope, receive: Receive, send: Send, context: RequestContext, seconds: float) -> None:
        """Serve one request and hold the end of its response until what it leaves behind is finished."""
        eventful = self._events and not self._excluded(scope.get("path", ""))
        began = perf_counter()

        def tell(status: int) -> None:
            nonlocal eventful
            if eventful:
                eventful = False
                self._tell(scope, status, perf_counter() - began)

        async def finish(status: int) -> None:
            tell(status)
            context.responded()
            try:
                await self._keeper.finish(context, earliest(seconds, context.deadline) or 0.0)
            except Exception:  # the response goes out all the same
                _logger.exception("cannot finish what a request leaves behind: it goes on later")

        response = HeldResponse(send, finish)
        failed = True
        try:
            await self.app(scope, receive, response)
            failed = False
        finally:
            tell(response.status or (500 if failed else 0))

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        """Emit what a request was."""
        try:
            route = route_template(scope, status)
        except Exception:  # an object of the application's raised
            _logger.exception("the route of a request cannot be told")
            route = None
        method = scope.get("method")
        duration = round(seconds * 1000, 3)
        self._keeper.emit(REQUEST_EVENT, {"method": method, "route": route, "status": status, "duration_ms": duration})

    def _excluded(self, path: str) -> bool:
        return path in self._exact or (bool(self._prefixes) and path.startswith(self._prefixes))


class HeldResponse:
    """Takes the place of `send`: before the last message of a response it waits. One that is streamed it lets pass.

    Args:
        send: The server's.
        finish: Awaited with the status before the end.

    Attributes:
        status: That of the response; 0 before it has begun.
    """

    def __init__(self, send: Send, finish: Callable[[int], Awaitable[None]]) -> None:
        self.status = 0
        self._send = send
        self._finish = finish
        self._streams = False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
        elif message.get("more_body", False):
            self._streams = True
        elif kind in _ENDS and not self._streams:
            await self._finish(self.status)
        await self._send(message)


class Lifespan:
    """One run of the lifespan protocol, around an application that may not speak it.

    Args:
        app: The application.
        keeper: What is started and drained.
    """

    def __init__(self, app: App, keeper: Keeper) -> None:
        self._app = app
        self._keeper = keeper
        self._receive: Receive
        self._send: Send
        self._asked: list[str] = []
        self._answered: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application's lifespan; where it ends early, keep the protocol going in its place."""
        self._receive, self._send = receive, send
        try:
            await self._app(scope, self._ask, self._answer)
        except Exception as error:
            if "lifespan.startup.complete" in self._answered or any(
                answer.endswith("failed") for answer in self._answered
            ):
                await self._take_over()
                raise
            _logger.debug("the application has no lifespan (%s): fireforget keeps one in its place", error)
        await self._take_over()

    async def _take_over(self) -> None:
        """Answer what the application has left unanswered."""
        if "lifespan.startup.failed" in self._answered:
            return
        if not self._asked:
            await self._ask()
        if not self._answered:
            await self._answer({"type": "lifespan.startup.complete"})
        if "lifespan.shutdown" not in self._asked:
            await self._ask()
        if not any(answer.startswith("lifespan.shutdown") for answer in self._answered):
            await self._answer({"type": "lifespan.shutdown.complete"})

    async def _ask(self) -> Message:
        message = await self._receive()
        self._asked.append(message["type"])
        if message["type"] == "lifespan.startup":
            try:
                self._keeper.start()
            except FireForgetError as error:
                _logger.warning("cannot start: events are refused until it is possible: %s", error)
            except Exception:  # the application starts all the same
                _logger.exception("cannot start: events are refused until it is possible")
        return message

    async def _answer(self, message: Message) -> None:
        self._answered.append(message["type"])
        if message["type"] != "lifespan.startup.complete":
            try:
                await self._keeper.aclose()
            except Exception:  # the application ends all the same, and the server has its answer
                _logger.exception("cannot close: what is pending stays in the journal")
        await self._send(message)
