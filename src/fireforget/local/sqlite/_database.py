"""One file and its two threads, shared by all adapters of this process that name it."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fireforget.errors import ClosedError
from fireforget.local._bell import Bell
from fireforget.local.sqlite._sql_thread import Job, Reader, SqlThread, Work, Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from fireforget.local.sqlite._connection import Synchronous

T = TypeVar("T")


class _File:
    """The threads of one file, and the bell of its queue."""

    def __init__(self, path: Path, synchronous: Synchronous) -> None:
        self.key = (path, synchronous)
        self.writer = Writer(path, synchronous)
        self.reader = Reader(path, synchronous)
        self.bell = Bell()
        self.users = 0

    @property
    def threads(self) -> tuple[SqlThread, SqlThread]:
        return self.writer, self.reader


class Database:
    """One adapter's use of a file. Nothing is opened before the first call.

    Args:
        path: The file. Another adapter of this process with the same path and options shares its threads.
        synchronous: ``"normal"``, or ``"full"`` to wait for the disk at every commit.
    """

    def __init__(self, path: str | os.PathLike[str], *, synchronous: Synchronous = "normal") -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - `Path.resolve` reads the disk
        self._file = _share(self.path, synchronous)
        self._closed = False

    @property
    def bell(self) -> Bell:
        """Rings in all adapters of the file after each change of its queue."""
        return self._file.bell

    async def write(self, work: Work[T], *, then: Callable[[], None] | None = None) -> T:
        """Do the work in a transaction, whole or not at all, and call `then` (in the thread) once it is committed.

        Cancelling the call does not undo what has begun.

        Raises:
            TransientError: The file is locked by another process, or the disk is full or failing.
            PermanentError: The file is damaged, not ours or not writable.
            ClosedError: After `aclose`.
        """
        return await self._submit(self._file.writer, Job(work, then))

    def write_unheard(self, work: Work[Any], *, then: Callable[[], None] | None = None) -> None:
        """Do the work after all work handed in before; nobody learns how it went."""
        if not self._closed:
            job = Job(work, then)
            job.future.add_done_callback(asyncio.Future.exception)  # heard, as far as asyncio is concerned
            self._file.writer.submit(job)

    async def read(self, work: Work[T]) -> T:
        """Do the work, which only reads, beside whatever is being written. Raises as `write` does."""
        return await self._submit(self._file.reader, Job(work))

    def check_open(self) -> None:
        """Refuse to be used after `aclose`.

        Raises:
            ClosedError: It is.
        """
        if self._closed:
            raise ClosedError(f"{self.path}: this adapter is closed: make another one")

    async def aclose(self) -> None:
        """End this use; the last one closes the file. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.bell.ring()
        if _is_last(self._file):
            try:
                await self._file.reader.stop()
            finally:
                stopped = self._file.writer.stop()  # the last to close: it empties the log into the file
            await stopped

    async def _submit(self, thread: SqlThread, job: Job[T]) -> T:
        self.check_open()
        thread.submit(job)
        return await job.future


_lock: Final = threading.RLock()
_shared: Final[dict[tuple[Path, Synchronous], _File]] = {}
_all: Final[weakref.WeakSet[_File]] = weakref.WeakSet()
"""Those too that are closing, and hold their connection still."""


def _share(path: Path, synchronous: Synchronous) -> _File:
    with _lock:
        file = _shared.get((path, synchronous))
        if file is None:
            file = _shared[path, synchronous] = _File(path, synchronous)
            _all.add(file)
        file.users += 1
        return file


def _is_last(file: _File) -> bool:
    with _lock:
        file.users -= 1
        if file.users == 0:
            del _shared[file.key]
        return file.users == 0


_held: Final[list[list[SqlThread]]] = []
"""The threads that a fork holds. None where this module was loaded while the process was forking already."""


def _before_fork() -> None:
    _lock.acquire()
    threads = _threads()
    for thread in threads:
        thread.before_fork()
    _held.append(threads)


def _after_fork_in_parent() -> None:
    if _held:
        for thread in _held.pop():
            thread.after_fork_in_parent()
        _lock.release()


def _after_fork_in_child() -> None:
    for file in _all:
        file.bell = Bell()  # who listened stayed in the parent
    for thread in _threads():
        thread.after_fork_in_child()
    if _held:
        _held.clear()
        _lock.release()


def _threads() -> list[SqlThread]:
    return [thread for file in list(_all) for thread in file.threads]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
