"""Hosts: where a process runs, and what may still run there once a response has gone.

A long-lived server runs everything: work handed to `wait_until` and the dispatcher go on behind the response, and a
shutdown drains them. Where the processor is taken away with the response, the end of the response is held until what
the request left behind is done, or `flush_seconds` have passed; what is not done by then goes on at the next request,
or at the shutdown, and events wait in the journal. Responses that are streamed and WebSockets are never held.

The price of holding: each response takes as much longer as its work and one publish take.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._settings import HostSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Host", "detect_host"]

_logger: Final = logging.getLogger("fireforget")

_CLOUD_RUN: Final = "K_SERVICE"
"""Cloud Run's container contract sets it for every service and function."""
_CLOUD_RUN_REQUEST_SECONDS: Final = 300.0
"""Cloud Run's own default for the longest request (up to 3,600 can be configured)."""
_CLOUD_RUN_SHUTDOWN_SECONDS: Final = 10.0
"""Cloud Run kills a container so long after SIGTERM (container runtime contract)."""

_UNSUPPORTED: Final = {
    "AWS_LAMBDA_RUNTIME_API": "AWS Lambda",
    "FUNCTIONS_WORKER_RUNTIME": "Azure Functions",
    "VERCEL": "Vercel",
}
"""Variables of hosts that promise nothing after a response, and that this library has no way of its own for."""

_MARGIN_SECONDS: Final = 1.0
"""What a shutdown keeps of its time, to close what it has drained."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a host.

    Args:
        name: ``"server"``, ``"cloud-run"``, ``"unknown"`` or one of your own.
        flush_seconds: How long the end of a response may be held for what the request has left behind; None: nothing
            is held, for everything goes on after the response.
        request_seconds: Seconds that the host gives to one request; None where it sets no limit.
        shutdown_seconds: Seconds between the signal to stop and the kill; None where nobody says.
    """

    name: str = "server"
    flush_seconds: float | None = None
    request_seconds: float | None = None
    shutdown_seconds: float | None = None

    @property
    def drain_seconds(self) -> float | None:
        """How long a shutdown may drain here; None where the host sets no limit."""
        return None if self.shutdown_seconds is None else max(0.0, self.shutdown_seconds - _MARGIN_SECONDS)


def detect_host(settings: HostSettings | None = None, environ: Mapping[str, str] | None = None) -> Host:
    """The host that the settings name or, with ``name = "auto"``, the one whose variables are there. Logs the choice.

    Args:
        settings: ``[host]``; None for its defaults.
        environ: The variables; None for those of the process.
    """
    settings = settings or HostSettings()
    variables = os.environ if environ is None else environ
    auto = settings.name == "auto"
    name, why = _told_by(variables) if auto else (settings.name, "[host] name says so")
    host = _host(name, settings)
    behind = (
        "work goes on after responses"
        if host.flush_seconds is None
        else f"the end of a response waits up to {host.flush_seconds:g} s for what the request leaves behind"
    )
    _logger.info("host %s (%s): %s", host.name, why, behind)
    return host


def _told_by(variables: Mapping[str, str]) -> tuple[str, str]:
    """The name of the host, and what tells it."""
    if variables.get(_CLOUD_RUN):
        return "cloud-run", f"{_CLOUD_RUN} is set"
    for variable, platform in _UNSUPPORTED.items():
        if variables.get(variable):
            return "unknown", f"{variable} is set: {platform} promises nothing after a response"
    return "server", "no other host shows itself"


def _host(name: str, settings: HostSettings) -> Host:
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
    return Host(name=name, request_seconds=limit)
