"""``fireforget report``: the figures of a period, as text, JSON or a page of HTML."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import anyio
import click

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget._journal import totals
from fireforget.cli.options import (
    MOMENTS,
    configure,
    exclusive,
    first_moment,
    json_option,
    moment_after,
    moment_option,
)
from fireforget.cli.output import say, write, write_json
from fireforget.errors import AdapterError
from fireforget.reporting import Health, Period, aggregate, render_html, render_text
from fireforget.reporting.period import FORMS

if TYPE_CHECKING:
    from datetime import date

    from fireforget._settings import Settings
    from fireforget.reporting.report import Report

_DEFAULT: Final = timedelta(days=7)


class Span(TypedDict):
    """The options that say which period."""

    week: str | None
    period: str | None
    start: date | None
    end: date | None


@click.command(epilog=MOMENTS)
@click.option("--week", metavar="WEEK", help="An ISO week, such as 2026-W47, or last-week.")
@click.option("--period", metavar="PERIOD", help=f"A period of the calendar: {FORMS}.")
@moment_option("--from", help="The first moment of the period.")
@moment_option("--to", help="The moment after its last; a day counts whole. Now, where only --from is given.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help='Write a page of HTML to this file; needs "fireforget[report]".',
)
@click.option("--text", "as_text", is_flag=True, help="Print the text, beside --html, too.")
@json_option
@click.pass_obj
def report(config: Path | None, /, *, page: Path | None, as_text: bool, as_json: bool, **span: Unpack[Span]) -> None:
    """Print the report of a period.

    It stands beside the period before. Without any option it is of the seven days up to now. Days, weeks and months
    are those of the report's time zone.
    """
    exclusive(text=as_text, json=as_json)
    settings = configure(config)
    now = datetime.fromtimestamp(SystemClock().time_ns() / 1e9, UTC)
    period = _period(span, now, settings.report.timezone)
    made = anyio.run(partial(_make, settings, period, now))
    if page is not None:
        page.write_text(render_html(made), encoding="utf-8")
        say(f"the report is in {page}")
    if as_json:
        write_json(made)
    elif as_text or page is None:
        write(render_text(made))


def _period(span: Span, now: datetime, zone: str) -> Period:
    week, text, start, end = span["week"], span["period"], span["start"], span["end"]
    bounded = start is not None or end is not None
    exclusive(week=week is not None, period=text is not None, **{"from/--to": bounded})
    if week is not None:
        period = Period.parse(week, now=now, zone=zone)
        if period.noun != "week":
            message = f"--week takes an ISO week such as 2026-W47, not {week!r}: for anything else there is --period."
            raise click.UsageError(message)
        return period
    if text is not None:
        return Period.parse(text, now=now, zone=zone)
    if end is not None and start is None:
        raise click.UsageError("--to alone is no period: give --from, too.")
    first = first_moment(start, zone) or now - _DEFAULT
    return Period(first, moment_after(end, zone) or now, zone)


async def _make(settings: Settings, period: Period, now: datetime) -> Report:
    adapters = Adapters(settings)
    health = await _health(settings, adapters)
    async with aclosing(adapters.store()) as store:
        return await aggregate(store, period, settings, health=health, as_of=now)


async def _health(settings: Settings, adapters: Adapters) -> Health:
    """What is known here of the pipeline: the queue, and the journals, if this machine has any."""
    async with aclosing(adapters.queue()) as queue:
        try:
            waiting = (await queue.depth()).visible
        except AdapterError:
            waiting = None  # the report is of the store; the queue's number is an extra
    if not settings.journal_directory.is_dir():
        return Health(queue_depth=waiting)
    counts = totals(settings.journal_directory).counts
    return Health(
        accepted=counts.accepted,
        delivered=counts.delivered,
        pending=counts.pending,
        dead_lettered=counts.dead_lettered,
        dropped=sum(counts.dropped.values()),
        corrupt=counts.corrupt,
        refused=sum(counts.refused.values()),
        queue_depth=waiting,
    )
