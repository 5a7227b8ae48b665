"""``fireforget journal``: see the journals of this machine, check them, and bring to the queue what the dead left."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import click
import msgspec
from click.exceptions import Exit

from fireforget._configuration import load_settings
from fireforget.cli.options import json_option
from fireforget.cli.output import Column, listing, say, write, write_json
from fireforget.cli.progress import progress
from fireforget.errors import JournalError
from fireforget.operations.journals import journals_of, verified
from fireforget.operations.ownership import refuse_root
from fireforget.operations.replay import replay as replay_journals
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from fireforget._journal import Verification
from fireforget.operations.replay import Replayed

_LISTED: Final = (
    Column("id", cut="never"),
    Column("state"),
    Column("process"),
    Column("age"),
    Column("pending"),
    Column("MiB"),
    Column("queue"),
    Column("problem", rest=True),
)
_VERIFIED: Final = (
    Column("id", cut="never"),
    Column("sound"),
    Column("accepted"),
    Column("pending"),
    Column("corrupt"),
    Column("segments"),
    Column("what is wrong", rest=True),
)
_UNITS: Final = (("d", 86400), ("h", 3600), ("min", 60))


@click.group(invoke_without_command=True)
@click.pass_context
def journal(ctx: click.Context, /) -> None:
    """See the journals of this machine, check them, and send what dead processes left in them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


@journal.command("list")
@json_option
@click.pass_obj
def list_(config: Path | None, /, *, as_json: bool) -> None:
    """List the journals: one for each process that lives, or that has died with events pending.

    The state is living (its process runs, or another one drains it), dead (it waits for a process, or for 'journal
    replay') or unreadable. The queue is "ours" where the events are for the configured queue.
    """
    found = journals_of(load_settings(config))
    if as_json:
        for each in found:
            write_json(each)
        return
    now = time.time()
    with listing(*_LISTED) as table:
        for each in found:
            table.add(
                each.id,
                each.state,
                _text(each.pid),
                _age(each.created, now),
                _text(each.pending),
                f"{each.bytes / 1024**2:.1f}",
                {True: "ours", False: "another", None: "?"}[each.ours],
                each.problem,
            )


@journal.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@json_option
@click.pass_obj
def verify(config: Path | None, /, *, ids: Sequence[str], as_json: bool) -> None:
    """Check every checksum of journals, of all without ids, and change nothing.

    The exit code is 1 where something is damaged. What was cut short by death was never accepted, and is no damage.
    """
    with progress("segments") as tell:
        found = dict(verified(load_settings(config), ids, tell))
    if as_json:
        for id_, look in found.items():
            write_json(_as_json(id_, look))
    else:
        with listing(*_VERIFIED) as table:
            for id_, look in found.items():
                table.add(id_, *_cells(look))
    if not all(_is_sound(look) for look in found.values()):
        raise Exit(1)


@journal.command()
@click.option("--other-queues", is_flag=True, help="Take the events, too, that were meant for another queue.")
@json_option
@click.pass_obj
def replay(config: Path | None, /, *, other_queues: bool, as_json: bool) -> None:
    """Send to the queue what is pending in the journals of dead processes.

    A running application does this by itself; replay is for when none will run again. The journals of the living are
    left alone. What the queue does not take stays where it is, and the exit code is 1. Events that the queue refuses
    for good are among the dead letters.
    """
    settings = load_settings(config)
    refuse_root(settings)
    with progress("events") as tell:
        done = anyio.run(partial(replay_journals, settings, other_queues=other_queues, progress=tell))
    if as_json:
        write_json(done)
    else:
        write(_told(done))
        for id_, reason in done.left.items():
            say(f"{id_} is left alone: {reason}")
    if done.pending:
        say(f"{plural(done.pending, 'event')} stay in the journal: {done.reason}")
        raise Exit(1)


def _told(done: Replayed) -> str:
    sent = plural(done.delivered, "event")
    dead = f", {plural(done.dead_lettered, 'event')} dead-lettered" if done.dead_lettered else ""
    return f"{sent} of {plural(done.journals, 'journal')} sent{dead}\n"


def _is_sound(look: Verification | JournalError) -> bool:
    return not isinstance(look, JournalError) and look.sound


def _cells(look: Verification | JournalError) -> tuple[str, ...]:
    if isinstance(look, JournalError):
        return "no", "?", "?", "?", "?", str(look)
    counts = look.counts
    damage = [f"segment {each.segment} from byte {each.begin} to {each.end}" for each in look.damage]
    numbers = (counts.accepted, counts.pending, counts.corrupt, look.segments)
    return "yes" if look.sound else "no", *map(str, numbers), "; ".join(damage)


def _as_json(id_: str, look: Verification | JournalError) -> dict[str, Any]:
    if isinstance(look, JournalError):
        return {"id": id_, "sound": False, "problem": str(look)}
    fields: dict[str, Any] = msgspec.to_builtins(look, enc_hook=str)
    return {"id": id_, "sound": look.sound, **fields, "problem": ""}


def _age(created: datetime | None, now: float) -> str:
    """How long ago, in the largest unit of which there is one: ``3 h``."""
    if created is None:
        return "?"
    seconds = now - created.timestamp()
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _text(number: int | None) -> str:
    return "?" if number is None else str(number)
