"""AWS Lambda as a host: the client has its answer first, and what is left behind is done before the freeze.

Lambda freezes the environment as soon as the runtime and all extensions have asked for the next event. So fireforget is
an internal extension, which asks only when the work handed to `wait_until` is done and the events are delivered, within
the deadline of the invocation. The client does not wait for that; but it is billed, and the next invocation of the same
environment waits for it.

The journal lives below ``/tmp`` unless the settings name a directory: it survives the freeze, a crash and a timeout,
but not the environment. What the deadline has cut off, or a queue that is down has not taken, is delivered with the
next invocation of the environment, if there is one.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget.abc import SystemClock
from fireforget.errors import SettingsError
from fireforget.hosts import Host, Invocation
from fireforget_aws._extension import Extension, ExtensionsApi

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fireforget.hosts import HostSettings, Process

__all__ = ["lambda_host"]

_API: Final = "AWS_LAMBDA_RUNTIME_API"
"""Lambda sets it in every environment: the address of its Runtime and Extensions APIs."""
_TRACE: Final = "_X_AMZN_TRACE_ID"
"""The runtime sets it for each invocation: X-Ray's tracing header."""
_XRAY: Final = re.compile(r"Root=1-([0-9a-f]{8})-([0-9a-f]{24});Parent=([0-9a-f]{16})(?:;Sampled=([01]))?")
"""AWS X-Ray, "Tracing header"."""
_WEB_ADAPTER: Final = b"x-amzn-lambda-context"
"""The header in which the Lambda Web Adapter passes on the context of the invocation, as JSON."""
_MANGUM: Final = "aws.context"
"""Where Mangum puts the context of the invocation in the scope."""


class _AdapterContext(msgspec.Struct, frozen=True):
    """What the Lambda Web Adapter tells of an invocation, as far as it is needed.

    Args:
        request_id: Its id.
        deadline: When it ends at the latest, in milliseconds of Unix time.
        xray_trace_id: X-Ray's tracing header.
    """

    request_id: str
    deadline: int
    xray_trace_id: str | None = None


class LambdaLifecycle:
    """Reads what Lambda tells of each invocation, and passes it on to the extension.

    Args:
        extension: Keeps the environment alive.
        environ: The process's variables.
    """

    def __init__(self, extension: Extension, environ: Mapping[str, str]) -> None:
        self._extension = extension
        self._environ = environ
        self._clock = SystemClock()

    def join(self, process: Process) -> bool:
        """Register the extension, once in a process."""
        return self._extension.join(process)

    def begin_request(self, scope: Mapping[str, Any]) -> Invocation:
        """The request of an adapter. One that tells no invocation, such as a health check, is none."""
        if (context := scope.get(_MANGUM)) is not None:
            return self._begin(self._of_context(context), called=False)
        for name, value in scope.get("headers", ()):
            if name == _WEB_ADAPTER:
                return self._begin(self._of_header(value), called=False)
        return Invocation()

    def begin_call(self, arguments: Sequence[object]) -> Invocation:
        """The call of a Lambda function, with the event and the context."""
        context = arguments[1] if len(arguments) > 1 else None
        return self._begin(self._of_context(context), called=True)

    def keeps(self, invocation: Invocation) -> bool:
        """Does the environment stay alive after it?"""
        return self._extension.keeps(invocation.id)

    def end(self, invocation: Invocation) -> None:
        """The answer goes out."""
        if invocation.id:
            self._extension.end(invocation.id)

    def _begin(self, invocation: Invocation, *, called: bool) -> Invocation:
        if invocation.id:
            self._extension.begin(invocation.id, called=called)
        return invocation

    def _of_context(self, context: Any) -> Invocation:
        """What the runtime's context object tells; another one, as in a test of the function, may tell nothing."""
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        return Invocation(
            id=getattr(context, "aws_request_id", None),
            seconds=remaining() / 1e3 if callable(remaining) else None,
            traceparent=traceparent(self._environ.get(_TRACE)),
            loop_stops=True,
        )

    def _of_header(self, value: bytes) -> Invocation:
        try:
            context = msgspec.json.decode(value, type=_AdapterContext)
        except msgspec.DecodeError:
            return Invocation()
        return Invocation(
            id=context.request_id,
            seconds=max(0.0, context.deadline / 1e3 - self._clock.time_ns() / 1e9),
            traceparent=traceparent(context.xray_trace_id),
        )


def lambda_host(settings: HostSettings, environ: Mapping[str, str]) -> Host:
    """AWS Lambda: what the entry point names.

    Raises:
        SettingsError: This is not Lambda.
    """
    address = environ.get(_API)
    if not address:
        raise SettingsError(f'[host] name = "lambda", but {_API} is not set: "auto" finds Lambda where this is Lambda')
    if address not in _extensions:
        _extensions[address] = Extension(ExtensionsApi(address))
    return Host(
        name="lambda",
        request_seconds=settings.request_seconds or None,
        directory=os.path.join(tempfile.gettempdir(), "fireforget"),  # noqa: PTH118 - a setting is a text
        lifecycle=LambdaLifecycle(_extensions[address], environ),
    )


def traceparent(header: str | None) -> str | None:
    """The W3C trace context that X-Ray's tracing header tells; None where it tells no span."""
    found = _XRAY.search(header or "")
    return f"00-{found[1]}{found[2]}-{found[3]}-0{found[4] or 0}" if found else None


_extensions: Final[dict[str, Extension]] = {}
"""Those of this process by the address of Lambda's API: one, however many `FireForget` there are."""


def _forget() -> None:
    for extension in _extensions.values():
        extension.forget()
    _extensions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
