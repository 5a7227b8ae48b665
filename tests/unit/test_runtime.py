"""What tends the journals: their upkeep, the adoption of what the dead left, and tasks that fail."""

import asyncio
import errno
import itertools
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from fireforget import Settings
from fireforget._engine import shared_engine
from fireforget._hooks import Hooks
from fireforget._journal import Journal, Options, adopt, totals
from fireforget._journal import mapping as memory
from fireforget._runtime import UPKEEP_SECONDS, Runtime
from fireforget._settings import DispatchSettings, JournalSettings
from fireforget.errors import TransientError
from fireforget.testing.clock import ManualClock
from tests.journals import NOTHING, PROCESS, QUEUE, abandon, fill, opened
from tests.publishing import ScriptedQueue
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio

OPTIONS = Options(segment_bytes=65536, max_bytes=1 << 23)


class Bench:
    """A runtime over one journal, under a clock that stands still."""

    def __init__(self, journal: Journal, root: Path, **dispatch: float) -> None:
        self.clock = ManualClock()
        self.queue = ScriptedQueue()
        self.errors: list[BaseException] = []
        hooks = Hooks()
        hooks.on_error(self.errors.append)
        memory_only = not journal.id
        settings = Settings(
            journal=JournalSettings(directory=str(root), durability="none" if memory_only else "process"),
            dispatch=DispatchSettings(**({"linger_seconds": 0.0} | dispatch)),  # type: ignore[arg-type]
        )
        self.runtime = Runtime(journal, lambda: adopt(root, QUEUE, OPTIONS), settings, self.queue, self.clock, hooks)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run while the body runs."""
        self.runtime.start(None, AsyncExitStack())
        try:
            yield
        finally:
            await self.runtime.aclose()

    async def until(self, condition: Callable[[], object]) -> None:
        """Let time pass until the condition holds."""

        def passed() -> object:
            self.clock.advance(UPKEEP_SECONDS)
            return condition()

        await eventually(passed)


async def test_a_full_disk_is_told_of_once_and_tried_again_at_every_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal, attempts = Journal.open(tmp_path, QUEUE, OPTIONS), itertools.count()
    room = asyncio.Event()
    create = memory._allocate

    def allocate(file: int, size: int) -> None:
        next(attempts)
        if not room.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        create(file, size)

    monkeypatch.setattr(memory, "_allocate", allocate)
    bench = Bench(journal, tmp_path)
    async with bench.running():
        await bench.until(lambda: journal.trouble)
        before, began = next(attempts), bench.clock.monotonic()
        await bench.until(lambda: next(attempts) > before + 20)
        rounds = (bench.clock.monotonic() - began) / UPKEEP_SECONDS
        room.set()
        await bench.until(lambda: journal.trouble is None and journal._spares)
    journal.close()

    assert rounds < 2 * 20
    assert [type(error).__name__ for error in bench.errors] == ["JournalError"]
    assert caplog.text.count("No space left on device: events are accepted as long as the last segment") == 1
    assert caplog.text.count("the journal has room again") == 1
    assert "Traceback" not in caplog.text


async def test_what_piles_up_unread_is_sealed_and_leaves_memory(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, QUEUE, OPTIONS)
    bench = Bench(journal, tmp_path)
    bench.queue.failures.extend(TransientError("down") for _ in range(100))
    fill(journal, range(20_000))
    files = journal._chain.files()
    async with bench.running():
        await bench.until(lambda: all(file.complete for file in files[:-1]))

        assert len(files) > 20
        assert sum(file.mapped for file in files) <= 17
        assert journal.counts.accepted == 20_000


async def test_the_journals_of_many_dead_are_drained_a_few_at_a_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fireforget")
    for n in range(30):
        dead = opened(tmp_path)
        fill(dead, [n])
        abandon(dead)
    stranger = Journal.open(tmp_path, "another", OPTIONS)
    fill(stranger, [0])
    abandon(stranger)
    journal = Journal.open(tmp_path, QUEUE, OPTIONS)
    bench = Bench(journal, tmp_path, backoff_seconds=0.1, max_backoff_seconds=0.1)
    bench.queue.stuck = {f"lane-{lane:03d}" for lane in range(16)}
    most = 0

    def held() -> int:
        nonlocal most
        most = max(most, len(bench.runtime.neighbours))
        return most

    async with bench.running():
        await bench.until(lambda: held() >= 16)
        for _ in range(100):
            await bench.until(held)
        bench.queue.stuck.clear()
        bench.queue.freed.set()
        await bench.until(lambda: held() and len(list(tmp_path.glob("[!.]*/"))) == 2)
    journal.close()

    assert most <= 23
    assert sorted(json.loads(message.body)[0]["data"]["n"] for message in bench.queue.taken) == list(range(30))
    assert totals(tmp_path).counts.delivered == 30
    assert caplog.text.count(f"{stranger.id} of a dead process is left alone: it is for another queue") == 1


async def test_a_task_that_fails_is_started_again_soon_and_then_ever_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path, QUEUE, NOTHING)
    bench = Bench(journal, tmp_path, backoff_seconds=1.0, max_backoff_seconds=8.0)
    monkeypatch.setattr(bench.clock, "random", lambda: 1.0)
    walk, moments = journal.walk, list[float]()

    def fail(limit: int) -> object:
        if len(moments) < 6:
            moments.append(bench.clock.monotonic())
            raise OSError(errno.EMFILE, "Too many open files")
        return walk(limit)

    fill(journal, range(3))
    monkeypatch.setattr(journal, "walk", fail)
    async with bench.running():
        await bench.until(lambda: not bench.runtime.pending)

    waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert waits == pytest.approx([1.0, 2.0, 4.0, 8.0, 8.0], abs=2 * UPKEEP_SECONDS)
    assert len(bench.errors) == 6


async def test_events_that_have_waited_for_too_long_press_until_they_are_delivered_or_it_is_closed(
    tmp_path: Path,
) -> None:
    before = list(shared_engine.pace.pressed)
    journal = opened(tmp_path, NOTHING)
    bench = Bench(journal, tmp_path, linger_seconds=3600.0, defer_seconds=10.0)
    for sequence in range(3):
        assert journal.append(PROCESS, "query", bench.clock.time_ns(), sequence, b"{}")
    async with bench.running():
        (pressed,) = [each for each in shared_engine.pace.pressed if each not in before]
        began = bench.clock.monotonic()
        await bench.until(pressed)
        assert 10.0 <= bench.clock.monotonic() - began < 11.0
        await bench.runtime.flush()
        assert not pressed()

    assert shared_engine.pace.pressed == before
    journal.close()


async def test_a_worker_that_cannot_keep_up_presses(tmp_path: Path) -> None:
    class BusyWorker:
        busy_seconds = 0.0

        async def run(self) -> None:
            await asyncio.Event().wait()

        async def stop(self) -> None:
            """Nothing is in work."""

    before = list(shared_engine.pace.pressed)
    journal, worker = opened(tmp_path, NOTHING), BusyWorker()
    bench = Bench(journal, tmp_path, defer_seconds=10.0)
    bench.runtime.start(lambda _: worker, AsyncExitStack())  # type: ignore[arg-type,return-value]
    try:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (pressed,) = [each for each in shared_engine.pace.pressed if each not in before]
        worker.busy_seconds = 9.9
        assert not pressed()
        worker.busy_seconds = 10.1
        assert pressed()
    finally:
        await bench.runtime.aclose()
    journal.close()
