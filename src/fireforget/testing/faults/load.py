"""Clients that ask without end, and note what they were answered."""

from __future__ import annotations

import threading
import time
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final, Self

from fireforget.testing.faults.server import HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from fireforget.testing.faults.books import Books

_PAUSE_SECONDS: Final = 0.02
"""How long a client that was turned away leaves the server alone."""
_ANSWER_SECONDS: Final = 10.0
"""How long a client waits for an answer before it gives up."""


class Load:
    """Threads that ask a server over connections that they keep. They end when left by ``with``.

    Args:
        books: Where they note what they were answered.
        paths: What they ask for, in turn.
        clients: How many there are.
    """

    def __init__(self, books: Books, paths: Sequence[str], clients: int) -> None:
        self._books = books
        self._paths = paths
        self._port: int | None = None
        self._ended = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"client {number}", daemon=True)
            for number in range(clients)
        ]

    def aim(self, port: int | None) -> None:
        """Let the clients ask this port from now on; None to let them wait."""
        with self._changed:
            self._port = port
            self._changed.notify_all()

    def wait_for_answers(self, count: int, seconds: float, watch: Callable[[], object]) -> None:
        """Wait until so many more answers have come.

        Args:
            count: How many.
            seconds: For how long at most.
            watch: Called again and again meanwhile; it raises where there is no use in waiting.

        Raises:
            TimeoutError: They have not come.
        """
        wanted = self._books.answers + count
        until = time.monotonic() + seconds
        with self._changed:
            while self._books.answers < wanted:
                watch()
                if time.monotonic() > until:
                    message = f"the server gave {count - (wanted - self._books.answers)} of {count} answers"
                    raise TimeoutError(message)
                self._changed.wait(_PAUSE_SECONDS)

    def __enter__(self) -> Self:
        """Start the clients; they wait until they are aimed."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the clients; an answer that is under way is waited for."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self, client: int) -> None:
        number = 0
        while (port := self._target()) is not None:
            connection = HTTPConnection(HOST, port, timeout=_ANSWER_SECONDS)
            try:
                while self._port == port and not self._ended:
                    number += 1
                    self._ask(connection, f"{client}-{number}", self._paths[number % len(self._paths)])
            except (OSError, HTTPException):
                self._books.note_turned_away()
                with self._changed:
                    self._changed.wait(_PAUSE_SECONDS)
            finally:
                connection.close()

    def _target(self) -> int | None:
        """Where to ask; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._port is not None)
            return None if self._ended else self._port

    def _ask(self, connection: HTTPConnection, number: str, path: str) -> None:
        request = self._books.request_id(number)
        connection.request("GET", path, headers={"x-request-id": request})
        answer = connection.getresponse()
        body = answer.read()
        self._books.note(request, answer.status, body)
        with self._changed:
            self._changed.notify_all()
