"""The one object: from the first event to the close, with whatever adapters it is given."""

import asyncio
import errno
import io
import itertools
import logging
import os
import pydoc
import threading
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import msgspec
import pytest

from fireforget import EventTypes, FireForget, Settings, SettingsError, _process, current_context
from fireforget._backends import Adapters
from fireforget._engine import shared_engine
from fireforget._journal import Journal, mapping
from fireforget._lanes import Lanes
from fireforget._settings import DispatchSettings, HttpSettings, JournalSettings, ProcessingSettings
from fireforget._site import queue_digest
from fireforget.abc import Event, Message, Outcome, Query, Queue
from fireforget.asgi import Receive, Scope, Send
from fireforget.errors import JournalError, TransientError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.processing import Worker, factory
from fireforget.testing.clock import ManualClock
from tests.asgi import call, http_scope
from tests.emitting import Pen
from tests.journals import abandon, fill
from tests.waiting import eventually, wait_for

MEMORY = JournalSettings(durability="none")
names = itertools.count()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"app-{next(names)}"


def settings(name: str, **changes: Any) -> Settings:
    known: dict[str, Any] = {"queue": f"memory://{name}", "store": f"memory://{name}", "journal": MEMORY}
    return Settings(**(known | changes))


async def scan(store: MemoryStore) -> list[Event]:
    return [record.event async for record in store.scan(Query())]


def stored(store: MemoryStore) -> list[Event]:
    return asyncio.run(scan(store))


class TestedQueue(MemoryQueue):
    """Counts its calls, and does as it is told."""

    __test__ = False

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.down = False
        self.closed = 0
        self.published: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        if self.down:
            raise TransientError("down")
        self.published += messages
        return await super().publish(messages)

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


# What it is made of


def test_events_reach_the_store_through_the_embedded_worker(name: str) -> None:
    store = MemoryStore(name)
    with FireForget(settings(name)) as ff:
        ids = [str(ff.emit("query", {"n": n})) for n in range(50)]

    assert sorted(event.id for event in stored(store)) == sorted(ids)


def test_adapters_that_are_given_are_used_and_left_open(name: str) -> None:
    queue, store, letters = TestedQueue(name), MemoryStore(name), MemoryDeadLetters(name)
    with FireForget(settings("unused"), queue=queue, dead_letters=letters, store=store) as ff:
        event_id = ff.emit("query", {})

    assert [event.id for event in stored(store)] == [str(event_id)]
    assert [message.count for message in queue.published] == [1]
    assert queue.closed == 0


def test_without_the_embedded_worker_events_stay_in_the_queue(name: str) -> None:
    queue, store = TestedQueue(name), MemoryStore(name)
    with FireForget(settings(name, processing=ProcessingSettings(embedded=False)), queue=queue) as ff:
        ff.emit("query", {})

    assert len(queue.published) == 1
    assert stored(store) == []


def test_event_types_of_its_own_validate_what_is_processed(name: str) -> None:
    types = EventTypes()

    @types.event_type("order")
    class Order(msgspec.Struct):
        total: float

    store, buried = MemoryStore(name), list[str]()
    with FireForget(settings(name), types=types) as ff:
        ff.on_dead_letter(lambda _, reason: buried.append(reason))
        good = ff.emit(Order(1.0))
        ff.emit("order", {"total": "much"})

    assert [event.id for event in stored(store)] == [str(good)]
    assert len(buried) == 1


def test_a_configuration_that_cannot_work_is_told_at_once() -> None:
    with pytest.raises(SettingsError):
        FireForget(Settings(queue="moon://x"))


@pytest.mark.parametrize("app", [None, "app", 3])
def test_only_what_can_be_called_is_wrapped(app: Any) -> None:
    with pytest.raises(TypeError, match=f"an ASGI application, which can be called, not {type(app).__name__}"):
        FireForget(Settings()).wrap(app)


@pytest.mark.parametrize("hook", ["on_delivered", "on_dropped", "on_dead_letter", "on_error", "before_emit"])
def test_its_help_tells_of_the_hooks(hook: str) -> None:
    told = io.StringIO()
    pydoc.Helper(output=told).help(FireForget)

    assert f"{hook}(self, " in told.getvalue()


def test_the_secret_reaches_the_sessions_of_requests_and_the_processing(name: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ff.emit("query", {"ip": "203.0.113.9"})

    store, http = MemoryStore(name), HttpSettings(session_from_client=True)
    for _ in range(2):
        with FireForget(settings(name, secret="0123456789abcdef", http=http)) as ff:
            asyncio.run(call(ff.wrap(app), http_scope(headers=[(b"user-agent", b"Firefox")])))

    first, second = stored(store)
    assert first.sessionid == second.sessionid
    assert first.data == second.data != {"ip": "203.0.113.9"}


def test_hooks_are_told_of_what_happens_to_messages(name: str) -> None:
    delivered: list[Message] = []
    ff = FireForget(settings(name))
    ff.on_delivered(delivered.append)
    with ff:
        ff.emit("query", {})

    assert [message.count for message in delivered] == [1]


# What it counts


def test_the_stats_follow_the_events(name: str) -> None:
    with FireForget(settings(name)) as ff:
        ff.before_emit(lambda kind, data: None if kind == "noise" else data)
        for kind in ("query", "noise", "no name"):
            ff.emit(kind, {})
        assert ff.drain_blocking() == 0
        counts = ff.stats()

    assert (counts.accepted, counts.delivered, counts.pending) == (1, 1, 0)
    assert (counts.filtered, counts.refused) == (1, {"schema": 1})


def test_what_is_refused_before_anything_else_is_counted(name: str) -> None:
    ff = FireForget(settings(name))
    for _ in range(3):
        ff.emit("query", [1])
    ff.emit("no name", {})
    with ff:
        ff.emit("query", [1])

        assert ff.stats().refused == {"unserializable": 4, "schema": 1}


def test_without_a_journal_the_stats_still_tell_what_was_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("")
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path / "taken" / "journal"))))

    results = [ff.emit("query", {}), ff.emit("query", [1]), ff.emit("query", {})]

    assert results == [None] * 3
    assert ff.stats().refused == {"journal": 2, "unserializable": 1}
    assert ff.drain_blocking() == 0
    ff.close()


def test_once_its_directory_can_be_made_the_journal_is_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("")
    store = MemoryStore(name)
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path / "taken" / "journal"))))
    ff.emit("query", {"n": 0})
    (tmp_path / "taken").unlink()
    with ff:
        ff.emit("query", {"n": 1})
        counts = ff.stats()

    assert (counts.accepted, counts.refused) == (1, {"journal": 1})
    assert [event.data["n"] for event in stored(store)] == [1]


def test_what_the_overflow_gives_up_is_counted_and_told(tmp_path: Path, name: str) -> None:
    journal = JournalSettings(
        directory=str(tmp_path), overflow="drop_oldest", max_bytes=4 * 1024 * 1024, segment_bytes=256 * 1024
    )
    queue, dropped = TestedQueue(name), list[tuple[str, int]]()
    queue.down = True
    ff = FireForget(settings(name, journal=journal, drain_seconds=0.05), queue=queue)
    ff.on_dropped(lambda reason, count: dropped.append((reason, count)))
    accepted = sum(ff.emit("query", {"n": n, "text": "x" * 1000}) is not None for n in range(8000))
    journal_ = ff.open_journal()
    wait_for(lambda: dropped)
    ff.close()
    counts = journal_.counts

    assert counts.accepted == accepted
    assert counts.dropped == {"overflow": sum(count for _, count in dropped)}
    assert {reason for reason, _ in dropped} == {"overflow"}


def test_where_the_journal_cannot_be_made_the_message_says_the_mend(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").write_text("")
    ff = FireForget(settings(name, directory=str(tmp_path / "taken"), journal=JournalSettings()))

    with pytest.raises(JournalError, match=r"let this process write there, or name another `directory`"), ff:
        pass


def test_a_server_that_starts_without_a_journal_says_so_in_one_line(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError  # it has no lifespan

    (tmp_path / "taken").write_text("")
    ff = FireForget(settings(name, directory=str(tmp_path / "taken"), journal=JournalSettings()))
    asked = iter(["lifespan.startup", "lifespan.shutdown"])
    answered: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(asked)}

    async def send(message: MutableMapping[str, Any]) -> None:
        answered.append(message["type"])

    asyncio.run(ff.wrap(app)({"type": "lifespan"}, receive, send))

    assert answered == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    (line,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("cannot start: events are refused until it is possible: cannot make a journal in")
    assert "Traceback" not in caplog.text


# How it begins


def test_where_dead_journals_fill_the_disk_they_are_drained_without_one_of_its_own(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(name, journal=JournalSettings(directory=str(tmp_path)))
    store = MemoryStore(name)
    dead = FireForget(given)._opener.open()
    fill(dead, range(7))
    abandon(dead)
    allocate = mapping._allocate

    def nearly_full(file: int, size: int) -> None:
        if list(tmp_path.glob(f"{dead.id}/*.seg")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        allocate(file, size)

    monkeypatch.setattr(mapping, "_allocate", nearly_full)
    ff = FireForget(given)
    assert ff.emit("query", {}) is None
    wait_for(lambda: len(stored(store)) == 7)
    wait_for(lambda: ff.emit("query", {}))
    ff.close()

    assert sorted(event.data["n"] for event in stored(store) if event.data) == list(range(7))
    assert len(stored(store)) == 8
    assert "left alone" not in caplog.text


def test_without_a_journal_of_its_own_a_close_ends_what_drains_those_of_the_dead(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(mapping, "_allocate", full)
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path))))
    assert ff.emit("query", {}) is None
    wait_for(lambda: ff._background._runtime)

    ff.close()

    async def left() -> list[str]:
        return [repr(task) for task in asyncio.all_tasks() if "Runtime" in repr(task)]

    assert ff._background._runtime is None
    assert shared_engine.submit(left()).result() == []


def test_a_signal_handler_that_emits_while_the_journal_is_opened_loses_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ff, store = FireForget(settings(name)), MemoryStore(name)
    open_one, nested = ff._opener.open, list[object]()

    def interrupted() -> Journal:
        journal = open_one()
        if not nested:
            nested.append(None)
            nested.append(ff.emit("nested", {}))
        return journal

    monkeypatch.setattr(ff._opener, "open", interrupted)
    with ff:
        ff.emit("query", {})
        assert ff.stats().accepted == 2

    assert sorted(event.type for event in stored(store)) == ["nested", "query"]


def test_many_threads_may_begin_at_once(tmp_path: Path, name: str) -> None:
    ff, store = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path)))), MemoryStore(name)
    begin = threading.Barrier(8)
    ids: list[str] = []

    def work() -> None:
        begin.wait()
        ids.append(str(ff.emit("query", {})))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journals = [path for path in tmp_path.iterdir() if path.is_dir()]
    ff.close()

    assert len(journals) == 1
    assert sorted(event.id for event in stored(store)) == sorted(ids)


def test_while_the_backend_cannot_start_events_wait(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attempts, errors = itertools.count(1), list[BaseException]()
    make = Adapters.queue

    def queue(self: Adapters) -> Queue:
        if next(attempts) < 3:
            raise ConnectionError("not yet")
        return make(self)

    monkeypatch.setattr(Adapters, "queue", queue)
    store = MemoryStore(name)
    ff = FireForget(settings(name, dispatch=DispatchSettings(max_backoff_seconds=0.01)))
    ff.on_error(errors.append)
    with ff:
        ff.emit("query", {})

    assert len(stored(store)) == 1
    assert [str(error) for error in errors] == ["not yet", "not yet"]
    assert caplog.text.count("cannot start: events wait in the journal") == 2


def test_while_the_worker_cannot_be_made_events_are_published(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    errors, may = list[BaseException](), threading.Event()
    make = factory.make_worker

    def make_worker(*roles: Any) -> Worker:
        if not may.is_set():
            raise SettingsError("geo_database = 'x.mmdb' cannot be read: name another")
        return make(*roles)

    monkeypatch.setattr(factory, "make_worker", make_worker)
    queue, store = TestedQueue(name), MemoryStore(name)
    ff = FireForget(settings(name, dispatch=DispatchSettings(max_backoff_seconds=0.01)), queue=queue)
    ff.on_error(errors.append)
    with ff:
        ff.emit("query", {})
        assert ff.drain_blocking() == 0
        published, stored_before = len(queue.published), stored(store)
        wait_for(lambda: len(errors) > 1)
        may.set()
        wait_for(lambda: stored(store))

    assert (published, stored_before) == (1, [])
    assert {type(error) for error in errors} == {SettingsError}
    assert "the worker failed and is started again: geo_database = 'x.mmdb' cannot be read: name another" in caplog.text
    assert "Traceback" not in caplog.text


def test_where_no_thread_can_be_started_events_wait_in_the_journal(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    ff, store = FireForget(settings(name)), MemoryStore(name)
    with monkeypatch.context() as patch:
        patch.setattr(shared_engine, "start", refuse)
        event_id = ff.emit("query", {})
        assert ff.stats().pending == 1
    ff.close()

    assert [event.id for event in stored(store)] == [str(event_id)]


@pytest.mark.asyncio
async def test_events_are_delivered_without_any_drain(name: str) -> None:
    store = MemoryStore(name)
    ff = FireForget(settings(name))
    event_id = str(ff.emit("query", {}))
    found: list[Event] = []

    async def arrived() -> None:
        while not found:
            found.extend(await scan(store))
            await asyncio.sleep(0)

    await asyncio.wait_for(arrived(), 30)
    await eventually(lambda: ff.stats().delivered == 1)
    await ff.aclose()

    assert [event.id for event in found] == [event_id]


def test_a_mistake_of_ours_does_not_end_the_dispatching(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill, mistakes = Lanes.fill, itertools.count()

    def stumble(self: Lanes) -> bool:
        if next(mistakes) in {3, 4, 8}:
            raise ZeroDivisionError
        return fill(self)

    monkeypatch.setattr(Lanes, "fill", stumble)
    store, errors = MemoryStore(name), list[BaseException]()
    ff = FireForget(settings(name, dispatch=DispatchSettings(max_backoff_seconds=0.01)))
    ff.on_error(errors.append)
    with caplog.at_level(logging.ERROR, "fireforget"), ff:
        for n in range(10):
            ff.emit("query", {"n": n})
            assert ff.drain_blocking() == 0

    assert len(stored(store)) == 10
    assert [type(error) for error in errors] == [ZeroDivisionError] * 3
    assert "the dispatcher failed and is started again" in caplog.text


# How it ends


def test_an_event_after_the_close_is_accepted_and_delivered_by_the_next_start(name: str) -> None:
    store = MemoryStore(name)
    ff = FireForget(settings(name))
    with ff:
        ff.emit("query", {"n": 0})
    late = ff.emit("query", {"n": 1})
    with ff:
        ff.emit("query", {"n": 2})

    assert late is not None
    assert sorted(event.data["n"] for event in stored(store)) == [0, 1, 2]
    assert ff not in _process.members


def test_closing_twice_and_without_ever_having_begun_is_no_mistake(name: str) -> None:
    ff = FireForget(settings(name))
    ff.close()
    ff.start()
    ff.close()
    ff.close()

    assert ff not in _process.members


def test_a_drain_ends_at_its_deadline_and_says_what_is_left(name: str, caplog: pytest.LogCaptureFixture) -> None:
    queue = TestedQueue(name)
    queue.down = True
    ff = FireForget(settings(name), queue=queue)
    for n in range(10):
        ff.emit("query", {"n": n})

    left = ff.drain_blocking(0.05)
    queue.down = False
    wait_for(lambda: ff.drain_blocking(5.0) == 0)
    ff.close()

    assert left == 10
    assert "the drain ended with 10 events pending" in caplog.text
    assert len(queue.published) == 1


@pytest.mark.anyio
async def test_draining_and_closing_from_a_loop(name: str) -> None:
    store = MemoryStore(name)
    async with FireForget(settings(name)) as ff:
        ff.emit("query", {"n": 0})
        assert await ff.drain() == 0
        assert await ff.drain() == 0
        ff.emit("query", {"n": 1})

    assert len(await scan(store)) == 2


@pytest.mark.anyio
async def test_a_drain_does_not_stop_the_loop(name: str) -> None:
    queue = TestedQueue(name)
    queue.down = True
    ff = FireForget(settings(name), queue=queue)
    ff.emit("query", {})
    left: list[int] = []
    turns = 0

    async def drain() -> None:
        left.append(await ff.drain(0.1))

    async with anyio.create_task_group() as group:
        group.start_soon(drain)
        while not left:
            turns += 1
            await anyio.lowlevel.checkpoint()
    queue.down = False
    await ff.aclose()

    assert left == [1]
    assert turns > 10


def test_a_neighbours_journal_that_could_not_be_drained_is_given_back(tmp_path: Path, name: str) -> None:
    journal = JournalSettings(directory=str(tmp_path), adopt_seconds=0.01)
    store, queue = MemoryStore(name), TestedQueue(name)
    queue.down = True
    first = FireForget(settings(name, journal=journal, drain_seconds=0.05), queue=queue)
    dead = Pen()
    dead._journal = Journal.open(tmp_path, queue_digest(queue.identity), describe=dead.describe)
    orphan = dead.emit("query", {"n": 0})
    dead._journal.close()
    first.start()
    wait_for(lambda: first._background._runtime is not None and first._background._runtime.pending == 1)
    first.close()
    with FireForget(settings(name, journal=journal)):
        wait_for(lambda: len(list(tmp_path.glob("[!.]*/"))) == 1)

    assert [event.id for event in stored(store)] == [str(orphan)]


def test_a_neighbours_journal_that_is_found_too_late_is_given_back(tmp_path: Path, name: str) -> None:
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path))))
    dead = Pen()
    dead._journal = Journal.open(tmp_path, queue_digest(MemoryQueue(name).identity), describe=dead.describe)
    dead.emit("query", {"n": 0})
    dead._journal.close()
    look, looking, go_on = ff._neighbours.adopt, threading.Event(), threading.Event()

    def look_slowly() -> list[Journal]:
        looking.set()
        go_on.wait()
        return look()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ff._neighbours, "adopt", look_slowly)
        ff.start()
        looking.wait()
        runtime = ff._background._runtime
        assert runtime is not None
        closing = threading.Thread(target=ff.close)
        closing.start()
        wait_for(lambda: all(task.cancelling() or task.done() for task in runtime._tasks))
        go_on.set()
        closing.join()
    (found,) = look()

    assert found.pending == 1
    found.close()


def test_at_exit_all_are_closed_even_where_one_cannot(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise OSError("the disk is gone")

    stubborn, ff, store = FireForget(settings(f"{name}-stubborn")), FireForget(settings(name)), MemoryStore(name)
    stubborn.emit("query", {})
    ff.emit("query", {})
    with monkeypatch.context() as patch:
        patch.setattr(stubborn, "close", fail)
        _process.end()
        left = set(_process.members)
    stubborn.close()

    assert len(stored(store)) == 1
    assert left == {stubborn}
    assert "cannot close: what is pending stays in the journal" in caplog.text


def test_a_backend_that_does_not_let_go_is_not_waited_for_without_end(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    released = threading.Event()

    class Sticky(MemoryStore):
        async def aclose(self) -> None:
            await asyncio.to_thread(released.wait)

    def store(self: Adapters) -> MemoryStore:
        return Sticky(name)

    monkeypatch.setattr(Adapters, "store", store)
    monkeypatch.setattr("fireforget._background._GRACE_SECONDS", 0.05)
    ff = FireForget(settings(name, processing=ProcessingSettings(stop_seconds=0.01)))
    with ff:
        ff.emit("query", {})
        ff.drain_blocking()
    released.set()

    assert "cannot close in good order" in caplog.text
    assert shared_engine.running


# What it is asked from odd places


def test_after_the_close_the_stats_are_those_of_the_close(tmp_path: Path, name: str) -> None:
    with FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path)))) as ff:
        ff.emit("query", {})
        ff.emit("query", object())
    counts = ff.stats()

    assert (counts.accepted, counts.delivered, counts.refused) == (1, 1, {"unserializable": 1})
    assert "accepted=1" in repr(counts)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_what_was_found_in_dead_journals_is_counted(tmp_path: Path, name: str) -> None:
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path))))
    dead = Pen()
    dead._journal = Journal.open(tmp_path, queue_digest(MemoryQueue(name).identity), describe=dead.describe)
    for n in range(3):
        dead.emit("query", {"n": n})
    dead._journal.close()
    store = MemoryStore(name)
    with ff:
        wait_for(lambda: ff.stats().recovered == 3)
        wait_for(lambda: len(stored(store)) == 3)

    assert (ff.stats().recovered, ff.stats().accepted) == (3, 0)


def test_a_journal_that_cannot_be_opened_is_not_tried_again_for_each_event(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("")
    clock, tried = ManualClock(), itertools.count()
    ff = FireForget(settings(name, journal=JournalSettings(directory=str(tmp_path / "taken" / "j"))), clock=clock)
    make = ff._opener._make

    def counted() -> Journal:
        next(tried)
        return make()

    monkeypatch.setattr(ff._opener, "_make", counted)
    for _ in range(100):
        ff.emit("query", {})
    clock.advance(1.0)
    ff.emit("query", {})

    assert next(tried) == 2
    assert ff.stats().refused == {"journal": 101}


@pytest.mark.asyncio
async def test_work_that_drains_does_not_wait_for_itself(name: str) -> None:
    left: list[int] = []

    async def work() -> None:
        ff.emit("query", {})
        left.append(await ff.drain(20))

    async with FireForget(settings(name)) as ff:
        current_context().wait_until(work())
        await eventually(lambda: left)

    assert left == [0]


def test_the_background_thread_does_not_wait_for_itself(name: str) -> None:
    raised: list[BaseException] = []

    def drain(_: Message) -> None:
        try:
            ff.drain_blocking()
        except RuntimeError as error:
            raised.append(error)

    with FireForget(settings(name)) as ff:
        ff.on_delivered(drain)
        ff.emit("query", {})

    assert ["await drain() there" in str(error) for error in raised] == [True]


def test_a_hook_that_wants_to_end_the_program_ends_nothing(name: str, caplog: pytest.LogCaptureFixture) -> None:
    def leave(_: Message) -> None:
        raise SystemExit

    store = MemoryStore(name)
    with FireForget(settings(name)) as ff:
        ff.on_delivered(leave)
        for n in range(3):
            ff.emit("query", {"n": n})
            assert ff.drain_blocking() == 0

    assert len(stored(store)) == 3
    assert "a hook of the application failed" in caplog.text


def test_work_that_a_shutdown_does_not_wait_for_is_named(name: str, caplog: pytest.LogCaptureFixture) -> None:
    released = threading.Event()

    async def endless() -> None:
        await asyncio.to_thread(released.wait)

    with FireForget(settings(name, drain_seconds=0.05)) as ff:
        ff.on_delivered(lambda _: None)
        current_context().wait_until(endless())
    released.set()

    assert "work handed to wait_until has not ended within 0.05 s" in caplog.text
    assert "endless" in caplog.text
