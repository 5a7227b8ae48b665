"""Servers that stand in for AWS: ministack, and moto as the second opinion. Each has an environment of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import httpx
import msgspec
import pytest

from fireforget.abc import SystemClock
from fireforget.testing.faults import free_port
from tests.counterparts import moved_time
from tests.counterparts.moved_time import FORM
from tests.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

BUILD: Final = Path(__file__).parents[2] / "build"

Name = Literal["ministack", "moto"]

REGION: Final = "eu-west-2"

NOWHERE: Final = "http://127.0.0.1:1"
"""An endpoint where nobody listens."""

VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What every client needs that speaks to one of them."""


class MovedClock(SystemClock):
    """The machine's clock, ahead by as much as a test says, for a server and for those who call it.

    Args:
        file: Where the server reads by how much.
    """

    __slots__ = ("_ahead", "_file")

    def __init__(self, file: Path) -> None:
        self._file = file
        self._ahead = 0.0
        self.advance(0)

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._ahead += seconds
        with self._file.open("r+b" if self._file.exists() else "w+b") as opened:
            opened.write(FORM.pack(self._ahead))

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return time.time_ns() + round(self._ahead * 1e9)

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic() + self._ahead


class Counterpart(msgspec.Struct, frozen=True):
    """A server that runs.

    Args:
        name: Which one.
        url: Its endpoint, for all services.
        clock: The clock by which it counts leases, which a test can move.
    """

    name: Name
    url: str
    clock: MovedClock


def missing(name: Name) -> str:
    """Why it cannot be started here; empty where it can."""
    return "" if (BUILD / name / ".ready").exists() else f"build/{name} is missing: make counterparts"


@contextmanager
def running(name: Name) -> Iterator[Counterpart]:
    """Start one on a free port of this machine, and end it."""
    if reason := missing(name):
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    port = free_port()
    programs: dict[Name, list[str]] = {
        "ministack": ["ministack"],
        "moto": ["moto_server", "-H", "127.0.0.1", "-p", str(port)],
    }
    program, *arguments = programs[name]
    variables = {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
    }
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("wb") as log:
        clock = MovedClock(Path(folder, "ahead"))
        bin_ = BUILD / name / "bin"
        process = subprocess.Popen(
            [bin_ / "python", moved_time.__file__, Path(folder, "ahead"), bin_ / program, *arguments],
            cwd=folder,
            env=os.environ | VARIABLES | variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _answers(url, process))
            yield Counterpart(name, url, clock)
        finally:
            process.terminate()
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended at once"
    try:
        httpx.get(url, timeout=5, verify=False)  # it speaks no TLS, and reading certificates takes its time
    except httpx.TransportError:
        return False
    return True
