"""An emitter with a journal in memory and no background thread: what it accepted can be read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fireforget import Event, EventTypes, ExecutionContext
from fireforget._attributes import Attributes
from fireforget._clock import Clock, SystemClock
from fireforget._context import current
from fireforget._emit import Emitter
from fireforget._event import uuid7_text
from fireforget._journal import Counts, Journal, Options
from fireforget.testing.capture import read_events


class Pen(Emitter):
    """Emits into a journal in memory.

    Args:
        max_event_bytes: As in the settings.
        sampling: As in the settings.
        types: The event types.
        options: How the journal is kept, but for its durability.
        clock: Time.
    """

    def __init__(
        self,
        *,
        max_event_bytes: int = 128 * 1024,
        sampling: Mapping[str, float] | None = None,
        types: EventTypes | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
    ) -> None:
        given = options or Options()
        self.options = Options(
            segment_bytes=given.segment_bytes, max_bytes=given.max_bytes, overflow=given.overflow, durability="none"
        )
        super().__init__(
            source="pen",
            types=types or EventTypes(),
            max_event_bytes=max_event_bytes,
            sampling=sampling or {},
            clock=clock or SystemClock(),
        )
        self.open_journal()

    def open_journal(self) -> Journal:
        if self._journal is None:
            self._journal = Journal.open(Path("unused"), "queue", self.options, describe=self.describe)
        journal: Journal = self._journal
        return journal

    @property
    def counts(self) -> Counts:
        """What became of everything so far."""
        return self.open_journal().counts

    def read(self) -> list[Event]:
        """The events accepted since the last time, as a reader of the queue gets them."""
        return read_events(self.open_journal())


@contextmanager
def correlated(number: int = 1, sessionid: str | None = None) -> Iterator[ExecutionContext]:
    """Run what follows as a request; each number has its own correlation id, the same in every run."""
    context = ExecutionContext(Attributes(uuid7_text(1_750_000_000_000_000_000, number), sessionid))
    token = current.set(context)
    try:
        yield context
    finally:
        current.reset(token)
