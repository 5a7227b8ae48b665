"""The middleware: invisible to the application and to its clients, and always there to drain."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from fireforget import FireForget, Settings, current_context
from fireforget._context import process_context
from fireforget._settings import HttpSettings, JournalSettings
from fireforget.asgi import App, Message, Receive, Scope, Send
from tests.asgi import LifespanServer, RememberingKeeper, call, http_scope

pytestmark = pytest.mark.anyio


@pytest.fixture
def host() -> RememberingKeeper:
    return RememberingKeeper()


async def item(request: Request) -> JSONResponse:
    return JSONResponse({"id": request.path_params["id"]})


async def missing(request: Request) -> PlainTextResponse:
    return PlainTextResponse("no such item", 404)


async def broken(request: Request) -> PlainTextResponse:
    raise LookupError("the shelf is empty")


async def chunks() -> AsyncIterator[bytes]:
    for number in range(3):
        yield str(number).encode()


async def stream(request: Request) -> StreamingResponse:
    return StreamingResponse(chunks(), headers={"x-odd": "ä"})


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(current_context().sessionid or "")
    await socket.close()


@pytest.fixture
def shop(tmp_path: Path) -> Starlette:
    (tmp_path / "style.css").write_text("body {}")
    inner = Starlette(routes=[Route("/items/{id:int}", item), Route("/missing/{id}", missing)])
    return Starlette(
        routes=[
            Route("/items/{id:int}", item, methods=["GET"]),
            Route("/missing/{id}", missing),
            Route("/broken", broken),
            Route("/stream", stream),
            WebSocketRoute("/echo", echo),
            Mount("/api/{tenant}", inner),
            Mount("/static", StaticFiles(directory=tmp_path)),
        ]
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/items/7"),
        ("HEAD", "/items/7"),
        ("POST", "/items/7"),
        ("GET", "/stream"),
        ("GET", "/nowhere"),
        ("GET", "/missing/1"),
        ("GET", "/static/style.css"),
    ],
)
async def test_no_response_is_altered(host: RememberingKeeper, shop: Starlette, method: str, path: str) -> None:
    bare = await call(shop, http_scope(path, method))

    wrapped = await call(host.wrap(shop, events=True), http_scope(path, method))

    assert wrapped == bare
    assert len(host.events) == 1


@pytest.mark.parametrize("events", [False, True])
async def test_messages_that_nobody_knows_pass_through(host: RememberingKeeper, events: bool) -> None:
    odd: list[Message] = [
        {"type": "http.response.start", "status": 103, "headers": [(b"link", b"x")], "trailers": True},
        {"type": "http.response.pathsend", "path": "/x"},
        {"type": "http.response.trailers", "headers": []},
        {"type": "vendor.extension"},
    ]
    asked: Message = {"type": "vendor.request", "extra": object()}
    got: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        got.append(await receive())
        for message in odd:
            await send(message)

    assert await call(host.wrap(app, events=events), http_scope(), asked) == odd
    assert got == [asked]


@pytest.mark.parametrize("kind", ["http", "websocket", "vendor"])
@pytest.mark.parametrize("events", [False, True])
async def test_what_the_application_raises_comes_out_unchanged(
    host: RememberingKeeper, kind: str, events: bool
) -> None:
    error = LookupError("the shelf is empty")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    with pytest.raises(LookupError) as caught:
        await call(host.wrap(app, events=events), {**http_scope(), "type": kind})

    assert caught.value is error


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/items/7", "/items/{id}", 200),
        ("POST", "/items/7", "/items/{id}", 405),
        ("GET", "/missing/1", "/missing/{id}", 404),
        ("GET", "/nowhere", None, 404),
        ("GET", "/stream", "/stream", 200),
        ("GET", "/api/acme/items/7", "/api/{tenant}/items/{id}", 200),
        ("GET", "/static/style.css", "/static/{path}", 200),
    ],
)
async def test_an_event_tells_method_template_status_and_duration(
    host: RememberingKeeper, shop: Starlette, method: str, path: str, route: str | None, status: int
) -> None:
    await call(host.wrap(shop, events=True), http_scope(path, method))

    ((kind, data),) = host.events
    duration = data.pop("duration_ms")
    assert (kind, data) == ("http.request", {"method": method, "route": route, "status": status})
    assert 0 <= duration < 10_000


async def test_an_error_of_the_application_counts_as_status_500(host: RememberingKeeper, shop: Starlette) -> None:
    with pytest.raises(LookupError):
        await call(host.wrap(shop, events=True), http_scope("/broken"))

    assert host.events[0][1]["status"] == 500


async def test_an_error_before_any_response_counts_as_status_500(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await call(host.wrap(app, events=True), http_scope("/x"))

    assert host.events[0][1]["status"] == 500


async def test_an_error_after_the_response_began_keeps_its_status(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 206, "headers": []})
        raise LookupError

    with pytest.raises(LookupError):
        await call(host.wrap(app, events=True), http_scope("/x"))

    assert host.events[0][1]["status"] == 206


async def test_an_application_that_answers_nothing_has_no_status(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        """Leave the client without an answer."""

    await call(host.wrap(app, events=True), http_scope("/x"))

    assert host.events[0][1]["status"] == 0


@pytest.mark.parametrize(
    ("path", "seen"),
    [("/health", False), ("/healthy", True), ("/static/a/b.css", False), ("/static", True), ("/", True)],
)
async def test_paths_can_be_excluded_exactly_and_by_prefix(
    host: RememberingKeeper, shop: Starlette, path: str, seen: bool
) -> None:
    await call(host.wrap(shop, events=True, exclude=("/health", "/static/*")), http_scope(path))

    assert bool(host.events) is seen


async def test_without_the_setting_there_are_no_events(host: RememberingKeeper, shop: Starlette) -> None:
    await call(host.wrap(shop), http_scope("/items/7"))

    assert host.events == []


async def test_a_request_has_a_context_of_its_own_and_code_after_it_the_process_s(host: RememberingKeeper) -> None:
    seen: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(current_context().correlationid)

    wrapped = host.wrap(app)
    for _ in range(2):
        await call(wrapped, http_scope())

    assert None not in seen
    assert len(set(seen)) == 2
    assert current_context() is process_context


async def test_a_websocket_has_a_context_and_no_event(host: RememberingKeeper, shop: Starlette) -> None:
    scope = {
        **http_scope("/echo", headers=[(b"x-session", b"s-1")]),
        "type": "websocket",
        "subprotocols": [],
    }
    del scope["method"]
    incoming: Message = {"type": "websocket.connect"}

    sent = await call(host.wrap(shop, events=True, session_header="x-session"), scope, incoming)

    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[1]["text"] == "s-1"
    assert host.events == []


async def test_other_connections_pass_by(host: RememberingKeeper) -> None:
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(current_context())

    await call(host.wrap(app, events=True), {"type": "vendor"})

    assert seen == [process_context]
    assert host.events == []


async def test_an_event_that_cannot_be_made_does_not_reach_the_application(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        del scope["path"], scope["method"]  # an application may do with its scope as it likes
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent = await call(host.wrap(app, events=True), http_scope("/x"))

    assert [message["status"] for message in sent] == [200]


@pytest.fixture
def unwritable(tmp_path: Path) -> FireForget:
    """Its journal cannot be made: there is a file in the way."""
    (tmp_path / "taken").write_text("")
    settings = Settings(
        queue="memory://unwritable",
        store="memory://unwritable",
        journal=JournalSettings(directory=str(tmp_path / "taken" / "journal")),
        http=HttpSettings(events=True),
    )
    return FireForget(settings)


async def test_an_unwritable_journal_is_no_concern_of_the_application(
    unwritable: FireForget, shop: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    bare = await call(shop, http_scope("/items/7"))

    assert await call(unwritable.wrap(shop), http_scope("/items/7")) == bare
    with pytest.raises(LookupError):
        await call(unwritable.wrap(shop), http_scope("/broken"))

    assert unwritable.stats().refused == {"journal": 2}
    assert len([record for record in caplog.records if "was refused (journal)" in record.getMessage()]) == 1


async def test_with_an_unwritable_journal_the_lifespan_of_the_application_runs_all_the_same(
    unwritable: FireForget, caplog: pytest.LogCaptureFixture
) -> None:
    did: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        did.append("startup")
        yield
        did.append("shutdown")

    async with served(unwritable.wrap(Starlette(lifespan=lifespan))) as server:
        assert await server.ask("startup") == "lifespan.startup.complete"
        assert await server.ask("shutdown") == "lifespan.shutdown.complete"

    assert did == ["startup", "shutdown"]
    assert "taken" in caplog.text


@asynccontextmanager
async def served(app: App) -> AsyncIterator[LifespanServer]:
    server = LifespanServer(app)
    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(server.run)
            yield server


async def live(host: RememberingKeeper, app: App) -> LifespanServer:
    """Start and stop an application; then everything has ended."""
    async with served(host.wrap(app)) as server:
        host.log.append(await server.ask("startup"))
        host.log.append(await server.ask("shutdown"))
        await server.ended.wait()
    return server


async def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http", "no lifespan here"


async def returns_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """Not care for the lifespan."""


async def asks_and_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise TypeError("what is that?")


async def asks_and_returns(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def answers_only_the_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def leaves_the_shutdown_unanswered(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()


@pytest.mark.parametrize(
    "app",
    [
        raises_at_once,
        returns_at_once,
        asks_and_raises,
        asks_and_returns,
        answers_only_the_startup,
        leaves_the_shutdown_unanswered,
    ],
)
async def test_an_application_without_a_whole_lifespan_is_started_and_drained_all_the_same(
    host: RememberingKeeper, app: App
) -> None:
    server = await live(host, app)

    assert host.log == ["start", "lifespan.startup.complete", "close", "lifespan.shutdown.complete"]
    assert server.error is None


async def test_the_lifespan_of_an_application_keeps_its_order_and_its_state(host: RememberingKeeper) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        host.log.append("app starts")
        yield {"database": "open"}
        host.log.append("app ends")

    server = await live(host, Starlette(lifespan=lifespan))

    assert host.log == [
        "start",
        "app starts",
        "lifespan.startup.complete",
        "app ends",
        "close",
        "lifespan.shutdown.complete",
    ]
    assert server.state == {"database": "open"}


async def test_a_startup_that_fails_is_passed_on_with_its_error(host: RememberingKeeper) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    async with served(host.wrap(Starlette(lifespan=lifespan))) as server:
        assert await server.ask("startup") == "lifespan.startup.failed"
        await server.ended.wait()

    assert "no database" in server.answers[0]["message"]
    assert isinstance(server.error, ConnectionError)
    assert len(server.answers) == 1
    assert host.log == ["start", "close"]


async def test_a_startup_that_fails_without_an_error_is_the_end(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async with served(host.wrap(app)) as server:
        assert await server.ask("startup") == "lifespan.startup.failed"
        await server.ended.wait()

    assert server.answers == [{"type": "lifespan.startup.failed", "message": "no database"}]
    assert server.error is None


async def test_a_shutdown_that_fails_is_drained_and_passed_on_with_its_error(host: RememberingKeeper) -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        raise ConnectionError("the database is gone")

    server = await live(host, Starlette(lifespan=lifespan))

    assert host.log == ["start", "lifespan.startup.complete", "close", "lifespan.shutdown.failed"]
    assert isinstance(server.error, ConnectionError)
    assert len(server.answers) == 2


async def test_a_shutdown_that_raises_without_an_answer_is_answered_and_drained(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ConnectionError("the database is gone")

    server = await live(host, app)

    assert host.log == ["start", "lifespan.startup.complete", "close", "lifespan.shutdown.complete"]
    assert isinstance(server.error, ConnectionError)


async def test_an_application_that_breaks_while_it_serves_is_drained_at_the_shutdown(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ConnectionError("lost in the middle")

    server = await live(host, app)

    assert host.log == ["start", "lifespan.startup.complete", "close", "lifespan.shutdown.complete"]
    assert isinstance(server.error, ConnectionError)


async def test_an_application_that_hangs_in_its_startup_hangs_as_it_does_without_us(host: RememberingKeeper) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await anyio.sleep_forever()

    server = LifespanServer(host.wrap(app))
    async with anyio.create_task_group() as group:
        group.start_soon(server.run)
        group.start_soon(server.ask, "startup")
        await anyio.wait_all_tasks_blocked()
        answers = list(server.answers)
        group.cancel_scope.cancel()

    assert answers == []
    assert host.log == ["start"]


@pytest.mark.parametrize("fault", ["start", "aclose"])
async def test_a_host_that_fails_is_no_concern_of_the_application(
    host: RememberingKeeper, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    did: list[str] = []

    async def fail() -> None:
        raise RuntimeError("not today")

    def fail_at_once() -> None:
        raise RuntimeError("not today")

    setattr(host, fault, fail if fault == "aclose" else fail_at_once)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        did.append("startup")
        yield
        did.append("shutdown")

    server = await live(host, Starlette(lifespan=lifespan))

    assert did == ["startup", "shutdown"]
    assert [answer["type"] for answer in server.answers] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert server.error is None
    assert "not today" in caplog.text


async def test_a_route_that_cannot_be_told_is_no_concern_of_the_application(
    host: RememberingKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        def __format__(self, spec: str) -> NoReturn:
            raise ValueError("not a text")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_params"] = {"id": Odd()}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent = await call(host.wrap(app, events=True), http_scope("/items/7"))

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert [(data["route"], data["status"]) for _, data in host.events] == [(None, 200)]
    assert "the route of a request cannot be told" in caplog.text
