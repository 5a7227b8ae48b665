"""The background thread: there when it is needed, whatever the application runs on."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from functools import partial

import pytest

from fireforget._engine import BREATH_SECONDS, Engine
from fireforget._pace import Pace
from tests.waiting import wait_for


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine("engine-under-test")
    yield engine
    assert engine.stop(30.0)


async def where() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_it_does_not_run_before_it_is_needed(engine: Engine) -> None:
    assert not engine.running


def test_a_coroutine_runs_in_its_thread(engine: Engine) -> None:
    assert engine.submit(where()).result(30) == "engine-under-test"
    assert engine.running


def test_its_thread_is_a_daemon_so_that_nobody_waits_for_it(engine: Engine) -> None:
    engine.start()

    (thread,) = [thread for thread in threading.enumerate() if thread.name == "engine-under-test"]

    assert thread.daemon


def test_what_a_coroutine_raises_comes_back(engine: Engine) -> None:
    async def fail() -> None:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        engine.submit(fail()).result(30)


def test_starting_it_again_and_from_many_threads_starts_it_once(engine: Engine) -> None:
    begin = threading.Barrier(8)

    def start() -> None:
        begin.wait()
        engine.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [thread.name for thread in threading.enumerate()].count("engine-under-test") == 1


def test_calls_made_before_its_loop_is_up_are_made_up_for_in_order(engine: Engine) -> None:
    called: list[int] = []
    for number in range(3):
        engine.call(called.append, number)
    engine.start()
    for number in range(3, 6):
        engine.call(called.append, number)
    wait_for(lambda: len(called) == 6)

    assert called == list(range(6))


def holds(called: list[int], number: int) -> bool:
    return len(called) == number


def test_calls_from_many_threads_while_it_starts_are_all_made() -> None:
    for _ in range(20):
        engine, called = Engine("engine-under-test"), list[int]()
        begin = threading.Barrier(5)

        def work(
            number: int, start: threading.Barrier = begin, engine: Engine = engine, called: list[int] = called
        ) -> None:
            start.wait()
            for _ in range(20):
                engine.call(called.append, number)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        begin.wait()
        engine.start()
        for thread in threads:
            thread.join()
        wait_for(partial(holds, called, 80))
        assert engine.stop(30.0)


def test_it_can_be_stopped_and_needed_again(engine: Engine) -> None:
    engine.submit(where()).result(30)

    assert engine.stop(30.0)
    assert not engine.running
    assert engine.submit(where()).result(30) == "engine-under-test"


def test_stopping_what_does_not_run_is_no_mistake(engine: Engine) -> None:
    assert engine.stop(30.0)


def test_stopping_cancels_what_is_left(engine: Engine) -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("cancelled")

    future = engine.submit(endless())
    engine.submit(where()).result(30)

    assert engine.stop(30.0)
    assert ended == ["cancelled"]
    assert future.cancelled()


def test_it_cannot_stop_itself_and_wait_for_it(engine: Engine) -> None:
    async def stop() -> bool:
        return engine.stop(30.0)

    assert engine.submit(stop()).result(30) is False
    wait_for(lambda: not engine.running)


class Told(Pace):
    """Pauses as it is told to, and remembers what becomes of it."""

    def __init__(self, pause: float = 0.0) -> None:
        super().__init__()
        self.seconds = pause
        self.rested: list[float] = []
        self.waiting: list[tuple[str, int]] = []

    def pause(self) -> float:
        return self.seconds

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)

    def hurry(self, who: object) -> None:
        self.waiting.append(("hurry", id(who)))

    def relax(self, who: object) -> None:
        self.waiting.append(("relax", id(who)))


def test_it_pauses_before_each_poll_as_its_pace_says(engine: Engine) -> None:
    engine.pace = pace = Told(pause=0.25)

    assert engine.submit(where()).result(30) == "engine-under-test"
    assert pace.rested
    assert set(pace.rested) == {0.25}


def test_a_pause_shorter_than_a_breath_is_none(engine: Engine) -> None:
    engine.pace = pace = Told(pause=BREATH_SECONDS / 2)

    assert engine.submit(where()).result(30) == "engine-under-test"
    assert pace.rested == []


def test_as_long_as_somebody_waits_for_what_was_submitted_it_hurries(engine: Engine) -> None:
    engine.pace = pace = Told()

    async def fail() -> None:
        raise LookupError

    engine.submit(where()).result(30)
    with pytest.raises(LookupError):
        engine.submit(fail()).result(30)
    wait_for(lambda: len(pace.waiting) == 4)

    assert [what for what, _ in pace.waiting] == ["hurry", "relax"] * 2
    assert pace.waiting[0][1] == pace.waiting[1][1]


def test_who_comes_while_it_pauses_ends_the_pause(engine: Engine) -> None:
    class Endless(Pace):
        def pause(self) -> float:
            return 0.0 if self._waiting else 3600.0

    engine.pace = Endless()

    assert engine.submit(where()).result(30) == "engine-under-test"
    assert engine.submit(where()).result(30) == "engine-under-test"
    engine.pace.hurry(engine)  # so that it can be stopped


def test_a_call_after_the_loop_has_gone_is_dropped_quietly(engine: Engine) -> None:
    engine.submit(where()).result(30)
    loop = engine._loop
    engine.stop(30.0)
    engine._loop = loop  # as a caller sees it that was overtaken by the stop

    engine.call(print, "never")

    assert engine._loop is None


def test_where_no_thread_can_be_started_the_caller_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        engine.submit(where())
    monkeypatch.undo()
    assert engine.submit(where()).result(30) == "engine-under-test"


def test_where_no_loop_can_be_made_the_caller_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(selector: object) -> None:
        raise OSError("too many open files")

    monkeypatch.setattr(asyncio, "SelectorEventLoop", refuse)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    with pytest.raises(RuntimeError, match="could not be made"):
        engine.submit(where())


def test_its_loop_lets_the_application_breathe(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    import fireforget._engine as module

    pauses: list[float] = []

    class Time:
        @staticmethod
        def sleep(seconds: float) -> None:
            pauses.append(seconds)

    monkeypatch.setattr(module, "time", Time)

    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    engine.submit(busy()).result(30)

    assert len(pauses) >= 100
    assert set(pauses) == {BREATH_SECONDS}


def test_an_idle_engine_does_not_wake() -> None:
    program = """
import resource, threading
from fireforget._engine import Engine
engine = Engine()
async def nothing(): pass
engine.submit(nothing()).result()
before = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
threading.Event().wait(0.3)
print(resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - before)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert int(ended.stdout) < 20


@pytest.mark.skipif(
    (3, 12) <= sys.version_info < (3, 12, 2), reason="the first two Pythons 3.12 start no thread any more at exit"
)
def test_at_exit_it_is_told_while_threads_can_still_be_started(tmp_path: object) -> None:
    program = """
import asyncio, atexit
from fireforget._engine import shared_engine

async def nothing(): pass
shared_engine.submit(nothing()).result()

async def resolve():
    loop = asyncio.get_running_loop()
    await loop.getaddrinfo("127.0.0.1", 80)
    return await asyncio.to_thread(lambda: "executors work")

shared_engine.at_exit(lambda: print(shared_engine.submit(resolve()).result(30), flush=True))
atexit.register(print, "atexit comes later", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert ended.stdout == "executors work\natexit comes later\n"
    assert ended.stderr == ""


def test_what_it_runs_belongs_to_no_request(engine: Engine) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nobody's")
    seen: list[str] = []

    async def look() -> str:
        return variable.get()

    variable.set("a request's")
    engine.call(lambda: seen.append(variable.get()))  # before its loop is up
    submitted = engine.submit(look()).result(30)
    engine.call(lambda: seen.append(variable.get()))
    wait_for(lambda: len(seen) == 2)
    handed_over = engine.submit(look(), copy_context()).result(30)

    assert [submitted, *seen] == ["nobody's"] * 3
    assert handed_over == "a request's"


def test_a_fork_finds_it_at_rest(engine: Engine) -> None:
    engine.submit(where()).result(30)
    turns = 0

    async def busy() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    engine.submit(busy())
    wait_for(lambda: turns > 10)

    engine.rest()
    before = turns
    for _ in range(100):
        threading.Event().wait(0.0001)
    after = turns
    engine.go_on()
    wait_for(lambda: turns > after)

    assert before == after


def test_a_fork_waits_for_a_start_to_be_over(engine: Engine) -> None:
    engine.start()
    engine.rest()
    ready = engine._ready.is_set()
    engine.go_on()

    assert ready


def test_a_fork_does_not_wait_for_what_does_not_run_or_does_not_yield(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fireforget._engine._REST_SECONDS", 0.01)
    engine.rest()
    engine.go_on()
    busy = threading.Event()
    engine.submit(where()).result(30)
    engine.call(busy.wait)

    engine.rest()
    engine.go_on()
    busy.set()

    assert engine.submit(where()).result(30) == "engine-under-test"


def test_it_may_fork_itself(engine: Engine) -> None:
    async def fork() -> str:
        engine.rest()
        engine.go_on()
        return "went on"

    assert engine.submit(fork()).result(30) == "went on"


def test_the_log_stays_empty(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "fireforget"):
        engine.submit(where()).result(30)
        engine.stop(30.0)

    assert caplog.records == []


def test_what_wants_to_end_the_program_does_not_end_it(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    def leave() -> None:
        raise SystemExit

    engine.start()
    engine.call(leave)

    assert engine.submit(where()).result(30) == "engine-under-test"
    assert "wanted to end the program" in caplog.text


def test_it_knows_its_own_code(engine: Engine) -> None:
    async def look() -> bool:
        return engine.current

    assert engine.submit(look()).result(30)
    assert not engine.current
