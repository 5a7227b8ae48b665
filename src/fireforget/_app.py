"""`FireForget`: the one object that a user holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import msgspec

from fireforget import _process
from fireforget._attributes import Attributes
from fireforget._clock import SystemClock
from fireforget._configuration import checked, load_settings
from fireforget._context import ExecutionContext, current, process_context
from fireforget._equipment import Given
from fireforget._hooks import Hooked, Hooks
from fireforget._keeper import Keeper
from fireforget._schema import shared_types
from fireforget._settings import Settings
from fireforget.hosts import Host, detect_host

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from fireforget._clock import Clock
    from fireforget._handler import Handler
    from fireforget._schema import EventTypes
    from fireforget.abc import DeadLetters, Queue, Store
    from fireforget.asgi import App, Middleware

P = ParamSpec("P")
R = TypeVar("R")


class FireForget(Hooked, Keeper):
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
        host = _joined(host if host is not None else detect_host(given.host), given)
        self._hooks = Hooks()
        super().__init__(
            _placed(given, host),
            Given(queue, dead_letters, store),
            types if types is not None else shared_types,
            self._hooks,
            clock if clock is not None else SystemClock(),
            host,
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
