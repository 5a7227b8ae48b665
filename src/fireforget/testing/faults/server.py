"""A server under test: a child process that listens on a free port of this machine."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from fireforget.testing.faults.child import Child

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HOST: Final = "127.0.0.1"

_LOOK_SECONDS: Final = 0.005


class Server(Child):
    """A server process.

    Args:
        command: Its command line; ``{port}`` in it becomes a free port, another one at each start, so that nobody takes
            it while the server is down.
        log: As for `Child`.
        directory: As for `Child`.
        variables: As for `Child`.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        directory: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        filled = [part.replace("{port}", str(self.port)) for part in command]
        super().__init__(filled, log, directory=directory, variables=variables)

    def listens(self) -> bool:
        """Does it take connections yet?"""
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self.port)) == 0

    def wait_until_it_listens(self, seconds: float) -> None:
        """Wait for the first connection that it takes.

        Raises:
            ChildProcessError: It ended instead; the message has the end of its log.
            TimeoutError: It takes none within so many seconds.
        """
        until = time.monotonic() + seconds
        while not self.listens():
            if not self.alive:
                message = f"{' '.join(self.command)} ended with code {self.process.returncode}:\n{self.log}"
                raise ChildProcessError(message)
            if time.monotonic() > until:
                message = f"{' '.join(self.command)} takes no connection on port {self.port}:\n{self.log}"
                raise TimeoutError(message)
            time.sleep(_LOOK_SECONDS)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
