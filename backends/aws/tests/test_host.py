"""AWS's own runtime client around our host: the answer first, then the drain, then the freeze."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent
from typing import Final

import pytest

from fireforget.testing.faults import free_port
from tests.counterparts.lambda_environment import LambdaEnvironment, environment
from tests.programs import ROOT, need
from tests.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="awslambdaric runs on Linux alone")

_TYPE: Final = re.compile(rb'"type":"([^"]*)"')

BEGIN = """
    import asyncio, os, threading
    from fireforget import FireForget, current_context
    from tests.faults.http_queue import HttpQueue

    ff = FireForget(queue=HttpQueue(os.environ["QUEUE"]))
"""

PLAIN = """
    @ff.handler
    def handler(event, context):
        ff.emit("first", {"number": event})
        ff.emit("second", {"number": event})
        return event
"""

ASYNC = """
    @ff.handler
    async def handler(event, context):
        ff.emit("first", {"number": event})
        await asyncio.sleep(0)
        ff.emit("second", {"number": event})
        return event
"""

STARLETTE = """
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def answer(request):
        if request.method == "POST":
            ff.emit("first", {})
            ff.emit("second", {})
        return JSONResponse(1)

    app = ff.wrap(Starlette(routes=[Route("/", answer, methods=["GET", "POST"])]))
"""

MANGUM = STARLETTE + """
    from mangum import Mangum

    handler = ff.handler(Mangum(app))
"""

LATER = """
    import asyncio

    async def later(name):
        await asyncio.sleep(0.2)
        ff.emit(name, {"thread": threading.current_thread().name})
"""

REQUEST = {
    "version": "2.0",
    "rawPath": "/",
    "rawQueryString": "",
    "headers": {"host": "shop.example"},
    "requestContext": {"http": {"method": "POST", "path": "/", "sourceIp": "203.0.113.7"}},
}
"""What API Gateway hands to a function (payload format 2.0)."""


class Queue(ThreadingHTTPServer):
    """A queue that takes events once it is let, and tells the environment's log of each.

    Attributes:
        events: The types of the events it has taken, in order.
        bodies: What was posted.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.open = threading.Event()
        self.open.set()
        self.down = False
        self.calls = 0
        self.events: list[str] = []
        self.bodies: list[bytes] = []
        self.note: Callable[[str], object] = str
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Posted(BaseHTTPRequestHandler):
    server: Queue
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        if not self.server.down:
            self.server.open.wait(PATIENCE)
            self.server.bodies.append(body)
            for name in _TYPE.findall(body):
                self.server.events.append(name.decode())
                self.server.note(name.decode())
        self.send_response(503 if self.server.down else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Its log would hide the test's."""


class Deployment:
    """Makes environments of functions, and the queue that all of them publish to."""

    def __init__(self, path: Path, queue: Queue, stack: ExitStack) -> None:
        self._path, self._stack = path, stack
        self.queue = queue

    def function(self, program: str, **settings: object) -> LambdaEnvironment:
        """One environment of a function with AWS's runtime client."""
        need("awslambdaric", "mangum")
        return self._make((sys.executable, "-m", "awslambdaric", "app.handler"), program, settings)

    def web(self, program: str, **settings: object) -> LambdaEnvironment:
        """One environment of a web server behind what stands where the Lambda Web Adapter does."""
        port = str(free_port())
        server = (sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", port, "app:app")
        adapter = (sys.executable, "-m", "tests.counterparts.web_adapter", port)
        return self._make((*adapter, *server), program, settings)

    def _make(self, command: tuple[str, ...], program: str, settings: dict[str, object]) -> LambdaEnvironment:
        (self._path / "tmp").mkdir(exist_ok=True)
        (self._path / "app.py").write_text(dedent(BEGIN) + dedent(program))
        variables = {f"FIREFORGET_{name.upper()}": str(value) for name, value in settings.items()} | {
            "FIREFORGET_PROCESSING_EMBEDDED": "false",
            "PYTHONPATH": f"{ROOT}:{self._path}",
            "QUEUE": self.queue.url,
            "TMPDIR": str(self._path / "tmp"),
        }
        made = self._stack.enter_context(environment(command, self._path, variables))
        self.queue.note = made.note
        return made


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployment]:
    queue = Queue()
    with ExitStack() as stack:
        yield Deployment(tmp_path, queue, stack)
        queue.open.set()
    queue.shutdown()
    queue.server_close()


KINDS = [("function", PLAIN, 1), ("function", ASYNC, 1), ("function", MANGUM, REQUEST), ("web", STARLETTE, 1)]
each_kind = pytest.mark.parametrize(("kind", "program", "event"), KINDS, ids=["plain", "async", "mangum", "web-adapter"])


@each_kind
def test_the_client_has_its_answer_while_the_queue_still_takes_its_time(
    deployed: Deployment, kind: str, program: str, event: object
) -> None:
    lambda_ = getattr(deployed, kind)(program)
    for number in range(1, 4):
        deployed.queue.open.clear()
        lambda_.invoke(event)
        assert len(deployed.queue.events) == 2 * number - 2
        deployed.queue.open.set()
        lambda_.wait_until_frozen()

    assert lambda_.log == ["registered", "frozen", *["answered", "first", "second", "frozen"] * 3], lambda_.output


# Work handed to wait_until


WORKING = {
    "plain": ("function", LATER + """
    @ff.handler
    def handler(event, context):
        current_context().wait_until(later("later"))
        current_context().wait_until(later("held"), start="after_response")
    """),
    "async": ("function", LATER + """
    @ff.handler
    async def handler(event, context):
        current_context().wait_until(later("later"))
        current_context().wait_until(later("held"), start="after_response")
    """),
    "mangum": ("function", MANGUM.replace('ff.emit("first", {})', 'current_context().wait_until(later("later"))')
    .replace('ff.emit("second", {})', 'current_context().wait_until(later("held"), start="after_response")') + LATER),
    "web-adapter": ("web", STARLETTE.replace('ff.emit("first", {})', 'current_context().wait_until(later("later"))')
    .replace('ff.emit("second", {})', 'current_context().wait_until(later("held"), start="after_response")') + LATER),
}


@pytest.mark.parametrize("name", WORKING)
def test_work_goes_on_after_the_answer_and_ends_before_the_freeze(deployed: Deployment, name: str) -> None:
    kind, program = WORKING[name]
    lambda_ = getattr(deployed, kind)(program)
    for _ in range(2):
        lambda_.run(REQUEST)

    assert sorted(lambda_.log[2:5]) == ["answered", "held", "later"]
    assert lambda_.log[2] == "answered"
    assert lambda_.log[5:] == lambda_.log[1:5][1:] + ["frozen"] or sorted(lambda_.log[6:9]) == sorted(lambda_.log[2:5])
    assert Counter(deployed.queue.events) == {"later": 2, "held": 2}
