"""Hosts: where a process runs, and what may still run there once a response has gone.

A long-lived server runs everything: work handed to `wait_until` and the dispatcher go on behind the response, and a
shutdown drains them. Where the processor is taken away with the response, the end of the response is held until what
the request left behind is done, or `flush_seconds` have passed; what is not done by then goes on at the next request,
or at the shutdown, and events wait in the journal. Responses that are streamed and WebSockets are never held.

The price of holding: each response takes as much longer as its work and one publish take.

A host that can keep the process alive after the answer needs no holding: it is told of each invocation, and lets the
process be frozen only when what the invocation left behind is done. AWS Lambda is one, with `fireforget_aws`. Such a
host is found through the entry-point group ``fireforget.hosts``, whose names are those that ``[host] name`` takes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from fireforget._settings import HostSettings
from fireforget.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoints

__all__ = ["Host", "HostMaker", "HostSettings", "Invocation", "Lifecycle", "Process", "detect_host"]

_logger: Final = logging.getLogger("fireforget")

_CLOUD_RUN: Final = "K_SERVICE"
"""Cloud Run's container contract sets it for every service and function."""
_CLOUD_RUN_REQUEST_SECONDS: Final = 300.0
"""Cloud Run's own default for the longest request (up to 3,600 can be configured)."""
_CLOUD_RUN_SHUTDOWN_SECONDS: Final = 10.0
"""Cloud Run kills a container so long after SIGTERM (container runtime contract)."""

HOSTS: Final = "fireforget.hosts"
"""The group of entry points whose names are those that ``[host] name`` takes; each is a `HostMaker`."""
_INSTALLED: Final = {"AWS_LAMBDA_RUNTIME_API": ("lambda", "AWS Lambda")}
"""Variables of hosts that whoever knows them brings through an entry point, with its name."""
_UNSUPPORTED: Final = {"FUNCTIONS_WORKER_RUNTIME": "Azure Functions", "VERCEL": "Vercel"}
"""Variables of hosts that promise nothing after a response, and that this library has no way of its own for."""
_OWN: Final = ("server", "cloud-run", "unknown")

_MARGIN_SECONDS: Final = 1.0
"""What a shutdown keeps of its time, to close what it has drained."""


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """What a host tells of one invocation: the call of a function, or a request that stands for one.

    Args:
        id: The host's own id of it, which becomes the ``requestid`` of events; None where it tells none.
        seconds: What is left of it; None where the host sets no limit.
        traceparent: W3C trace context of the call; None where it tells none.
        loop_stops: The event loop stands still as soon as the application has answered, and nobody runs it on.
    """

    id: str | None = None
    seconds: float | None = None
    traceparent: str | None = None
    loop_stops: bool = False


class Process(Protocol):
    """What a host may ask of all `FireForget` of the process together, in a thread that runs no event loop."""

    def resume(self) -> None:
        """The process was frozen: publish again, and at once what waits for another try."""
        ...

    def settle(self, seconds: float, *, run_loops: bool, rest: bool) -> None:
        """Block until the work handed to `wait_until` is done and what is pending is delivered.

        A queue that is down is not waited for: its events wait in the journal.

        Args:
            seconds: The most that may take.
            run_loops: No event loop that stands still is in use: run those on that have work left.
            rest: Begin no call of the queue afterwards, until `resume`; those under way are waited for.
        """
        ...


class Lifecycle(Protocol):
    """How a host is told of each invocation, so that it keeps the process alive until what is left behind is done.

    The methods may be called from several threads at a time.
    """

    def join(self, process: Process) -> bool:
        """Called whenever a `FireForget` is made, so that all is ready before the first invocation.

        Returns:
            Whether the host will keep the process alive. Where not, the end of each response is held.
        """
        ...

    def begin_request(self, scope: Mapping[str, Any]) -> Invocation:
        """An ASGI application is called with a request."""
        ...

    def begin_call(self, arguments: Sequence[object]) -> Invocation:
        """A function is called by the host, with these arguments."""
        ...

    def keeps(self, invocation: Invocation) -> bool:
        """Will the process stay alive after this invocation has ended?"""
        ...

    def end(self, invocation: Invocation) -> None:
        """The application or the function is through with it. Returns at once: the answer waits for it."""
        ...


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host.

    Args:
        name: ``"server"``, ``"cloud-run"``, ``"unknown"`` or one of your own.
        flush_seconds: How long the end of a response may be held for what the request has left behind; None: nothing
            is held, for everything goes on after the response.
        request_seconds: Seconds that the host gives to one request; None where it sets no limit.
        shutdown_seconds: Seconds between the signal to stop and the kill; None where nobody says.
        directory: Where local files go unless the settings name a directory; None for the settings' own default.
        lifecycle: Is told of each invocation; None where the process lives on by itself. With one, the end of the
            ASGI lifespan closes nothing, for it may come with each invocation.
    """

    name: str = "server"
    flush_seconds: float | None = None
    request_seconds: float | None = None
    shutdown_seconds: float | None = None
    directory: str | None = None
    lifecycle: Lifecycle | None = None

    @property
    def drain_seconds(self) -> float | None:
        """How long a shutdown may drain here; None where the host sets no limit."""
        return None if self.shutdown_seconds is None else max(0.0, self.shutdown_seconds - _MARGIN_SECONDS)


HostMaker = Callable[[HostSettings, Mapping[str, str]], Host]
"""What an entry point of a host names: makes it of ``[host]`` and the process's variables."""


def detect_host(settings: HostSettings | None = None, environ: Mapping[str, str] | None = None) -> Host:
    """The host that the settings name or, with ``name = "auto"``, the one whose variables are there. Logs the choice.

    Args:
        settings: ``[host]``; None for its defaults.
        environ: The variables; None for those of the process.

    Raises:
        SettingsError: There is no such host, or this is not it.
    """
    settings = settings or HostSettings()
    variables = os.environ if environ is None else environ
    if settings.name == "auto":
        name, why = _told_by(variables)
    else:
        name, why = settings.name, "[host] name says so"
    host = _host(name, settings, variables)
    _logger.info("host %s (%s): %s", host.name, why, _behind(host))
    return host


def _behind(host: Host) -> str:
    """What becomes of what a request leaves behind."""
    if host.flush_seconds is not None:
        return f"the end of a response waits up to {host.flush_seconds:g} s for what the request leaves behind"
    if host.lifecycle is not None:
        return "the process is kept alive after a response until what the request leaves behind is done"
    return "work goes on after responses"


def _told_by(variables: Mapping[str, str]) -> tuple[str, str]:
    """The name of the host, and what tells it."""
    if variables.get(_CLOUD_RUN):
        return "cloud-run", f"{_CLOUD_RUN} is set"
    for variable, (name, platform) in _INSTALLED.items():
        if variables.get(variable):
            if _maker(name) is not None:
                return name, f"{variable} is set"
            return "unknown", f"{variable} is set, but what knows {platform} is not installed"
    for variable, platform in _UNSUPPORTED.items():
        if variables.get(variable):
            return "unknown", f"{variable} is set: {platform} promises nothing after a response"
    return "server", "no other host shows itself"


def _host(name: str, settings: HostSettings, variables: Mapping[str, str]) -> Host:
    limit = settings.request_seconds or None
    if name == "cloud-run":
        return Host(
            name=name,
            flush_seconds=settings.flush_seconds if settings.cpu == "request" else None,
            request_seconds=limit or _CLOUD_RUN_REQUEST_SECONDS,
            shutdown_seconds=_CLOUD_RUN_SHUTDOWN_SECONDS,
        )
    if name == "unknown":
        return Host(name=name, flush_seconds=settings.flush_seconds, request_seconds=limit)
    if name == "server":
        return Host(name=name, request_seconds=limit)
    maker = _maker(name)
    if maker is None:
        known = ", ".join(sorted({"auto", *_OWN, *_installed().names}))
        raise SettingsError(f"[host] name = {name!r} is no host; known: {known}")
    return maker(settings, variables)


def _maker(name: str) -> HostMaker | None:
    """Who makes the host of that name; None where nothing that is installed does.

    Raises:
        SettingsError: It cannot be imported.
    """
    for point in _installed().select(name=name):
        try:
            maker: HostMaker = point.load()
        except ImportError as error:
            raise SettingsError(f"the host {name!r} cannot be imported ({error}): install what it needs") from error
        return maker
    return None


def _installed() -> EntryPoints:
    from importlib.metadata import entry_points

    return entry_points(group=HOSTS)
