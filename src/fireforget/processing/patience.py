"""How long an adapter may take to answer."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from fireforget.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable

T = TypeVar("T")

_CANCELLED: Final = -math.inf
"""What anyio says of the deadline where a scope around the caller was cancelled."""


class Patience:
    """Waits for the answers of adapters, for so long and no longer.

    Args:
        seconds: How long a call may take.
    """

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def answer(self, call: Awaitable[T], what: str, waits: float = 0.0) -> T:
        """What the call returns, or raises. One that takes too long is cancelled, and has failed for now.

        What an adapter says of a call after it was cancelled counts for nothing: it may have been done, or not.

        Args:
            call: The call of an adapter.
            what: What it is, for the error.
            waits: Seconds that it was asked to wait besides.

        Raises:
            TransientError: It took too long, or the adapter cancelled it itself.
        """
        with anyio.move_on_after(self._seconds + waits) as scope:
            try:
                answer = await call
            except anyio.get_cancelled_exc_class() as error:
                if scope.cancel_called or _cancelled_from_outside():
                    raise
                raise TransientError(f"{what}: the adapter cancelled its own call") from error
            except Exception as error:
                if scope.cancel_called:
                    raise self._late(what) from error
                raise
            if not scope.cancel_called:
                return answer
        raise self._late(what)

    def _late(self, what: str) -> TransientError:
        return TransientError(f"{what}: no answer within call_timeout = {self._seconds:g} s")


def _cancelled_from_outside() -> bool:
    """Is the task that asks to end?"""
    if anyio.current_effective_deadline() == _CANCELLED:
        return True
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return True  # under trio nothing but a scope cancels
    return task is not None and task.cancelling() > 0
