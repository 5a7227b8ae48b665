"""Settles deliveries: for good, or to come again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.processing.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from fireforget._hooks import Hooks
    from fireforget.abc import Delivery, Queue
    from fireforget.processing.leases import Leases


class Settler:
    """Settles what has been processed. Where that fails, deliveries come again when their leases end.

    Args:
        queue: Where they came from.
        leases: Know the newest form of each, and which were lost.
        hooks: Is told of errors.
    """

    def __init__(self, queue: Queue, leases: Leases, hooks: Hooks) -> None:
        self._queue = queue
        self._leases = leases
        self._hooks = hooks
        self._done: list[Delivery] = []
        self._busy = False
        self._settling = Condition("deliveries cannot be settled and come again", "deliveries can be settled again")

    @property
    def delays(self) -> bool:
        """Does the queue itself wait before it hands out again what was given back?"""
        return self._queue.capabilities.delayed_nack

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Settle for good. What comes while a call is under way shares the next one: clouds bill by the call."""
        self._done += self._leases.release(deliveries)
        if self._busy:
            return
        self._busy = True
        try:
            while self._done:
                done, self._done = self._done, []
                await self._settle(self._queue.ack(done))
        finally:
            self._busy = False

    async def nack(self, deliveries: Iterable[Delivery], delay: float = 0.0) -> None:
        """Give back, to come again after `delay` seconds where the queue can do that."""
        back = self._leases.release(deliveries)
        if back:
            await self._settle(self._queue.nack(back, delay=delay))

    async def _settle(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception as error:  # noqa: BLE001 - of whatever kind, nothing is lost
            self._settling.failed(error)
            self._hooks.error(error)
        else:
            self._settling.works()
