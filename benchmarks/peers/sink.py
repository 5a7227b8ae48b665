"""A service of analytics in a process of its own, so that its work is not counted as that of a library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from benchmarks.remote import Remote, remote
from benchmarks.workload import EVENT
from tests.faults.sink import Sink

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from multiprocessing.connection import Connection

TEXT: Final = EVENT.query.encode()
"""Occurs once in each event, in whatever format it is sent."""


def remote_sink() -> AbstractContextManager[Remote]:
    """Start the service, which counts the events that arrive, and end it."""
    return remote(_serve)


def _serve(pipe: Connection[Any, Any], arrived: Any) -> None:
    with _CountingSink(arrived) as sink:
        pipe.send(sink.url)
        try:
            pipe.recv()
        except EOFError:
            sink.shutdown()


class _CountingSink(Sink):
    """Counts the events."""

    def __init__(self, arrived: Any) -> None:
        super().__init__()
        self._arrived = arrived

    def take(self, body: bytes) -> None:
        with self._arrived.get_lock():
            self._arrived.value += body.count(TEXT)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong, unless a server under load has been ended in the middle of a request."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)
