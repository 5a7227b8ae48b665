"""``fireforget events``: the events of the store, as a table, as JSON Lines or as CSV."""

from __future__ import annotations

import sys
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, TypedDict, Unpack

import anyio
import click

from fireforget._backends import Adapters
from fireforget.abc import Query
from fireforget.cli.event_rows import Lifter, printer
from fireforget.cli.options import (
    MOMENTS,
    configure,
    exclusive,
    first_moment,
    in_order,
    json_option,
    moment_after,
    moment_option,
)
from fireforget.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from fireforget._settings import Settings
    from fireforget.abc import Event
    from fireforget.operations.progress import Progress


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
    lifter = Lifter()
    with progress("events", beside=sys.stdout) as tell, printer(as_json=as_json, as_csv=as_csv) as (show, _):
        anyio.run(partial(_list, settings, query, limit, lambda event: show(lifter.lift(event)), tell))
    lifter.confess()


def _query(selection: Selection, zone: str) -> Query:
    first, after = first_moment(selection["start"], zone), moment_after(selection["end"], zone)
    in_order(first, after)
    return Query(
        start=first,
        end=after,
        types=selection["types"],
        sessionid=selection["session"],
        correlationid=selection["correlation"],
    )


async def _list(
    settings: Settings, query: Query, limit: int | None, show: Callable[[Event], None], tell: Progress
) -> None:
    count = 0
    async with aclosing(Adapters(settings).store()) as store:
        async for record in store.scan(query):
            show(record.event)
            count += 1
            tell(count, limit)
            if count == limit:
                break
