"""A service in a process of its own, so that its work is not counted as that of what calls it."""

from __future__ import annotations

from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection


class Remote(msgspec.Struct, frozen=True):
    """The service, as the process sees it that calls it.

    Args:
        url: Where it is.
        counted: Memory that both share, with what the service counts.
    """

    url: str
    counted: Any

    def count(self) -> int:
        """How much it has counted."""
        counted: int = self.counted.value
        return counted


@contextmanager
def remote(serve: Callable[[Connection[Any, Any], Any], None]) -> Iterator[Remote]:
    """Start a service, and end it.

    Args:
        serve: Runs it in its process, sends its URL through the pipe, counts in the shared number, and returns when
            the other end of the pipe is closed.
    """
    spawn = get_context("spawn")
    counted, (ours, theirs) = spawn.Value("q", 0), spawn.Pipe()
    # It is told by the end of the pipe, which comes even if this process dies.
    process = spawn.Process(target=serve, args=(theirs, counted), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Remote(ours.recv(), counted)
    finally:
        ours.close()
        process.join()
