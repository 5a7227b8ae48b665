"""Captures events: what an application emits stays in memory, where a test reads it."""

from __future__ import annotations

from collections import Counter, deque
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from fireforget._app import FireForget
from fireforget._background import Background
from fireforget._engine import shared_engine
from fireforget._event import decode_event, split_batch
from fireforget._journal import Journal, Options
from fireforget._pack import Packer
from fireforget._process import changing, finish_work, members
from fireforget._schema import shared_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from fireforget._event import Event, EventId

EVERYTHING: Final = 1 << 40
_PATIENCE: Final = 5.0
"""Seconds that the background thread is given to end."""

_MISSING: Final = object()


def read_events(journal: Journal) -> list[Event]:
    """The events accepted by a journal since the last time, as a reader of the queue gets them."""
    return [event for _, event in _read(journal)]


def _read(journal: Journal) -> list[tuple[int, Event]]:
    """The same, each with the nanosecond in which it was emitted."""
    pack = Packer(journal).pack(deque(journal.walk(EVERYTHING)), "lane", EVERYTHING)
    if pack is None:
        return []
    events = map(decode_event, split_batch(pack.message.body))
    return [(entry.time_ns, event) for entry, event in zip(pack.entries, events, strict=True)]


class Capture:
    """While it is open, every `FireForget` of the process emits into it, those made before it too.

    Events are checked, sampled and filtered as ever, and then kept in memory: nothing is written, published or
    processed. Work handed to `wait_until` runs, and `drain` waits for it. A context manager; the fixture `fireforget`
    is an open one.
    """

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()
        self._journals: dict[FireForget, Journal] = {}
        self._before: dict[FireForget, Journal | None] = {}
        self._events: list[Event] = []
        self._refused: Counter[str] = Counter()
        self._engine_ran = False

    def __enter__(self) -> Self:
        """Begin to capture."""
        self._engine_ran = shared_engine.running
        close, refuse = FireForget.close, FireForget._refuse  # noqa: SLF001 - a part of the library, for tests

        def close_captured(app: FireForget) -> None:
            app.drain_blocking()
            self._release(app)
            close(app)

        def open_captured(app: FireForget) -> Journal:
            with changing:
                return app._journal or app._install(self._journal_of(app))  # noqa: SLF001

        def refuse_captured(app: FireForget, reason: str, event_type: object, error: Exception) -> EventId | None:
            app.open_journal()  # which counts it: an application without a journal is not known here
            return refuse(app, reason, event_type, error)

        def drain_captured(app: FireForget, seconds: float | None = None) -> int:
            finish_work(app.settings.drain_seconds if seconds is None else seconds)
            return 0

        self._patch.setattr(FireForget, "open_journal", open_captured)
        self._patch.setattr(Background, "start", lambda _background: None)
        self._patch.setattr(FireForget, "_refuse", refuse_captured)
        self._patch.setattr(FireForget, "drain_blocking", drain_captured)
        self._patch.setattr(FireForget, "close", close_captured)
        for app in [member for member in members if isinstance(member, FireForget)]:
            self._before[app] = app._journal  # noqa: SLF001
            app._journal = self._journal_of(app)  # noqa: SLF001
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let every `FireForget` go on as before; what was captured can still be read."""
        for app in list(self._journals):
            self._release(app)
        self._patch.undo()
        if not self._engine_ran:
            shared_engine.stop(_PATIENCE)

    @property
    def events(self) -> list[Event]:
        """All events accepted so far, in the order of their emission."""
        self._collect()
        return list(self._events)

    @property
    def refused(self) -> dict[str, int]:
        """How many events were refused, by reason: ``schema``, ``too_large``, ``unserializable``, ..."""
        counts = self._refused.copy()
        for journal in self._journals.values():
            counts.update(journal.counts.refused)
        return dict(counts)

    def of(self, event_type: str | type) -> list[Event]:
        """The events of one type, given by its name or its event class."""
        name = self._name(event_type)
        return [event for event in self.events if event.type == name]

    def clear(self) -> None:
        """Forget the events accepted so far."""
        self._collect()
        self._events.clear()

    def assert_emitted(
        self,
        event_type: str | type,
        data: Mapping[str, Any] | None = None,
        *,
        times: int | None = None,
        **attributes: object,
    ) -> Event:
        """Assert that an event was emitted.

        Args:
            event_type: Its type: the name, or the event class.
            data: What its data hold, among other things.
            times: How many such events there are, 1 or more; None for at least one.
            attributes: CloudEvents attributes that it has, such as `sessionid`.

        Returns:
            The first such event.

        Raises:
            AssertionError: There is none, or another number of them. The message shows what was emitted.
            ValueError: `times` is less than 1.
        """
        __tracebackhide__ = True
        if times is not None and times < 1:
            raise ValueError(f"times={times} asks for no event: use assert_nothing_emitted")
        found = self._found(event_type, data, attributes)
        if not found or (times is not None and len(found) != times):
            number = "at least one" if times is None else times
            asked = self._asked(event_type, data, attributes)
            raise AssertionError(f"expected {number} of {asked}, found {len(found)}; {self._told(attributes)}")
        return found[0]

    def assert_nothing_emitted(
        self, event_type: str | type | None = None, data: Mapping[str, Any] | None = None, **attributes: object
    ) -> None:
        """Assert that no such event was emitted; without a type, none at all.

        Args:
            event_type: Its type: the name, or the event class.
            data: What its data would hold, among other things.
            attributes: CloudEvents attributes that it would have.

        Raises:
            AssertionError: There was one. The message shows what was emitted.
        """
        __tracebackhide__ = True
        found = self._found(event_type, data, attributes)
        if found:
            asked = self._asked(event_type, data, attributes)
            raise AssertionError(f"expected no {asked}, found {len(found)}; {self._told(attributes)}")

    def _found(
        self, event_type: str | type | None, data: Mapping[str, Any] | None, attributes: Mapping[str, object]
    ) -> list[Event]:
        return [
            event
            for event in (self.events if event_type is None else self.of(event_type))
            if _holds(event.data, data or {})
            if all(_attribute(event, name) == value for name, value in attributes.items())
        ]

    def _asked(
        self, event_type: str | type | None, data: Mapping[str, Any] | None, attributes: Mapping[str, object]
    ) -> str:
        name = "events" if event_type is None else repr(self._name(event_type))
        return " ".join([name, *([repr(dict(data))] if data else []), *_named(attributes)])

    def _journal_of(self, app: FireForget) -> Journal:
        journal = Journal.open(Path("unused"), "captured", Options(durability="none"), describe=app.describe)
        self._journals[app] = journal
        return journal

    def _release(self, app: FireForget) -> None:
        """Take what was captured, and give the journal back that there was before."""
        self._collect()
        captured = self._journals.pop(app, None)
        if captured is None:
            return
        self._refused.update(captured.counts.refused)
        captured.close()
        if app in self._before:
            app._journal = self._before.pop(app)  # noqa: SLF001
        else:
            app._let_go()  # noqa: SLF001

    def _collect(self) -> None:
        read = (_read(journal) for journal in self._journals.values())
        self._events += [event for _, event in merge(*read, key=itemgetter(0))]

    def _name(self, event_type: str | type) -> str:
        if isinstance(event_type, str):
            return event_type
        known = [app._known.registered for app in self._journals]  # noqa: SLF001
        for types in (*known, shared_types):
            registered = types.of(event_type)
            if registered is not None:
                return registered.name
        raise TypeError(f"{event_type.__name__} is no registered event class: decorate it with @event_type")

    def _told(self, asked: Iterable[str]) -> str:
        """What was emitted, with the attributes that were asked for."""
        lines = []
        for event in self._events:
            attributes = {name: _attribute(event, name) for name in asked}
            there = {name: value for name, value in attributes.items() if value is not _MISSING}
            lines.append(" ".join([f"  {event.type!r} {event.data!r}", *_named(there)]))
        emitted = "\n".join(lines) or "  nothing"
        refused = f"\nrefused were: {self.refused}" if self.refused else ""
        return f"emitted were:\n{emitted}{refused}"


def _holds(data: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(data.get(name, _MISSING) == value for name, value in wanted.items())


def _named(attributes: Mapping[str, object]) -> list[str]:
    return [f"{name}={value!r}" for name, value in attributes.items()]


def _attribute(event: Event, name: str) -> object:
    return getattr(event, name) if name in event.__struct_fields__ else event.extensions.get(name, _MISSING)
