"""``fireforget doctor``: what is wrong, and the mend."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import click
from click.exceptions import Exit

from fireforget.cli.options import find_plugins_here, json_option
from fireforget.cli.output import visible, write, write_json
from fireforget.operations.doctor import diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget.abc import Finding


@click.command()
@json_option
@click.pass_obj
def doctor(config: Path | None, /, *, as_json: bool) -> None:
    """Look for what is wrong, and say the mend.

    It looks at the configuration, the scheduled report, the backends and their credentials, queue, store and
    mailer, the journals and their directory, the disk and the clock, and changes nothing. Run it where the
    application runs, as its user. The exit code is 1 where something is wrong; a warning alone leaves it 0.
    """
    find_plugins_here()
    statuses = anyio.run(partial(_diagnose, config, as_json=as_json))
    if "wrong" in statuses:
        raise Exit(1)


async def _diagnose(config: Path | None, *, as_json: bool) -> set[str]:
    statuses: set[str] = set()
    async for finding in diagnose(config):
        statuses.add(finding.status)
        if as_json:
            write_json(finding)
        else:
            write(_lines(finding))
        sys.stdout.flush()
    return statuses


def _lines(finding: Finding) -> str:
    text = f"{finding.status:<8} {visible(finding.name)}: {visible(finding.text)}\n"
    return text + (f"{'':<8} → {visible(finding.mend)}\n" if finding.mend else "")
