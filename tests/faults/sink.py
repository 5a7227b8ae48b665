"""A service of analytics that only remembers which events it was given."""

from __future__ import annotations

import gzip
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from tests.bodies import read_body

_LOOK_SECONDS: Final = 0.01
"""How soon it notices that it is told to stop."""

MARK: Final = re.compile(rb"mark-[0-9a-f]{32}-\d+")


class Sink(ThreadingHTTPServer):
    """Takes whatever is posted, in any format that keeps text as it is; answers at once.

    Attributes:
        marks: The marks of the events that have arrived.
    """

    daemon_threads = True
    request_queue_size = 128  # who finds the queue of five full waits a second

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.marks: set[bytes] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(_LOOK_SECONDS,), daemon=True)
        self._thread.start()

    def take(self, body: bytes) -> None:
        """Remember what has been posted."""
        self.marks |= set(MARK.findall(body))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Sink
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer has two parts, and the second would wait 40 ms for the client

    def do_POST(self) -> None:
        body = read_body(self)
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.take(body)
        self._answer(b'{"status": 1, "success": true, "code": 200}')

    def do_GET(self) -> None:
        self._answer(b"{}")

    def log_message(self, *arguments: object) -> None:
        """Its log would hide the table."""

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
