"""The hands of a worker: several lanes at once, each in order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

from fireforget.processing.backoff import backoff_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskGroup

    from fireforget._clock import Clock
    from fireforget.abc import Delivery
    from fireforget.processing.leases import Leases
    from fireforget.processing.processor import Processor
    from fireforget.processing.settler import Settler


class Hands:
    """Process lanes and settle them. A lane is what one receive brought of one ordering key.

    Args:
        group: Where they run.
        most: Most lanes at once.
        processor: What they do.
        settler: How it ends.
        leases: Which deliveries are still ours.
        clock: Time and sleep.
    """

    def __init__(
        self, group: TaskGroup, most: int, processor: Processor, settler: Settler, leases: Leases, clock: Clock
    ) -> None:
        self._group = group
        self._most = most
        self._processor = processor
        self._settler = settler
        self._leases = leases
        self._clock = clock
        self._waiting: deque[list[Delivery]] = deque()
        self._busy = 0
        self._begun = anyio.Event()
        self._idle = anyio.Event()
        self._idle.set()
        self._pauses: set[anyio.CancelScope] = set()
        self._letting_go = False

    @property
    def busy(self) -> bool:
        """Is anything processed?"""
        return self._busy > 0

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Take deliveries just received, in order; returns when the last lane has been begun, or let go."""
        self._leases.hold(deliveries)
        if self._letting_go:
            await self._settler.nack(deliveries)
            return
        lanes: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            lanes.setdefault(delivery.message.key, []).append(delivery)
        if not self._waiting:
            self._begun = anyio.Event()
        self._waiting.extend(lanes.values())
        for _ in range(min(len(lanes), self._most - self._busy)):
            if not self._busy:
                self._idle = anyio.Event()
            self._busy += 1
            self._group.start_soon(self._work)
        await self._begun.wait()

    async def idle(self) -> None:
        """Wait until nothing is processed."""
        await self._idle.wait()

    async def let_go(self) -> None:
        """Give back what has not begun, and what pauses; the rest goes on to its end."""
        self._letting_go = True
        unbegun = [delivery for lane in self._waiting for delivery in lane]
        self._waiting.clear()
        for scope in self._pauses:
            scope.cancel()
        await self._settler.nack(unbegun)
        self._begun.set()

    async def _work(self) -> None:
        """One hand: one lane after the other, as long as there are any."""
        while self._waiting:
            lane = self._waiting.popleft()
            if not self._waiting:
                self._begun.set()
            await self._process(self._leases.held(lane))
        self._busy -= 1
        if not self._busy:
            self._idle.set()

    async def _process(self, lane: Sequence[Delivery]) -> None:
        verdicts = await self._processor.process(lane)
        settled = list(zip(lane, verdicts, strict=True))
        await self._settler.ack([delivery for delivery, verdict in settled if verdict.status == "ack"])
        back = [delivery for delivery, verdict in settled if verdict.status == "retry"]
        if not back:
            return
        hint = max((verdict.retry_after or 0.0 for verdict in verdicts), default=None)
        delay = backoff_seconds(back[0].attempt, self._clock, hint)
        if self._settler.delays:
            await self._settler.nack(back, delay)
        else:
            self._group.start_soon(self._nack_after, delay, back)

    async def _nack_after(self, seconds: float, deliveries: Sequence[Delivery]) -> None:
        """Keep deliveries under lease meanwhile, since the queue would hand them out again at once."""
        if not self._letting_go:
            with anyio.CancelScope() as scope:
                self._pauses.add(scope)
                await self._clock.sleep(seconds)
            self._pauses.discard(scope)
        await self._settler.nack(deliveries)
