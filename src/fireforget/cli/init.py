"""``fireforget init``: a commented configuration."""

from __future__ import annotations

from pathlib import Path

import click
from click.exceptions import Exit

from fireforget._settings import DEFAULT_FILE
from fireforget._settings_file import settings_file
from fireforget.cli.output import say


@click.command()
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_obj
def init(config: Path | None, /, *, force: bool) -> None:
    """Write a fireforget.toml with every setting, its meaning and its default.

    It goes into the working directory, or to where --config says. As it is written it means the defaults: each setting
    stands in a comment.
    """
    path = config or Path(DEFAULT_FILE)
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(settings_file())
    except FileExistsError:
        say(f"{path} is there already: --force writes over it, --config FILE names another")
        raise Exit(1) from None
    say(f"wrote {path}")
