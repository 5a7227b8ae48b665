"""Servers that stand in for AWS: ministack, and moto as the second opinion. Each has an environment of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import httpx
import msgspec
import pytest

from fireforget.testing.faults import free_port
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


class Counterpart(msgspec.Struct, frozen=True):
    """A server that runs.

    Args:
        name: Which one.
        url: Its endpoint, for all services.
    """

    name: Name
    url: str


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
    programs: dict[Name, list[str | Path]] = {
        "ministack": [BUILD / name / "bin" / "ministack"],
        "moto": [BUILD / name / "bin" / "moto_server", "-H", "127.0.0.1", "-p", str(port)],
    }
    variables = {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_PORT": str(free_port()),
        "LOG_LEVEL": "WARNING",
    }
    with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("wb") as log:
        process = subprocess.Popen(
            programs[name], cwd=folder, env=os.environ | VARIABLES | variables, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: _answers(url, process))
            yield Counterpart(name, url)
        finally:
            process.terminate()
            process.wait()


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "it ended at once"
    try:
        httpx.get(url, timeout=5)
    except httpx.TransportError:
        return False
    return True
