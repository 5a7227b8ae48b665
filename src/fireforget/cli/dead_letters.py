"""``fireforget dead-letters``: see why messages could not be processed, send them again, or delete them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import anyio
import click
import msgspec

from fireforget._configuration import load_settings
from fireforget.cli.options import confirmed, json_option
from fireforget.cli.output import Column, instant, listing, say, visible, write, write_json
from fireforget.cli.progress import progress
from fireforget.operations.letters import dead_letters_of, no_such_letter
from fireforget.operations.ownership import refuse_root
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fireforget._settings import Settings
    from fireforget.operations.letters import Found, Redriven
    from fireforget.operations.progress import Progress

_COLUMNS: Final = (
    Column("id", cut="never"),
    Column("where"),
    Column("time", 24),
    Column("attempts"),
    Column("events"),
    Column("reason", rest=True),
)

_ids = click.argument("ids", nargs=-1, metavar="[ID]...")
_all = click.option("--all", "everything", is_flag=True, help="All dead letters, wherever they are.")


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters(ctx: click.Context, /) -> None:
    """See messages that could not be processed; send them again or delete them.

    They are in two places: "queue" are the queue's own dead letters, "file" are events that the queue refused for
    good, in dead-letters.jsonl beside the journals of this machine.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


@dead_letters.command("list")
@json_option
@click.pass_obj
def list_(config: Path | None, /, *, as_json: bool) -> None:
    """List the dead letters."""
    anyio.run(partial(_list, load_settings(config), as_json=as_json))


async def _list(settings: Settings, *, as_json: bool) -> None:
    async with dead_letters_of(settings) as letters:
        if as_json:
            async for found in letters.find():
                write_json(found.as_json())
            return
        with listing(*_COLUMNS) as table:
            async for found in letters.find():
                letter = found.letter
                table.add(
                    letter.id,
                    found.where,
                    instant(letter.time),
                    str(letter.attempts or "?"),
                    str(letter.message.count),
                    found.reason,
                )


@dead_letters.command()
@click.argument("id_", metavar="ID")
@json_option
@click.pass_obj
def show(config: Path | None, /, *, id_: str, as_json: bool) -> None:
    """Show a dead letter: why it is here, and its events."""
    for found in anyio.run(_find, load_settings(config), id_):
        if as_json:
            write_json(found.as_json())
        else:
            write(_page(found))


async def _find(settings: Settings, id_: str) -> Sequence[Found]:
    async with dead_letters_of(settings) as letters:
        found = [each async for each in letters.find([id_])]
    if not found:
        raise no_such_letter(id_)
    return found


def _page(found: Found) -> str:
    letter = found.letter
    try:
        body = msgspec.json.format(letter.message.body)
    except msgspec.DecodeError:
        body = letter.message.body  # being no JSON may be why it is here
    fields = {
        "id": letter.id,
        "where": found.where,
        "time": instant(letter.time),
        "attempts": str(letter.attempts or "?"),
        "key": letter.message.key,
        "events": str(letter.message.count),
    }
    lines = [f"{name:<10}{visible(value)}" for name, value in fields.items()]
    for title, text in (("reason", found.reason), ("body", body)):
        lines += ["", title, *(f"  {visible(line)}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


@dead_letters.command()
@_ids
@_all
@click.pass_obj
def redrive(config: Path | None, /, *, ids: Sequence[str], everything: bool) -> None:
    """Send dead letters to the queue again.

    Their attempts are counted anew. What the queue would not take stays where it is.
    """
    _check(ids, everything=everything)
    settings = load_settings(config)
    refuse_root(settings)
    with progress("dead letters") as tell:
        done = anyio.run(_redrive, settings, ids, tell)
    write(f"{plural(done.count, 'dead letter')} redriven\n")
    for id_, reason in done.failures.items():
        say(f"{id_} stays where it is, since the queue would not take it: {reason}")
    if done.failures:
        raise click.exceptions.Exit(1)


async def _redrive(settings: Settings, ids: Sequence[str], tell: Progress) -> Redriven:
    async with dead_letters_of(settings) as letters:
        return await letters.redrive(ids, tell)


@dead_letters.command()
@_ids
@_all
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def discard(config: Path | None, /, *, ids: Sequence[str], everything: bool, yes: bool) -> None:
    """Delete dead letters for good."""
    _check(ids, everything=everything)
    settings = load_settings(config)
    refuse_root(settings)
    what = "all dead letters" if everything else plural(len(set(ids)), "dead letter")
    if not yes and not confirmed(f"Delete {what} for good?"):
        say("nothing was deleted: answer 'y', or give --yes")
        raise click.exceptions.Exit(1)
    count = anyio.run(_discard, settings, ids)
    write(f"{plural(count, 'dead letter')} deleted\n")


async def _discard(settings: Settings, ids: Sequence[str]) -> int:
    async with dead_letters_of(settings) as letters:
        return await letters.discard(ids)


def _check(ids: Sequence[str], *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("Give either ids or --all.")
