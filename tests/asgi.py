"""ASGI without a server: one call of an application, and a host that only remembers."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

import anyio

from fireforget._clock import SystemClock
from fireforget._context import ExecutionContext
from fireforget._request import RequestSource
from fireforget._settings import HttpSettings
from fireforget.asgi import App, Message, Middleware, Scope
from fireforget.hosts import Host

Headers = Iterable[tuple[bytes, bytes]]


def http_scope(path: str = "/", method: str = "GET", headers: Headers = (), **more: Any) -> Scope:
    """The scope of an HTTP request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": ("203.0.113.7", 50000),
        "server": ("testserver", 80),
        **more,
    }


async def call(app: App, scope: Scope, *incoming: Message) -> list[Message]:
    """Serve one connection; what the application sent. After the incoming messages the client is gone."""
    waiting = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


class RememberingKeeper:
    """Stands where `FireForget` does and remembers what it was told.

    Args:
        host: What the middleware is told of the host.
    """

    def __init__(self, host: Host | None = None) -> None:
        self.host = host
        self.log: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[BaseException] = []

    def emit(self, event_type: object, data: object = None) -> None:
        assert isinstance(event_type, str)
        assert isinstance(data, dict)
        self.events.append((event_type, data))

    def start(self) -> None:
        self.log.append("start")

    async def finish(self, context: ExecutionContext, seconds: float) -> None:
        self.log.append(f"finish within {seconds:.3g} s, {await context.drain(seconds)} left")

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.log.append("close")

    def wrap(self, app: App, **settings: Any) -> Middleware:
        http = HttpSettings(**settings)
        return Middleware(app, self, http, RequestSource(http, self.errors.append, SystemClock()), self.host)


class LifespanServer:
    """Runs the lifespan of an application as uvicorn does.

    Args:
        app: The application.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.state: MutableMapping[str, Any] = {}
        self.answers: list[Message] = []
        self.error: BaseException | None = None
        self._ask, self._asked = anyio.create_memory_object_stream[Message](10)
        self._answered = anyio.Event()
        self.ended = anyio.Event()

    async def run(self) -> None:
        """Call the application once for its whole life."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._asked.receive, self._send)
        except Exception as error:  # noqa: BLE001 - a server takes whatever comes
            self.error = error
        finally:
            self.ended.set()
            self._answered.set()
            self._ask.close()
            self._asked.close()

    async def ask(self, what: str) -> str:
        """Ask for ``startup`` or ``shutdown``; the answer, or nothing where the application ended without one."""
        self._answered = anyio.Event()
        known = len(self.answers)
        self._ask.send_nowait({"type": f"lifespan.{what}"})
        await self._answered.wait()
        return str(self.answers[known]["type"]) if len(self.answers) > known else ""

    async def _send(self, message: Message) -> None:
        self.answers.append(message)
        self._answered.set()
