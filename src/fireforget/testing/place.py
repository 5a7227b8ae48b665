"""Where one conformance test runs: makers of the adapters under test, and how time passes for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import anyio
import pytest

from fireforget.abc import SystemClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from email.message import EmailMessage

    from fireforget.abc import Clock, DeadLetters, Mailer, Queue, Store
    from fireforget.testing.clock import ManualClock


class _Closable(Protocol):
    async def aclose(self) -> None: ...


A = TypeVar("A", bound=_Closable)


@dataclass(kw_only=True)
class Place:
    """One queue with its dead letters, one store or one mailer: empty at first, and nobody else's.

    Every call of a maker makes another adapter of the same place. The kit closes the adapters; what else there is to
    clean up is the business of the fixture that makes the place.

    Args:
        queue: Makes an adapter of the queue.
        dead_letters: Makes an adapter of the queue's dead letters.
        store: Makes an adapter of the store.
        mailer: Makes an adapter of the mailer.
        inbox: Reads all that the mailer has sent; None where nobody can look, which leaves out the tests of it.
        clock: The clock that all adapters were given; None where they live by the time of a machine or a cloud.
        longest_sleep: Without a clock, a test that has to wait for more seconds than these is skipped.
        unreachable: A place whose service cannot be reached (a closed port, no permission), for the promises about
            errors; None where nothing can fail.
    """

    queue: Callable[[], Queue] | None = None
    dead_letters: Callable[[], DeadLetters] | None = None
    store: Callable[[], Store] | None = None
    mailer: Callable[[], Mailer] | None = None
    inbox: Callable[[], Awaitable[Sequence[EmailMessage]]] | None = None
    clock: ManualClock | None = None
    longest_sleep: float = 60.0
    unreachable: Place | None = None
    opened: dict[str, _Closable] = field(default_factory=dict, init=False, repr=False)
    """The first adapter of each kind that a test has made here, by the maker's name."""
    _made: list[_Closable] = field(default_factory=list, init=False, repr=False)

    def open(self, port: str) -> Any:
        """Make an adapter by the name of its maker, which is closed after the test."""
        return self._open(getattr(self, port), port)

    def open_queue(self) -> Queue:
        """Make an adapter of the queue, which is closed after the test."""
        return self._open(self.queue, "queue")

    def open_dead_letters(self) -> DeadLetters:
        """Make an adapter of the dead letters, which is closed after the test."""
        return self._open(self.dead_letters, "dead_letters")

    def open_store(self) -> Store:
        """Make an adapter of the store, which is closed after the test."""
        return self._open(self.store, "store")

    def open_mailer(self) -> Mailer:
        """Make an adapter of the mailer, which is closed after the test."""
        return self._open(self.mailer, "mailer")

    @property
    def time(self) -> Clock:
        """The clock of the adapters; the machine's where they were given none."""
        return self.clock or SystemClock()

    def now(self) -> datetime:
        """What time it is for the adapters, in UTC."""
        return self.clock.now() if self.clock is not None else datetime.now(UTC)

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass for all adapters. Override it for a clock that is not a `ManualClock`."""
        if self.clock is not None:
            self.clock.advance(seconds)
        elif seconds > self.longest_sleep:
            pytest.skip(f"it would have to wait for {seconds:.0f} s, and longest_sleep is {self.longest_sleep:.0f} s")
        else:
            await anyio.sleep(seconds)

    async def aclose(self) -> None:
        """Close all adapters that were made here."""
        while self._made:
            await self._made.pop().aclose()
        if self.unreachable is not None:
            await self.unreachable.aclose()

    def _open(self, make: Callable[[], A] | None, name: str) -> A:
        if make is None:
            raise TypeError(f"this test needs Place({name}=...): a function that makes an adapter")
        adapter = make()
        self._made.append(adapter)
        self.opened.setdefault(name, adapter)
        return adapter
