"""Adapters that do to a call what a service and the network may do to it; behind them is a real queue or store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import anyio

from fireforget.abc import Clock, Outcome, Queue, Store
from fireforget.errors import TransientError

Call = Callable[[Sequence[Any]], Awaitable[Any]]
Fault = Callable[[Call, Sequence[Any]], Awaitable[Any]]
"""What happens instead of a call: it gets the call, and what was to be handed over."""


async def through(call: Call, items: Sequence[Any]) -> Any:
    """Nothing happens to it."""
    return await call(items)


async def down(call: Call, items: Sequence[Any]) -> Any:
    """The service cannot be reached."""
    raise TransientError("connection refused")


async def throttled(call: Call, items: Sequence[Any]) -> Any:
    """The service has had enough for the next minute."""
    raise TransientError("too many requests", retry_after=60.0)


async def stuck(call: Call, items: Sequence[Any]) -> Any:
    """The request arrives nowhere, and no answer comes."""
    await anyio.sleep_forever()


async def lost(call: Call, items: Sequence[Any]) -> Any:
    """The service does as it was asked, and the connection breaks before its answer."""
    await call(items)
    raise TransientError("connection reset")


async def torn(call: Call, items: Sequence[Any]) -> Any:
    """The service does half of what it was asked, and the connection breaks."""
    await call(items[::2])
    raise TransientError("broken pipe")


async def late(call: Call, items: Sequence[Any]) -> Any:
    """The service does as it was asked, and answers when nobody listens any more."""
    await call(items)
    await anyio.sleep_forever()


async def half(call: Call, items: Sequence[Any]) -> Any:
    """The service takes every second message, and puts off the others."""
    taken = list(await call(items[::2]))
    return [Outcome("retry", "not now") if number % 2 else taken.pop(0) for number in range(len(items))]


def slow(clock: Clock, seconds: float) -> Fault:
    """The service takes its time."""

    async def take_time(call: Call, items: Sequence[Any]) -> Any:
        await clock.sleep(seconds)
        return await call(items)

    return take_time


def outage(clock: Clock, seconds: float) -> Iterator[Fault]:
    """The service is down for so long from now on."""
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        yield down


class Faulty:
    """An adapter to whose calls something happens.

    Args:
        inner: The real one.
        method: Which calls: ``"publish"`` of a queue, ``"put"`` of a store.
        faults: What happens to them, one after the other, without end if need be; when there are no more, nothing does.
    """

    def __init__(self, inner: Queue | Store, method: str, faults: Iterable[Fault]) -> None:
        self._inner = inner
        self._method = method
        self._faults = iter(faults)
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return partial(self._call, found) if name == self._method else found

    async def _call(self, call: Call, items: Sequence[Any]) -> Any:
        self.calls += 1
        return await next(self._faults, through)(call, items)


def faulty_queue(inner: Queue, faults: Iterable[Fault]) -> Any:
    """A queue to whose publish calls something happens."""
    return Faulty(inner, "publish", faults)


def faulty_store(inner: Store, faults: Iterable[Fault]) -> Any:
    """A store to whose put calls something happens."""
    return Faulty(inner, "put", faults)
