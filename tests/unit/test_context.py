"""The execution context: which one it is, and that what is handed to `wait_until` runs to its end."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import sniffio
import trio

from fireforget import ExecutionContext, FireForget, Settings, current_context
from fireforget._attributes import Attributes
from fireforget._context import current, process_context
from fireforget._event import uuid7_time
from fireforget._settings import JournalSettings
from fireforget.asgi import App, Receive, Scope, Send
from fireforget.errors import AttributeNameError
from tests.asgi import RememberingKeeper, call, http_scope
from tests.waiting import eventually, wait_for

colour: ContextVar[str] = ContextVar("colour", default="none")


@pytest.fixture
def host() -> RememberingKeeper:
    return RememberingKeeper()


def request(handler: Callable[[], Awaitable[object]]) -> App:
    """An application whose handler answers before it is called."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        await handler()

    return app


# Which context it is


def test_outside_of_requests_it_is_the_one_of_the_process() -> None:
    seen: list[ExecutionContext] = []
    thread = threading.Thread(target=lambda: seen.append(current_context()))
    thread.start()
    thread.join()

    assert current_context() is process_context
    assert seen == [process_context]
    assert (process_context.correlationid, process_context.sessionid, process_context.deadline) == (None, None, None)


def test_the_context_of_the_process_has_no_session() -> None:
    with pytest.raises(RuntimeError, match="use `with ff.context"):
        process_context.sessionid = "s"


@pytest.mark.anyio
async def test_everything_that_a_request_starts_shares_its_context(host: RememberingKeeper) -> None:
    seen: dict[str, ExecutionContext] = {}

    async def look(name: str) -> None:
        await anyio.lowlevel.checkpoint()
        seen[name] = current_context()

    def look_at_once(name: str) -> None:
        seen[name] = current_context()

    async def handler() -> None:
        look_at_once("handler")
        async with anyio.create_task_group() as group:
            group.start_soon(look, "task")
            group.start_soon(anyio.to_thread.run_sync, look_at_once, "thread")
        current_context().wait_until(look("work"))
        await eventually(lambda: "work" in seen)

    await call(host.wrap(request(handler)), http_scope())

    assert set(seen) == {"handler", "task", "thread", "work"}
    assert len(set(map(id, seen.values()))) == 1
    assert seen["handler"] is not process_context
    assert current_context() is process_context


@pytest.mark.anyio
async def test_requests_side_by_side_have_contexts_of_their_own(host: RememberingKeeper) -> None:
    seen: list[str | None] = []
    both = anyio.Event()

    async def handler() -> None:
        first = current_context().correlationid
        if seen:
            both.set()
        seen.append(first)
        await both.wait()
        assert current_context().correlationid == first

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(call, host.wrap(request(handler)), http_scope())

    assert len(set(seen)) == 2


def test_what_is_no_text_cannot_be_an_attribute_of_a_context() -> None:
    ff = FireForget(Settings(queue="memory://context"))

    with pytest.raises(AttributeNameError, match="requestid is a text, not int"), ff.context(requestid=0):  # type: ignore[arg-type]
        pass
    with ff.context(sessionid="s-1") as context:
        with pytest.raises(AttributeNameError, match="sessionid is a text, not int"):
            context.sessionid = 7  # type: ignore[assignment]
        assert context.sessionid == "s-1"


def test_a_job_outside_of_requests_may_have_a_context_of_its_own() -> None:
    ff = FireForget(Settings(queue="memory://context"))

    with ff.context(sessionid="s-1", requestid="r-1", traceparent="00-a") as outer:
        with ff.context(correlationid="01987a2b-3c4d-7e5f-8901-23456789abcd") as inner:
            assert current_context() is inner
        assert current_context() is outer

    assert current_context() is process_context
    assert (outer.sessionid, inner.sessionid) == ("s-1", None)
    assert outer.attributes == Attributes(str(outer.correlationid), "s-1", "r-1", "00-a")
    assert uuid7_time(str(outer.correlationid)) is not None
    assert inner.correlationid == "01987a2b-3c4d-7e5f-8901-23456789abcd"


def test_the_deadline_counts_down_and_ends_at_zero() -> None:
    now = time.monotonic()

    later, past = ExecutionContext(deadline=now + 60).deadline, ExecutionContext(deadline=now - 60).deadline

    assert later is not None
    assert 0 < later <= 60
    assert past == 0.0


# What is handed to wait_until


@pytest.mark.anyio
async def test_work_goes_on_after_the_response(host: RememberingKeeper) -> None:
    go, done = anyio.Event(), list[str]()

    async def work() -> None:
        await go.wait()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work())

    sent = await call(host.wrap(request(handler)), http_scope())
    done.append("response")
    go.set()
    await eventually(lambda: len(done) == 2)

    assert len(sent) == 2
    assert done == ["response", "work"]


@pytest.mark.anyio
async def test_work_goes_on_where_the_request_is_cancelled(host: RememberingKeeper) -> None:
    go, done = anyio.Event(), list[str]()

    async def work() -> None:
        await go.wait()
        await anyio.lowlevel.checkpoint()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work())
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        await call(host.wrap(request(handler)), http_scope())
    assert scope.cancelled_caught
    go.set()
    await eventually(lambda: done)

    assert done == ["work"]


@pytest.mark.anyio
async def test_work_goes_on_where_the_handler_raises(host: RememberingKeeper) -> None:
    go, done = anyio.Event(), list[str]()

    async def work() -> None:
        await go.wait()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work())
        raise LookupError

    with pytest.raises(LookupError):
        await call(host.wrap(request(handler)), http_scope())
    go.set()
    await eventually(lambda: done)

    assert host.errors == []


@pytest.mark.anyio
async def test_a_failure_touches_nothing_else_and_is_reported(
    host: RememberingKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    go, done = anyio.Event(), list[str]()
    error = ConnectionError("the cache is gone")

    async def fail() -> None:
        raise error

    async def work() -> None:
        await go.wait()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work())
        current_context().wait_until(fail())
        current_context().wait_until(work())

    await call(host.wrap(request(handler)), http_scope())
    await eventually(lambda: host.errors)
    go.set()
    await eventually(lambda: len(done) == 2)

    assert host.errors == [error]
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("work handed to wait_until failed: test_a_failure_touches_nothing_else")
    assert "the cache is gone" in caplog.text


@pytest.mark.anyio
async def test_a_failure_in_a_task_of_another_framework_is_reported_too(host: RememberingKeeper) -> None:
    async def fail() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.lowlevel.checkpoint)
            raise ConnectionError

    async def handler() -> None:
        current_context().wait_until(fail())

    await call(host.wrap(request(handler)), http_scope())
    await eventually(lambda: host.errors)

    assert isinstance(host.errors[0], ExceptionGroup)


@pytest.mark.anyio
async def test_work_may_be_held_back_until_the_response_is_complete(host: RememberingKeeper) -> None:
    done: list[str] = []

    async def work(name: str) -> None:
        done.append(f"{name} for {colour.get()}")

    async def handler() -> None:
        colour.set("red")
        current_context().wait_until(work("later"), start="after_response")
        current_context().wait_until(work("now"))
        colour.set("blue")
        await eventually(lambda: done)
        done.append("handler")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        done.append("response")

    await call(host.wrap(app), http_scope())
    await eventually(lambda: len(done) == 4)

    assert done == ["now for red", "handler", "response", "later for red"]


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["raises", "cancelled"])
async def test_work_held_back_is_started_however_the_request_ends(host: RememberingKeeper, end: str) -> None:
    done: list[str] = []

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work(), start="after_response")
        if end == "raises":
            raise LookupError
        scope.cancel()
        await anyio.sleep_forever()

    with anyio.CancelScope() as scope:
        try:
            await call(host.wrap(request(handler)), http_scope())
        except LookupError:
            assert end == "raises"
    await eventually(lambda: done)

    assert done == ["work"]


@pytest.mark.anyio
async def test_after_the_response_there_is_nothing_to_hold_work_back_for(host: RememberingKeeper) -> None:
    contexts: list[ExecutionContext] = []
    done: list[str] = []

    async def handler() -> None:
        contexts.append(current_context())

    async def work(name: str) -> None:
        done.append(name)

    await call(host.wrap(request(handler)), http_scope())
    contexts[0].wait_until(work("late"), start="after_response")
    process_context.wait_until(work("process"), start="after_response")
    await eventually(lambda: len(done) == 2)

    assert sorted(done) == ["late", "process"]


@pytest.mark.anyio
async def test_work_handed_over_in_a_thread_runs_on_the_loop_of_its_request(host: RememberingKeeper) -> None:
    here = threading.get_ident()
    done: list[tuple[int, str, str]] = []

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        done.append((threading.get_ident(), sniffio.current_async_library(), colour.get()))

    def view(start: Any) -> None:
        colour.set("green")
        current_context().wait_until(work(), start=start)

    async def handler() -> None:
        await anyio.to_thread.run_sync(view, "now")
        await anyio.to_thread.run_sync(view, "after_response")

    await call(host.wrap(request(handler)), http_scope())
    await eventually(lambda: len(done) == 2)

    assert done == [(here, sniffio.current_async_library(), "green")] * 2


@pytest.mark.parametrize("value", [None, 5, lambda: None, len])
def test_what_is_not_awaitable_is_refused_at_once(value: Any) -> None:
    with pytest.raises(TypeError, match="wait_until takes an awaitable"):
        current_context().wait_until(value)


@pytest.mark.asyncio
async def test_an_unknown_start_is_refused_at_once() -> None:
    work = asyncio.get_running_loop().create_future()

    with pytest.raises(ValueError, match="start is 'now' or 'after_response', not 'later'"):
        current_context().wait_until(work, start="later")  # type: ignore[arg-type]  # on purpose


@pytest.mark.asyncio
async def test_tasks_and_futures_may_be_handed_over_too() -> None:
    context = ExecutionContext()
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    task = loop.create_task(asyncio.wait_for(future, None))

    context.wait_until(task)
    context.wait_until(future)
    loop.call_soon(future.set_result, 5)

    assert await context.drain() == 0
    assert task.result() == 5


@pytest.mark.asyncio
async def test_work_that_is_cancelled_from_outside_counts_as_ended() -> None:
    errors: list[BaseException] = []
    context = ExecutionContext(on_error=errors.append)
    task = asyncio.get_running_loop().create_task(anyio.sleep_forever())
    context.wait_until(task)
    await anyio.lowlevel.checkpoint()

    task.cancel()

    assert await context.drain() == 0
    assert errors == []


# Without the loop of a request


def running_in() -> str:
    return threading.current_thread().name


def test_without_any_loop_work_runs_in_the_background() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append(running_in())

    current_context().wait_until(work())
    wait_for(lambda: done)

    assert done == ["fireforget"]


def test_in_a_thread_without_a_loop_it_does_too() -> None:
    done: list[tuple[str, str]] = []

    async def work() -> None:
        done.append((running_in(), colour.get()))

    def target() -> None:
        colour.set("thread")
        current_context().wait_until(work())

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    wait_for(lambda: done)

    assert done == [("fireforget", "thread")]


def test_where_the_loop_of_the_request_has_ended_it_does_too(host: RememberingKeeper) -> None:
    contexts: list[ExecutionContext] = []
    done: list[str] = []

    async def handler() -> None:
        contexts.append(current_context())

    async def work() -> None:
        done.append(running_in())

    for run in (asyncio.run, lambda main: trio.run(lambda: main)):
        run(call(host.wrap(request(handler)), http_scope()))
        contexts.pop().wait_until(work())
    wait_for(lambda: len(done) == 2)

    assert done == ["fireforget", "fireforget"]


def test_a_failure_in_the_background_reaches_the_hook() -> None:
    errors: list[BaseException] = []

    async def fail() -> None:
        raise ConnectionError("gone")

    ExecutionContext(on_error=errors.append).wait_until(fail())
    wait_for(lambda: errors)

    assert isinstance(errors[0], ConnectionError)


# Draining


@pytest.mark.anyio
async def test_draining_a_context_waits_for_its_work() -> None:
    context, go, done = ExecutionContext(), anyio.Event(), list[str]()

    async def work() -> None:
        await go.wait()
        done.append("work")

    context.wait_until(work())
    context.wait_until(work())
    go.set()

    assert await context.drain() == 0
    assert done == ["work", "work"]


@pytest.mark.anyio
async def test_draining_says_what_the_time_cut_off() -> None:
    context, go = ExecutionContext(), anyio.Event()

    async def work() -> None:
        await go.wait()

    context.wait_until(work())
    context.wait_until(anyio.lowlevel.checkpoint())

    assert await context.drain(0.01) == 1
    go.set()
    assert await context.drain() == 0


@pytest.mark.anyio
async def test_draining_a_context_without_work_returns_at_once() -> None:
    assert await ExecutionContext().drain() == 0


@pytest.fixture
def ff() -> FireForget:
    return FireForget(Settings(queue="memory://drained", journal=JournalSettings(durability="none")))


@pytest.mark.anyio
async def test_draining_everything_waits_for_the_work_of_all_requests(ff: FireForget) -> None:
    go, done = anyio.Event(), list[str]()

    async def work() -> None:
        await go.wait()
        await anyio.lowlevel.checkpoint()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(work())

    await call(ff.wrap(request(handler)), http_scope())
    await call(ff.wrap(request(handler)), http_scope())
    async with anyio.create_task_group() as group:
        group.start_soon(ff.drain)
        await anyio.lowlevel.checkpoint()
        assert done == []
        go.set()

    assert done == ["work", "work"]


def test_draining_in_a_plain_script_waits_for_work_in_the_background(ff: FireForget) -> None:
    done: list[str] = []
    go = threading.Event()

    async def work() -> None:
        await asyncio.to_thread(go.wait)
        done.append("work")

    current_context().wait_until(work())
    threading.Timer(0.01, go.set).start()
    ff.drain_blocking()

    assert done == ["work"]


def test_draining_does_not_wait_for_a_loop_that_has_ended(ff: FireForget) -> None:
    async def main() -> None:
        current_context().wait_until(anyio.sleep_forever())
        await anyio.lowlevel.checkpoint()

    asyncio.run(main())
    began = time.monotonic()
    ff.drain_blocking(20.0)

    assert time.monotonic() - began < 10.0


def test_errors_of_work_reach_the_hook_of_the_one_object(ff: FireForget) -> None:
    errors: list[BaseException] = []
    ff.on_error(errors.append)

    async def fail() -> None:
        raise ConnectionError

    with ff.context() as context:
        context.wait_until(fail())
    current_context().wait_until(fail())
    ff.drain_blocking()

    assert len(errors) == 2
    assert current.get() is process_context


@pytest.mark.anyio
async def test_work_that_is_cancelled_is_told(host: RememberingKeeper, caplog: pytest.LogCaptureFixture) -> None:
    async def give_up() -> None:
        raise anyio.get_cancelled_exc_class()

    if sniffio.current_async_library() == "asyncio":  # trio lets nobody raise it
        current_context().wait_until(give_up())
        await eventually(lambda: "was cancelled before its end" in caplog.text)
        assert "give_up" in caplog.text


@pytest.mark.anyio
async def test_work_that_wants_to_end_the_program_fails_alone(
    host: RememberingKeeper, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    async def leave() -> None:
        raise SystemExit(3)

    async def work() -> None:
        await anyio.lowlevel.checkpoint()
        done.append("work")

    async def handler() -> None:
        current_context().wait_until(leave())
        current_context().wait_until(work())

    await call(host.wrap(request(handler)), http_scope())
    await eventually(lambda: host.errors and done)

    assert [type(error) for error in host.errors] == [SystemExit]


def test_in_the_background_thread_too(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def leave() -> None:
        raise SystemExit(3)

    async def work() -> None:
        done.append("work")

    context = ExecutionContext()
    context.wait_until(leave())
    context.wait_until(work())
    wait_for(lambda: done)

    assert "work handed to wait_until failed" in caplog.text
