"""Making what is missing before the first event: the plan of the backends in use, and of the journal directory."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import anyio

from fireforget._backends import Adapters
from fireforget.abc import Provisioner, Step
from fireforget.errors import PermanentError
from fireforget.operations.ownership import refuse_root

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget._settings import Settings


async def plan(settings: Settings) -> list[Step]:
    """What is missing, in the order in which it has to be made; nothing where all is there. Changes nothing.

    A backend that does not provision has no steps: what it needs is made elsewhere.

    Raises:
        SettingsError: There is no such backend.
        AdapterError: What is there cannot be seen.
    """
    steps: list[Step] = []
    for backend, urls in Adapters(settings).backends():
        if isinstance(backend, Provisioner):
            steps += await backend.plan(urls)
    root = settings.journal_directory.absolute()
    if settings.journal.durability != "none" and not await anyio.Path(root).is_dir():
        steps.append(Step(f"make the journal directory {root}", partial(_make_journal_directory, root)))
    return steps


def check_user(settings: Settings) -> None:
    """Refuse to make as root what on this machine belongs to somebody else; what is in a cloud, root may make.

    Raises:
        SettingsError: There is no such backend.
        PermanentError: It is to be made by that user.
    """
    embedded = any(backend.embeddable for backend, _ in Adapters(settings).backends())
    if embedded or not settings.journal_directory.is_dir():
        refuse_root(settings)


async def _make_journal_directory(root: Path) -> None:
    try:
        await anyio.Path(root).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        text = f"{root}: it cannot be made ({error.strerror}): look at the owner and mode of the directory above it"
        raise PermanentError(text) from error
