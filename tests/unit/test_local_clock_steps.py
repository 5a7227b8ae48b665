"""The machine's clock steps back by an hour: both local queues go on as if it had not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from fireforget.abc import Message, Queue
from fireforget.local.memory import MemoryQueue
from fireforget.local.sqlite import SQLiteQueue
from fireforget.testing.clock import ManualClock
from tests.pipeline import unused_name

pytestmark = pytest.mark.asyncio

HOUR = 3600


class SteppingBack(ManualClock):
    """A clock that somebody sets."""

    def step(self, seconds: float) -> None:
        self._start_ns += round(seconds * 1e9)


Open = Callable[[], Queue]


@pytest.fixture
def clock() -> SteppingBack:
    return SteppingBack()


@pytest.fixture(params=["sqlite", "memory"])
def another(request: pytest.FixtureRequest, tmp_path: Path, clock: SteppingBack) -> Open:
    """Makes another adapter of the same queue, as another process would."""
    name = unused_name()
    if request.param == "sqlite":
        return lambda: SQLiteQueue(tmp_path / "fireforget.db", clock=clock)
    return lambda: MemoryQueue(name, clock=clock)


@pytest_asyncio.fixture
async def queue(another: Open) -> AsyncIterator[Queue]:
    queue = another()
    yield queue
    await queue.aclose()


def message(name: str, key: str = "key") -> Message:
    return Message(name, key, "{}")


async def taken(queue: Queue) -> list[str]:
    return [delivery.message.id for delivery in await queue.receive(10, wait=0, lease=30)]


async def test_what_was_published_before_is_had_at_once(queue: Queue, clock: SteppingBack) -> None:
    assert await taken(queue) == []
    await queue.publish([message("a")])
    clock.step(-HOUR)
    await queue.publish([message("b"), message("c", "other")])

    assert sorted(await taken(queue)) == ["a", "b", "c"]


async def test_a_lane_that_was_served_before_goes_on(queue: Queue, clock: SteppingBack) -> None:
    await queue.publish([message("a"), message("b")])
    await queue.ack(await queue.receive(1, wait=0, lease=30))
    clock.step(-HOUR)

    assert await taken(queue) == ["b"]


async def test_a_lease_ends_in_its_time(queue: Queue, clock: SteppingBack) -> None:
    await queue.publish([message("a"), message("b")])
    held = await queue.receive(1, wait=0, lease=30)
    clock.step(-HOUR)

    assert await taken(queue) == [], "it is under lease still"
    clock.advance(31)
    assert await taken(queue) == ["a", "b"]
    await queue.ack(held)
    assert (await queue.depth()).in_flight == 2, "settled too late: it is delivered anew"


async def test_a_lease_can_be_renewed(queue: Queue, clock: SteppingBack) -> None:
    await queue.publish([message("a")])
    held = await queue.receive(1, wait=0, lease=30)
    clock.step(-HOUR)

    assert len(await queue.extend(held, 60)) == 1
    clock.advance(59)
    assert await taken(queue) == []
    clock.advance(1)
    assert await taken(queue) == ["a"]


async def test_a_delay_ends_in_its_time(queue: Queue, clock: SteppingBack) -> None:
    await queue.publish([message("a")])
    await queue.nack(await queue.receive(1, wait=0, lease=30), delay=10)
    clock.step(-HOUR)

    assert await taken(queue) == []
    clock.advance(11)
    assert await taken(queue) == ["a"]


async def test_who_comes_after_the_step_goes_on_as_well(queue: Queue, another: Open, clock: SteppingBack) -> None:
    """As after a boot with a clock that is behind: nobody who knew the time of before is left."""
    await queue.publish([message("a"), message("b", "other")])
    await queue.receive(1, wait=0, lease=30)
    clock.step(-HOUR)
    newcomer = another()

    assert len(await taken(newcomer)) == 1
    clock.advance(31)
    assert len(await taken(newcomer)) == 2
    await newcomer.aclose()


async def test_a_step_forward_is_no_step_back(queue: Queue, clock: SteppingBack) -> None:
    await queue.publish([message("a")])
    await queue.receive(1, wait=0, lease=30)
    clock.step(HOUR)
    await queue.publish([message("b", "other")])

    assert "b" in await taken(queue)
