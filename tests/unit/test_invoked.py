"""The middleware where requests are invocations of a host."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from fireforget import FireForget, HostSettings, JournalSettings, ProcessingSettings, Settings, current_context
from fireforget.asgi import App, Receive, Scope, Send
from fireforget.hosts import Host, Invocation
from fireforget.local.memory import MemoryQueue
from tests.asgi import LifespanServer, call, http_scope
from tests.invocations import RememberingLifecycle

pytestmark = pytest.mark.anyio


def fireforget(tmp_path: Path, lifecycle: RememberingLifecycle, **settings: Any) -> FireForget:
    given = Settings(
        directory=str(tmp_path),
        journal=JournalSettings(durability="none"),
        processing=ProcessingSettings(embedded=False),
        **settings,
    )
    return FireForget(given, queue=MemoryQueue(tmp_path.name), host=Host(lifecycle=lifecycle))


def answering(log: list[str], then: Any = None) -> App:
    """Answers, and hands what is left to do to `wait_until`."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if then is not None:
            current_context().wait_until(then(), start="after_response")
        log.append("served")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


async def test_a_request_is_told_to_the_host(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle()
    async with fireforget(tmp_path, lifecycle) as ff:
        await call(ff.wrap(answering(lifecycle.log)), http_scope("/hello"))

    assert lifecycle.log == ["request /hello", "served", "end"]


async def test_one_that_fails_ends_too(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError

    async with fireforget(tmp_path, lifecycle) as ff:
        with pytest.raises(LookupError):
            await call(ff.wrap(app), http_scope())

    assert lifecycle.log == ["request /", "end"]


@pytest.mark.parametrize(
    ("headers", "requestid", "traceparent"),
    [
        ([], "one", f"00-{1:032x}-{2:016x}-01"),
        ([(b"x-request-id", b"mine"), (b"traceparent", b"theirs")], "mine", "theirs"),
    ],
)
async def test_what_the_host_tells_completes_what_the_request_tells(
    tmp_path: Path, headers: list[tuple[bytes, bytes]], requestid: str, traceparent: str
) -> None:
    told: list[Any] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        context = current_context()
        told.extend([context.attributes, context.deadline])

    async with fireforget(tmp_path, RememberingLifecycle()) as ff:
        await call(ff.wrap(app), http_scope(headers=headers))

    attributes, deadline = told
    assert (attributes.requestid, attributes.traceparent) == (requestid, traceparent)
    assert 0 < deadline <= 60


async def test_the_end_of_the_lifespan_closes_nothing(tmp_path: Path) -> None:
    async with fireforget(tmp_path, RememberingLifecycle(), dispatch={"linger_seconds": 3600}) as ff:
        async with anyio.create_task_group() as tasks:
            server = LifespanServer(ff.wrap(answering([])))
            tasks.start_soon(server.run)
            assert await server.ask("startup") == "lifespan.startup.complete"
            ff.emit("query", {})
            assert await server.ask("shutdown") == "lifespan.shutdown.complete"

        assert ff.stats().pending == 1


async def test_within_the_call_of_a_function_it_tells_the_host_nothing(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle()
    async with fireforget(tmp_path, lifecycle) as ff:
        app = ff.wrap(answering(lifecycle.log))

        def adapter(path: str) -> None:
            anyio.run(call, app, http_scope(path))

        await anyio.to_thread.run_sync(ff.handler(adapter), "/hello")

    assert lifecycle.log == ["call ('/hello',)", "served", "end"]


@pytest.mark.parametrize("keeps", [True, False])
async def test_where_the_loop_stops_the_response_waits_for_the_work(
    tmp_path: Path, keeps: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lifecycle = RememberingLifecycle(Invocation(loop_stops=True), keeps=True)

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        lifecycle.log.append("worked")

    async with fireforget(tmp_path, lifecycle) as ff:
        lifecycle.kept = keeps
        app = ff.wrap(answering(lifecycle.log, work))
        for _ in range(2):
            await call(app, http_scope())

    assert lifecycle.log == ["request /", "served", "worked", "end"] * 2
    assert len([record for record in caplog.records if "ff.handler(Mangum(app))" in record.message]) == keeps


async def test_where_it_goes_on_the_response_does_not_wait(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle()
    done = anyio.Event()
    async with fireforget(tmp_path, lifecycle) as ff:
        await call(ff.wrap(answering(lifecycle.log, done.wait)), http_scope())
        assert lifecycle.log[-1] == "end"
        done.set()


async def test_the_response_waits_no_longer_than_the_setting_says(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle(Invocation(loop_stops=True))
    done = anyio.Event()
    async with fireforget(tmp_path, lifecycle, host=HostSettings(flush_seconds=0.02)) as ff:
        with anyio.fail_after(30):
            await call(ff.wrap(answering(lifecycle.log, done.wait)), http_scope())
        done.set()


async def test_a_host_that_cannot_keep_the_process_has_responses_held(tmp_path: Path) -> None:
    lifecycle = RememberingLifecycle(keeps=False)
    there: list[int] = []

    async def send(message: Any) -> None:
        await anyio.lowlevel.checkpoint()
        if message["type"] == "http.response.body":
            there.append(ff.stats().delivered)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async with fireforget(tmp_path, lifecycle, http={"events": True}) as ff:
        await ff.wrap(answering(lifecycle.log))(http_scope(), receive, send)

    assert there == [1]
