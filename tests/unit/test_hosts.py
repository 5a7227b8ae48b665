"""Hosts: which one it is, and how the middleware minds what may run after a response."""

import logging
import threading
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from fireforget import (
    FireForget,
    HostSettings,
    HttpSettings,
    JournalSettings,
    ProcessingSettings,
    Settings,
    current_context,
)
from fireforget._event import split_batch
from fireforget.abc import Event, Message, Outcome, decode_event
from fireforget.asgi import App, Receive, Scope, Send
from fireforget.errors import SettingsError, TransientError
from fireforget.hosts import HOSTS, Host, detect_host
from fireforget.local.memory import MemoryQueue
from tests.asgi import RememberingKeeper, call, http_scope
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

HOLDING = Host(name="test", flush_seconds=5.0)


# Which host it is


@pytest.mark.parametrize(
    ("settings", "variables", "name", "flush"),
    [
        ({}, {}, "server", None),
        ({}, {"K_SERVICE": "shop"}, "cloud-run", None),
        ({"cpu": "request"}, {"K_SERVICE": "shop"}, "cloud-run", 2.0),
        ({"cpu": "request"}, {}, "server", None),
        ({"cpu": "request", "flush_seconds": 0.5, "name": "cloud-run"}, {}, "cloud-run", 0.5),
        ({}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, "lambda", None),
        ({"name": "lambda"}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, "lambda", None),
        ({"name": "server"}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, "server", None),
        ({}, {"VERCEL": "1"}, "unknown", 2.0),
        ({}, {"FUNCTIONS_WORKER_RUNTIME": "python"}, "unknown", 2.0),
        ({"name": "server"}, {"VERCEL": "1"}, "server", None),
        ({"name": "unknown", "flush_seconds": 1.5}, {}, "unknown", 1.5),
    ],
)
def test_a_host_is_told_by_the_settings_else_by_its_own_variables(
    settings: dict[str, Any], variables: dict[str, str], name: str, flush: float | None
) -> None:
    host = detect_host(HostSettings(**settings), variables)

    assert (host.name, host.flush_seconds) == (name, flush)


def test_the_choice_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "fireforget"):
        detect_host(HostSettings(cpu="request"), {"K_SERVICE": "shop"})

    assert [record.getMessage() for record in caplog.records] == [
        "host cloud-run (K_SERVICE is set): the end of a response waits up to 2 s for what the request leaves behind"
    ]


def nothing(*_args: object, **_options: object) -> EntryPoints:
    return EntryPoints()


def test_a_host_that_shows_itself_but_is_not_installed_has_responses_held(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.metadata.entry_points", nothing)
    with caplog.at_level(logging.INFO, "fireforget"):
        host = detect_host(None, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"})

    assert (host.name, host.flush_seconds) == ("unknown", 2.0)
    assert "AWS_LAMBDA_RUNTIME_API is set, but what knows AWS Lambda is not installed" in caplog.text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("lambada", "'lambada' is no host; known: auto, cloud-run, lambda, server, unknown"),
        ("lambda", "AWS_LAMBDA_RUNTIME_API is not set"),
    ],
)
def test_a_host_that_cannot_be_is_refused(name: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        detect_host(HostSettings(name=name), {})


def test_a_host_that_cannot_be_imported_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("lambda", "no_such_module:host", HOSTS)
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: EntryPoints([point]))

    with pytest.raises(SettingsError, match="'lambda' cannot be imported .*no_such_module.*: install what it needs"):
        detect_host(HostSettings(name="lambda"), {})


@pytest.mark.parametrize(("given", "used"), [({}, "theirs"), ({"directory": "mine"}, "mine")])
def test_the_hosts_directory_is_used_where_the_settings_name_none(
    tmp_path: Path, given: dict[str, Any], used: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FireForget(Settings(**given), queue=MemoryQueue(tmp_path.name), host=Host(directory="theirs")) as ff:
        assert ff.settings.directory == used

    assert [path.name for path in tmp_path.iterdir()] == [used]


@pytest.mark.parametrize(
    ("given", "host", "warned"),
    [
        ({}, Host(directory="theirs"), True),
        ({"directory": "mine"}, Host(directory="theirs"), False),
        ({"queue": "sqs://cv.fifo"}, Host(directory="theirs"), False),
        ({}, Host(), False),
    ],
)
def test_a_queue_that_ends_with_its_host_is_told_at_the_start(
    given: dict[str, Any], host: Host, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    FireForget(Settings(**given), host=host)

    assert ("the queue is on this host, and ends with it" in caplog.text) == warned


def test_a_shutdown_keeps_a_margin_of_what_the_host_gives_it() -> None:
    assert detect_host(None, {"K_SERVICE": "shop"}).drain_seconds == 9.0
    assert detect_host(None, {}).drain_seconds is None


@pytest.mark.parametrize(("given", "limit"), [(0.0, 300.0), (60.0, 60.0)])
def test_what_one_request_is_given_can_be_set(given: float, limit: float) -> None:
    assert detect_host(HostSettings(request_seconds=given), {"K_SERVICE": "shop"}).request_seconds == limit


# The end of a response


def answering(*bodies: bytes, then: Any = None) -> App:
    """Answers with some chunks; what is left to do is handed to `wait_until`."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if then is not None:
            current_context().wait_until(then(), start="after_response")
        await send({"type": "http.response.start", "status": 201, "headers": []})
        for number, body in enumerate(bodies, 1):
            await send({"type": "http.response.body", "body": body, "more_body": number < len(bodies)})

    return app


async def test_the_end_of_a_response_waits_for_what_the_request_leaves_behind() -> None:
    keeper = RememberingKeeper(HOLDING)

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        keeper.log.append("worked")

    sent = await call(keeper.wrap(answering(b"hello", then=work), events=True), http_scope("/hello"))

    assert keeper.log == ["worked", "finish within 5 s, 0 left"]
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert [(name, data["status"]) for name, data in keeper.events] == [("http.request", 201)]


async def test_a_streamed_response_is_not_held() -> None:
    keeper = RememberingKeeper(HOLDING)

    sent = await call(keeper.wrap(answering(b"a", b"b"), events=True), http_scope())

    assert keeper.log == []
    assert [message.get("body") for message in sent] == [None, b"a", b"b"]
    assert len(keeper.events) == 1


async def test_a_request_that_fails_has_its_event_all_the_same() -> None:
    keeper = RememberingKeeper(HOLDING)

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await call(keeper.wrap(app, events=True), http_scope())

    assert [data["status"] for _, data in keeper.events] == [500]


async def test_a_failure_of_what_is_waited_for_reaches_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = RememberingKeeper(HOLDING)

    async def finish(_context: object, _seconds: float) -> None:
        raise OSError

    monkeypatch.setattr(keeper, "finish", finish)
    sent = await call(keeper.wrap(answering(b"hello")), http_scope())

    assert [message.get("body") for message in sent] == [None, b"hello"]


async def test_a_websocket_is_not_held_and_has_no_deadline() -> None:
    keeper = RememberingKeeper(Host(flush_seconds=5.0, request_seconds=60.0))
    deadlines: list[float | None] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        deadlines.append(current_context().deadline)
        await send({"type": "websocket.close"})

    await call(keeper.wrap(app), {"type": "websocket", "path": "/", "headers": []})

    assert deadlines == [None]
    assert keeper.log == []


async def test_the_deadline_of_a_request_is_a_limit_of_the_hold_too() -> None:
    keeper = RememberingKeeper(Host(flush_seconds=5.0, request_seconds=1.0))
    deadlines: list[float | None] = []

    async def forever() -> None:
        deadlines.append(current_context().deadline)
        await anyio.sleep_forever()

    with anyio.fail_after(30):
        await call(keeper.wrap(answering(b"late", then=forever)), http_scope())

    (deadline,) = deadlines
    assert deadline is not None
    assert 0 < deadline <= 1.0
    assert [entry.split(",")[1] for entry in keeper.log] == [" 1 left"]


# With everything behind it


class SlowQueue(MemoryQueue):
    """Takes messages once it is let, unless it is down, and remembers their events."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.events: list[Event] = []
        self.down = False
        self.open = threading.Event()
        self.open.set()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        if self.down:
            raise TransientError("down")
        await eventually(self.open.is_set)
        outcomes = await super().publish(messages)
        self.events += [event for message in messages for event in events_of(message)]
        return outcomes


def events_of(message: Message) -> list[Event]:
    return [decode_event(raw) for raw in split_batch(message.body)]


def fireforget(tmp_path: Path, queue: MemoryQueue, host: Host) -> FireForget:
    settings = Settings(
        directory=str(tmp_path),
        http=HttpSettings(events=True),
        journal=JournalSettings(durability="none"),
        processing=ProcessingSettings(embedded=False),
    )
    return FireForget(settings, queue=queue, host=host)


async def test_when_the_response_ends_its_event_is_in_the_queue(tmp_path: Path) -> None:
    queue = SlowQueue(tmp_path.name)
    there: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            there.append(len(queue.events))
        await anyio.lowlevel.checkpoint()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async with fireforget(tmp_path, queue, Host(flush_seconds=30.0)) as ff:
        wrapped = ff.wrap(answering(b"hello"))
        for _ in range(3):
            await wrapped(http_scope("/hello"), receive, send)

    assert there == [1, 2, 3]


async def test_a_response_is_held_no_longer_than_the_host_allows_and_its_event_comes_later(tmp_path: Path) -> None:
    queue = SlowQueue(tmp_path.name)
    queue.open.clear()
    async with fireforget(tmp_path, queue, Host(flush_seconds=0.05)) as ff:
        sent = await call(ff.wrap(answering(b"hello")), http_scope())
        assert queue.events == []
        queue.open.set()

    assert len(sent) == 2
    assert len(queue.events) == 1


async def test_while_the_queue_is_down_responses_do_not_wait_for_it(tmp_path: Path) -> None:
    queue = SlowQueue(tmp_path.name)
    queue.down = True
    async with fireforget(tmp_path, queue, Host(flush_seconds=3600.0)) as ff:
        with anyio.fail_after(60):
            for _ in range(20):
                await call(ff.wrap(answering(b"hello")), http_scope())
        assert ff.stats().pending == 20
        queue.down = False

    assert len(queue.events) == 20


def test_a_drain_minds_the_deadline_of_its_context(tmp_path: Path) -> None:
    queue = SlowQueue(tmp_path.name)
    queue.open.clear()
    with fireforget(tmp_path, queue, Host()) as ff:
        ff.emit("query", {})
        with ff.context() as context:
            context.limit(0.05)
            assert ff.drain_blocking(3600.0) == 1
        queue.open.set()
