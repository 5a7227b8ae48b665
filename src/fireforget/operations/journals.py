"""The journals of this machine: whose they are, and what is pending in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from fireforget._backends import Adapters
from fireforget._journal import Verification, directories, is_held, verify
from fireforget._site import queue_digest
from fireforget.errors import JournalError, PermanentError
from fireforget.operations.progress import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from fireforget._settings import Settings


class JournalStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One journal.

    Args:
        id: The name of its directory.
        state: ``"living"``: its process runs, or another one drains it. ``"dead"``: it waits for who adopts it.
            ``"unreadable"``: `problem` says why.
        pid: Of the process that made it.
        created: When.
        ours: Are its events for the configured queue?
        queue: The digest of the queue that they are for.
        accepted: Events that were ever accepted in it.
        pending: Those that are not settled.
        corrupt: Those that are lost to damage.
        bytes: What its files take of the disk.
        problem: Why it cannot be read, and the mend.
    """

    id: str
    state: Literal["living", "dead", "unreadable"]
    bytes: int
    pid: int | None = None
    created: datetime | None = None
    ours: bool | None = None
    queue: str = ""
    accepted: int | None = None
    pending: int | None = None
    corrupt: int | None = None
    problem: str = ""


def journals_of(settings: Settings) -> Iterator[JournalStatus]:
    """Look at each journal of the configuration, and change nothing.

    Raises:
        SettingsError: There is no such queue.
        OSError: The directory cannot be read.
    """
    queue = queue_digest(Adapters(settings).identity)
    for path in directories(settings.journal_directory):
        try:
            status = _status(path, queue)
        except (JournalError, OSError) as error:
            if not path.is_dir():
                continue  # it has been finished meanwhile
            status = JournalStatus(id=path.name, state="unreadable", bytes=_size(path), problem=str(error))
        yield status


def verified(
    settings: Settings, ids: Sequence[str] = (), progress: Progress = silent
) -> Iterator[tuple[str, Verification | JournalError]]:
    """Read journals whole, and check every checksum in them; without ids, all of them.

    Raises:
        PermanentError: There is none of such an id; none has been read.
        OSError: The directory cannot be read.
    """
    paths = {path.name: path for path in directories(settings.journal_directory)}
    unknown = set(ids).difference(paths)
    if unknown:
        raise PermanentError(f"there is no journal {min(unknown)!r}: 'fireforget journal list' shows which there are")
    for id_ in ids or paths:
        try:
            yield id_, verify(paths[id_], progress)
        except JournalError as error:
            if paths[id_].is_dir():
                yield id_, error


def _status(path: Path, queue: str) -> JournalStatus:
    verification = verify(path)
    manifest, counts = verification.manifest, verification.counts
    return JournalStatus(
        id=path.name,
        state="living" if is_held(path) else "dead",
        pid=manifest.pid,
        created=datetime.fromtimestamp(manifest.created / 1e9, UTC),
        ours=manifest.queue == queue,
        queue=manifest.queue,
        accepted=counts.accepted,
        pending=counts.pending,
        corrupt=counts.corrupt,
        bytes=_size(path),
    )


def _size(path: Path) -> int:
    """What the files take of the disk; one that vanishes meanwhile takes nothing."""
    size = 0
    for file in path.iterdir():
        try:
            size += file.stat().st_size
        except FileNotFoundError:
            continue
    return size
