"""AWS's own runtime client around our host: the answer first, then the drain, then the freeze."""

from __future__ import annotations

import re
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
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

BEGIN: Final = """
import asyncio, os, threading
from fireforget import FireForget, current_context
from tests.faults.http_queue import HttpQueue

ff = FireForget(queue=HttpQueue(os.environ["QUEUE"]))
"""
EMITS: Final = """
def act():
    ff.emit("first", {"deadline": current_context().deadline})
    ff.emit("second", {})
"""
WORKS: Final = """
def act():
    current_context().wait_until(later("later"))
    current_context().wait_until(later("held"), start="after_response")

async def later(name):
    await asyncio.sleep(0.2)
    ff.emit(name, {})
"""
PLAIN: Final = """
@ff.handler
def handler(event, context):
    act()
"""
ASYNC: Final = """
@ff.handler
async def handler(event, context):
    act()
    await asyncio.sleep(0)
"""
STARLETTE: Final = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def answer(request):
    if request.method == "POST":
        act()
    return JSONResponse({})

app = ff.wrap(Starlette(routes=[Route("/", answer, methods=["GET", "POST"])]))
"""
MANGUM: Final = (
    STARLETTE
    + """
from mangum import Mangum

handler = ff.handler(Mangum(app))
"""
)

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
        open: Whether calls are answered, or wait.
        down: It refuses all calls.
        failures: So many calls are refused at first.
        seconds: How long each call takes.
        calls: How many there were.
        events: The types of the events it has taken, in order.
        bodies: What was posted.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Posted)
        self.open = threading.Event()
        self.open.set()
        self.down = False
        self.failures = 0
        self.seconds = 0.0
        self.calls = 0
        self.events: list[str] = []
        self.bodies: list[bytes] = []
        self.note: Callable[[str], object] = str
        self.connections: list[socket.socket] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def hang_up(self) -> None:
        """End all connections."""
        for connection in self.connections:
            with suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()


class _Posted(BaseHTTPRequestHandler):
    server: Queue
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.calls += 1
        down = self.server.down or self.server.calls <= self.server.failures
        if not down:
            self.server.open.wait(PATIENCE)
            time.sleep(self.server.seconds)
            self.server.bodies.append(body)
            for name in _TYPE.findall(body):
                self.server.events.append(name.decode())
                self.server.note(name.decode())
        self.send_response(503 if down else 200)
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
        program = dedent(program)
        (self._path / "app.py").write_text(program if "import FireForget" in program else BEGIN + program)
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


each_kind = pytest.mark.parametrize(
    ("kind", "program"),
    [("function", PLAIN), ("function", ASYNC), ("function", MANGUM), ("web", STARLETTE)],
    ids=["plain", "async", "mangum", "web-adapter"],
)


@each_kind
def test_the_client_has_its_answer_while_the_queue_still_takes_its_time(
    deployed: Deployment, kind: str, program: str
) -> None:
    lambda_ = getattr(deployed, kind)(EMITS + program)
    for number in range(1, 4):
        deployed.queue.open.clear()
        lambda_.invoke(REQUEST)
        assert len(deployed.queue.events) == 2 * number - 2
        deployed.queue.open.set()
        lambda_.wait_until_frozen()

    assert lambda_.log == ["registered", "frozen", *["answered", "first", "second", "frozen"] * 3], lambda_.output


# Work handed to wait_until


@each_kind
def test_work_goes_on_after_the_answer_and_ends_before_the_freeze(
    deployed: Deployment, kind: str, program: str
) -> None:
    lambda_ = getattr(deployed, kind)(WORKS + program)
    for _ in range(2):
        lambda_.run(REQUEST)

    assert [what if what in {"answered", "frozen"} else "event" for what in lambda_.log[2:]] == [
        *["answered", "event", "event", "frozen"] * 2
    ], lambda_.output
    assert Counter(deployed.queue.events) == {"later": 2, "held": 2}


def test_work_that_the_deadline_cuts_off_goes_on_with_the_next_invocation(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        async def long():
            ff.emit("began", {})
            await done.wait()
            ff.emit("ended", {})

        @ff.handler
        async def handler(event, context):
            global done
            if event == "begin":
                done = asyncio.Event()
                current_context().wait_until(long())
            else:
                done.set()
    """)
    lambda_.run("begin", seconds=1.5)
    assert deployed.queue.events == ["began"]
    lambda_.run("end")

    assert lambda_.log[2:] == ["answered", "began", "frozen", "answered", "ended", "frozen"]


# The deadline


MANY = """
@ff.handler
def handler(event, context):
    for number in range(event):
        ff.emit(f"event-{number}", {})
"""


def test_what_the_deadline_cuts_off_is_delivered_after_the_thaw_and_nothing_twice(deployed: Deployment) -> None:
    lambda_ = deployed.function(
        MANY, dispatch_pack_bytes=1, dispatch_publish_concurrency=1, dispatch_publish_timeout=1.0
    )
    deployed.queue.seconds = 0.1
    lambda_.run(20, seconds=1.5)
    before = len(deployed.queue.events)
    time.sleep(1.2)  # a call that was under way would be out of time by now
    lambda_.run(0)

    assert 0 < before < 20
    assert deployed.queue.events == [f"event-{number}" for number in range(20)]


def test_a_call_that_is_frozen_ends_after_the_thaw_and_is_not_made_again(deployed: Deployment) -> None:
    lambda_ = deployed.function(MANY, dispatch_publish_timeout=1.4)
    deployed.queue.open.clear()
    lambda_.run(3, seconds=1.5)
    assert deployed.queue.events == []
    time.sleep(1)  # awake, the call would be out of time by now
    deployed.queue.open.set()
    wait_for(lambda: len(deployed.queue.events) == 3)
    lambda_.run(0)

    assert deployed.queue.calls == 1


def test_an_invocation_that_times_out_leaves_its_events_to_the_next_process(deployed: Deployment) -> None:
    lambda_ = deployed.function(
        """
        @ff.handler
        def handler(event, context):
            ff.emit(event, {})
            if event == "stuck":
                threading.Event().wait()
        """,
        dispatch_linger_seconds=3600,
    )
    lambda_.run("before")
    with pytest.raises(TimeoutError):
        lambda_.invoke("stuck", seconds=1.0)
    lambda_.run("after")

    assert Counter(deployed.queue.events) == {"before": 1, "stuck": 1, "after": 1}


def test_the_context_knows_the_deadline_and_the_ids_of_the_invocation(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        @ff.handler
        def handler(event, context):
            ff.emit("first", {})
            ff.emit("second", {})
            left = context.get_remaining_time_in_millis() / 1000
            return [context.aws_request_id, current_context().deadline, left, current_context().correlationid]
    """)
    answer = lambda_.run(seconds=20.0)
    requestid, deadline, left, correlationid = answer.body
    (body,) = deployed.queue.bodies
    root, parent = answer.trace[7:].replace("-", "").split(";")[:2]

    assert abs(deadline - left) < 0.1
    assert 0 < deadline < 20
    assert body.count(f'"requestid":"{requestid}"'.encode()) == 2
    assert body.count(f'"correlationid":"{correlationid}"'.encode()) == 2
    assert body.count(f'"traceparent":"00-{root}-{parent.removeprefix("Parent=")}-01"'.encode()) == 2


@each_kind
def test_so_does_the_context_of_each_kind(deployed: Deployment, kind: str, program: str) -> None:
    answer = getattr(deployed, kind)(EMITS + program).run(REQUEST, seconds=20.0)
    (body,) = deployed.queue.bodies
    (deadline,) = re.findall(rb'"deadline":([0-9.]+)', body)

    assert 0 < float(deadline) < 20
    assert len(re.findall(rb'"requestid":"[0-9a-f-]{36}"', body)) == 2
    assert body.count(answer.trace.partition("Parent=")[2][:16].encode()) == 2


# The queue


BACKOFF = {"dispatch_backoff_seconds": 36e5, "dispatch_max_backoff_seconds": 36e5}


def test_what_a_queue_that_is_down_has_not_taken_is_resent_with_the_next_invocation(deployed: Deployment) -> None:
    lambda_ = deployed.function(EMITS + PLAIN, dispatch_breaker_failures=1, drain_seconds=3.0, **BACKOFF)
    deployed.queue.down = True
    for number in range(2):
        lambda_.run(number)
    assert deployed.queue.calls >= 2
    deployed.queue.down = False
    lambda_.run(2)

    assert Counter(deployed.queue.events) == {"first": 3, "second": 3}
    assert lambda_.log[2:6] == ["answered", "frozen"] * 2


def test_what_fails_now_and_then_is_tried_again_before_the_freeze(deployed: Deployment) -> None:
    lambda_ = deployed.function(EMITS + PLAIN, dispatch_backoff_seconds=0.05)
    deployed.queue.failures = 2
    lambda_.run(1)

    assert deployed.queue.calls == 3
    assert deployed.queue.events == ["first", "second"]


def test_connections_that_died_in_the_sleep_cost_nothing(deployed: Deployment) -> None:
    lambda_ = deployed.function(EMITS + PLAIN, dispatch_backoff_seconds=0.05)
    for _ in range(3):
        lambda_.run(1)
        deployed.queue.hang_up()

    assert lambda_.log[2:] == ["answered", "first", "second", "frozen"] * 3


def test_what_a_process_held_that_died_in_its_sleep_is_delivered_by_the_next_one(deployed: Deployment) -> None:
    lambda_ = deployed.function(EMITS + PLAIN, dispatch_breaker_failures=1)
    deployed.queue.down = True
    lambda_.run(1)
    lambda_.kill()
    deployed.queue.down = False
    lambda_.run(2)

    assert Counter(deployed.queue.events) == {"first": 2, "second": 2}


# Other functions


def test_a_function_that_raises_leaves_its_events_all_the_same(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        @ff.handler
        def handler(event, context):
            ff.emit("before", {})
            raise LookupError("no such thing")
    """)
    assert lambda_.run().failed
    assert lambda_.log[2:] == ["failed", "before", "frozen"]


@pytest.mark.timeout(30)
def test_a_function_that_tells_nothing_is_frozen_long_before_its_deadline(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        def handler(event, context):
            return event
    """)
    for _ in range(2):
        lambda_.run(1, seconds=3600.0)

    assert lambda_.log == ["registered", "frozen", *["answered", "frozen"] * 2]


def test_what_a_function_without_the_wrapper_emits_is_delivered_at_the_latest_with_the_next_invocation(
    deployed: Deployment,
) -> None:
    lambda_ = deployed.function("""
        def handler(event, context):
            ff.emit(event, {})
            return event
    """)
    for name in ("first", "second", "third"):
        lambda_.run(name)

    assert {"first", "second"} <= set(deployed.queue.events)
    assert len(deployed.queue.events) == len(set(deployed.queue.events))


def test_two_of_them_share_one_extension_and_both_are_drained(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        other = FireForget(queue=HttpQueue(os.environ["QUEUE"] + "/other"))

        @ff.handler
        def handler(event, context):
            ff.emit("first", {})
            other.emit("second", {})
    """)
    lambda_.run()
    lambda_.run()

    assert lambda_.log.count("registered") == 1
    assert Counter(deployed.queue.events) == {"first": 2, "second": 2}
    assert lambda_.log[-1] == "frozen"


def test_what_the_module_emits_as_it_is_imported_is_delivered_with_the_first_invocation(deployed: Deployment) -> None:
    lambda_ = deployed.function(
        """
        ff.emit("imported", {})

        @ff.handler
        def handler(event, context):
            return event
    """,
        dispatch_linger_seconds=3600,
    )
    lambda_.run()

    assert lambda_.log == ["registered", "frozen", "answered", "imported", "frozen"]


def test_the_journal_is_where_the_environment_lets_write(deployed: Deployment, tmp_path: Path) -> None:
    deployed.function(EMITS + PLAIN).run(1)

    assert (tmp_path / "tmp" / "fireforget" / "journal").is_dir()
    assert not (tmp_path / ".fireforget").exists()


def test_thirty_invocations_leave_neither_threads_nor_descriptors_behind(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        async def later():
            ff.emit("later", {})

        @ff.handler
        async def handler(event, context):
            current_context().wait_until(later(), start="after_response")
            return [threading.active_count(), len(os.listdir("/proc/self/fd"))]
    """)
    answers = [lambda_.run().body for _ in range(30)]

    threads, descriptors = zip(*answers, strict=True)
    assert len(set(threads[5:])) == 1
    assert max(descriptors[20:]) <= max(descriptors[:10]) + 2  # a connection that has not been closed yet
    assert len(deployed.queue.events) == 30
    assert lambda_.log[2:] == ["answered", "later", "frozen"] * 30


# Where the environment cannot be kept alive, the answer waits


def test_without_the_wrapper_an_answer_of_mangum_waits_for_its_work_alone(deployed: Deployment) -> None:
    unwrapped = MANGUM.replace("ff.handler(Mangum(app))", "Mangum(app)")
    lambda_ = deployed.function(EMITS + WORKS.replace("def act():", "def act(emit=act):\n    emit()") + unwrapped)
    deployed.queue.open.clear()
    lambda_.invoke(REQUEST)
    assert deployed.queue.events == []
    deployed.queue.open.set()
    lambda_.wait_until_frozen()

    assert Counter(deployed.queue.events) == {"first": 1, "second": 1, "later": 1, "held": 1}
    assert "ff.handler(Mangum(app))" in lambda_.output


def test_an_application_that_begins_too_late_holds_its_answer(deployed: Deployment) -> None:
    lambda_ = deployed.function(
        EMITS
        + MANGUM.replace("handler = ff.handler(", "mangum = (")
        + """
def handler(event, context):
    threading.Event().wait(1)
    return mangum(event, context)
"""
    )
    lambda_.run(REQUEST)

    assert lambda_.log[2:] == ["first", "second", "answered", "frozen"]


def test_one_that_is_made_too_late_to_register_holds_its_answers(deployed: Deployment) -> None:
    lambda_ = deployed.function("""
        import os
        from fireforget import FireForget
        from tests.faults.http_queue import HttpQueue

        made = []

        def emit(event, context):
            made[0].emit(event, {})

        def handler(event, context):
            if not made:
                made.append(FireForget(queue=HttpQueue(os.environ["QUEUE"])))
            return made[0].handler(emit)(event, context)
    """)
    lambda_.run("one")
    lambda_.run("two")

    assert lambda_.log == ["frozen", "one", "answered", "frozen", "two", "answered", "frozen"]
    assert "make FireForget() where the module is imported" in lambda_.output
