"""What a request tells of itself: its attributes, its session, its route."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from hashlib import blake2b
from random import getrandbits
from typing import TYPE_CHECKING, Any, Final

from fireforget._context import Attributes, ExecutionContext
from fireforget._event import uuid7_text, uuid7_time

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from fireforget._settings import HttpSettings

TRUSTED_SECONDS: Final = 600
"""An inbound request id is taken as correlation id only where it is a UUIDv7 within this time of now."""

_LONGEST: Final = 200
_NOT_FOUND: Final = 404


class RequestContext(ExecutionContext):
    """The execution context of one ASGI request. Reads its headers when an event first needs them.

    Args:
        scope: The ASGI scope.
        settings: Where sessions and request ids come from.
        on_error: Called with what work handed to `wait_until` raised.
    """

    __slots__ = ("_scope", "_settings")

    def __init__(
        self, scope: MutableMapping[str, Any], settings: HttpSettings, on_error: Callable[[BaseException], None]
    ) -> None:
        super().__init__(on_error=on_error)
        self._scope = scope
        self._settings = settings
        self._held = []

    def prepare(self) -> None:
        """Make the attributes from the scope."""
        if self._attributes is None:
            self._bind(attributes_of(self._scope, self._settings))


def attributes_of(scope: MutableMapping[str, Any], settings: HttpSettings) -> Attributes:
    """The attributes of a request, from its headers. What a client sends is bounded and never trusted."""
    request_header = settings.request_id_header.lower().encode("latin-1")
    session_header = settings.session_header.lower().encode("latin-1")
    requestid = sessionid = parent = cookie = agent = ""
    for name, value in scope["headers"]:
        if name == b"traceparent":
            parent = _text(value)
        elif name == request_header:
            requestid = _text(value)
        elif name == session_header:
            sessionid = _text(value)
        elif name == b"cookie" and settings.session_cookie:
            cookie = value.decode("latin-1")
        elif name == b"user-agent":
            agent = value.decode("latin-1")
    if not sessionid and cookie:
        sessionid = _cookie(cookie, settings.session_cookie)
    if not sessionid and settings.session_from_client:
        sessionid = _salt.session(str((scope.get("client") or ("",))[0]), agent)
    return Attributes(
        correlationid=requestid if _is_recent(requestid) else new_correlation_id(),
        sessionid=sessionid or None,
        requestid=requestid or None,
        traceparent=_current_traceparent() or parent or None,
    )


def new_correlation_id() -> str:
    """A UUIDv7 of now."""
    return uuid7_text(time.time_ns(), getrandbits(62))


def route_template(scope: MutableMapping[str, Any], status: int) -> str | None:
    """The route's template where the framework tells it, else the path with its parameters named again.

    None for what was not found: paths that a stranger invents have no end.
    """
    route = scope.get("route")
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    given = scope.get("path_params")
    parameters: Mapping[str, object] = given if isinstance(given, Mapping) else {}
    if isinstance(template, str):
        others = {name: value for name, value in parameters.items() if f"{{{name}" not in template}
        return (_named(_mount(scope, route), others) + template)[:_LONGEST]
    if status == _NOT_FOUND:
        return None
    return _named(scope["path"], parameters)[:_LONGEST]


def _mount(scope: MutableMapping[str, Any], route: object) -> str:
    """Where Starlette has mounted the router of a route, which knows only what comes after it."""
    root = scope.get("app_root_path")
    if not isinstance(root, str) or not hasattr(route, "endpoint"):
        return ""
    return str(scope["root_path"]).removeprefix(root)


def _named(path: str, parameters: Mapping[str, object]) -> str:
    """The path with the names of its parameters in place of their values; the last ones first."""
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


def _is_recent(requestid: str) -> bool:
    made = uuid7_time(requestid)
    return made is not None and abs(made.timestamp() - time.time()) <= TRUSTED_SECONDS


def _current_traceparent() -> str:
    """The trace that the application is in, if it traces at all: without the SDK there are no spans."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return ""
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


class _DailySalt:
    """A random key that lives for one UTC day in this process's memory and is stored nowhere."""

    def __init__(self) -> None:
        self._day = 0
        self._key = b""

    def session(self, address: str, agent: str) -> str:
        """A session id for today that tells nothing of who it is."""
        day = int(time.time() // 86_400)
        if day != self._day:
            self._day, self._key = day, os.urandom(32)
        return blake2b(f"{address}\n{agent}".encode(), key=self._key, digest_size=16).hexdigest()


_salt: Final = _DailySalt()
