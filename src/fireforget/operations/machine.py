"""What a doctor looks at on the machine: the journals and where they are, the disk, the clock."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fireforget._journal import directories, lock, read_manifest
from fireforget._refused import RefusedFile
from fireforget.abc import Finding
from fireforget.errors import JournalError
from fireforget.operations.journals import journals_of
from fireforget.operations.ownership import existing, other_owner, unusable
from fireforget.reporting.wording import plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fireforget._clock import Clock
    from fireforget._settings import Settings
    from fireforget.operations.journals import JournalStatus

_NETWORKS: Final = frozenset({"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "nfs", "nfs4", "smb3"})
_MEMORY: Final = frozenset({"ramfs", "tmpfs"})
_MOUNTS: Final = Path("/proc/self/mounts")

_ON_DISK: Final = "name a directory on a disk of this machine with journal.directory"

_TOLERANCE_SECONDS: Final = 60.0
"""A clock may be off by so much before it is wrong."""


def journal_directory(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Can journals be made there, and do they survive what they should?"""
    name, root = "journal directory", settings.journal_directory.absolute()
    if settings.journal.durability == "none":
        yield Finding(name, "ok", 'not used: journal.durability = "none" keeps events in memory alone')
        return
    place = existing(root)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            lock(file.fileno())
    except OSError as error:
        mend = "name another with journal.directory, or change the owner or mode of this one"
        yield Finding(name, "wrong", f"{root}: no file can be made in {place} ({error.strerror})", mend)
        return
    except JournalError as error:
        yield Finding(name, "wrong", f"{root}: {error}", _ON_DISK)
        return
    closed, other = ", ".join(map(str, unusable(settings))), other_owner(settings)
    if closed:
        mend = "let them belong to the user of the application, as the directory does (chown)"
        yield Finding(name, "wrong", f"another user has made {closed}", mend)
    elif other:
        text = f"{other[0]} belongs to {other[1]}, and this is root: what {other[1]} cannot do is not seen"
        yield Finding(name, "warning", text, f"run this as the application's user, such as by 'sudo -u {other[1]}'")
    kind = file_system(place)
    if kind in _NETWORKS:
        yield Finding(
            name, "wrong", f"{root} is on a network file system ({kind}), which a journal cannot use", _ON_DISK
        )
    elif kind in _MEMORY:
        yield Finding(name, "warning", f"{root} is in memory ({kind}): its events do not survive a restart", _ON_DISK)
    elif not (closed or other):
        yield Finding(name, "ok", f"{root}" + ("" if root.is_dir() else " is made when it is first used"))


def journals(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Is there a journal that nobody drains, or that nobody can read?"""
    found = list(journals_of(settings))
    waiting = [each for each in found if each.state == "dead" and each.pending]
    ours, others = [each for each in waiting if each.ours], [each for each in waiting if not each.ours]
    for each in found:
        if each.problem:
            mend = (
                "what another version or another user wrote, that one drains; what is damaged, move out of "
                f"{settings.journal_directory.absolute()} while no application runs, and keep it"
            )
            yield Finding("journals", "wrong", each.problem, mend)
        elif each.corrupt:
            mend = f"see what is damaged with 'fireforget journal verify {each.id}', and look at the disk"
            yield Finding("journals", "warning", f"{plural(each.corrupt, 'event')} of {each.id} lost to damage", mend)
    if ours:
        mend = "start the application, which takes them over, or run 'fireforget journal replay'"
        yield Finding("journals", "warning", _waiting(ours, "of processes that have ended, and none drains them"), mend)
    if others:
        mend = (
            "start the application with the queue that it had, or send them to the present one with "
            "'fireforget journal replay --other-queues'"
        )
        yield Finding("journals", "warning", _waiting(others, "that were meant for another queue"), mend)
    if not waiting and not any(each.problem or each.corrupt for each in found):
        pending = sum(each.pending or 0 for each in found)
        text = f"{len(found)}, none of them left alone, with {plural(pending, 'event')} pending" if found else "none"
        yield Finding("journals", "ok", text)


def refused(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Has the queue refused events for good?"""
    file = RefusedFile(settings.journal_directory.parent, clock)
    count = sum(1 for _ in file.read())
    if count:
        mend = "see why with 'fireforget dead-letters list'; then redrive or discard them"
        yield Finding(
            "dead-letter file",
            "warning",
            f"{plural(count, 'event')} that the queue refused for good, in {file.path}",
            mend,
        )
    else:
        yield Finding("dead-letter file", "ok", "empty")


def disk(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    """Is there room for the journal?"""
    if settings.journal.durability == "none":
        return
    place = existing(settings.journal_directory.absolute())
    journal, free = settings.journal, shutil.disk_usage(place).free
    longest = _longest_file()
    mend = "free some space, or name a directory elsewhere with journal.directory"
    if free < 2 * journal.segment_bytes:
        text = f"{_mebibytes(free)} are free in {place}, less than two segments of the journal: events are refused"
        yield Finding("disk", "wrong", text, mend)
    elif longest is not None and longest < journal.segment_bytes:
        text = f"a file may have {longest} bytes here, and a segment of the journal needs {journal.segment_bytes}"
        yield Finding("disk", "wrong", text, "raise the limit on the size of files (ulimit -f)")
    elif free < journal.max_bytes:
        text = f"{_mebibytes(free)} are free in {place}, less than journal.max_bytes ({_mebibytes(journal.max_bytes)})"
        yield Finding("disk", "warning", text, f"{mend}; or lower journal.max_bytes")
    else:
        yield Finding("disk", "ok", f"{_mebibytes(free)} are free in {place}")


def clock(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Does the clock stand before something that has happened already?"""
    now = clock.time_ns() / 1e9
    marks = {"this fireforget was installed": Path(__file__).stat().st_mtime}
    for path in directories(settings.journal_directory):
        with suppress(JournalError):  # the check of the journals tells of those
            marks[f"the journal {path.name} was made"] = read_manifest(path).created / 1e9
    what, latest = max(marks.items(), key=lambda mark: mark[1])
    text = f"it is {_utc(now)}"
    if latest - now > _TOLERANCE_SECONDS:
        text += f" here, but {what} at {_utc(latest)}"
        yield Finding("clock", "wrong", text, "set the clock of this machine, and let NTP keep it")
    else:
        yield Finding("clock", "ok", text)


def file_system(path: Path) -> str:
    """The kind of file system that a path is on, as Linux names it; empty where that cannot be told."""
    try:
        mounts = [line.split() for line in _MOUNTS.read_text().splitlines()]
    except OSError:
        return ""
    real = path.resolve()
    points = [(Path(fields[1].replace("\\040", " ")), fields[2]) for fields in mounts]
    # of those that lie at the same place the last one counts
    return max((len(point.parts), at, kind) for at, (point, kind) in enumerate(points) if real.is_relative_to(point))[2]


def _waiting(journals: list[JournalStatus], whose: str) -> str:
    pending = sum(each.pending or 0 for each in journals)
    return f"{plural(pending, 'event')} in {plural(len(journals), 'journal')} {whose}"


def _longest_file() -> int | None:
    """The most bytes that the system lets a file of this process have; None for no limit."""
    if os.name != "posix":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
