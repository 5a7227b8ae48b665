"""Events as a table, as JSON Lines or as CSV."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from fireforget._schema import shared_types
from fireforget.abc import encode_event
from fireforget.cli.output import Column, Sheet, instant, listing, say, write_json
from fireforget.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fireforget.abc import Event

_COLUMNS: Final = (
    Column("time", 24),
    Column("type", 12),
    Column("session", 8),
    Column("correlation", 11, cut="start"),
    Column("data", rest=True),
)
_HEADER: Final = (
    "time",
    "type",
    "id",
    "sessionid",
    "correlationid",
    "requestid",
    "source",
    "subject",
    "dataschema",
    "data",
)


class Lifter:
    """Lifts events to the versions that this process knows, and remembers what it could not lift."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def lift(self, event: Event) -> Event:
        """The event in the version that is known here; as it is where that cannot be had."""
        try:
            return shared_types.upcast(event)
        except SchemaError as error:
            self._counts[event.type] += 1
            self._reasons.setdefault(event.type, str(error))
            return event

    def confess(self) -> None:
        """Say, once for each type, what is listed as stored."""
        for name, reason in self._reasons.items():
            say(f"{self._counts[name]} of type {name!r} listed as stored: {reason}")


class Printer(NamedTuple):
    """Prints events.

    Args:
        show: Prints one.
        flush: Lets everything that was shown be seen.
    """

    show: Callable[[Event], None]
    flush: Callable[[], None]


@contextmanager
def printer(*, as_json: bool, as_csv: bool = False) -> Iterator[Printer]:
    """Print the events of this block: JSON Lines, CSV, or a table."""
    if as_json:
        yield Printer(lambda event: write_json(msgspec.Raw(encode_event(event))), sys.stdout.flush)
        return
    with Sheet(*_HEADER) if as_csv else listing(*_COLUMNS) as rows:
        cells = _cells if as_csv else _shown
        yield Printer(lambda event: rows.add(*cells(event)), rows.flush)


def _shown(event: Event) -> Iterator[str]:
    yield instant(event.time.astimezone(UTC))
    yield event.type
    yield event.sessionid or ""
    yield event.correlation
    yield _json(event.data)


def _cells(event: Event) -> Iterator[str]:
    yield instant(event.time.astimezone(UTC))
    yield event.type
    yield event.id
    yield event.sessionid or ""
    yield event.correlation
    yield event.requestid or ""
    yield event.source
    yield event.subject or ""
    yield event.dataschema or ""
    yield _json(event.data)


def _json(data: object) -> str:
    return msgspec.json.encode(data).decode()
