"""Real processes: programs and servers that emit, and the store that they share."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import aclosing, contextmanager
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

import httpx

from fireforget import Event, Settings
from fireforget._backends import Adapters
from fireforget.abc import Query
from tests.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_ROOT: Final = Path(__file__).parents[1]
"""So that programs, too, can import what the tests share."""

_ADDRESS: Final = re.compile(r"Uvicorn running on (http://[0-9.:]+)")


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
        log = self.path / f"uvicorn-{len(list(self.path.glob('uvicorn-*.log')))}.log"
        command = [sys.executable, "-m", "uvicorn", "served:app", "--host", "127.0.0.1", "--port", "0", *options]
        with log.open("w") as output:
            process = subprocess.Popen(
                command, cwd=self.path, env=self._environment(), stdout=output, stderr=subprocess.STDOUT
            )
            with process:
                server = Server(process, log)
                try:
                    server.wait()
                    yield server
                finally:
                    server.client.close()
                    process.kill()

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
        return clean | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(_ROOT)} | self.variables


class Server:
    """A uvicorn process.

    Args:
        process: The process.
        log: What it prints.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self.client = httpx.Client(timeout=PATIENCE, trust_env=False)

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text()

    def wait(self) -> None:
        """Wait until it answers."""
        wait_for(lambda: _ADDRESS.search(self.log) or self.process.poll() is not None)
        found = _ADDRESS.search(self.log)
        assert found is not None, self.log
        self.client.base_url = httpx.URL(found[1])

    def get(self, path: str, **options: Any) -> str:
        """The text of a response."""
        return self.client.get(path, **options).raise_for_status().text

    def stop(self, signal: int) -> int:
        """Send a signal and wait for the end; the return code."""
        self.process.send_signal(signal)
        return self.process.wait(2 * PATIENCE)


def check_once(events: list[Event], ids: Collection[str]) -> None:
    """Each of the ids is there, and no event twice."""
    counted = Counter(event.id for event in events)
    assert set(counted.values()) <= {1}
    assert set(ids) <= set(counted)
