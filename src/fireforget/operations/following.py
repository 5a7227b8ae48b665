"""Following events as they arrive: in the store, or in the journals of this machine."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._event import decode_event, split_batch, uuid7_time
from fireforget._journal import Watch, directories
from fireforget._pack import Packer
from fireforget.abc import Query
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from fireforget._clock import Clock
    from fireforget._journal import Entry
    from fireforget.abc import Event, Store

_RESTS: Final = 4
"""A look at the store is followed by a rest of so many times its length: following takes a fifth of its strength."""

_STRETCH: Final = 1024 * 1024
"""Bytes of events that are rendered at once."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which events are followed.

    Args:
        types: Of these types; empty for all.
        sessionid: Of this session.
        last: How many of those that are there already come first.
    """

    types: tuple[str, ...] = ()
    sessionid: str | None = None
    last: int = 0

    def has(self, event: Event) -> bool:
        """Is it one of them?"""
        return (not self.types or event.type in self.types) and self.sessionid in {None, event.sessionid}


async def follow_store(
    store: Store, wanted: Wanted, clock: Clock, *, every: float = 1.0, window: float = 900.0
) -> AsyncIterator[list[Event]]:
    """Yield the events that arrive in the store, each once, look by look; a look may bring none.

    Args:
        store: The store.
        wanted: Which events.
        clock: Time and sleep.
        every: Seconds between two looks, at least.
        window: How many seconds ago a request may have begun for its events to be seen.

    Raises:
        AdapterError: The store cannot be read.
    """
    seen: set[tuple[datetime, str]] = set()
    first = True
    while True:
        began = clock.monotonic()
        start = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC) - timedelta(seconds=window)
        seen = {each for each in seen if each[0] >= start}
        fresh: deque[Event] = deque(maxlen=wanted.last if first else None)
        async for record in store.scan(Query(start=start, types=wanted.types, sessionid=wanted.sessionid)):
            mark = uuid7_time(record.event.correlation) or start, record.event.id
            if mark not in seen:
                seen.add(mark)
                fresh.append(record.event)
        yield sorted(fresh, key=attrgetter("time"))
        first = False
        await clock.sleep(max(every, _RESTS * (clock.monotonic() - began)))


async def follow_journals(
    root: Path, wanted: Wanted, clock: Clock, *, every: float = 0.2
) -> AsyncIterator[list[Event]]:
    """Yield the events that are appended to the journals of a directory, look by look; a look may bring none.

    What is delivered and cleared away between two looks is not seen.

    Args:
        root: The directory of all journals.
        wanted: Which events.
        clock: Sleep.
        every: Seconds between two looks.

    Raises:
        OSError: The directory cannot be read.
    """
    watches: dict[str, Watch] = {}
    try:
        if not wanted.last:
            deque(_look(root, watches), maxlen=0)  # what is there already is passed over, not rendered
        fresh = deque(_events(root, wanted, watches), maxlen=wanted.last or None)
        while True:
            yield sorted(fresh, key=attrgetter("time"))
            await clock.sleep(every)
            fresh = deque(_events(root, wanted, watches))
    finally:
        for watch in watches.values():
            watch.close()


def _events(root: Path, wanted: Wanted, watches: dict[str, Watch]) -> Iterator[Event]:
    """The wanted events that are new in any journal."""
    for watch, entries in _look(root, watches):
        packer = Packer(watch)
        while pack := packer.pack(entries, "", _STRETCH):
            for text in split_batch(pack.message.body):
                event = decode_event(text)
                if wanted.has(event):
                    yield event


def _look(root: Path, watches: dict[str, Watch]) -> Iterator[tuple[Watch, deque[Entry]]]:
    """What is new in each journal."""
    paths = list(directories(root))
    for path in paths:
        try:
            watch = watches.get(path.name) or watches.setdefault(path.name, Watch(path))
            yield watch, deque(watch.look())
        except (JournalError, FileNotFoundError):
            continue  # being born, finished and gone, or of another version: the doctor tells of those
    for gone in watches.keys() - {path.name for path in paths}:
        watches.pop(gone).close()
