"""``fireforget stats``: what became of the events of this machine, and how full the queue is."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import click

from fireforget._backends import Adapters
from fireforget._configuration import load_settings
from fireforget._journal import strangers, totals
from fireforget._site import queue_digest
from fireforget.abc import Depth
from fireforget.cli.options import json_option
from fireforget.cli.output import Column, listing, write, write_json
from fireforget.errors import AdapterError
from fireforget.operations.letters import refused_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fireforget._journal import Counts


@click.command()
@json_option
@click.pass_obj
def stats(config: Path | None, /, *, as_json: bool) -> None:
    """Show what became of the events, and how full the queue is.

    Of the events that were accepted on this machine, always: accepted = delivered + pending + dead-lettered + dropped
    + corrupt. What was refused, sampled out or filtered was never accepted; what was recovered from the journal of a
    dead process is accepted once.
    """
    settings = load_settings(config)
    found = totals(settings.journal_directory)
    counts = found.counts
    adapters = Adapters(settings)
    alone = strangers(settings.journal_directory, queue_digest(adapters.identity))
    left = {str(each.path): each.reason for each in (*alone, *found.unread)}
    filed = sum(1 for _ in refused_file(settings).read())
    failure: AdapterError | None = None
    try:
        depth = anyio.run(_depth, adapters)
    except AdapterError as error:  # what the journals say is worth most when the queue cannot be reached
        depth, failure = Depth(), error
    if as_json:
        write_json(_as_json(counts, depth, filed) | {"left_alone": left})
    else:
        write(f"{_law(counts)}\n\n")
        with listing(Column("what", cut="never"), Column("count")) as table:
            for what, count in _rows(counts, depth, filed):
                table.add(what, str(count))
            for path, reason in left.items():
                table.add(f"{path} left alone", reason)
    if failure is not None:
        raise failure


async def _depth(adapters: Adapters) -> Depth:
    async with aclosing(adapters.queue()) as queue:
        return await queue.depth()


def _law(counts: Counts) -> str:
    parts = (
        f"delivered {counts.delivered}",
        f"pending {counts.pending}",
        f"dead-lettered {counts.dead_lettered}",
        f"dropped {sum(counts.dropped.values())}",
        f"corrupt {counts.corrupt}",
    )
    return f"accepted {counts.accepted} = {' + '.join(parts)}"


def _rows(counts: Counts, depth: Depth, filed: int) -> Iterator[tuple[str, int | str]]:
    """What the equation does not tell: details of it, and what lies outside of it."""
    for reason, count in sorted(counts.dropped.items()):
        yield f"events dropped: {reason}", count
    for reason, count in sorted(counts.refused.items()):
        yield f"events refused: {reason}", count
    yield "events sampled out", counts.sampled_out
    yield "events filtered", counts.filtered
    yield "events recovered", counts.recovered
    yield "messages waiting in the queue", _known(depth.visible)
    yield "messages in flight", _known(depth.in_flight)
    yield "seconds since the oldest message", _known(depth.oldest_seconds)
    yield "dead letters in the queue", _known(depth.dead)
    yield "dead letters in the file", filed


def _known(number: float | None) -> str:
    return "unknown" if number is None else f"{number:.0f}"


def _as_json(counts: Counts, depth: Depth, filed: int) -> dict[str, Any]:
    return {
        "accepted": counts.accepted,
        "delivered": counts.delivered,
        "pending": counts.pending,
        "dead_lettered": counts.dead_lettered,
        "dropped": counts.dropped,
        "corrupt": counts.corrupt,
        "refused": counts.refused,
        "sampled_out": counts.sampled_out,
        "filtered": counts.filtered,
        "recovered": counts.recovered,
        "queue": {"visible": depth.visible, "in_flight": depth.in_flight, "oldest_seconds": depth.oldest_seconds},
        "dead_letters": {"queue": depth.dead, "file": filed},
    }
