"""``fireforget events``: the events of the store, as a table, as JSON Lines or as CSV."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing, contextmanager
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import anyio
import click
import msgspec

from fireforget._backends import Adapters
from fireforget._schema import shared_types
from fireforget.abc import Query, encode_event
from fireforget.cli.options import (
    MOMENTS,
    configure,
    exclusive,
    first_moment,
    json_option,
    moment_after,
    moment_option,
)
from fireforget.cli.output import Column, Sheet, instant, listing, say, write_json
from fireforget.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date
    from pathlib import Path

    from fireforget._settings import Settings
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


class Selection(TypedDict):
    """The options that say which events."""

    types: tuple[str, ...]
    session: str | None
    correlation: str | None
    start: date | None
    end: date | None


@click.command(epilog=MOMENTS)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type; may be repeated.")
@click.option("--session", metavar="ID", help="Only events of this session.")
@click.option("--correlation", metavar="ID", help="Only events of this request, by its whole correlation id.")
@moment_option("--from", help="Only events of requests from then on.")
@moment_option("--to", help="Only events of requests before then; a day counts whole.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="No more than so many.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.pass_obj
def events(
    config: Path | None, /, *, limit: int | None, as_json: bool, as_csv: bool, **selection: Unpack[Selection]
) -> None:
    """List the events of the store, request by request, the oldest first.

    A terminal gets a table, cut to its width; anything else gets whole values between tabs. With --json, each line is
    a CloudEvent with all its attributes. With --csv, the columns are time, type, id, sessionid, correlationid,
    requestid, source, subject, dataschema and data; the data is JSON, and a cell that a spreadsheet would take for a
    formula (it begins with =, +, - or @) has an apostrophe before it.

    Events of older versions are lifted to those that the configured plugin registers. One that cannot be lifted is
    listed as it is stored.
    """
    exclusive(json=as_json, csv=as_csv)
    settings = configure(config)
    query = _query(selection, settings.report.timezone)
    lifter = _Lifter()
    with _printer(as_json=as_json, as_csv=as_csv) as show:
        anyio.run(partial(_list, settings, query, limit, lambda event: show(lifter.lift(event))))
    lifter.confess()


def _query(selection: Selection, zone: str) -> Query:
    return Query(
        start=first_moment(selection["start"], zone),
        end=moment_after(selection["end"], zone),
        types=selection["types"],
        sessionid=selection["session"],
        correlationid=selection["correlation"],
    )


async def _list(settings: Settings, query: Query, limit: int | None, show: Callable[[Event], None]) -> None:
    count = 0
    async with aclosing(Adapters(settings).store()) as store:
        async for record in store.scan(query):
            show(record.event)
            count += 1
            if count == limit:
                break


class _Lifter:
    """Lifts events to the versions that this process knows, and remembers what it could not lift."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}

    def lift(self, event: Event) -> Event:
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


@contextmanager
def _printer(*, as_json: bool, as_csv: bool) -> Iterator[Callable[[Event], None]]:
    if as_json:
        yield lambda event: write_json(msgspec.Raw(encode_event(event)))
    elif as_csv:
        with Sheet(*_HEADER) as sheet:
            yield lambda event: sheet.add(*_cells(event))
    else:
        with listing(*_COLUMNS) as table:
            yield lambda event: table.add(
                instant(event.time.astimezone(UTC)),
                event.type,
                event.sessionid or "",
                event.correlation,
                _json(event.data),
            )


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
