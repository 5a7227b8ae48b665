"""A line to AWS that hurts: it cuts, loses answers, answers itself, and has half of a batch done."""

from __future__ import annotations

import json
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON: Final = "application/x-amz-json-1.0"

ANSWERS: Final = {
    "unavailable": (503, "text/html", b"<html>Service Unavailable</html>"),
    "throttled": (400, _JSON, b'{"__type":"ThrottlingException","message":"Rate exceeded"}'),
    "expired": (400, _JSON, b'{"__type":"ExpiredTokenException","message":"The token is expired"}'),
    "denied": (400, _JSON, b'{"__type":"AccessDeniedException","message":"not authorized"}'),
    "a page": (200, "text/html", b"<html>Accept our terms</html>"),
    "nothing": (200, _JSON, b"{}"),
}
"""What it answers in place of AWS."""
BLOWS: Final = (*ANSWERS, "cut", "answer lost", "answer torn", "done, but an error", "half of it", "half of it")
"""What it does to a request."""


class BadLine(ThreadingHTTPServer):
    """Passes requests on to a server of this machine, and hurts some: each operation meets with each blow once.

    Args:
        port: Where the server listens.
        seed: In which order it hurts the requests of each operation.

    Attributes:
        told: How often it has done what.
    """

    daemon_threads = True

    def __init__(self, port: int, seed: int) -> None:
        self.port = port
        self.told = Counter[str]()
        self.chance = random.Random(seed)
        self._lock = threading.Lock()
        self._left: dict[str, list[str]] = {}
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        """Its own address."""
        return f"http://127.0.0.1:{self.server_port}"

    def blow(self, operation: str) -> str:
        """What the next request of that operation meets with."""
        with self._lock:
            if operation not in self._left:
                self._left[operation] = [*BLOWS, *["passed on"] * 2 * len(BLOWS)]
                self.chance.shuffle(self._left[operation])
            left = self._left[operation]
            return left.pop() if left else "passed on"

    def handle_error(self, request: object, client_address: object) -> None:
        """Who was asking may have been killed."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BadLine

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        line = self.server
        blow = line.blow(self.headers["X-Amz-Target"])
        line.told[blow] += 1
        if blow in ANSWERS:
            self._answer(*ANSWERS[blow])
        elif blow == "cut":
            self._cut()
        elif blow == "half of it":
            self._answer(200, _JSON, self._half(json.loads(body)))
        else:
            answer = self._passed_on(body)
            if blow == "answer lost":
                self._cut()
            elif blow == "answer torn":
                self._answer(*answer, size=len(answer[2]) + 1)
                self._cut()
            elif blow == "done, but an error":
                self._answer(500, _JSON, b'{"__type":"InternalFailure"}')
            else:
                self._answer(*answer)

    def _passed_on(self, body: bytes) -> tuple[int, str, bytes]:
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            return response.status, response.headers["Content-Type"], response.read()
        finally:
            connection.close()

    def _half(self, request: dict[str, Any]) -> bytes:
        """Have some of a batch done, and say that the rest failed, though it may have been done, too."""
        if "Entries" in request:
            failed = [entry for entry in request["Entries"] if self.server.chance.random() < 1 / 2]
            all_done = self.server.chance.random() < 1 / 2
            sent = [entry for entry in request["Entries"] if all_done or entry not in failed]
            answer = json.loads(self._passed_on(json.dumps({**request, "Entries": sent}).encode())[2]) if sent else {}
            ids = {entry["Id"] for entry in failed}
            for name in ("Successful", "Failed"):
                answer[name] = [entry for entry in answer.get(name, []) if entry["Id"] not in ids]
            answer["Failed"] += [{"Id": id_, "Code": "InternalError", "SenderFault": False} for id_ in ids]
            return json.dumps(answer).encode()
        if "RequestItems" in request:
            ((table, items),) = request["RequestItems"].items()
            left = [item for item in items if self.server.chance.random() < 1 / 2]
            if sent := [item for item in items if item not in left]:
                self._passed_on(json.dumps({**request, "RequestItems": {table: sent}}).encode())
            return json.dumps({"UnprocessedItems": {table: left} if left else {}}).encode()
        return self._passed_on(json.dumps(request).encode())[2]

    def _answer(self, status: int, kind: str, body: bytes, *, size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        """Reset the connection."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def bad_line(url: str, seed: int) -> Iterator[BadLine]:
    """Lead one to a server of this machine."""
    with BadLine(int(url.rpartition(":")[2]), seed) as line:
        thread = threading.Thread(target=line.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield line
        finally:
            line.shutdown()
            thread.join()
