"""The function: as much as can be done in time is done, and the rest comes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import msgspec
import pytest

from fireforget._backends import Roles
from fireforget._configuration import settings_from
from fireforget._schema import EventTypes
from fireforget._settings import ProcessingSettings
from fireforget.abc import Delivery, Event
from fireforget.errors import ClosedError, PermanentError, TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.processing import Function, make_function
from tests.pipeline import Bench, SteppingClock, broken, delivery, event, message, unused_name, uuid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fireforget.processing import Enricher, Handled

pytestmark = pytest.mark.asyncio

SECONDS = 10.0


class NackedQueue(MemoryQueue):
    """Notes what is given back, and fails as it is told to."""

    def __init__(self, clock: SteppingClock, **changes: Any) -> None:
        super().__init__(unused_name(), clock=clock)
        self.capabilities = msgspec.structs.replace(self.capabilities, **changes)
        self.nacked: list[tuple[list[str], float]] = []
        self.failure: Exception | None = None

    async def nack(self, deliveries: Sequence[Delivery], *, delay: float = 0.0) -> None:
        if self.failure is not None:
            raise self.failure
        self.nacked.append(([one.message.id for one in deliveries], delay))


class Place:
    """A function with its adapters, and a clock that the test moves."""

    def __init__(self, *enrichers: Enricher, concurrency: int = 4, **capabilities: Any) -> None:
        self.clock = SteppingClock()
        self.bench = Bench(*enrichers, clock=self.clock, settings=ProcessingSettings(enrich_timeout=1000.0))
        self.queue = NackedQueue(self.clock, **capabilities)
        roles = Roles(self.queue, self.bench.letters, self.bench.store)
        self.function = Function(roles, self.bench.processor, concurrency, self.bench.hooks, self.clock)

    async def call(self, *deliveries: Delivery, seconds: float = SECONDS, passing: float = 0.0) -> Handled:
        """One call, while so much time passes."""
        handled: list[Handled] = []

        async def run() -> None:
            handled.append(await self.function.process(deliveries, seconds))

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await self.clock.run(passing)
        return handled[0]


class Slow:
    """An enricher that takes its time for some events."""

    def __init__(self, clock: SteppingClock | None, seconds: float, *numbers: int) -> None:
        self.clock = clock
        self.seconds = seconds
        self.ids = {uuid(number) for number in numbers}

    async def __call__(self, event: Event) -> Event:
        if event.id in self.ids:
            assert self.clock is not None
            await self.clock.sleep(self.seconds)
        return event


def slow(seconds: float, *numbers: int, **more: Any) -> Place:
    enricher = Slow(None, seconds, *numbers)
    place = Place(enricher, **more)
    enricher.clock = place.clock
    return place


def statuses(handled: Handled) -> list[str]:
    return [verdict.status for verdict in handled.verdicts]


def in_lanes(*lanes: str) -> list[Delivery]:
    """One delivery of one event for each letter."""
    return [delivery(message(event(n), key=key, id_=f"{key}{n}")) for n, key in enumerate(lanes, 1)]


async def test_what_is_done_is_counted() -> None:
    place = Place()
    one = delivery(message(event(1), event(2), broken(3), key="a"))
    two = delivery(message(event(4), key="b"))

    handled = await place.call(one, two)

    assert statuses(handled) == ["ack", "ack"]
    assert (handled.stored, handled.dead_lettered, handled.returned, handled.reasons) == (3, 1, 0, {})
    assert sorted(place.bench.store.ids) == [uuid(1), uuid(2), uuid(4)]
    assert list(place.bench.letters.kept) == [uuid(3)]
    assert place.queue.nacked == []


async def test_nothing_is_no_failure() -> None:
    assert statuses(await Place().call()) == []


@pytest.mark.parametrize(("ordered", "back"), [(True, ["a2", "a4"]), (False, ["a2"])])
async def test_with_a_message_go_back_the_later_ones_of_its_lane_where_there_are_lanes(
    ordered: bool, back: list[str]
) -> None:
    place = Place(ordered=ordered)
    place.bench.store.failure = lambda record: ValueError("no") if record.event.id == uuid(2) else None

    handled = await place.call(*in_lanes("a", "a", "b", "a", "b"))

    names = ("a1", "a2", "b3", "a4", "b5")
    assert [name for name, status in zip(names, statuses(handled), strict=True) if status == "retry"] == back
    assert handled.returned == len(back)
    assert place.queue.nacked == [(back, 0.75)]


async def test_what_is_not_done_in_time_goes_back_and_the_rest_is_done() -> None:
    place = slow(60.0, 1, 4, concurrency=2)
    deliveries = in_lanes("a", "b", "a", "b", "c")

    handled = await place.call(*deliveries, passing=SECONDS - 1)

    assert statuses(handled) == ["retry", "retry", "retry", "retry", "retry"]
    assert handled.reasons == {"the call's time was over": 5}
    assert handled.seconds == SECONDS - 1
    assert place.queue.nacked == [(["a1", "b2", "a3", "b4", "c5"], 0.75)]


async def test_a_lane_that_is_slow_holds_no_other_one_up() -> None:
    place = slow(60.0, 1)

    handled = await place.call(*in_lanes("a", "b", "a", "c"), passing=SECONDS)

    assert statuses(handled) == ["retry", "ack", "retry", "ack"]
    assert place.bench.store.ids == [uuid(2), uuid(4)]


async def test_what_is_done_of_a_lane_when_the_time_is_over_is_done() -> None:
    """So that a lane which is too slow for one call is through after some."""
    place = slow(60.0, 201)
    large = [
        delivery(message(*(event(n) for n in range(first, first + 100)), id_=f"m{first}"))
        for first in (1, 101, 201, 301)
    ]

    handled = await place.call(*large, passing=SECONDS)

    assert statuses(handled) == ["ack", "ack", "retry", "retry"]
    assert len(place.bench.store.ids) == 200


async def test_after_a_step_that_goes_back_no_later_one_of_its_lane_is_tried() -> None:
    place = Place()
    place.bench.store.failure = lambda record: TransientError("throttled", retry_after=33.0)
    large = [
        delivery(message(*(event(n) for n in range(first, first + 100)), id_=f"m{first}")) for first in (1, 101, 201)
    ]

    handled = await place.call(*large)

    assert handled.reasons == {"the store raised TransientError": 1, "an earlier message of its lane went back": 2}
    assert len(place.bench.store.calls) == 1
    assert place.queue.nacked == [(["m1", "m101", "m201"], 33.0)]


async def test_it_comes_again_later_from_attempt_to_attempt() -> None:
    place = Place()
    place.bench.store.failure = lambda record: TransientError("down")
    first, third, tenth = (
        delivery(message(event(n), key=f"k{n}", id_=f"m{n}"), attempt) for n, attempt in ((1, 1), (2, 3), (3, 10))
    )

    await place.call(first, third, tenth)

    assert place.queue.nacked == [(["m1"], 0.75), (["m2"], 3.0), (["m3"], 90.0)]


async def test_who_cannot_delay_gives_back_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    place.bench.store.failure = lambda record: TransientError("down")
    place.queue.failure = PermanentError("no permission")

    handled = [await place.call(*in_lanes("a")) for _ in range(2)]

    assert [statuses(each) for each in handled] == [["retry"], ["retry"]]
    assert caplog.text.count("messages cannot be delayed") == 1
    assert place.bench.errors.count(place.queue.failure) == 2


@pytest.mark.parametrize("without", ["a receipt", "a delay"])
async def test_without_a_receipt_or_a_delay_the_platform_alone_gives_back(without: str) -> None:
    place = Place(delayed_nack=without != "a delay")
    place.bench.store.failure = lambda record: TransientError("down")
    (known,) = in_lanes("a")

    handled = await place.call(msgspec.structs.replace(known, receipt="") if without == "a receipt" else known)

    assert statuses(handled) == ["retry"]
    assert place.queue.nacked == []


@pytest.mark.parametrize(("pause", "expected"), [(0.0, "retry"), (60.0, "ack")])
async def test_after_a_pause_a_dead_connection_is_no_failure(pause: float, expected: str) -> None:
    place = Place()
    await place.call(*in_lanes("a"))
    await place.clock.run(pause)
    failures = [TransientError("connection reset")]
    place.bench.store.failure = lambda record: failures.pop() if failures else None

    handled = await place.call(*in_lanes("a", "b"))

    assert statuses(handled)[0] == expected


async def test_after_a_pause_what_goes_on_failing_goes_back() -> None:
    place = Place()
    await place.call(*in_lanes("a"))
    await place.clock.run(60.0)
    place.bench.store.calls.clear()
    place.bench.store.failure = lambda record: TransientError("down")

    handled = await place.call(*in_lanes("a", "a"))

    assert statuses(handled) == ["retry", "retry"]
    assert place.bench.store.calls == [[uuid(1), uuid(2)], [uuid(1)]] * 2  # each time the second one finds the culprit


@pytest.mark.parametrize("preparable", [True, False])
async def test_it_is_prepared_with_its_store(preparable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place()
    prepared: list[str] = []

    async def prepare() -> None:
        prepared.append("store")

    if preparable:
        monkeypatch.setattr(place.bench.store, "prepare", prepare, raising=False)
    await place.function.prepare()

    assert prepared == ["store"] * preparable
    assert place.bench.store.calls == []


async def test_closing_it_closes_its_adapters() -> None:
    place = Place()
    await place.function.aclose()
    await place.function.aclose()

    with pytest.raises(ClosedError):
        await place.queue.depth()
    with pytest.raises(ClosedError):
        await place.bench.store.purge()


async def test_it_is_made_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the adapters, the plugin's event types and its enrichers."""
    (tmp_path / "function_plugin.py").write_text(
        "import msgspec\n"
        "async def mark(event):\n"
        "    return msgspec.structs.replace(event, data={**event.data, 'marked': True})\n"
        "enrichers = [mark]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    name = unused_name()
    settings = settings_from({"queue": f"memory://{name}", "store": f"memory://{name}", "plugin": "function_plugin"})
    function = make_function(settings, types=EventTypes())

    handled = await function.process([delivery(message(event(1)))], SECONDS)
    await function.aclose()

    assert (statuses(handled), handled.stored) == (["ack"], 1)
    from fireforget.local.memory import MemoryStore

    [(text, _)] = MemoryStore(name)._shelf.events.values()
    assert '"marked":true' in text
