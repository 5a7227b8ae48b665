"""Functions that a host calls: a context for each call, and what it leaves behind."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from fireforget import FireForget, JournalSettings, ProcessingSettings, Settings, current_context
from fireforget._context import process_context
from fireforget.hosts import Host, Invocation
from fireforget.local.memory import MemoryQueue
from tests.invocations import RememberingLifecycle
from tests.waiting import eventually, wait_for


@pytest.fixture
def lifecycle() -> RememberingLifecycle:
    return RememberingLifecycle()


@pytest.fixture
def log(lifecycle: RememberingLifecycle) -> list[str]:
    return lifecycle.log


def fireforget(tmp_path: Path, host: Host) -> FireForget:
    settings = Settings(
        directory=str(tmp_path),
        journal=JournalSettings(durability="none"),
        processing=ProcessingSettings(embedded=False),
    )
    return FireForget(settings, queue=MemoryQueue(tmp_path.name), host=host)


def test_a_call_is_told_to_the_host_and_has_what_it_returns(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    def double(number: int, *, plus: int = 0) -> int:
        """Two of it."""
        lifecycle.log.append("called")
        return 2 * number + plus

    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        handler = ff.handler(double)
        assert handler(2, plus=1) == 5

    assert lifecycle.log == ["call (2,)", "called", "end"]
    assert (handler.__name__, handler.__doc__) == ("double", "Two of it.")  # type: ignore[attr-defined]


def test_what_a_call_raises_is_raised_and_the_host_knows_of_the_end(
    tmp_path: Path, lifecycle: RememberingLifecycle
) -> None:
    async def fail() -> None:
        raise LookupError("gone")

    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff, pytest.raises(LookupError, match="gone"):
        ff.handler(fail)()

    assert lifecycle.log == ["call ()", "end"]
    assert current_context() is process_context


def test_the_events_of_a_call_share_what_the_host_tells_of_it(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    contexts = []

    async def remember() -> None:
        contexts.append(current_context())

    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        for _ in range(2):
            ff.handler(remember)()

    attributes = [context.attributes for context in contexts]
    assert len({shared.correlationid for shared in attributes if shared}) == 2
    assert {(shared.requestid, shared.traceparent) for shared in attributes if shared} == {
        ("one", lifecycle.invocation.traceparent)
    }


@pytest.mark.parametrize(
    ("limit", "seconds", "deadline"), [(None, None, None), (None, 60.0, 60.0), (30.0, None, 30.0), (30.0, 60.0, 30.0)]
)
def test_its_deadline_is_the_earlier_of_what_the_host_and_the_settings_say(
    tmp_path: Path, limit: float | None, seconds: float | None, deadline: float | None
) -> None:
    host = Host(request_seconds=limit, lifecycle=RememberingLifecycle(Invocation(seconds=seconds)))
    with fireforget(tmp_path, host) as ff:
        left = ff.handler(lambda: current_context().deadline)()

    assert left == (deadline and pytest.approx(deadline, abs=10))


def test_an_asynchronous_function_finds_its_loop_again(tmp_path: Path) -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    loops = []
    with fireforget(tmp_path, Host()) as ff:
        loops += [ff.handler(loop)(), ff.handler(loop)()]
        thread = threading.Thread(target=lambda: loops.append(ff.handler(loop)()))
        thread.start()
        thread.join()

    first, second, elsewhere = loops
    assert first is second
    assert elsewhere is not first
    assert elsewhere.is_closed()
    assert not first.is_closed()


def leaving(log: list[str]) -> Any:
    """A function that leaves two pieces of work behind."""

    async def work(name: str) -> None:
        await asyncio.sleep(0)
        log.append(name)

    async def leave() -> None:
        current_context().wait_until(work("now"))
        current_context().wait_until(work("held"), start="after_response")
        log.append("answered")

    return leave


def test_where_the_host_keeps_the_process_the_answer_waits_for_nothing_and_the_loop_can_be_run_on(
    tmp_path: Path, lifecycle: RememberingLifecycle
) -> None:
    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        ff.handler(leaving(lifecycle.log))()
        assert lifecycle.log == ["call ()", "answered", "end"]
        process = lifecycle.process
        assert process is not None
        thread = threading.Thread(target=lambda: process.settle(30.0, run_loops=True, rest=False))
        thread.start()
        thread.join()

    assert lifecycle.log[3:] == ["now", "held"]


def test_time_cuts_off_work_on_a_loop_that_is_run_on(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    stop = threading.Event()

    async def last() -> None:
        await eventually(stop.is_set)
        lifecycle.log.append("last")

    async def leave() -> None:
        current_context().wait_until(last())

    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        ff.handler(leave)()
        assert lifecycle.process is not None
        lifecycle.process.settle(0.02, run_loops=True, rest=False)
        assert lifecycle.log == ["call ()", "end"]
        stop.set()
        lifecycle.process.settle(30.0, run_loops=True, rest=False)

    assert lifecycle.log[2:] == ["last"]


@pytest.mark.parametrize("flush_seconds", [None, 30.0])
def test_elsewhere_the_answer_waits_for_the_work(tmp_path: Path, flush_seconds: float | None) -> None:
    log: list[str] = []
    with fireforget(tmp_path, Host(flush_seconds=flush_seconds)) as ff:
        ff.handler(leaving(log))()
        assert log == ["answered", "now", "held"]


def test_where_the_host_has_not_been_able_to_keep_the_process_the_answer_waits_for_the_events(
    tmp_path: Path,
) -> None:
    with fireforget(tmp_path, Host(lifecycle=RememberingLifecycle(keeps=False))) as ff:
        ff.handler(lambda: ff.emit("query", {}))()
        assert ff.stats().pending == 0


def test_work_of_a_synchronous_function_runs_in_the_background(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    threads: list[str] = []

    async def work() -> None:
        threads.append(threading.current_thread().name)

    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        ff.handler(lambda: current_context().wait_until(work(), start="after_response"))()
        wait_for(lambda: threads == ["fireforget"])


def test_after_a_rest_events_wait_until_the_process_is_resumed(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        process = lifecycle.process
        assert process is not None
        ff.emit("before", {})
        process.settle(30.0, run_loops=False, rest=True)
        assert ff.stats().delivered == 1
        ff.emit("meanwhile", {})
        process.settle(0.0, run_loops=False, rest=True)
        assert ff.stats().pending == 1
        process.resume()
        wait_for(lambda: ff.stats().delivered == 2)


def test_who_closes_does_not_wait_for_the_host_to_resume(tmp_path: Path, lifecycle: RememberingLifecycle) -> None:
    with fireforget(tmp_path, Host(lifecycle=lifecycle)) as ff:
        assert lifecycle.process is not None
        ff.start()
        lifecycle.process.settle(0.0, run_loops=False, rest=True)
        ff.emit("last", {})

    assert ff.stats().delivered == 1


def test_only_a_function_can_be_a_handler(tmp_path: Path) -> None:
    with fireforget(tmp_path, Host()) as ff, pytest.raises(TypeError, match="handler takes a function, not int"):
        ff.handler(1)  # type: ignore[call-overload]
