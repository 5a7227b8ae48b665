"""One publish call: whatever the queue does, each message has an outcome, and the breaker learns of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from fireforget import _telemetry
from fireforget.abc import Message, Outcome
from fireforget.errors import AdapterError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fireforget._breaker import Breaker
    from fireforget._clock import Clock
    from fireforget._hooks import Hooks
    from fireforget.abc import Queue

_STATUSES: Final = frozenset({"delivered", "retry", "refused"})


class Publisher:
    """Publishes to one queue.

    Args:
        queue: Where to.
        timeout: Seconds that a call may take.
        breaker: Is told whether the queue takes messages.
        clock: Time.
        hooks: The user's callbacks.
    """

    def __init__(self, queue: Queue, timeout: float, breaker: Breaker, clock: Clock, hooks: Hooks) -> None:
        self._queue = queue
        self._timeout = timeout
        self._breaker = breaker
        self._clock = clock
        self._hooks = hooks
        self._limits: set[asyncio.Timeout] = set()
        self._telemetry = _telemetry.Telemetry()

    async def publish(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        """Publish in one call; says what became of each. Raises nothing but its own cancellation."""
        began = self._clock.monotonic()
        try:
            return await self._call(messages)
        finally:
            self._telemetry.record(_telemetry.PUBLISH_SECONDS, self._clock.monotonic() - began)

    def rest(self) -> None:
        """Stop the time of the calls under way: the process is about to be frozen, which is not their fault."""
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(None)

    def resume(self) -> None:
        """Give the calls that were under way all of their time once more."""
        until = asyncio.get_running_loop().time() + self._timeout
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(until)

    async def _call(self, messages: Sequence[Message]) -> Sequence[Outcome]:
        try:
            async with asyncio.timeout(self._timeout) as limit:
                self._limits.add(limit)
                try:
                    outcomes = _checked(await self._queue.publish(messages), len(messages))
                finally:
                    self._limits.discard(limit)
        except TransientError as error:
            return self._failed(messages, str(error), error.retry_after)
        except TimeoutError:
            return self._failed(messages, f"no answer within {self._timeout} s", None)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._failed(messages, "the adapter cancelled its own call", None)
        except Exception as error:  # noqa: BLE001 - an adapter's mistake stops nothing, and loses nothing
            self._hooks.error(error)
            return self._failed(messages, f"{type(error).__name__}: {error}", None)
        if any(outcome.status != "retry" for outcome in outcomes):
            self._breaker.succeeded()
        elif len(outcomes) > 1:
            hint = max(outcome.retry_after or 0.0 for outcome in outcomes)
            self._breaker.failed(outcomes[0].reason, hint or None)
        else:
            self._breaker.abandoned()  # that tells of one message: its lane waits, the others go on
        return outcomes

    def _failed(self, messages: Sequence[Message], reason: str, hint: float | None) -> list[Outcome]:
        self._breaker.failed(reason, hint)
        return [Outcome("retry", reason, hint)] * len(messages)


def _checked(answer: Iterable[Any], count: int) -> Sequence[Outcome]:
    """What `publish` returned, if that is what it promises to return.

    Raises:
        AdapterError: It is not.
    """
    outcomes = tuple(answer)
    if len(outcomes) != count:
        raise AdapterError(f"{len(outcomes)} outcomes for {count} messages")
    if any(not isinstance(outcome, Outcome) or outcome.status not in _STATUSES for outcome in outcomes):
        raise AdapterError(f"not a sequence of outcomes: {outcomes!r:.200}")
    return outcomes
