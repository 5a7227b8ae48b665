"""From the journal to the queue: cuts packs and publishes them in batches, each call when it is due.

It retries what failed, in order within each lane, and nothing else; it loses nothing, for an event stays in the
journal until its outcome is known. It runs in the engine's loop, in steps well under a millisecond.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from fireforget._breaker import Backoff, Breaker
from fireforget._lanes import Lane, Lanes, Shipment
from fireforget._publisher import Publisher
from fireforget._settler import Settler
from fireforget._waker import Waker
from fireforget.abc import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget._journal import Journal, Position
    from fireforget._refused import RefusedFile
    from fireforget._settings import DispatchSettings
    from fireforget.abc import Queue

_logger: Final = logging.getLogger("fireforget")

PRESSING_FULLNESS: Final = 0.5
"""Of a journal: from here on its events are delivered without regard for the application, so that none is refused."""

LOOK_SECONDS: Final = 0.1
"""How often the journal is looked at while a pack lingers: events that join it wake nobody, and may fill it."""


class Dispatcher:
    """Publishes what journals hold.

    Args:
        journal: The process's own journal. Those of dead neighbours join by `add`.
        queue: Where to.
        settings: Lanes, packs, retries.
        clock: Time, sleep and chance.
        refused: Where events go that the queue refuses for good.
        hooks: The user's callbacks.
    """

    def __init__(
        self,
        journal: Journal,
        queue: Queue,
        settings: DispatchSettings,
        clock: Clock,
        refused: RefusedFile,
        hooks: Hooks,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self.waker = Waker()
        self._hooks = hooks
        backoff = Backoff(settings, clock)
        self.breaker = Breaker(settings, clock, backoff)
        self._publisher = Publisher(queue, settings.publish_timeout, self.breaker, clock, hooks)
        self._settler = Settler(settings, self.breaker, backoff, refused, hooks, clock)
        self._limits = limits = queue.capabilities
        self._pack_bytes = min(settings.pack_bytes or limits.pack_bytes, limits.max_message_bytes)
        self._own = Lanes(journal, settings.lanes, self._pack_bytes)
        self._sources = [self._own]
        self._calls: set[asyncio.Task[None]] = set()
        self._lingering_since: float | None = None
        self._hurried = 0
        self._call_ended = Waker()

    def add(self, journal: Journal) -> None:
        """Publish what a dead neighbour left, too."""
        self._sources.append(Lanes(journal, self._settings.lanes, self._pack_bytes))
        self.waker.wake()

    def finished(self) -> list[Journal]:
        """Take out the neighbours' journals of which nothing is pending any more."""
        done = [lanes for lanes in self._sources if lanes is not self._own and lanes.idle]
        self._sources = [lanes for lanes in self._sources if lanes not in done]
        return [lanes.journal for lanes in done]

    @property
    def neighbours(self) -> list[Journal]:
        """The journals that have joined and are not finished."""
        return [lanes.journal for lanes in self._sources if lanes is not self._own]

    @property
    def pending(self) -> int:
        """Accepted events that are not settled, those of adopted journals included."""
        return sum(lanes.pending for lanes in self._sources)

    @property
    def pressed(self) -> bool:
        """Must events be delivered now, even at the application's expense? Not where the queue does not take them."""
        if not self._settings.defer_seconds:
            return True
        if self.breaker.seconds_until_call() > 0:
            return False
        now = self._clock.monotonic()
        first = [lane.oldest for lanes in self._sources for lane in lanes if lane.not_before <= now]
        oldest = min((entry.time_ns for entry in first if entry is not None), default=None)
        if oldest is None:
            return False
        if oldest <= self._clock.time_ns() - round(self._settings.defer_seconds * 1e9):
            return True
        return any(lanes.journal.fullness >= PRESSING_FULLNESS for lanes in self._sources)

    async def run(self) -> None:
        """Dispatch until cancelled.

        Raises:
            OSError: A journal cannot be read at the moment. Nothing is lost by it: run it again later.
        """
        try:
            while True:
                more = self._fill()
                if await self._begin_call() or more:
                    await asyncio.sleep(0)
                    continue
                if not self._gathering():
                    self.waker.asleep = True
                    if self._fill():
                        self.waker.asleep = False
                        continue
                await self.waker.sleep(self._clock, self._seconds_until_look())
        finally:
            for call in self._calls:
                call.cancel()
            await asyncio.gather(*self._calls, return_exceptions=True)

    async def drain(self) -> None:
        """Publish without lingering until nothing is pending of what has been accepted so far, and of neighbours.

        The caller sets the deadline by cancelling.
        """
        end = self._own.journal.end
        await self._hasten(lambda: self._all_settled(end))

    async def flush(self) -> None:
        """Publish without lingering what has been accepted so far; where the queue fails, leave it for later."""
        end = self._own.journal.end
        await self._hasten(lambda: self._own.has_settled(end) or not self.breaker.untroubled)

    async def settle(self) -> None:
        """As `drain`, but a queue that is down is not waited for. What fails now and then is tried again."""
        end = self._own.journal.end
        await self._hasten(lambda: self.breaker.state == "open" or self._all_settled(end))

    async def rest(self) -> None:
        """Begin no call any more, and wait for those under way: the process is about to be frozen."""
        self.breaker.held = True
        self._publisher.rest()
        if self._calls:
            await asyncio.wait(self._calls)

    def resume(self) -> None:
        """Go on after a rest. What waited for another try waits no longer, for the process was frozen meanwhile."""
        self.breaker.resume()
        self._publisher.resume()
        for lanes in self._sources:
            for lane in lanes:
                lane.not_before = 0.0
        self.waker.wake()

    def _all_settled(self, end: Position) -> bool:
        """Is nothing pending of our own events before `end`, nor of neighbours?"""
        return self._own.has_settled(end) and all(lanes.idle for lanes in self._sources if lanes is not self._own)

    async def _hasten(self, until: Callable[[], bool]) -> None:
        self._hurried += 1
        self.breaker.held = False
        try:
            while not until():
                self.waker.wake()
                await self._call_ended.sleep(self._clock, self._settings.backoff_seconds)
        finally:
            self._hurried -= 1

    def _fill(self) -> bool:
        more = False
        for lanes in self._sources:
            more |= lanes.fill()
        return more

    def _waiting(self) -> list[tuple[Lanes, Lane]]:
        """Lanes that have something to publish and no call under way."""
        return [(lanes, lane) for lanes in self._sources for lane in lanes if not lane.in_flight and not lane.empty]

    def _gathering(self) -> bool:
        """Is a pack waiting for company? Then no event that joins it needs to wake anybody."""
        now = self._clock.monotonic()
        return any(lane.not_before <= now for _, lane in self._waiting())

    def _seconds_until_due(self) -> float | None:
        """When the next call may be begun; None where only an event or the end of a call can tell."""
        waiting = self._waiting()
        if not waiting or len(self._calls) >= self._settings.publish_concurrency:
            return None
        now = self._clock.monotonic()
        if self._lingering_since is None:
            self._lingering_since = now
        linger = 0.0 if self._hurried else self._settings.linger_seconds
        lingering = max(0.0, self._lingering_since + linger - now)
        due = min(max(lane.not_before - now, 0.0 if lane.packs else lingering) for _, lane in waiting)
        seconds = max(due, self.breaker.seconds_until_call())
        return None if seconds == float("inf") else seconds

    def _seconds_until_look(self) -> float | None:
        """How long to sleep; None until woken. While a pack lingers, it is looked whether it is full by now."""
        due = self._seconds_until_due()
        if due is None or self.waker.asleep or self.breaker.seconds_until_call():
            return due
        return min(due, LOOK_SECONDS)

    async def _begin_call(self) -> bool:
        """Begin one publish call if one is due."""
        waiting = self._waiting()
        if not waiting:
            self._lingering_since = None
            return False
        now = self._clock.monotonic()
        if self._lingering_since is None:
            self._lingering_since = now
        if self.breaker.seconds_until_call() > 0 or len(self._calls) >= self._settings.publish_concurrency:
            return False
        ready = [(lanes, lane) for lanes, lane in waiting if lane.not_before <= now]
        lingered = self._hurried or now - self._lingering_since >= self._settings.linger_seconds
        if not any(lingered or lane.packs or lane.bytes >= self._pack_bytes for _, lane in ready):
            return False
        shipments = await self._batch(ready)
        if not shipments or self.breaker.seconds_until_call() > 0:  # another call has failed meanwhile
            return False
        for shipment in shipments:
            shipment.lane.in_flight = True
            shipment.pack.attempts += 1
        self.breaker.begin()
        if not self._waiting():
            self._lingering_since = None
        call = asyncio.ensure_future(self._publish(shipments))
        self._calls.add(call)
        call.add_done_callback(partial(self._end_call, shipments))
        return True

    def _end_call(self, shipments: Sequence[Shipment], call: asyncio.Task[None]) -> None:
        """Free the lanes of a call, even where it was cancelled before its first step."""
        self._calls.discard(call)
        for shipment in shipments:
            shipment.lane.in_flight = False
        if self._hurried:
            self._call_ended.wake()
        if call.cancelled():
            self.breaker.abandoned()
        elif (error := call.exception()) is not None:
            _logger.error("what became of a call cannot be written down", exc_info=error)
            self._hooks.error(error)
            for shipment in shipments:
                self._settler.put_off(shipment.lane)
        self.waker.wake()

    async def _batch(self, ready: list[tuple[Lanes, Lane]]) -> list[Shipment]:
        """As many packs as the queue takes in one call, at most one of each lane; one that has a flaw alone.

        A step for each full pack, or as many smaller ones: the application's threads get their turns in between.
        """
        limits = self._limits
        shipments: list[Shipment] = []
        keys: set[str] = set()
        size = step = 0
        for lanes, lane in ready:
            if lane.key in keys:
                continue
            if not lane.packs:
                step = await self._step(step, min(lane.bytes, self._pack_bytes))
            pack = lanes.next_pack(lane)
            if pack is None:
                continue
            if pack.flaw:
                return [Shipment(lanes, lane, pack)]
            if shipments and size + pack.size > limits.max_batch_bytes:
                continue
            shipments.append(Shipment(lanes, lane, pack))
            keys.add(lane.key)
            size += pack.size
            if len(shipments) >= limits.max_batch_messages:
                break
        return shipments

    async def _publish(self, shipments: Sequence[Shipment]) -> None:
        if flaw := shipments[0].pack.flaw:
            self.breaker.abandoned()
            self._settler.conclude(shipments[0], Outcome("refused", flaw))
            return
        outcomes = await self._publisher.publish([shipment.pack.message for shipment in shipments])
        step = 0
        for shipment, outcome in zip(shipments, outcomes, strict=True):
            step = await self._step(step, shipment.pack.size)
            self._settler.conclude(shipment, outcome)

    async def _step(self, done: int, more: int) -> int:
        """End a step of some bytes where more would be too many; the bytes of the one that goes on or begins."""
        if done and done + more > self._pack_bytes:
            await asyncio.sleep(0)
            return more
        return done + more
