"""The clock that stands still: nobody sleeps for longer than it has been moved, whoever moves it."""

import threading

import anyio
import pytest

from fireforget.testing import ManualClock
from tests.waiting import eventually


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_who_has_slept_long_enough_is_woken_and_nobody_else(anyio_backend: str) -> None:
    clock, woken = ManualClock(), list[float]()

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (3.0, 1.0, 2.0):
            group.start_soon(sleep, seconds)
        await clock.asleep(3)
        clock.advance(2)
        await eventually(lambda: len(woken) == 2)
        assert sorted(woken) == [1.0, 2.0]
        assert clock.sleeping == [1.0]
        group.cancel_scope.cancel()
    assert clock.sleeping == []
    assert clock.monotonic() == 2.0


def test_who_falls_asleep_while_another_thread_moves_the_clock_sleeps_from_then_on() -> None:
    class Hurried(ManualClock):
        """Another thread moves it just before the sleeper is noted."""

        hurry = False

        def __getattribute__(self, name: str) -> object:
            if name == "_lock" and self.hurry:
                self.hurry = False
                mover = threading.Thread(target=self.advance, args=(1.0,))
                mover.start()
                mover.join()
            return super().__getattribute__(name)

    clock = Hurried()

    async def sleep() -> None:
        clock.hurry = True
        await clock.sleep(1.0)

    async def look_on() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(sleep)
            with anyio.fail_after(5):
                await clock.asleep()
                assert clock.sleeping == [1.0]
                clock.advance(1.0)

    anyio.run(look_on)
    assert clock.monotonic() == 2.0


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match=r"by -1 s: time only goes on"):
        ManualClock().advance(-1)
