"""``fireforget report``: the figures of a period, as text, JSON, a page of HTML or a mail."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import anyio
import click
import msgspec

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget._schema import shared_types
from fireforget._secrets import without_secrets
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
from fireforget.cli.output import say, write, write_json
from fireforget.operations.ownership import refuse_root
from fireforget.reporting import Period, render_html, render_text
from fireforget.reporting.definitions import BUILT_IN
from fireforget.reporting.deliver import check_people
from fireforget.reporting.period import FORMS, LAST
from fireforget.reporting.sender import make_mail, make_report
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from datetime import date

    from fireforget._settings import Settings
    from fireforget.reporting.report import Report

_DEFAULT: Final = timedelta(days=7)


class Span(TypedDict):
    """The options that say which period."""

    week: str | None
    period: str | None
    last: str | None
    start: date | None
    end: date | None


class Options(Span):
    """The options that say which period and in which form."""

    page: Path | None
    as_text: bool
    as_json: bool


@click.command(epilog=MOMENTS)
@click.option("--week", metavar="WEEK", help="An ISO week, such as 2026-W47, or last-week.")
@click.option("--period", metavar="PERIOD", help=f"A period of the calendar: {FORMS}.")
@click.option("--last", type=click.Choice(list(LAST)), help="The last whole one.")
@moment_option("--from", help="The first moment of the period.")
@moment_option("--to", help="The moment after its last; a day counts whole. Now, where only --from is given.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help='Write a page of HTML to this file; needs "fireforget[report]".',
)
@click.option("--text", "as_text", is_flag=True, help="Print the text, beside --html or --send, too.")
@click.option("--send", is_flag=True, help="Mail it to report.recipients.")
@click.option(
    "--definition",
    metavar="NAME|FILE",
    help=f"What it shows, in place of report.definition: {' or '.join(BUILT_IN)}, or a TOML file.",
)
@json_option
@click.pass_obj
def report(config: Path | None, /, *, definition: str | None, send: bool, **options: Unpack[Options]) -> None:
    """Print the report of a period, write it as a page, or mail it.

    It stands beside the period before. Without any option it is of the seven days up to now. Days, weeks and months
    are those of the report's time zone.
    """
    exclusive(text=options["as_text"], json=options["as_json"])
    settings = _with(configure(config), definition)
    if send:
        check_people(settings.report.sender, settings.report.recipients)  # before anything is read or written
        if Adapters(settings).url("mailer").startswith("file:"):
            refuse_root(settings)
    now = datetime.fromtimestamp(SystemClock().time_ns() / 1e9, UTC)
    period = _period(options, now, settings.report.timezone)
    made = anyio.run(partial(_make, settings, period, now))
    page = options["page"]
    if page is not None:
        page.write_text(render_html(made), encoding="utf-8")
        say(f"the report is in {page}")
    if send:
        mailer = anyio.run(_send, settings, made)
        say(f"the report went to {plural(len(settings.report.recipients), 'recipient')} by {mailer}")
    if options["as_json"]:
        write_json({name: getattr(made, name) for name in made.__struct_fields__ if name != "definition"})
    elif options["as_text"] or not (send or page is not None):
        write(render_text(made))


def _with(settings: Settings, definition: str | None) -> Settings:
    if definition is None:
        return settings
    return msgspec.structs.replace(settings, report=msgspec.structs.replace(settings.report, definition=definition))


def _period(span: Span, now: datetime, zone: str) -> Period:
    week, text, start, end = span["week"], span["period"], span["start"], span["end"]
    bounded = start is not None or end is not None
    last = span["last"]
    given = {"week": week is not None, "period": text is not None, "last": last is not None, "from/--to": bounded}
    exclusive(**given)
    if week is not None:
        period = Period.parse(week, now=now, zone=zone)
        if period.noun != "week":
            message = f"--week takes an ISO week such as 2026-W47, not {week!r}: for anything else there is --period."
            raise click.UsageError(message)
        return period
    if text is not None or last is not None:
        return Period.parse(text or LAST[str(last)], now=now, zone=zone)
    if end is not None and start is None:
        raise click.UsageError("--to alone is no period: give --from, too.")
    first, after = first_moment(start, zone) or now - _DEFAULT, moment_after(end, zone) or now
    in_order(first, after)
    return Period(first, after, zone)


async def _make(settings: Settings, period: Period, now: datetime) -> Report:
    adapters = Adapters(settings)
    async with aclosing(adapters.queue()) as queue, aclosing(adapters.store()) as store:
        return await make_report(store, queue, settings, period, now, types=shared_types)


async def _send(settings: Settings, made: Report) -> str:
    """Mail the report; says by which mailer."""
    mail = await make_mail(made, settings)
    adapters = Adapters(settings)
    async with aclosing(adapters.mailer()) as mailer:
        await mailer.send(mail)
    return without_secrets(adapters.url("mailer"))
