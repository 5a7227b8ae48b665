"""How many of 50 events are delivered when uvicorn gets SIGTERM right after the requests: ours beside others."""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import uuid4

from fireforget.testing.faults import Server
from tests.faults.peers.libraries import LIBRARIES, Library
from tests.faults.sink import Sink

RESULTS: Final = Path(__file__).with_name("RESULTS.md")

_EVENTS: Final = 50
_PATIENCE: Final = 60.0

_HEAD: Final = f"""# Delivered when the server ends

Written by `make peers`. uvicorn serves an application that records one event in each request, with each library wired
as its own documentation begins, towards a service on this machine that answers at once. A client makes {_EVENTS}
requests, one after the other; right after the last answer the server gets SIGTERM, and has as long to end as it wants.
Then the same with SIGKILL, another start, and SIGTERM as soon as that listens.

Who sends every ten events has sent the last of {_EVENTS} with the last request; of 49 it would be 40.
"""


@dataclass(frozen=True)
class Row:
    """What came of one library.

    Args:
        library: Which.
        after_term: Events delivered after SIGTERM.
        after_kill: Events delivered after SIGKILL and another start.
    """

    library: Library
    after_term: int
    after_kill: int

    def __str__(self) -> str:
        """As a row of the table."""
        told = version(self.library.package) if self.library.package else f"Python {platform.python_version()}"
        return f"| {self.library.name} | {told} | {self.library.how} | {self.after_term} | {self.after_kill} |"


def main() -> int:
    """Try each library, print the table and write it; the exit code is 1 where ours lost an event."""
    rows = []
    for library in LIBRARIES:
        rows.append(Row(library, _try(library, signal.SIGTERM), _try(library, signal.SIGKILL)))
        print(rows[-1], flush=True)
    head = "| Library | Version | How it sends | After SIGTERM | After SIGKILL and a start |\n|---|---|---|---:|---:|"
    told = f"Delivered of {_EVENTS} events, under uvicorn {version('uvicorn')}:"
    RESULTS.write_text("\n".join((_HEAD, told, "", head, *map(str, rows), "")), encoding="utf-8")
    return int(rows[0].after_term < _EVENTS or rows[0].after_kill < _EVENTS)


def _try(library: Library, number: signal.Signals) -> int:
    """How many events a library delivers."""
    with tempfile.TemporaryDirectory() as directory, Sink() as sink:
        log = Path(directory, "log")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("FIREFORGET_")}
        variables = {**clean, "LIBRARY": library.name, "SINK": sink.url, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, "-m", "uvicorn", "tests.faults.peers.shop:app", "--port", "{port}"]
        with Server(command, log, directory=Path(directory), variables=variables) as server:
            server.wait_until_it_listens(_PATIENCE)
            _ask(server.port)
            server.send(number)
            server.wait(_PATIENCE)
        if number == signal.SIGKILL:
            with Server(command, log, directory=Path(directory), variables=variables) as server:
                server.wait_until_it_listens(_PATIENCE)
                server.send(signal.SIGTERM)
                server.wait(_PATIENCE)
        return len(sink.marks)


def _ask(port: int) -> None:
    """Make the requests, one after the other.

    Raises:
        ConnectionError: One failed.
    """
    run = uuid4().hex
    client = HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    for event in range(_EVENTS):
        client.request("GET", f"/mark-{run}-{event}")
        answer = client.getresponse()
        answer.read()
        if answer.status != HTTPStatus.NO_CONTENT:
            raise ConnectionError(f"the shop answered {answer.status}")
    client.close()


if __name__ == "__main__":
    sys.exit(main())
