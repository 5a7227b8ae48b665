"""The function: processes what a platform hands over call by call, wherever a platform receives and settles."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from fireforget.abc import Preparable
from fireforget.processing.backoff import backoff_seconds
from fireforget.processing.batch import BEHIND
from fireforget.processing.condition import Condition
from fireforget.processing.deadline import within
from fireforget.processing.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fireforget._backends import Roles
    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget.abc import Delivery
    from fireforget.processing.processor import Processor

_EVENTS_AT_ONCE: Final = 100
"""Events of one lane that are processed in one go, as whole messages: a few full writes of any store. What is done of a
lane when the time is over is done, so the next call gets further."""
_MARGIN_SECONDS: Final = 1.0
"""What a call keeps of its time to give back what is not done, and to answer."""
_REST_NS: Final = 5_000_000_000
"""After so long a pause connections may be dead that look alive: services close those that idle, and a frozen process
does not see it."""
_OUT_OF_TIME: Final = Verdict("retry", "the call's time was over")


class Handled(msgspec.Struct, frozen=True):
    """What became of one call.

    Args:
        verdicts: How to settle each delivery, in order.
        stored: Events that were written.
        dead_lettered: Events that went to the dead letters.
        returned: Messages that must come again.
        seconds: How long it took.
    """

    verdicts: Sequence[Verdict]
    stored: int
    dead_lettered: int
    returned: int
    seconds: float

    @property
    def reasons(self) -> dict[str, int]:
        """Why messages must come again, each reason with their number; it holds nothing of the events."""
        found: dict[str, int] = {}
        for verdict in self.verdicts:
            if verdict.status == "retry":
                found[verdict.reason] = found.get(verdict.reason, 0) + 1
        return found


class Function:
    """Processes what a platform hands over, in time, and says how the platform is to settle it.

    On an ordered queue, what shares an ordering key is processed in order, and different keys side by side, as the
    worker does. A call ends before its time is over: what is not done by then goes back, the rest is done. What goes
    back is asked to come again after an exponential backoff, where the queue can do that; that this fails is no failure
    of the call. After a pause what went back is tried once more at once, for connections die meanwhile.

    It is kept from call to call, with its adapters, in one event loop; calls come one after the other.

    Args:
        roles: Its adapters, which it closes. Of the queue only `nack` is called.
        processor: Processes into the store.
        concurrency: Most groups of one key processed side by side.
        hooks: Is told of errors.
        clock: Time, sleep and chance.
    """

    def __init__(self, roles: Roles, processor: Processor, concurrency: int, hooks: Hooks, clock: Clock) -> None:
        self._roles = roles
        self._processor = processor
        self._concurrency = concurrency
        self._hooks = hooks
        self._clock = clock
        self._ended: int | None = None
        self._delaying = Condition(
            "messages cannot be delayed and come again when their leases end", "delays work again"
        )

    async def prepare(self) -> None:
        """Make ahead what every call needs; what is needed when something fails is made then.

        Raises:
            AdapterError: The store's client cannot be made; the first call tries again.
        """
        await self._processor.process([])  # which loads what it needs
        if isinstance(self._roles.store, Preparable):
            await self._roles.store.prepare()

    async def process(self, deliveries: Sequence[Delivery], seconds: float) -> Handled:
        """Process what one call handed over.

        Args:
            deliveries: In order. One without a receipt is given back by the platform alone.
            seconds: What is left of the call's time.
        """
        began, processor = self._clock.monotonic(), self._processor
        stored, dead = processor.stored, processor.dead_lettered
        rested = self._ended is not None and self._clock.time_ns() - self._ended > _REST_NS
        call = _Call(deliveries, ordered=self._roles.queue.capabilities.ordered, rested=rested)
        await within(max(seconds - _MARGIN_SECONDS, seconds / 2), lambda: self._work(call), self._clock)
        await self._give_back(call, seconds - (self._clock.monotonic() - began))
        self._ended = self._clock.time_ns()
        return Handled(
            call.verdicts,
            stored=processor.stored - stored,
            dead_lettered=processor.dead_lettered - dead,
            returned=len(call.back),
            seconds=self._clock.monotonic() - began,
        )

    async def aclose(self) -> None:
        """Close the adapters. Idempotent."""
        for adapter in self._roles:
            await adapter.aclose()

    async def _work(self, call: _Call) -> bool:
        async with anyio.create_task_group() as hands:
            for _ in range(min(self._concurrency, len(call.lanes))):
                hands.start_soon(self._hand, call)
        return True

    async def _hand(self, call: _Call) -> None:
        """One hand: one lane after the other, as long as there are any."""
        while call.lanes:
            behind: Verdict | None = None
            for step in call.lanes.popleft():
                if behind is None:
                    last = await self._step(call, step)
                    if call.ordered and last.status == "retry":
                        behind = Verdict("retry", BEHIND, last.retry_after)
                else:
                    call.say(step, [behind] * len(step))

    async def _step(self, call: _Call, step: list[int]) -> Verdict:
        """Process some deliveries; the verdict of the last one, which in a lane goes back with any before it."""
        for _ in range(2 if call.rested else 1):
            deliveries = [call.deliveries[number] for number in step]
            call.say(step, await self._processor.process(deliveries, ordered=call.ordered))
            last = call.verdicts[step[-1]]
            step = [number for number in step if call.verdicts[number].status == "retry"]
            if not step:
                break
        return last

    async def _give_back(self, call: _Call, seconds: float) -> None:
        """Ask the queue to wait before it hands out again what goes back: otherwise a lease that nobody needs ends."""
        if not (call.back and self._roles.queue.capabilities.delayed_nack):
            return
        delays: dict[tuple[int, float | None], list[Delivery]] = {}
        for number in call.back:
            delivery, verdict = call.deliveries[number], call.verdicts[number]
            if delivery.receipt:
                delays.setdefault((delivery.attempt, verdict.retry_after), []).append(delivery)

        async def nack() -> bool:
            try:
                for (attempt, hint), deliveries in delays.items():
                    await self._roles.queue.nack(deliveries, delay=backoff_seconds(attempt, self._clock, hint))
            except Exception as error:  # noqa: BLE001 - of whatever kind, they come again when their leases end
                self._delaying.failed(error)
                self._hooks.error(error)
            else:
                self._delaying.works()
            return True

        await within(max(seconds, 0.0) / 2, nack, self._clock)


class _Call:
    """What one call handed over, and what has been said of it; what nobody got to is out of time."""

    def __init__(self, deliveries: Sequence[Delivery], *, ordered: bool, rested: bool) -> None:
        self.deliveries = deliveries
        self.ordered = ordered
        self.rested = rested
        self.verdicts: list[Verdict] = [_OUT_OF_TIME] * len(deliveries)
        self.lanes = deque(_lanes(deliveries, ordered=ordered))

    def say(self, numbers: Sequence[int], verdicts: Sequence[Verdict]) -> None:
        """How to settle some of the deliveries."""
        for number, verdict in zip(numbers, verdicts, strict=True):
            self.verdicts[number] = verdict

    @property
    def back(self) -> list[int]:
        """The numbers of the deliveries that must come again."""
        return [number for number, verdict in enumerate(self.verdicts) if verdict.status == "retry"]


def _lanes(deliveries: Sequence[Delivery], *, ordered: bool) -> Iterable[list[list[int]]]:
    """The numbers of the deliveries, by lane and by step; without an order, each step is a lane."""
    if not ordered:
        return [[step] for step in _steps(range(len(deliveries)), deliveries)]
    lanes: dict[str, list[int]] = {}
    for number, delivery in enumerate(deliveries):
        lanes.setdefault(delivery.message.key, []).append(number)
    return [list(_steps(lane, deliveries)) for lane in lanes.values()]


def _steps(numbers: Iterable[int], deliveries: Sequence[Delivery]) -> Iterator[list[int]]:
    """Consecutive deliveries that are processed in one go."""
    step: list[int] = []
    events = 0
    for number in numbers:
        step.append(number)
        events += deliveries[number].message.count
        if events >= _EVENTS_AT_ONCE:
            yield step
            step, events = [], 0
    if step:
        yield step
