"""A service of analytics in a process of its own, so that its work is not counted as that of a library."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, Final

import msgspec

from benchmarks.workload import EVENT
from tests.faults.sink import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

TEXT: Final = EVENT.query.encode()
"""Occurs once in each event, in whatever format it is sent."""


class RemoteSink(msgspec.Struct, frozen=True):
    """The service, as the process sees it that sends to it.

    Args:
        url: Where it is.
        arrived: Memory that both share, with how many events have arrived.
    """

    url: str
    arrived: Any

    def count(self) -> int:
        """How many events have arrived."""
        arrived: int = self.arrived.value
        return arrived


@contextmanager
def remote_sink() -> Iterator[RemoteSink]:
    """Start the service, and end it."""
    spawn = get_context("spawn")
    arrived, (ours, theirs) = spawn.Value("q", 0), spawn.Pipe()
    # It is told by the end of the pipe, which comes even if this process dies.
    process = spawn.Process(target=_serve, args=(theirs, arrived), daemon=True)
    process.start()
    theirs.close()
    try:
        yield RemoteSink(ours.recv(), arrived)
    finally:
        ours.close()
        process.join()


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
