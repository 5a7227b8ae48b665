"""Settles deliveries: for good, or to come again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.processing.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from fireforget._hooks import Hooks
    from fireforget.abc import Delivery, Queue
    from fireforget.processing.leases import Leases
    from fireforget.processing.patience import Patience
    from fireforget.processing.totals import Totals


class Settler:
    """Settles what has been processed. Where that fails, deliveries come again when their leases end.

    Args:
        queue: Where they came from.
        leases: Know the newest form of each, and which were lost.
        patience: How long the queue may take to answer.
        hooks: Is told of errors.
        totals: What is settled is added to them.
    """

    def __init__(self, queue: Queue, leases: Leases, patience: Patience, hooks: Hooks, totals: Totals) -> None:
        self._queue = queue
        self._leases = leases
        self._patience = patience
        self._hooks = hooks
        self._totals = totals
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
                if await self._settle(self._queue.ack(done), "the queue's ack"):
                    self._totals.messages += len(done)
                    self._totals.events += sum(delivery.message.count for delivery in done)
        finally:
            self._busy = False

    async def nack(self, deliveries: Iterable[Delivery], delay: float = 0.0) -> None:
        """Give back, to come again after `delay` seconds where the queue can do that."""
        back = self._leases.release(deliveries)
        if back and await self._settle(self._queue.nack(back, delay=delay), "the queue's nack"):
            self._totals.returned += len(back)

    async def _settle(self, call: Awaitable[None], what: str) -> bool:
        """Says whether the queue did it."""
        try:
            await self._patience.answer(call, what)
        except Exception as error:  # noqa: BLE001 - of whatever kind, nothing is lost
            self._settling.failed(error)
            self._hooks.error(error)
            return False
        self._settling.works()
        return True
