"""The worker: receives, processes and settles without end, wherever no platform does so."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.lowlevel
import msgspec

from fireforget._backends import check_lease
from fireforget._clock import SystemClock
from fireforget._hooks import Hooks
from fireforget._settings import ProcessingSettings
from fireforget.errors import ClosedError
from fireforget.processing.backoff import backoff_seconds, hint_of
from fireforget.processing.condition import Condition
from fireforget.processing.deadline import within
from fireforget.processing.hands import Hands
from fireforget.processing.leases import Leases
from fireforget.processing.patience import Patience
from fireforget.processing.settler import Settler
from fireforget.processing.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fireforget._clock import Clock
    from fireforget.abc import Queue
    from fireforget.processing.processor import Processor

_logger: Final = logging.getLogger("fireforget")

_PURGED_AT_ONCE: Final = 1000


class Worker:
    """Takes deliveries from a queue, has them processed, and settles them.

    What shares an ordering key is processed in order; different keys side by side. The lease of what takes long is
    renewed when half of it is over. What has to come again comes after an exponential backoff, or when the service
    that failed has asked for it. While the queue cannot be read, the worker waits with the same backoff; the log says
    so once, and once more when it can. Now and then expired records are deleted.

    Args:
        queue: Where deliveries come from.
        processor: What processes them; its store is the one that is purged.
        settings: `batch`, `lease_seconds`, `wait_seconds`, `call_timeout`, `concurrency`, `stop_seconds` and
            `purge_seconds` count here. None for the defaults.
        hooks: Is told of errors.
        clock: Time, sleep and chance; None for the machine's own.
        chores: What else runs as long as the worker does, and is cancelled with it.

    Raises:
        SettingsError: The queue has no leases as long as `lease_seconds`.
    """

    def __init__(
        self,
        queue: Queue,
        processor: Processor,
        settings: ProcessingSettings | None = None,
        *,
        hooks: Hooks | None = None,
        clock: Clock | None = None,
        chores: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._queue = queue
        self._chores = chores
        self._processor = processor
        self._settings = settings or ProcessingSettings()
        check_lease(self._settings.lease_seconds, queue.capabilities)
        self._hooks = hooks or Hooks()
        self._clock = clock or SystemClock()
        self._patience = Patience(self._settings.call_timeout)
        self._totals = Totals()
        self._hands: Hands | None = None
        self._stopping = False
        self._at_ease = self._clock.monotonic()
        self._life: anyio.CancelScope | None = None
        self._intake: anyio.CancelScope | None = None
        self._receiving = Condition("the queue cannot be read", "the queue can be read again")
        self._purging = Condition("expired records cannot be deleted", "expired records can be deleted again")

    @property
    def totals(self) -> Totals:
        """What became so far of what it took."""
        return msgspec.structs.replace(self._totals, dead_lettered=self._processor.dead_lettered)

    @property
    def busy_seconds(self) -> float:
        """How long it has received full batches only: there is more to do than it does."""
        return self._clock.monotonic() - self._at_ease

    async def run(self) -> None:
        """Work until `stop` is called, or the queue is closed."""
        if self._stopping:
            return
        self._ended = anyio.Event()
        leases = Leases(self._queue, self._settings.lease_seconds, self._patience, self._hooks, self._clock)
        settler = Settler(self._queue, leases, self._patience, self._hooks, self._totals)
        try:
            async with anyio.create_task_group() as chores:
                self._life = chores.cancel_scope
                chores.start_soon(leases.keep)
                chores.start_soon(self._purge)
                for chore in self._chores:
                    chores.start_soon(chore)
                async with anyio.create_task_group() as group:
                    hands = Hands(group, self._settings.concurrency, self._processor, settler, leases, self._clock)
                    self._hands = hands
                    with anyio.CancelScope() as self._intake:
                        await self._receive(hands)
                    await hands.let_go()
                chores.cancel_scope.cancel()
        finally:
            self._hands = None
            self._ended.set()

    async def stop(self, deadline: float | None = None) -> None:
        """Stop: receive no more, give back what has not begun, finish what has. Idempotent.

        Args:
            deadline: Seconds to wait; None for `stop_seconds`. What is in work even then is given up, and comes again
                when its lease ends.
        """
        self._stopping = True
        if self._life is None or self._intake is None:
            return
        self._intake.cancel()
        seconds = self._settings.stop_seconds if deadline is None else deadline
        if not await within(seconds, self._until_end, self._clock):
            _logger.warning("the worker was still busy after %g s: what it gave up comes again", seconds)
            self._life.cancel()
            await self._ended.wait()

    async def drain(self, seconds: float) -> bool:
        """Process what the queue has to hand out now, for at most `seconds`, while `run` goes on.

        What waits for another attempt is not waited for. Says whether there was nothing more.
        """
        return await within(seconds, self._until_empty, self._clock)

    async def _receive(self, hands: Hands) -> None:
        """Receive without end, or until the queue is closed."""
        failures = 0
        while not self._stopping:
            try:
                await self._take(hands, self._settings.wait_seconds)
            except ClosedError as error:
                self._hooks.error(error)
                return
            except Exception as error:  # noqa: BLE001 - of whatever kind, the queue may come back
                failures += 1
                self._hooks.error(error)
                await self._clock.sleep(backoff_seconds(failures, self._clock, hint_of(error)))
            else:
                failures = 0

    async def _take(self, hands: Hands, wait: float) -> bool:
        """Receive once, and have it begun; says whether there was anything."""
        try:
            call = self._queue.receive(self._settings.batch, wait=wait, lease=self._settings.lease_seconds)
            deliveries = await self._patience.answer(call, "the queue's receive", waits=wait)
        except Exception as error:
            self._receiving.failed(error)
            raise
        self._receiving.works()
        if len(deliveries) < self._settings.batch:
            self._at_ease = self._clock.monotonic()
        if deliveries:
            await hands.take(deliveries)
        await anyio.lowlevel.checkpoint()  # whatever the queue does, others get their turn
        return bool(deliveries)

    async def _until_empty(self) -> bool:
        """Wait until the queue hands out nothing while nothing is in work."""
        while (hands := self._hands) is not None and not self._stopping:
            await hands.idle()
            try:
                some = await self._take(hands, 0.0)
            except Exception as error:  # noqa: BLE001 - `run` goes on trying
                self._hooks.error(error)
                return False
            if not (some or hands.busy):
                return True
        return False

    async def _until_end(self) -> bool:
        await self._ended.wait()
        return True

    async def _purge(self) -> None:
        """Delete expired records now and then; at first after a random part of the time, as workers start together."""
        wait = self._clock.random() * self._settings.purge_seconds
        while True:
            await self._clock.sleep(wait)
            wait = self._settings.purge_seconds
            try:
                while await self._purge_some() >= _PURGED_AT_ONCE:
                    await anyio.lowlevel.checkpoint()
            except Exception as error:  # noqa: BLE001 - of whatever kind, there is a next time
                self._purging.failed(error)
                self._hooks.error(error)
            else:
                self._purging.works()

    async def _purge_some(self) -> int:
        call = self._processor.store.purge(_PURGED_AT_ONCE)
        return await self._patience.answer(call, "the store's purge")
