"""``fireforget provision``: make what is missing before the first event."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio
import click
from click.exceptions import Exit

from fireforget._configuration import load_settings
from fireforget.cli.options import confirmed, exclusive, json_option
from fireforget.cli.output import say, visible, write, write_json
from fireforget.operations.provisioning import check_user, plan
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fireforget.abc import Step


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show what is missing, and make nothing.")
@json_option
@click.pass_obj
def provision(config: Path | None, /, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Make what the configured backends need: directories and tables, or queues and tables of a cloud.

    What it is going to do is shown first. What is there already stays as it is, so it may be run again at any time.
    --json goes with --dry-run or --yes.
    """
    exclusive(**{"yes": yes, "dry-run": dry_run})
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks no question: give --dry-run or --yes, too.")
    settings = load_settings(config)
    steps = anyio.run(partial(plan, settings))
    for step in steps:
        if as_json:
            write_json({"action": step.action})
        else:
            write(f"{visible(step.action)}\n")
    if not steps:
        say("nothing is missing")
    if not steps or dry_run:
        return
    check_user(settings)
    if not yes and not confirmed(f"Do {'this' if len(steps) == 1 else f'these {len(steps)} things'}?"):
        say("nothing was made: answer 'y', or give --yes")
        raise Exit(1)
    anyio.run(_apply, steps)
    say(f"{plural(len(steps), 'thing')} done")


async def _apply(steps: Sequence[Step]) -> None:
    for step in steps:
        await step.apply()
