"""A child process: any command line, with all that it starts itself."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

_TAIL_CHARACTERS: Final = 4000
_END_SECONDS: Final = 30.0
"""How long a killed process may take to vanish: the kernel may be busy with what it held."""


class Child:
    """A process that is started at once, at the head of a process group of its own. It is killed when left by ``with``.

    Args:
        command: The program and its arguments.
        log: File that all it prints is appended to.
        directory: Where it runs; None for the directory of this process.
        variables: Its whole environment; None for that of this process.

    Raises:
        FileNotFoundError: There is no such program.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        directory: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.command = tuple(command)
        self._log = log
        with log.open("ab") as output:
            self._begins = output.tell()
            self.process = subprocess.Popen(  # noqa: S603 - what it runs is the caller's own command line
                self.command,
                cwd=directory,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Has the process that was started not ended yet?"""
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it has printed so far."""
        with self._log.open("rb") as file:
            file.seek(self._begins)
            return file.read().decode(errors="replace")[-_TAIL_CHARACTERS:]

    def send(self, number: int) -> None:
        """Send a signal to the process that was started, as a service manager does at first."""
        self.process.send_signal(number)

    def send_to_all(self, number: int) -> None:
        """Send a signal to it and to all that it has started, as a container that is removed does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def wait(self, seconds: float) -> int:
        """Wait for its end; the return code, negative for a signal.

        Raises:
            TimeoutError: It goes on; the message has the end of its log.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            message = f"{' '.join(self.command)} has not ended within {seconds:g} s; it printed:\n{self.log}"
            raise TimeoutError(message) from None

    def kill(self) -> None:
        """Kill it and all that it has started, and wait for its end."""
        self.send_to_all(signal.SIGKILL)
        self.wait(_END_SECONDS)

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what is left of it."""
        self.kill()
