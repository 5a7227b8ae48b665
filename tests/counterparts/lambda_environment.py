"""Stands in for the environment of a Lambda function: the Runtime API, the Extensions API, the freeze and the deadline.

Written after AWS's "Lambda runtime API", "Extensions API" and "Lambda execution environment". The processes are stopped
with SIGSTOP once the runtime and all extensions have asked for the next event, and go on with the next invocation.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from tests.bodies import read_body
from tests.waiting import PATIENCE

_RUNTIME: Final = "/2018-06-01/runtime/"
_EXTENSIONS: Final = "/2020-01-01/extension/"
_STEP: Final = 1 / 20


class Answer(msgspec.Struct, frozen=True):
    """What a function answered.

    Args:
        body: Its JSON, decoded.
        failed: It raised.
        trace: The tracing header that it was given.
    """

    body: Any
    failed: bool
    trace: str


class Call(msgspec.Struct):
    """An invocation on its way."""

    id: str
    body: bytes
    deadline: float
    trace: str
    answer: Answer | None = None


class LambdaEnvironment(ThreadingHTTPServer):
    """One environment of one function.

    Args:
        command: What runs in it.
        directory: Where it runs.
        variables: Its environment variables, with those of Lambda.

    Attributes:
        log: What happened, in order. The test adds what it sees itself, by `note`.
    """

    daemon_threads = True

    def __init__(self, command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._command, self._directory, self._variables = command, directory, variables
        self.changed = threading.Condition()
        self.log: list[str] = []
        self.frozen = False
        self._process: subprocess.Popen[bytes] | None = None
        self._forget()
        threading.Thread(target=self.serve_forever, args=(_STEP,), daemon=True).start()

    def _forget(self) -> None:
        self.initialised = False
        self.generation = uuid4().hex
        self.waiting: dict[str, bool] = {"runtime": False}
        self.call: Call | None = None
        self.seen: dict[str, str] = {}

    # What the test does

    def invoke(self, event: object = None, *, seconds: float = PATIENCE) -> Answer:
        """Invoke the function and wait for its answer, no longer.

        Args:
            event: What it is given.
            seconds: Its timeout.

        Raises:
            TimeoutError: The deadline came first: the processes are killed, as by Lambda.
        """
        if self._process is None:
            self._start()
        with self.changed:
            self._wait(lambda: self.frozen, PATIENCE)
            trace = f"Root=1-{uuid4().hex[:8]}-{uuid4().hex[:24]};Parent={uuid4().hex[:16]};Sampled=1"
            call = self.call = Call(str(uuid4()), json.dumps(event).encode(), time.time() + seconds, trace)
            self.waiting = dict.fromkeys(self.waiting, False)
            self._thaw()
            self.changed.notify_all()
            try:
                self._wait(lambda: call.answer, seconds)
            except TimeoutError:
                self.kill("timeout")
                raise
            assert call.answer is not None
            return call.answer

    def wait_until_frozen(self) -> None:
        """Wait until the invocation is over, for the extensions, too.

        Raises:
            TimeoutError: The deadline came first: the processes are killed, as by Lambda.
        """
        with self.changed:
            assert self.call is not None
            try:
                self._wait(lambda: self.frozen, self.call.deadline - time.time())
            except TimeoutError:
                self.kill("timeout")
                raise

    def run(self, event: object = None, *, seconds: float = PATIENCE) -> Answer:
        """Invoke the function and wait until the environment is frozen."""
        answer = self.invoke(event, seconds=seconds)
        self.wait_until_frozen()
        return answer

    def kill(self, why: str = "killed") -> None:
        """Kill the processes; the next invocation starts them anew, with the same files."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self.note(why)
        with self.changed:
            self.frozen = False
            self._forget()
            self.changed.notify_all()

    def note(self, what: str) -> None:
        """Add to the log."""
        with self.changed:
            self.log.append(what)
            self.changed.notify_all()

    @property
    def address(self) -> str:
        """Host and port of its APIs."""
        return f"127.0.0.1:{self.server_port}"

    @property
    def output(self) -> str:
        """What the processes have printed."""
        return (self._directory / "output.txt").read_text()

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        assert self._process is not None
        return self._process.pid

    # What Lambda does

    def _start(self) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("FIREFORGET_", "AWS_"))}
        variables = clean | {"AWS_LAMBDA_RUNTIME_API": self.address, "PYTHONUNBUFFERED": "1"} | dict(self._variables)
        with (self._directory / "output.txt").open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env=variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, condition: Any, seconds: float) -> None:
        """Holding the lock; dead processes are not waited for."""
        until = time.monotonic() + seconds
        while not condition():
            process = self._process
            assert process is None or process.poll() is None, f"the environment has ended: {self.output}"
            if time.monotonic() >= until:
                raise TimeoutError(f"{self.log}: {self.output}")
            self.changed.wait(min(_STEP, max(0.0, until - time.monotonic())))

    def _thaw(self) -> None:
        self.frozen = False
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)

    def ask(self, who: str) -> Call | None:
        """The runtime or an extension asks for the next event; None where it will never get one."""
        with self.changed:
            generation = self.generation
            if who == "runtime":
                self.initialised = True
            self.waiting[who] = True
            last = self.seen.get(who)
            if all(self.waiting.values()) and self._process is not None:
                os.killpg(self._process.pid, signal.SIGSTOP)
                self.frozen = True
                self.log.append("frozen")
            self.changed.notify_all()
            while self.generation == generation:
                if self.call is not None and self.call.id != last and not self.frozen:
                    self.seen[who] = self.call.id
                    return self.call
                self.changed.wait()
            return None

    def answer(self, invocation: str, body: bytes, *, failed: bool) -> None:
        """The runtime answers."""
        with self.changed:
            if self.call is not None and self.call.id == invocation:
                self.call.answer = Answer(json.loads(body or b"null"), failed, self.call.trace)
                self.log.append("failed" if failed else "answered")
                self.changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    server: LambdaEnvironment
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        who = "runtime"
        if self.path == f"{_EXTENSIONS}event/next":
            who = self.headers["Lambda-Extension-Identifier"]
            if who not in self.server.waiting:
                self._send(403, b'{"errorType":"Extension.UnknownExtensionIdentifier"}')
                return
        else:
            assert self.path == f"{_RUNTIME}invocation/next", self.path
        call = self.server.ask(who)
        if call is None:
            self.close_connection = True
            return
        if who != "runtime":
            event = {"eventType": "INVOKE", "deadlineMs": int(call.deadline * 1000), "requestId": call.id}
            self._send(200, json.dumps(event).encode())
            return
        told = {
            "Lambda-Runtime-Aws-Request-Id": call.id,
            "Lambda-Runtime-Deadline-Ms": str(int(call.deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-2:123456789012:function:shop",
            "Lambda-Runtime-Trace-Id": call.trace,
        }
        self._send(200, call.body, told)

    def do_POST(self) -> None:
        body = read_body(self)
        if self.path == f"{_EXTENSIONS}register":
            self._register(json.loads(body))
        elif self.path == f"{_RUNTIME}init/error":
            self.server.note(f"init failed: {body.decode()}")
            self._send(202, b"{}")
        else:
            _, _, rest = self.path.partition(f"{_RUNTIME}invocation/")
            invocation, _, what = rest.partition("/")
            assert what in {"response", "error"}, self.path
            self.server.answer(invocation, body, failed=what == "error")
            self._send(202, b'{"status":"OK"}')

    def _register(self, wanted: Mapping[str, Any]) -> None:
        name = self.headers["Lambda-Extension-Name"]
        with self.server.changed:
            refused = self.server.initialised or wanted != {"events": ["INVOKE"]}
            identifier = f"{name}-{uuid4()}"
            if not refused:
                self.server.waiting[identifier] = False
                self.server.log.append("registered")
        if refused:
            self._send(403, b'{"errorType":"Extension.RegistrationClosed"}')
        else:
            self._send(200, b'{"functionName":"shop"}', {"Lambda-Extension-Identifier": identifier})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")  # awslambdaric needs it
        self.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Its log would hide the test's."""


@contextmanager
def environment(command: Sequence[str], directory: Path, variables: Mapping[str, str]) -> Iterator[LambdaEnvironment]:
    """An environment that ends with its processes."""
    made = LambdaEnvironment(command, directory, variables)
    try:
        yield made
    finally:
        made.kill()
        made.shutdown()
        made.server_close()
