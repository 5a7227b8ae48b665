"""What a request tells of itself: its attributes, its session, its route."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from operator import itemgetter
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from fireforget._attributes import Attributes, hash_of
from fireforget._context import ExecutionContext
from fireforget._event import uuid7_time
from fireforget._journal import Binding
from fireforget._salt import DailySalt

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid_utils import uuid7

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from fireforget._clock import Clock
    from fireforget._settings import HttpSettings

TRUSTED_SECONDS: Final = 600
"""An inbound request id is taken as correlation id only where it is a UUIDv7 within this time of now."""

_LONGEST: Final = 200
_name: Final = itemgetter(0)
_UNROUTED: Final = frozenset({404, 405})
"""Not found, or not for this method: no route has answered."""

_UNPREPARED: Final = Binding(b"", 0)
"""Stands where nothing of a request has been looked at yet; nothing is ever bound to it."""
_preparing: Final = RLock()
"""So that a request has one correlation id, whichever of its threads emits first."""


class RequestSource:
    """What the requests of one application have in common.

    Args:
        settings: Where sessions and request ids come from.
        on_error: Called with what work handed to `wait_until` raised.
        clock: Time.
        secret: Of the salts of sessions from address and agent; None for random ones.
    """

    def __init__(
        self,
        settings: HttpSettings,
        on_error: Callable[[BaseException], None],
        clock: Clock,
        secret: bytes | None = None,
    ) -> None:
        self.on_error = on_error
        self._clock = clock
        self._cookie = settings.session_cookie
        self._from_client = settings.session_from_client
        self._salt = DailySalt(secret)
        wanted = {"traceparent": "traceparent"}
        wanted |= {settings.request_id_header: "requestid", settings.session_header: "sessionid"}
        wanted |= {"cookie": "cookie"} if self._cookie else {}
        wanted |= {"user-agent": "agent"} if self._from_client else {}
        self._wanted = {name.lower().encode("latin-1"): what for name, what in wanted.items() if name}

    def tells_nothing(self, scope: MutableMapping[str, Any]) -> bool:
        """Has the request nothing to say of itself, so that its only attribute is a new correlation id? Most have."""
        return (
            self._wanted.keys().isdisjoint(map(_name, scope.get("headers", ())))
            and not self._from_client
            and "opentelemetry.sdk.trace" not in sys.modules
        )

    def attributes(self, scope: MutableMapping[str, Any]) -> Attributes:
        """The attributes of a request, from its headers. What a client sends is bounded and never trusted."""
        wanted = self._wanted
        found = {wanted[name]: value for name, value in scope.get("headers", ()) if name in wanted}
        requestid = _text(found["requestid"]) if "requestid" in found else ""
        sessionid = _text(found["sessionid"]) if "sessionid" in found else ""
        parent = _text(found["traceparent"]) if "traceparent" in found else ""
        if not sessionid and self._cookie:
            sessionid = _cookie(found.get("cookie", b"").decode("latin-1"), self._cookie)
        if not sessionid and self._from_client:
            agent = found.get("agent", b"").decode("latin-1")
            address = (scope.get("client") or ("",))[0]
            now = datetime.fromtimestamp(self._clock.time_ns() / 1e9, UTC)
            sessionid = self._salt.digest(f"{address}\n{agent}".encode(), now)
        return Attributes(
            requestid if requestid and self._is_recent(requestid) else new_correlation_id(),
            sessionid or None,
            requestid or None,
            current_traceparent() or parent or None,
        )

    def _is_recent(self, requestid: str) -> bool:
        made = uuid7_time(requestid)
        return made is not None and abs(made.timestamp() - self._clock.time_ns() / 1e9) <= TRUSTED_SECONDS


class RequestContext(ExecutionContext):
    """The execution context of one ASGI request. What its events share is made with the first one: many have none.

    Args:
        scope: The ASGI scope.
        source: Makes its attributes.
        loop: The asyncio loop or trio token that serves it.
    """

    __slots__ = ("_scope", "_source")

    def __init__(self, scope: MutableMapping[str, Any], source: RequestSource, loop: object) -> None:
        self.binding = _UNPREPARED
        self.on_error = source.on_error
        self._deadline = None
        self._held = self._jobs = ()
        self._open = True
        self._scope = scope
        self._source = source
        self._loop = loop

    def prepare(self) -> None:
        """Make what the events of the request share from the scope, once, whatever threads ask."""
        if self.binding is not _UNPREPARED:
            return
        with _preparing:
            if self.binding is not _UNPREPARED:
                return
            source = self._source
            if source.tells_nothing(self._scope):
                correlation = new_correlation_id().encode()
                binding = Binding(b'"correlationid":"%b"' % correlation, hash_of(correlation))
            else:
                binding = source.attributes(self._scope).binding()
            if self.binding is _UNPREPARED:  # a signal handler that emits may have come in between
                self.binding = binding


def new_correlation_id() -> str:
    """A UUIDv7 of now."""
    return str(uuid7())


def route_template(scope: MutableMapping[str, Any], status: int) -> str | None:
    """The route's template where the framework tells it, else the path with its parameters named again.

    None for what no route has answered: paths that a stranger invents have no end.
    """
    route = scope.get("route")
    given = scope.get("path_params")
    parameters: Mapping[str, object] = given if given and isinstance(given, Mapping) else {}
    if route is not None:
        template = getattr(route, "path_format", None) or getattr(route, "path", None)
        if isinstance(template, str):
            others = {name: value for name, value in parameters.items() if f"{{{name}" not in template}
            return (_named(_mount(scope, route), others) + template)[:_LONGEST]
    if status in _UNROUTED:
        return None
    path: str = scope.get("path", "")
    return _named(path, parameters)[:_LONGEST]


def _mount(scope: MutableMapping[str, Any], route: object) -> str:
    """Where Starlette has mounted the router of a route, which knows only what comes after it."""
    root = scope.get("app_root_path")
    if not isinstance(root, str) or not hasattr(route, "endpoint"):
        return ""
    return str(scope["root_path"]).removeprefix(root)


def _named(path: str, parameters: Mapping[str, object]) -> str:
    """The path with the names of its parameters in place of their values; the last ones first."""
    if not parameters:
        return path
    for name, value in reversed(list(parameters.items())):
        text = f"/{value}"
        at = f"{path}/".rfind(f"{text}/")
        if at >= 0 and len(text) > 1:
            path = f"{path[:at]}/{{{name}}}{path[at + len(text) :]}"
    return path


def _text(value: bytes) -> str:
    """A header's value, bounded and without what cannot stand in a line."""
    text = value[:_LONGEST].decode("latin-1")
    return text if text.isprintable() else ""


def _cookie(header: str, wanted: str) -> str:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted:
            return _text(value.strip('"').encode("latin-1"))
    return ""


def current_traceparent() -> str:
    """The trace that the application is in, if it traces at all: without the SDK there are no spans."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return ""
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
