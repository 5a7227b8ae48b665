"""The leases of a worker: renewed at their half for as long as the work takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.processing.condition import Condition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget.abc import Delivery, Queue
    from fireforget.processing.patience import Patience

_SLACK: Final = 0.01
"""Share of a lease by which it may be renewed early, so that those of about one age share a call."""


class _Hold:
    """One delivery in its newest form, and when its lease is to be renewed."""

    __slots__ = ("delivery", "renew_at")

    def __init__(self, delivery: Delivery, renew_at: float) -> None:
        self.delivery = delivery
        self.renew_at = renew_at


class Leases:
    """Deliveries under lease, each known by the receipt with which it was received.

    Args:
        queue: Renews them.
        seconds: Length of a lease.
        patience: How long the queue may take to answer.
        hooks: Is told of errors.
        clock: Time and sleep.
    """

    def __init__(self, queue: Queue, seconds: float, patience: Patience, hooks: Hooks, clock: Clock) -> None:
        self._queue = queue
        self._seconds = seconds
        self._patience = patience
        self._hooks = hooks
        self._clock = clock
        self._held: dict[str, _Hold] = {}
        self._renewing = Condition("leases cannot be renewed", "leases can be renewed again")

    def hold(self, deliveries: Sequence[Delivery]) -> None:
        """Keep the leases of what was just received."""
        renew_at = self._clock.monotonic() + self._seconds / 2
        for delivery in deliveries:
            self._held[delivery.receipt] = _Hold(delivery, renew_at)

    def held(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Those of the deliveries whose lease has not been lost."""
        return [delivery for delivery in deliveries if delivery.receipt in self._held]

    def release(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """End the keeping; the deliveries in their newest form, without those whose lease was lost."""
        return [self._held.pop(delivery.receipt).delivery for delivery in self.held(deliveries)]

    async def keep(self) -> None:
        """Renew leases when half of them is over. Never returns."""
        while True:
            now = self._clock.monotonic()
            due_by = now + self._seconds * _SLACK
            due = {receipt: hold for receipt, hold in self._held.items() if hold.renew_at <= due_by}
            if due:
                await self._renew(due)
                continue
            # What comes meanwhile is due half a lease after it came, and so not before this sleep ends.
            wake_at = min((hold.renew_at for hold in self._held.values()), default=now + self._seconds / 2)
            await self._clock.sleep(wake_at - now)

    async def _renew(self, due: dict[str, _Hold]) -> None:
        try:
            extension = self._queue.extend([hold.delivery for hold in due.values()], self._seconds)
            renewed = await self._patience.answer(extension, "the queue's extend")
        except Exception as error:  # noqa: BLE001 - of whatever kind: the lease lasts a while yet
            self._renewing.failed(error)
            self._hooks.error(error)
            again_at = self._clock.monotonic() + self._seconds / 8
            for hold in due.values():
                hold.renew_at = again_at
            return
        self._renewing.works()
        newest = _newest([hold.delivery for hold in due.values()], renewed)
        renew_at = self._clock.monotonic() + self._seconds / 2
        for receipt, hold in due.items():
            delivery = newest.get(hold.delivery.receipt)
            if delivery is not None:
                hold.delivery = delivery
                hold.renew_at = renew_at
            else:
                self._held.pop(receipt, None)


def _newest(before: Sequence[Delivery], renewed: Iterable[Delivery]) -> dict[str, Delivery]:
    """The renewed form of each delivery, by the receipt it had before.

    A queue may give a new receipt with it; the message tells whose it is then. The receipt counts first, for a queue
    that drops no duplicates may have delivered two copies of a message.
    """
    found = {delivery.receipt: delivery for delivery in renewed}
    newest = {each.receipt: found.pop(each.receipt) for each in before if each.receipt in found}
    others = {delivery.message.id: delivery for delivery in found.values()}
    for each in before:
        if each.receipt not in newest and each.message.id in others:
            newest[each.receipt] = others.pop(each.message.id)
    return newest
