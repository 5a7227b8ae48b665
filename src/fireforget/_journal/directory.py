"""The directory of one journal: its lock, its manifest, its birth and its end."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget._journal.locks import lock
from fireforget._journal.mapping import sync_directory, sync_file
from fireforget.errors import JournalError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = 1
LOCK: Final = "lock"
MANIFEST: Final = "manifest.json"
UNBORN: Final = ".new-"
GONE: Final = ".gone-"
_ATTEMPTS: Final = 10


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Whose journal it is.

    Args:
        format: Of the directory and of everything in it.
        queue: Digest of the identity of the queue that its events are for.
        pid: Of the process that made it; for people, since locks tell who lives.
        created: Nanoseconds since the Unix epoch.
        nonce: 62 random bits: part of every event's id.
    """

    format: int
    queue: str
    pid: int
    created: int
    nonce: int


class Directory:
    """A journal's directory, held by its lock.

    Args:
        path: Of the directory.
        lock: Descriptor of the locked file in it.
        manifest: Whose it is.
    """

    __slots__ = ("lock", "manifest", "path")

    def __init__(self, path: Path, lock: int, manifest: Manifest) -> None:
        self.path = path
        self.lock = lock
        self.manifest = manifest

    @property
    def id(self) -> str:
        """Its name, unique among all journals."""
        return self.path.name

    def release(self) -> None:
        """Let go of the lock by closing it. In the child of a fork the parent's lock stays as it is."""
        if self.lock >= 0:
            os.close(self.lock)
            self.lock = -1

    def remove(self) -> None:
        """Remove it with all that is in it. At once for everybody: it loses its name first."""
        remove_tree(self.path)
        self.release()

    def sync(self) -> None:
        """Bring it to the disk itself, with all that is in it.

        Raises:
            JournalError: The disk failed.
        """
        try:
            for path in self.path.iterdir():
                sync_file(path)
            sync_directory(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise JournalError(f"cannot sync {self.path}: {error.strerror}") from error

    @classmethod
    def create(cls, root: Path, queue: str, created: int) -> Directory:
        """Make a directory under a temporary name, lock it, describe it, then give it its name.

        Raises:
            JournalError: That cannot be done here; the message says why.
        """
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for _ in range(_ATTEMPTS):
                directory = cls._create(root, queue, created)
                if directory is not None:
                    return directory
        except OSError as error:
            raise JournalError(f"cannot make a journal in {root}: {error.strerror}") from error
        raise JournalError(f"cannot make a journal in {root}: somebody keeps removing it")

    @classmethod
    def _create(cls, root: Path, queue: str, created: int) -> Directory | None:
        """None where somebody took the unborn directory for one left behind, and removed it."""
        nonce = random_nonce()
        manifest = Manifest(format=FORMAT, queue=queue, pid=os.getpid(), created=created, nonce=nonce)
        path = root / f"{nonce:016x}"
        unborn = root / (UNBORN + path.name)
        unborn.mkdir(mode=0o700)
        directory = cls(path, -1, manifest)
        try:
            with suppress(FileNotFoundError):  # as with a lock that is taken, the caller tries again
                directory.lock = os.open(unborn / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
                if lock(directory.lock):
                    (unborn / MANIFEST).write_bytes(msgspec.json.encode(manifest))
                    unborn.rename(path)
                    return directory
        except BaseException:  # whatever it is: nothing half made stays
            directory.release()
            remove_tree(unborn)
            raise
        directory.release()
        return None

    @classmethod
    def claim(cls, path: Path) -> Directory | None:
        """Lock a directory that is there; None where somebody holds it or has just removed it.

        Raises:
            JournalError: It is not a journal that this version can read.
        """
        manifest = read_manifest(path)
        try:
            file = os.open(path / LOCK, os.O_RDWR)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise JournalError(f"cannot lock {path}: {error.strerror}") from error
        directory = cls(path, file, manifest)
        ours = False
        try:
            ours = lock(file) and directory.is_current()
        finally:
            if not ours:
                directory.release()
        return directory if ours else None

    def is_current(self) -> bool:
        """Is what was locked still what lies there?"""
        try:
            return os.path.samestat(os.fstat(self.lock), (self.path / LOCK).stat())
        except FileNotFoundError:
            return False


def is_held(path: Path) -> bool:
    """Does somebody living append to the journal in this directory, or drain it?

    Raises:
        JournalError: Its lock cannot be looked at.
    """
    try:
        file = os.open(path / LOCK, os.O_RDONLY)
    except OSError as error:
        raise JournalError(f"cannot look at the lock of {path}: {error.strerror}") from error
    try:
        return not lock(file, shared=True)
    finally:
        os.close(file)


def random_nonce() -> int:
    """62 random bits, from the system: a forked child draws others than its parent."""
    return int.from_bytes(os.urandom(8), "big") >> 2


def read_manifest(path: Path) -> Manifest:
    """Read the manifest of a directory.

    Raises:
        JournalError: There is none, or none that this version understands.
    """
    try:
        manifest = msgspec.json.decode((path / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise JournalError(f"no manifest can be read in {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise JournalError(f"the manifest in {path} is damaged: {error}") from error
    if manifest.format != FORMAT:
        raise JournalError(
            f"{path} has format {manifest.format}, and this version reads format {FORMAT}: let the version of "
            "fireforget that wrote it drain it"
        )
    return manifest


def remove_tree(path: Path) -> None:
    """Remove a directory, its name first, so that nobody finds half of it."""
    gone = path.with_name(GONE + path.name.removeprefix(UNBORN))
    with suppress(OSError):  # somebody else was faster, or it cannot be removed now: the next who adopts tries again
        path.rename(gone)
        sweep_tree(gone)


def sweep_tree(path: Path) -> None:
    """Remove what can be removed of a directory that no longer counts."""
    import shutil

    shutil.rmtree(path, ignore_errors=True)
