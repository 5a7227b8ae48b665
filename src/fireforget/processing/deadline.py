"""Work that may take so long and no longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fireforget._clock import Clock


async def within(seconds: float, work: Callable[[], Awaitable[bool]], clock: Clock) -> bool:
    """What the work says; False where it takes longer, and is cancelled."""

    async def expire() -> None:
        await clock.sleep(seconds)
        group.cancel_scope.cancel()

    said = False
    async with anyio.create_task_group() as group:
        group.start_soon(expire)
        said = await work()
        group.cancel_scope.cancel()
    return said
