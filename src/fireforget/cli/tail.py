"""``fireforget tail``: new events as they arrive."""

from __future__ import annotations

from contextlib import aclosing, suppress
from functools import partial
from math import isnan
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import anyio
import click

from fireforget._backends import Adapters
from fireforget._clock import SystemClock
from fireforget.cli.event_rows import Lifter, printer
from fireforget.cli.options import configure, exclusive, json_option
from fireforget.errors import SettingsError
from fireforget.operations.following import Wanted, follow_journals, follow_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from fireforget._settings import Settings
    from fireforget.abc import Event

_MINUTE: Final = 60.0
_WINDOW: Final = 15.0
_YEAR: Final = 366.0 * 24 * 60


class Selection(TypedDict):
    """The options that say which events."""

    types: tuple[str, ...]
    session: str | None
    last: int


@click.command()
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only events of this type; may be repeated.")
@click.option("--session", metavar="ID", help="Only events of this session.")
@click.option("--journal", is_flag=True, help="Follow the journals of this machine, not the store.")
@click.option(
    "--last", metavar="N", type=click.IntRange(min=0), default=10, show_default=True, help="So many from before first."
)
@click.option(
    "--window",
    metavar="MINUTES",
    type=click.FloatRange(min=0, min_open=True, max=_YEAR),
    help="How long ago a request may have begun for its events to be seen in the store; 15 if not given.",
)
@json_option
@click.pass_obj
def tail(
    config: Path | None,
    /,
    *,
    journal: bool,
    window: float | None,
    as_json: bool,
    **selection: Unpack[Selection],
) -> None:
    """Show new events as they arrive, until Ctrl-C.

    In the store an event appears once it has been processed, within about a second. With --journal it appears as soon
    as a process of this machine has emitted it, as it was emitted: neither enriched nor stripped of addresses.
    """
    exclusive(journal=journal, window=window is not None)
    if window is not None and isnan(window):
        raise click.UsageError("--window is a number of minutes, such as 15.")
    settings = configure(config)
    if journal and settings.journal.durability == "none":
        raise SettingsError('journal.durability = "none" keeps events in memory alone: leave --journal out')
    wanted = Wanted(types=selection["types"], sessionid=selection["session"], last=selection["last"])
    lifter = Lifter()
    with printer(as_json=as_json) as (show, flush):
        store = partial(_store, settings, wanted, (window or _WINDOW) * _MINUTE)
        follow = partial(_journals, settings, wanted) if journal else store
        with suppress(KeyboardInterrupt):  # it has no other end
            anyio.run(_follow, follow, lambda event: show(lifter.lift(event)), flush)
    lifter.confess()


async def _follow(
    follow: Callable[[], AsyncIterator[list[Event]]], show: Callable[[Event], None], flush: Callable[[], None]
) -> None:
    async for events in follow():
        for event in events:
            show(event)
        flush()


async def _store(settings: Settings, wanted: Wanted, window: float) -> AsyncIterator[list[Event]]:
    async with aclosing(Adapters(settings).store()) as store:
        async for events in follow_store(store, wanted, SystemClock(), window=window):
            yield events


def _journals(settings: Settings, wanted: Wanted) -> AsyncIterator[list[Event]]:
    return follow_journals(settings.journal_directory, wanted, SystemClock())
