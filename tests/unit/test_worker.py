"""The worker: order, concurrency, leases, backoff, stop, drain."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import msgspec
import pytest

from fireforget._settings import ProcessingSettings
from fireforget.abc import Message, Query
from fireforget.errors import ClosedError, SettingsError, TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue, SQLiteStore
from fireforget.processing import Enricher, Intake, Processor, Totals, Worker
from fireforget.processing.hands import Hands
from fireforget.processing.leases import Leases
from fireforget.processing.patience import Patience
from fireforget.processing.settler import Settler
from tests.pipeline import Bench, Failure, Raising, SteppingClock, broken, event, message, settle, unused_name, uuid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from fireforget._event import Event
    from fireforget.abc import Delivery

pytestmark = pytest.mark.asyncio

SETTINGS = ProcessingSettings(batch=10, lease_seconds=30, wait_seconds=5, concurrency=4, stop_seconds=10)
PATIENCE = Patience(30)


class TestedQueue(MemoryQueue):
    """A queue in memory that remembers its calls and fails as it is told to."""

    __test__ = False

    def __init__(self, name: str, clock: SteppingClock) -> None:
        super().__init__(name, clock=clock)
        self.failure: Exception | None = None
        self.failing = ""
        self.stuck = ""
        self.received: list[float] = []
        self.acks: list[list[str]] = []
        self.nacks: list[tuple[list[str], float]] = []
        self.extensions: list[float] = []
        self.lost: set[str] = set()
        self.ack_seconds = 0.0
        self._at = clock

    def fail(self, call: str, error: Exception | None) -> None:
        """Let one kind of call raise from now on."""
        self.failing, self.failure = call, error

    async def _check(self, call: str) -> None:
        if self.stuck == call:
            self.stuck = ""
            await anyio.sleep_forever()
        if self.failure is not None and self.failing == call:
            raise self.failure

    async def receive(self, limit: int, *, wait: float, lease: float) -> Sequence[Delivery]:
        self.received.append(self._at.seconds)
        await self._check("receive")
        return await super().receive(limit, wait=wait, lease=lease)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        self.acks.append([delivery.message.id for delivery in deliveries])
        await self._at.sleep(self.ack_seconds)
        await self._check("ack")
        await super().ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        self.nacks.append(([delivery.message.id for delivery in deliveries], delay))
        await self._check("nack")
        await super().nack(deliveries, delay=delay)

    async def extend(self, deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
        self.extensions.append(self._at.seconds)
        await self._check("extend")
        kept = [delivery for delivery in deliveries if delivery.message.id not in self.lost]
        return await super().extend(kept, lease)


class Gate:
    """An enricher that holds events until it is opened, and knows which it holds."""

    def __init__(self, *ids: str) -> None:
        self.ids = set(ids)
        self.holds: list[str] = []
        self.most = 0
        self._opened = anyio.Event()

    def open(self) -> None:
        self._opened.set()

    async def __call__(self, event: Event) -> Event:
        if event.id in self.ids and not self._opened.is_set():
            self.holds.append(event.id)
            self.most = max(self.most, len(self.holds))
            try:
                await self._opened.wait()
            finally:
                self.holds.remove(event.id)
        return event


class Stage:
    """A worker with all that it works with, on a clock that the test moves."""

    def __init__(self, *enrichers: Enricher, settings: ProcessingSettings = SETTINGS) -> None:
        self.clock = SteppingClock()
        name = unused_name()
        self.queue = TestedQueue(name, self.clock)
        self.bench = Bench(*enrichers, settings=settings, clock=self.clock, letters=name)
        self.worker = Worker(self.queue, self.bench.processor, settings, hooks=self.bench.hooks, clock=self.clock)

    async def publish(self, *messages: Message) -> None:
        await self.queue.publish(messages)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the worker meanwhile, and stop it at the end."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.worker.run)
            await settle()
            yield
            group.start_soon(self.worker.stop)
            await self.clock.run(60)

    @property
    def stored(self) -> list[str]:
        return self.bench.store.ids

    async def unsettled(self) -> tuple[int | None, int | None]:
        depth = await self.queue.depth()
        return depth.visible, depth.in_flight


def lanes(*keys: str) -> list[Message]:
    """One message of one event for each key, numbered from 0."""
    return [message(event(number), key=key, id_=str(number)) for number, key in enumerate(keys)]


def once(error: Exception) -> Failure:
    """The first call fails."""
    errors = iter([error])
    return lambda record: next(errors, None)


class TestWork:
    async def test_what_is_published_is_stored_and_settled(self) -> None:
        """All messages, over several receives."""
        stage = Stage()
        await stage.publish(*lanes(*map(str, range(25))))
        async with stage.running():
            await settle()
            assert sorted(stage.stored) == sorted(map(uuid, range(25)))
            assert await stage.unsettled() == (0, 0)

    async def test_what_is_published_later_is_stored_too(self) -> None:
        """A worker that waits is woken."""
        stage = Stage()
        async with stage.running():
            await stage.clock.run(100)
            await stage.publish(*lanes("a"))
            await settle()
            assert stage.stored == [uuid(0)]

    async def test_a_slow_key_holds_up_no_other(self) -> None:
        """While an enricher waits for an event of one key, the other keys go on, and so do later receives."""
        gate = Gate(uuid(0))
        stage = Stage(gate)
        await stage.publish(*lanes("a", "b", "a", "c"))
        async with stage.running():
            await settle()
            assert stage.stored == [uuid(1), uuid(3)]
            await stage.publish(message(event(9), key="d"))
            await settle()
            assert uuid(9) in stage.stored
            gate.open()
            await settle()
            assert stage.stored[-2:] == [uuid(0), uuid(2)]

    async def test_no_more_lanes_at_once_than_allowed(self) -> None:
        """``concurrency`` bounds the lanes in work."""
        gate = Gate(*map(uuid, range(9)))
        stage = Stage(gate, settings=msgspec.structs.replace(SETTINGS, concurrency=3))
        messages = lanes(*map(str, range(9)))
        await stage.publish(*messages[:2])
        async with stage.running():
            await settle()
            assert len(gate.holds) == 2
            await stage.publish(*messages[2:])
            await settle()
            assert len(gate.holds) == 3
            gate.open()
            await settle()
            assert len(stage.stored) == 9
        assert gate.most == 3

    async def test_settlements_share_calls(self) -> None:
        """What is done while one call is under way is settled by the next."""
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, batch=16, concurrency=16))
        stage.queue.ack_seconds = 0.02
        await stage.publish(*lanes(*map(str, range(16))))
        async with stage.running():
            await stage.clock.run(1)
        assert [len(ids) for ids in stage.queue.acks] == [1, 15]

    async def test_it_is_at_ease_as_long_as_it_takes_less_than_it_could(self) -> None:
        """Full batches, one after the other, say that there is more to do than it does."""

        async def slow(event: Event) -> Event:
            await stage.clock.sleep(1)
            return event

        stage = Stage(slow, settings=msgspec.structs.replace(SETTINGS, batch=2, concurrency=1))
        async with stage.running():
            for number in range(10):
                await stage.publish(message(event(number), id_=str(number)))
                await stage.clock.run(4)
                assert stage.worker.busy_seconds < 10
            await stage.publish(*[message(event(number), id_=str(number)) for number in range(100, 160)])
            await stage.clock.run(40)
            assert stage.worker.busy_seconds > 30
            await stage.clock.run(60)
            assert stage.worker.busy_seconds < 10

    async def test_a_lease_longer_than_the_queue_allows_is_refused(self) -> None:
        """The message names the setting."""
        with pytest.raises(SettingsError, match=r"lease_seconds = 86400 in \[processing\] is too long"):
            Stage(settings=ProcessingSettings(lease_seconds=86400))


class TestAgain:
    async def test_what_failed_comes_again_in_order(self) -> None:
        """A lane whose first message failed is stored in its order afterwards; others are not delayed."""
        enricher = Raising(TransientError("down"), uuid(0))
        stage = Stage(enricher)
        await stage.publish(*lanes("a", "b", "a"))
        async with stage.running():
            await settle()
            assert stage.stored == [uuid(1)]
            assert stage.queue.nacks == [(["0", "2"], 0.75)]
            enricher.ids.clear()
            await stage.clock.run(1)
            assert stage.stored == [uuid(1), uuid(0), uuid(2)]
            assert await stage.unsettled() == (0, 0)

    async def test_the_delay_doubles_up_to_a_bound(self) -> None:
        """Half of each delay is certain, the rest is chance."""
        stage = Stage(Raising(TransientError("down"), uuid(0)))
        await stage.publish(*lanes("a"))
        async with stage.running():
            await stage.clock.run(600)
        delays = [delay for _, delay in stage.queue.nacks]
        assert delays[:9] == [0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 48.0, 90.0, 90.0]

    async def test_a_hint_is_honoured(self) -> None:
        """Who asked for a minute is left alone for a minute."""
        stage = Stage(Raising(TransientError("down", retry_after=60), uuid(0)))
        await stage.publish(*lanes("a"))
        async with stage.running():
            await settle()
            assert stage.queue.nacks == [(["0"], 60)]

    async def test_a_queue_without_delays_gets_its_messages_back_later(self) -> None:
        """The lease is kept meanwhile; no hand is kept busy by it."""
        stage = Stage(
            Raising(TransientError("down", retry_after=100), *map(uuid, range(4))),
            settings=msgspec.structs.replace(SETTINGS, concurrency=2),
        )
        stage.queue.capabilities = msgspec.structs.replace(stage.queue.capabilities, delayed_nack=False)
        await stage.publish(*lanes("a", "b", "c", "d", "e"))
        async with stage.running():
            await stage.clock.run(90)
            assert stage.stored == [uuid(4)]
            assert stage.queue.nacks == []
            assert await stage.unsettled() == (0, 4)
            await stage.clock.run(10)
            assert stage.queue.nacks == [([str(number)], 0.0) for number in range(4)]

    async def test_an_outage_of_twelve_hours_buries_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is dead-lettered, no message is delivered too often, and all is stored in the end."""
        monkeypatch.setattr("fireforget.local._bell.LONGEST_PAUSE", 10.0)  # else the test is all looking
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, wait_seconds=600))
        stage.clock.chance = 0.0
        stage.bench.store.failure = lambda record: TransientError("down")
        await stage.publish(*lanes("a", "b", "a"))
        async with stage.running():
            await stage.clock.run(12 * 3600)
            assert stage.stored == []
            stage.bench.store.failure = lambda record: None
            await stage.clock.run(120)
            assert sorted(stage.stored) == [uuid(0), uuid(1), uuid(2)]
            assert stage.bench.letters.kept == {}
        assert len(stage.queue.nacks) <= 2 * 750

    async def test_an_unexpected_failure_ends_among_the_dead_letters(self) -> None:
        """After five deliveries, and what is behind it goes on."""
        stage = Stage(Raising(ValueError("bug"), uuid(0)))
        await stage.publish(*lanes("a", "a"))
        async with stage.running():
            await stage.clock.run(30)
            assert stage.stored == [uuid(1)]
            assert stage.bench.letters.kept[uuid(0)].attempts == 5

    async def test_a_settlement_that_fails_does_no_harm(self, caplog: pytest.LogCaptureFixture) -> None:
        """The message comes again when its lease ends, and is stored once."""
        stage = Stage()
        stage.queue.fail("ack", TransientError("down"))
        await stage.publish(*lanes("a"))
        async with stage.running():
            await stage.clock.run(20)
            stage.queue.fail("ack", None)
            await stage.clock.run(20)
            assert stage.stored == [uuid(0)]
            assert await stage.unsettled() == (0, 0)
        assert [record.getMessage() for record in caplog.records] == [
            "deliveries cannot be settled and come again: TransientError: down",
            "deliveries can be settled again",
        ]


class TestTotals:
    async def test_they_say_what_became_of_everything(self) -> None:
        """Each message settled counts once with its events, each return by itself."""
        stage = Stage(Raising(TransientError("down"), uuid(0)))
        await stage.publish(
            *lanes("a"),
            message(event(1), event(2), broken(3), key="b"),
            Message("no batch", "c", "none", 4),
        )
        assert stage.worker.totals == Totals()
        async with stage.running():
            assert stage.worker.totals == Totals(messages=2, events=7, dead_lettered=5, returned=1)
            await stage.clock.run(3)
            assert stage.worker.totals.returned == 3

    async def test_what_the_queue_did_not_settle_does_not_count(self) -> None:
        """It comes again, and is counted then."""
        stage = Stage()
        stage.queue.fail("ack", TransientError("down"))
        await stage.publish(*lanes("a"))
        async with stage.running():
            await stage.clock.run(20)
            assert stage.worker.totals == Totals()
            stage.queue.fail("ack", None)
            await stage.clock.run(20)
            assert stage.worker.totals == Totals(messages=1, events=1)


class TestLeases:
    async def test_a_lease_is_renewed_at_its_half(self) -> None:
        """As long as the work takes, and no longer; nobody else gets the message."""
        gate = Gate(uuid(0))
        stage = Stage(gate)
        await stage.publish(*lanes("a"))
        async with stage.running():
            await stage.clock.run(100)
            assert stage.queue.extensions == [15, 30, 45, 60, 75, 90]
            assert gate.most == 1
            gate.open()
            await stage.clock.run(100)
            assert stage.queue.extensions[-1] == 90
            assert await stage.unsettled() == (0, 0)

    async def test_quick_work_renews_nothing(self) -> None:
        """What is settled within half a lease costs no call."""
        stage = Stage()
        await stage.publish(*lanes("a", "b"))
        async with stage.running():
            await stage.clock.run(100)
        assert stage.queue.extensions == []

    async def test_each_delivery_is_renewed_at_its_own_half(self) -> None:
        """What came later is renewed later."""
        stage = Stage(Gate(uuid(0), uuid(1)))
        [first, second] = lanes("a", "b")
        async with stage.running():
            await stage.publish(first)
            await stage.clock.run(10)
            await stage.publish(second)
            await stage.clock.run(30)
            assert stage.queue.extensions == [15, 25, 30, 40]

    async def test_a_renewal_that_fails_is_tried_again_in_time(self) -> None:
        """Before the lease ends."""
        stage = Stage(Gate(uuid(0)))
        await stage.publish(*lanes("a"))
        stage.queue.fail("extend", TransientError("down"))
        async with stage.running():
            await stage.clock.run(16)
            stage.queue.fail("extend", None)
            await stage.clock.run(10)
            assert stage.queue.extensions == [15, 18.75]
            assert await stage.unsettled() == (0, 1)

    async def test_a_lost_lease_is_not_settled(self) -> None:
        """Somebody else has the message by then; what has not begun is not begun."""
        gate = Gate(uuid(0))
        stage = Stage(gate, settings=msgspec.structs.replace(SETTINGS, concurrency=1))
        await stage.publish(*lanes("a", "b"))
        stage.queue.lost = {"0", "1"}
        async with stage.running():
            await stage.clock.run(16)
            gate.open()
            await settle()
            assert stage.queue.acks == []
            assert stage.stored == [uuid(0)]
            await stage.clock.run(20)
            assert stage.queue.acks == [["0"], ["1"]]

    async def test_the_newest_receipt_settles(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A queue that names a delivery anew when it is renewed is settled by the new name."""
        gate = Gate(uuid(0))
        stage = Stage(gate)
        settled: list[str] = []

        async def extend(deliveries: Sequence[Delivery], lease: float) -> Sequence[Delivery]:
            return [msgspec.structs.replace(delivery, receipt="renamed") for delivery in deliveries]

        async def ack(deliveries: Sequence[Delivery]) -> None:
            settled.extend(delivery.receipt for delivery in deliveries)

        monkeypatch.setattr(stage.queue, "extend", extend)
        monkeypatch.setattr(stage.queue, "ack", ack)
        await stage.publish(*lanes("a"))
        async with stage.running():
            await stage.clock.run(20)
            gate.open()
            await settle()
            assert settled == ["renamed"]


class TestTrouble:
    async def test_a_queue_that_cannot_be_read_is_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """After growing pauses, with one line in the log for each change."""
        stage = Stage()
        stage.queue.fail("receive", TransientError("no route"))
        async with stage.running():
            await stage.clock.run(20)
            assert stage.queue.received == [0, 0.75, 2.25, 5.25, 11.25]
            stage.queue.fail("receive", None)
            await stage.publish(*lanes("a"))
            await stage.clock.run(10)
            assert stage.stored == [uuid(0)]
        assert len(stage.bench.errors) == 5
        assert [record.getMessage() for record in caplog.records] == [
            "the queue cannot be read: TransientError: no route",
            "the queue can be read again",
        ]

    async def test_any_error_of_a_queue_is_survived(self) -> None:
        """An adapter with a bug does not end the worker."""
        stage = Stage()
        stage.queue.fail("receive", ValueError("bug"))
        async with stage.running():
            await settle()
            stage.queue.fail("receive", None)
            await stage.publish(*lanes("a"))
            await stage.clock.run(1)
            assert stage.stored == [uuid(0)]

    @pytest.mark.parametrize("call", ["receive", "ack", "nack", "extend"])
    async def test_a_queue_that_never_answers_once_holds_nothing_up(self, call: str) -> None:
        """The call is given up; what it was about comes again when its lease ends."""
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, call_timeout=0.01, lease_seconds=8))
        stage.queue.capabilities = msgspec.structs.replace(stage.queue.capabilities, delayed_nack=False)
        stage.queue.stuck = call
        stage.bench.store.failure = once(TransientError("down", retry_after=6))
        await stage.publish(*lanes("a"))
        async with stage.running():
            given_up = f"the queue's {call}: no answer within call_timeout = 0.01 s"
            with anyio.fail_after(20):
                while given_up not in map(str, stage.bench.errors) or await stage.unsettled() != (0, 0):
                    await stage.clock.run(1)
                    await anyio.sleep(0.002)  # a call that hangs is given up by the loop's own clock
            assert stage.stored == [uuid(0)]

    async def test_a_closed_queue_ends_the_worker(self) -> None:
        """There is nothing to wait for."""
        stage = Stage()
        await stage.queue.aclose()
        await stage.worker.run()
        assert [type(error) for error in stage.bench.errors] == [ClosedError]

    async def test_a_queue_that_never_waits_starves_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Others get their turn between two receives."""
        stage = Stage()

        async def receive(*arguments: object, **keywords: object) -> Sequence[Delivery]:
            return ()

        monkeypatch.setattr(stage.queue, "receive", receive)
        async with stage.running():
            await settle()

    async def test_a_worker_that_broke_down_can_run_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It has forgotten what it held, which comes again when the leases end."""
        stage = Stage()
        await stage.publish(*lanes("a"))
        with monkeypatch.context() as patch:
            patch.setattr(stage.bench.processor, "process", lambda deliveries: 1 // 0)
            with pytest.raises(ExceptionGroup):
                await stage.worker.run()
        async with stage.running():
            await stage.clock.run(40)
            assert stage.queue.extensions == []
            assert stage.stored == [uuid(0)]


class TestSQLite:
    async def test_the_embedded_backend_is_worked_off(self, tmp_path: Path) -> None:
        """With real threads, files and time: all is stored, what is broken is among the dead letters."""
        file = tmp_path / "events.db"
        queue, letters, store = SQLiteQueue(file), SQLiteDeadLetters(file), SQLiteStore(file)
        settings = ProcessingSettings(batch=4, retention_days=0)
        worker = Worker(queue, Processor(store, letters, Intake(settings)), settings)
        sent = [
            message(*(event(40 * number + n) for n in range(40)), broken(10_000 + number), key=str(number % 5))
            for number in range(20)
        ]
        await queue.publish(sent)
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await anyio.lowlevel.checkpoint()
            assert await worker.drain(30)
            await worker.stop()
        assert [record.event.id async for record in store.scan(Query())] == [uuid(number) for number in range(800)]
        assert {letter.id async for letter in letters.list()} == {uuid(10_000 + number) for number in range(20)}
        depth = await queue.depth()
        assert (depth.visible, depth.in_flight) == (0, 0)
        for adapter in (queue, letters, store):
            await adapter.aclose()


class TestStop:
    async def test_what_has_begun_is_finished_and_the_rest_given_back(self) -> None:
        """At once, without a delay, so that another worker can take it."""
        gate = Gate(uuid(0))
        stage = Stage(gate, settings=msgspec.structs.replace(SETTINGS, concurrency=1))
        await stage.publish(*lanes("a", "b", "c"))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            group.start_soon(stage.worker.stop)
            await settle()
            assert stage.queue.nacks == [(["1", "2"], 0.0)]
            gate.open()
        assert stage.stored == [uuid(0)]
        assert await stage.unsettled() == (2, 0)

    async def test_what_outlasts_the_deadline_is_given_up(self, caplog: pytest.LogCaptureFixture) -> None:
        """It comes again when its lease ends; the log says that it was cut off."""
        stage = Stage(Gate(uuid(0)))
        await stage.publish(*lanes("a"))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            group.start_soon(stage.worker.stop, 3.0)
            await stage.clock.run(2)
            assert await stage.unsettled() == (0, 1)
            await stage.clock.run(1)
        assert "still busy after 3 s" in caplog.text
        assert stage.stored == []
        await stage.clock.run(30)
        assert await stage.unsettled() == (1, 0)

    async def test_a_waiting_worker_stops_at_once(self) -> None:
        """No time need pass."""
        stage = Stage()
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            await stage.worker.stop()
        assert stage.clock.seconds == 0

    async def test_what_waits_for_its_delay_is_given_back(self) -> None:
        """Where the queue cannot delay, a stop ends the wait."""
        stage = Stage(Raising(TransientError("down", retry_after=100), uuid(0)))
        stage.queue.capabilities = msgspec.structs.replace(stage.queue.capabilities, delayed_nack=False)
        await stage.publish(*lanes("a"))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            await stage.worker.stop()
        assert stage.queue.nacks == [(["0"], 0.0)]

    async def test_what_fails_during_a_stop_is_given_back_at_once(self) -> None:
        """Where the queue cannot delay, the stop does not wait either."""
        gate = Gate(uuid(0))
        stage = Stage(gate, Raising(TransientError("down", retry_after=100), uuid(0)))
        stage.queue.capabilities = msgspec.structs.replace(stage.queue.capabilities, delayed_nack=False)
        await stage.publish(*lanes("a"))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            group.start_soon(stage.worker.stop)
            await settle()
            gate.open()
        assert stage.queue.nacks == [(["0"], 0.0)]
        assert stage.clock.seconds == 0

    async def test_a_worker_that_is_stopped_before_it_runs_does_nothing(self) -> None:
        """Its `run` returns at once."""
        stage = Stage()
        await stage.worker.stop()
        await stage.worker.run()
        assert stage.queue.received == []

    async def test_stopping_twice_is_stopping_once(self) -> None:
        """Also when both wait for the same end, and after it."""
        gate = Gate(uuid(0))
        stage = Stage(gate)
        await stage.publish(*lanes("a"))
        async with anyio.create_task_group() as group:
            group.start_soon(stage.worker.run)
            await settle()
            group.start_soon(stage.worker.stop)
            group.start_soon(stage.worker.stop)
            await settle()
            gate.open()
        await stage.worker.stop()
        assert stage.stored == [uuid(0)]


class TestDrain:
    async def test_it_waits_for_all_that_the_queue_has(self) -> None:
        """Also for what becomes free only while it waits."""
        gate = Gate(uuid(0))
        stage = Stage(gate, settings=msgspec.structs.replace(SETTINGS, batch=2))
        await stage.publish(*lanes(*"aabbcc"))
        said: list[bool] = []

        async def drain() -> None:
            said.append(await stage.worker.drain(10))

        async with stage.running(), anyio.create_task_group() as group:
            group.start_soon(drain)
            await settle()
            received = len(stage.queue.received)
            await stage.clock.run(1)
            assert said == []
            assert len(stage.queue.received) == received
            gate.open()
            await settle()
            assert said == [True]
            assert len(stage.stored) == 6

    async def test_it_ends_at_its_deadline(self) -> None:
        """And says that there was more."""
        stage = Stage(Gate(uuid(0)))
        await stage.publish(*lanes("a"))
        said: list[bool] = []

        async def drain() -> None:
            said.append(await stage.worker.drain(3))

        async with stage.running(), anyio.create_task_group() as group:
            group.start_soon(drain)
            await stage.clock.run(2)
            assert said == []
            await stage.clock.run(1)
            assert said == [False]

    async def test_what_waits_for_another_attempt_is_not_waited_for(self) -> None:
        """No time need pass."""
        stage = Stage(Raising(TransientError("down", retry_after=100), uuid(0)))
        await stage.publish(*lanes("a", "b"))
        async with stage.running():
            assert await stage.worker.drain(10)
            assert stage.stored == [uuid(1)]

    async def test_a_queue_that_cannot_be_read_is_not_drained(self) -> None:
        """There may be more, and who asks need not wait to hear so."""
        stage = Stage()
        stage.queue.fail("receive", TransientError("down"))
        async with stage.running():
            assert not await stage.worker.drain(10)

    async def test_a_worker_that_does_not_run_drains_nothing(self) -> None:
        """It says so at once."""
        assert not await Stage().worker.drain(10)


class TestHands:
    async def test_two_takers_are_both_told(self) -> None:
        """Each returns when its lanes have begun, also where the other came in between."""
        clock = SteppingClock()
        gate = Gate(uuid(0))
        bench = Bench(gate, clock=clock)
        queue = MemoryQueue(unused_name(), clock=clock)
        await queue.publish(lanes("a", "b", "c"))
        leases = Leases(queue, 30, PATIENCE, bench.hooks, clock)
        settler = Settler(queue, leases, PATIENCE, bench.hooks, Totals())
        async with anyio.create_task_group() as group:
            hands = Hands(group, 1, bench.processor, settler, leases, clock)
            for _ in range(3):
                deliveries = await queue.receive(1, wait=0, lease=30)
                group.start_soon(hands.take, deliveries)
            await settle()
            gate.open()
            await hands.idle()
        assert bench.store.ids == [uuid(0), uuid(1), uuid(2)]

    async def test_what_comes_after_letting_go_is_given_back(self) -> None:
        """A receive that was under way brings it too late."""
        clock = SteppingClock()
        bench = Bench(clock=clock)
        queue = TestedQueue(unused_name(), clock)
        await queue.publish(lanes("a"))
        leases = Leases(queue, 30, PATIENCE, bench.hooks, clock)
        async with anyio.create_task_group() as group:
            settler = Settler(queue, leases, PATIENCE, bench.hooks, Totals())
            hands = Hands(group, 1, bench.processor, settler, leases, clock)
            await hands.let_go()
            await hands.take(await queue.receive(1, wait=0, lease=30))
        assert queue.nacks == [(["0"], 0.0)]
        assert bench.store.ids == []


class TestPurge:
    async def test_expired_records_are_deleted_now_and_then(self) -> None:
        """First after a random part of the time, then regularly."""
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, purge_seconds=100, wait_seconds=1000))
        times: list[float] = []
        purge = stage.bench.store.purge

        async def spy(limit: int = 1000) -> int:
            times.append(stage.clock.seconds)
            return await purge(limit)

        stage.bench.store.purge = spy  # type: ignore[method-assign]
        async with stage.running():
            await stage.clock.run(270)
        assert times[:3] == [50, 150, 250]

    async def test_a_full_share_is_followed_by_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Until there is nothing left."""
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, purge_seconds=100, wait_seconds=1000))
        left = [1000, 1000, 7]

        async def purge(limit: int = 1000) -> int:
            return left.pop(0)

        monkeypatch.setattr(stage.bench.store, "purge", purge)
        async with stage.running():
            await stage.clock.run(60)
            assert left == []

    async def test_a_purge_that_fails_is_tried_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At the next time, and the worker goes on."""
        stage = Stage(settings=msgspec.structs.replace(SETTINGS, purge_seconds=100, wait_seconds=1000))
        calls: list[float] = []

        async def purge(limit: int = 1000) -> int:
            calls.append(stage.clock.seconds)
            raise TransientError("down")

        monkeypatch.setattr(stage.bench.store, "purge", purge)
        async with stage.running():
            await stage.clock.run(160)
            assert calls == [50, 150]
            await stage.publish(*lanes("a"))
            await settle()
            assert stage.stored == [uuid(0)]
