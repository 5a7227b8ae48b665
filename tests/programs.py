"""Real processes: programs and servers that emit, and the store that they share."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from contextlib import aclosing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from fireforget import Event, Settings
from fireforget._backends import Adapters
from fireforget.abc import Query
from fireforget.testing import faults
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT: Final = Path(__file__).parents[1]
"""So that programs, too, can import what the tests share."""

UVICORN: Final = (sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}")


class Site:
    """A directory in which programs run whose `FireForget()` reads the variables given here.

    Args:
        path: The directory.
        variables: ``FIREFORGET_*`` variables, without their prefix and in small letters.
    """

    def __init__(self, path: Path, **variables: object) -> None:
        self.path = path
        self.variables = {f"FIREFORGET_{name.upper()}": str(value) for name, value in variables.items()}

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        """Run a program to its end; its output.

        Raises:
            AssertionError: It ended with another code, or complained.
        """
        ended = subprocess.run(
            [sys.executable, "-c", dedent(program), *arguments],
            check=False,
            cwd=self.path,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
        )
        assert ended.returncode == code, ended.stderr
        assert code or "Traceback" not in ended.stderr, ended.stderr
        return ended.stdout

    @contextmanager
    def started(self, program: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program; it is killed at the end if it still runs."""
        with (self.path / "stderr.txt").open("a+") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", dedent(program), *arguments],
                cwd=self.path,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            with process:
                try:
                    yield process
                finally:
                    process.kill()

    @contextmanager
    def served(self, module: str, *options: str) -> Iterator[Server]:
        """Serve the ``app`` of a module's text with uvicorn; it is killed at the end if it still runs."""
        (self.path / "served.py").write_text(dedent(module))
        with self.serving(*UVICORN, "served:app", *options) as server:
            yield server

    @contextmanager
    def serving(self, *command: str) -> Iterator[Server]:
        """Run a server by its command line; it is killed at the end if it still runs."""
        with self.starting(*command) as server:
            server.wait_until_it_listens(PATIENCE)
            yield server

    @contextmanager
    def starting(self, *command: str) -> Iterator[Server]:
        """As `serving`, without waiting until it serves."""
        log = self.path / f"server-{len(list(self.path.glob('server-*.log')))}.log"
        with Server(command, log, directory=self.path, variables=self._environment()) as server, server.client:
            yield server

    def stored(self) -> list[Event]:
        """Everything in the store."""
        return asyncio.run(self._scan())

    def wait_for_events(self, ids: Collection[str]) -> None:
        """Wait until the store holds these events.

        Raises:
            TimeoutError: It does not.
        """
        wait_for(lambda: {event.id for event in self.stored()} >= set(ids))

    def journals(self) -> list[Path]:
        """The directories of the journals that are there."""
        return [path for path in (self.path / ".fireforget" / "journal").glob("*") if path.is_dir()]

    async def _scan(self) -> list[Event]:
        store = Adapters(Settings(directory=str(self.path / ".fireforget"))).store()
        try:
            async with aclosing(store.scan(Query())) as records:  # type: ignore[type-var]
                return [record.event async for record in records]
        finally:
            await store.aclose()

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FIREFORGET_")}
        return clean | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)} | self.variables


class Server(faults.Server):
    """A server process, and a client of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE, trust_env=False)

    def get(self, path: str, **options: Any) -> str:
        """The text of a response."""
        return self.client.get(path, **options).raise_for_status().text

    def stop(self, signal: int) -> int:
        """Send a signal and wait for the end; the return code."""
        self.send(signal)
        return self.wait(2 * PATIENCE)


def need(*modules: str) -> None:
    """Skip the test where one of them is not installed; none is imported."""
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")


def check_once(events: list[Event], ids: Collection[str]) -> None:
    """Each of the ids is there, and no event twice."""
    counted = Counter(event.id for event in events)
    assert set(counted.values()) <= {1}
    assert set(ids) <= set(counted)
