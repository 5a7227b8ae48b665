"""Between two invocations a function is frozen, and the service closes connections that the function believes alive."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal

import pytest

from fireforget._configuration import settings_from
from fireforget.abc import SystemClock
from fireforget.processing import make_function
from fireforget_aws._table_layout import SHARDS
from fireforget_aws.handlers.processor import ProcessorHandler
from tests.counterparts.invocations import Invoked, event_of, failures, record
from tests.pipeline import event, message, unused_name

if TYPE_CHECKING:
    from collections.abc import Iterator

Death = Literal["closed while it idled", "reset when it is used again"]


class Table(ThreadingHTTPServer):
    """Stands for DynamoDB: takes whatever is written, and lets connections die while the function is frozen."""

    daemon_threads = True

    def __init__(self, death: Death) -> None:
        self.death = death
        self.alive: list[Connection] = []
        self.written = self.died_in_use = 0
        super().__init__(("127.0.0.1", 0), Connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def let_die(self) -> int:
        """End the connections that there are; says how many."""
        dying, self.alive = self.alive, []
        for connection in dying:
            connection.dead = True
            if self.death == "closed while it idled":
                connection.connection.shutdown(socket.SHUT_RDWR)
        return len(dying)


class Connection(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Table
    dead = False

    def setup(self) -> None:
        super().setup()
        self.server.alive.append(self)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.dead:
            self.server.died_in_use += 1
            self.close_connection = True
            return
        answer: dict[str, Any] = {"UnprocessedItems": {}}
        if "UpdateExpression" in body:
            answer = {"Attributes": {SHARDS: {"N": "1"}}}
        else:
            self.server.written += len(body["RequestItems"]["shop"])
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class FrozenClock(SystemClock):
    """The machine's clock, ahead by what a freeze took."""

    def __init__(self) -> None:
        self.frozen = 0

    def time_ns(self) -> int:
        return super().time_ns() + self.frozen * 1_000_000_000


@pytest.fixture(params=["closed while it idled", "reset when it is used again"])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    with Table(request.param) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_an_invocation_after_a_freeze_does_not_fail_because_of_one(
    table: Table, account: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", table.url)
    clock = FrozenClock()
    settings = settings_from({"queue": f"memory://{unused_name()}", "store": "dynamodb://shop"})
    handler = ProcessorHandler(lambda: make_function(settings, clock=clock))

    answers, died = [], []
    for number in range(3):
        answers.append(handler(event_of(record(message(event(number + 1)))), Invoked()))
        died.append(table.let_die())
        clock.frozen += 600
    handler.close()

    assert [failures(answer) for answer in answers] == [[], [], []]
    assert table.written == 3
    assert died == [1, 1, 1]
    seen = table.death == "closed while it idled"
    assert table.died_in_use == (0 if seen else 2)
    assert ("the store fails" in caplog.text) is not seen
