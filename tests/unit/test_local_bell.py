"""The bell that wakes waiting receivers, on every event loop and from every thread."""

import asyncio
import threading
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from fireforget.local._bell import Bell, Listener
from fireforget.testing.clock import ManualClock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def turns(bell: Bell, clock: ManualClock, wait: float) -> int:
    count = 0
    with bell.listen(clock, wait) as listener:
        while await listener.turn():
            count += 1
    return count


async def test_without_patience_there_is_one_turn() -> None:
    assert await turns(Bell(), ManualClock(), 0) == 1


async def test_the_last_turn_is_at_the_very_end() -> None:
    clock, counts = ManualClock(), []

    async def count() -> None:
        counts.append(await turns(Bell(), clock, 0.12))

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        for seconds in (0.05, 0.07):
            await clock.asleep()
            clock.advance(seconds)
    assert counts == [3]


async def test_a_ring_between_two_turns_is_heard() -> None:
    bell, clock = Bell(), ManualClock()
    with bell.listen(clock, 60) as listener:
        assert await listener.turn()
        bell.ring()
        bell.ring()
        assert await listener.turn(), "at once, though the clock stands still"


async def test_a_ring_of_another_thread_ends_the_nap() -> None:
    bell, clock = Bell(), ManualClock()

    async def ring() -> None:
        await clock.asleep()
        await anyio.to_thread.run_sync(bell.ring)

    with bell.listen(clock, 60) as listener:
        assert await listener.turn()
        async with anyio.create_task_group() as group:
            group.start_soon(ring)
            assert await listener.turn()
    assert clock.sleeping == []


async def test_a_nap_can_be_cancelled() -> None:
    bell, clock = Bell(), ManualClock()
    async with anyio.create_task_group() as group:
        group.start_soon(turns, bell, clock, 60)
        await clock.asleep()
        group.cancel_scope.cancel()
    bell.ring()
    assert clock.sleeping == []


async def test_a_listener_whose_loop_has_ended_disturbs_nobody() -> None:
    bell, clock = Bell(), ManualClock()

    async def listen() -> None:
        listening.append(bell.listen(clock, 60))
        listening[0].__enter__()

    listening: list[AbstractContextManager[Listener]] = []
    thread = threading.Thread(target=asyncio.run, args=(listen(),))
    thread.start()
    thread.join()
    with bell.listen(clock, 60) as listener:
        assert await listener.turn()
        bell.ring()
        assert await listener.turn()
