"""What several commands have in common: reading the configuration, moments, and options that exclude each other."""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from fireforget._configuration import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget._settings import Settings

MOMENTS: Final = (
    "A moment is a day (2026-11-22, the whole of it) or a time (2026-11-22T14:30, with or without an offset); without "
    "an offset it is meant in the report's time zone."
)

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, one value on each line.")


def configure(config: Path | None) -> Settings:
    """Read the configuration and import its plugin, from the working directory, too.

    Raises:
        SettingsError: The configuration cannot be used, or the plugin cannot be imported.
    """
    from fireforget.processing.factory import load_plugin

    settings = load_settings(config)
    if settings.plugin:
        find_plugins_here()
    load_plugin(settings.plugin)
    return settings


def find_plugins_here() -> None:
    """Let a plugin be imported from the working directory, as ``python -m`` would."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def confirmed(question: str) -> bool:
    """Ask on the terminal; click's own question would take an interrupt for a no."""
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    answer = sys.stdin.readline()
    if not sys.stdin.isatty():
        click.echo(err=True)  # a terminal has shown the end of the line, where it was typed
    return answer.strip().lower() in {"y", "yes"}


def moment_option(name: str, *, help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:  # noqa: A002 - click's
    """An option that takes a day or a time."""
    parameter = {"--from": "start", "--to": "end"}[name]
    return click.option(name, parameter, metavar="MOMENT", callback=_parse, help=help)


def exclusive(**given: bool) -> None:
    """Refuse options that exclude each other.

    Raises:
        click.UsageError: More than one was given.
    """
    names = [f"--{name}" for name, is_given in given.items() if is_given]
    if len(names) > 1:
        message = f"{' and '.join(names)} exclude each other: give one of them."
        raise click.UsageError(message)


def first_moment(moment: date | None, zone: str) -> datetime | None:
    """The moment; of a day, its first.

    Raises:
        SettingsError: The time zone is not known.
    """
    return None if moment is None else _bounds(moment, zone)[0]


def moment_after(moment: date | None, zone: str) -> datetime | None:
    """The moment; of a day, the one after its last.

    Raises:
        SettingsError: The time zone is not known.
    """
    return None if moment is None else _bounds(moment, zone)[1]


def in_order(first: datetime | None, after: datetime | None) -> None:
    """Refuse a span that ends before it begins.

    Raises:
        click.UsageError: It does.
    """
    if first is not None and after is not None and first >= after:
        message = f"--from is {first.isoformat(' ', 'seconds')}, and has to be before --to, or before now without it."
        raise click.UsageError(message)


def _bounds(moment: date, zone: str) -> tuple[datetime, datetime]:
    from zoneinfo import ZoneInfo

    from fireforget.reporting import Period

    if isinstance(moment, datetime) and moment.tzinfo is not None:
        return moment, moment
    day = moment.date() if isinstance(moment, datetime) else moment
    period = Period.days(day, day, zone=zone)
    if isinstance(moment, datetime):
        local = moment.replace(tzinfo=ZoneInfo(period.zone))
        return local, local
    return period.start, period.end


def _parse(ctx: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
    if value is None:
        return None
    for parse in (date.fromisoformat, datetime.fromisoformat):
        try:
            return parse(value)
        except ValueError:
            continue
    message = f"{value!r} is neither a day nor a time: write it like 2026-11-22 or 2026-11-22T14:30Z."
    raise click.BadParameter(message, ctx, parameter)
