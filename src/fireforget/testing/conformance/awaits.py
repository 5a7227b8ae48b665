"""Cancelling a call at each of its awaits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator


class _Countdown:
    """Runs a coroutine and calls a function when it suspends for the given time."""

    def __init__(self, work: Coroutine[Any, Any, object], turn: int, reached: Callable[[], None]) -> None:
        self._work = work
        self._left = turn
        self._reached = reached

    def __await__(self) -> Generator[Any, Any, object]:
        steps = self._work.__await__()
        resume: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = resume()
            except StopIteration as end:
                return end.value
            self._left -= 1
            if self._left == 0:
                self._reached()
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - whatever the loop throws is the coroutine's to handle
                resume = partial(steps.throw, error)
            else:
                resume = partial(steps.send, sent)


async def cancelled_at(turn: int, call: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    """Make a call and cancel it at its await of that number; False where it ended before it came so far."""
    reached = False

    def cancel() -> None:
        nonlocal reached
        reached = True
        scope.cancel()

    with anyio.CancelScope() as scope:
        await _Countdown(call(), turn, cancel)
    return reached


async def at_every_await(
    most: int, call: Callable[[], Coroutine[Any, Any, object]], then: Callable[[], Awaitable[object]]
) -> None:
    """Make a call again and again, cancelled at its first, second, ... await, until one is not; `then` follows each.

    Args:
        most: So many awaits are enough.
        call: What is cancelled.
        then: What follows each time.
    """
    for turn in range(1, most + 1):
        reached = await cancelled_at(turn, call)
        await then()
        if not reached:
            return
