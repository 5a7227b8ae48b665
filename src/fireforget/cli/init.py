"""``fireforget init``: a commented configuration."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TextIO

import click
from click.exceptions import Exit

from fireforget._configuration import DEFAULT_FILE, settings_path
from fireforget._settings_file import settings_file
from fireforget.cli.output import say


@click.command()
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_obj
def init(config: Path | None, /, *, force: bool) -> None:
    """Write a fireforget.toml with every setting, its meaning and its default.

    It goes into the working directory, or to where --config or FIREFORGET_CONFIG says. As it is written it means the
    defaults: each setting stands in a comment.
    """
    path = settings_path(config) or Path(DEFAULT_FILE)
    try:
        if force and path.exists():
            _write_over(path.resolve())
        else:
            _write(path.open("x", encoding="utf-8"), path)
    except FileExistsError:
        say(f"{path} is there already: --force writes over it, --config FILE names another")
        raise Exit(1) from None
    say(f"wrote {path}")


def _write_over(path: Path) -> None:
    """Put the text in the place of a file, whole or not at all; its owner and mode stay."""
    before = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    _write(os.fdopen(descriptor, "w", encoding="utf-8"), temporary)
    try:
        temporary.chmod(stat.S_IMODE(before.st_mode))
        if hasattr(os, "chown"):
            os.chown(temporary, before.st_uid, before.st_gid)
        temporary.replace(path)
    except BaseException:  # whatever it is, Ctrl-C too: the old file stays, and nothing beside it
        temporary.unlink()
        raise


def _write(file: TextIO, path: Path) -> None:
    """Fill a new file; where that fails, there is none."""
    try:
        with file:
            file.write(settings_file())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:  # whatever it is, Ctrl-C too: half a file is worse than none
        path.unlink()
        raise
