"""Threads that own a connection each and work off what event loops ask of them."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from fireforget.errors import TransientError
from fireforget.local.sqlite._connection import Synchronous, blank, connect, is_locked, translate

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MOST_AT_ONCE: Final = 128
"""Most jobs in one transaction, so that the first of them does not wait for ever newer ones."""

BUSY_SECONDS: Final = 5.0
"""How long a job waits for another process's lock before it fails for now."""
_SHORTEST_PAUSE: Final = 0.001
_LONGEST_PAUSE: Final = 0.05


class Job(Generic[T]):
    """What is to be done, and who waits for it.

    Args:
        work: Called with the connection, in the thread.
        then: Called in the thread once the work is committed.
    """

    __slots__ = ("error", "future", "loop", "then", "value", "work")

    def __init__(self, work: Work[T], then: Callable[[], None] | None = None) -> None:
        self.work = work
        self.then = then
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.value: T | None = None
        self.error: Exception | None = None

    def settle(self) -> None:
        """Tell who waits; in the loop's own thread."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(cast("T", self.value))


class SqlThread(ABC):
    """Works off jobs in their order; `_do` says how.

    The first job opens the connection. It belongs to this thread, save for one moment: it is closed while the process
    forks, since in a child SQLite would take its parent's locks for its own. The next job opens it again, in the parent
    as in the child.
    """

    name: str

    def __init__(self, path: Path, synchronous: Synchronous) -> None:
        self._path = path
        self._synchronous = synchronous
        self._reset()

    def _reset(self) -> None:
        self._jobs: SimpleQueue[Job[Any]] = SimpleQueue()
        self._last: Job[None] | None = None
        self._gate = threading.Lock()  # held while the connection is in use
        self._door = threading.Lock()  # held while waiting for the gate, so that a fork gets the next turn
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None

    def submit(self, job: Job[Any]) -> None:
        """Hand in a job.

        Raises:
            TransientError: No thread can be started.
        """
        if self._thread is None:
            self._start()
        self._jobs.put(job)

    def stop(self) -> Awaitable[None]:
        """Close the connection after the jobs handed in so far, and end the thread. No job may follow.

        Whoever awaits what is returned knows that it has happened; it happens all the same.
        """
        last = Job(_nothing)
        if self._thread is None:
            last.settle()
        else:
            self._last = last
            self._jobs.put(last)
        return last.future

    def before_fork(self) -> None:
        """Wait until no job is being done, which may be waiting for its own turn, and close the connection."""
        self._door.acquire()
        self._gate.acquire()
        self._close()

    def after_fork_in_parent(self) -> None:
        """Let the jobs go on."""
        self._gate.release()
        self._door.release()

    def after_fork_in_child(self) -> None:
        """Begin anew: the thread stayed in the parent, and so did who waits for its jobs."""
        self._reset()

    @abstractmethod
    def _do(self, jobs: Sequence[Job[Any]]) -> None:
        """Do jobs that waited together, and give each its value or its error."""

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the connection to oneself."""
        with self._door:
            self._gate.acquire()
        try:
            yield
        finally:
            self._gate.release()

    def _patiently(self, attempt: Callable[[], T]) -> T:
        """Try while another process holds the file's lock. SQLite would wait in our turn, and a fork for SQLite."""
        pause, waited = _SHORTEST_PAUSE, 0.0
        while True:
            with self._turn():
                try:
                    return attempt()
                except Exception as error:
                    if not is_locked(error) or waited >= BUSY_SECONDS:
                        if isinstance(error, sqlite3.Error):
                            self._close()  # a connection that has failed is not to be trusted
                        raise
            time.sleep(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE)

    @abstractmethod
    def _finish(self) -> None:
        """Do what is left to do before the connection is closed for good."""

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = connect(self._path, self._synchronous)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # A daemon, so that an adapter that nobody closed does not hold up the exit of the interpreter.
                thread = threading.Thread(target=self._run, name=f"fireforget-{self.name}", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    raise TransientError(f"{self._path}: no thread can be started now ({error})") from error
                self._thread = thread

    def _run(self) -> None:
        while True:
            jobs = [self._jobs.get()]
            jobs += [self._jobs.get() for _ in range(min(self._jobs.qsize(), MOST_AT_ONCE - 1))]
            last = jobs.pop() if jobs[-1] is self._last else None
            # Who was cancelled before the work began finds it left out, whole.
            if wanted := [job for job in jobs if not job.future.cancelled()]:
                self._do(wanted)
            _deliver(jobs)
            if last is not None:
                with self._turn():
                    self._finish()
                    self._close()
                _deliver([last])
                return


class Reader(SqlThread):
    """Does each job alone, outside of any transaction. It makes no file: who only looks leaves nothing behind."""

    name = "sqlite-reader"

    def _do(self, jobs: Sequence[Job[Any]]) -> None:
        for job in jobs:
            try:
                job.value = self._patiently(partial(self._read, job))
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who waits
                job.error = translate(error, self._path)

    def _finish(self) -> None:
        """Leave the log to the writer."""

    def _read(self, job: Job[T]) -> T:
        if self._connection is None and not self._path.exists():
            with closing(blank()) as connection:
                return job.work(connection)
        return job.work(self._open())


class Writer(SqlThread):
    """Does all jobs that wait in one transaction: one commit for all of them, and each of them whole or not at all."""

    name = "sqlite"

    def _do(self, jobs: Sequence[Job[Any]]) -> None:
        try:
            self._patiently(partial(self._write, jobs))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who waits
            for job in jobs:
                job.error = translate(job.error or error, self._path)
            return
        for job in jobs:
            if job.error is not None:
                job.error = translate(job.error, self._path)
        for then in {job.then for job in jobs if job.then is not None and job.error is None}:
            then()

    def _finish(self) -> None:
        """Empty the log into the file: SQLite does so only where no other process has it open."""
        if self._connection is not None:
            with suppress(sqlite3.Error):  # what stays in the log is as safe there
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _write(self, jobs: Sequence[Job[Any]]) -> None:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            if len(jobs) == 1:
                jobs[0].value = jobs[0].work(connection)
            else:
                for job in jobs:
                    _do_apart(connection, job)
            connection.execute("COMMIT")
        except Exception:  # whatever it is: all or nothing, and who waits for a job is told by the caller
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # closing rolls back as well, and the first error says more
                    connection.execute("ROLLBACK")
            raise


def _do_apart(connection: sqlite3.Connection, job: Job[Any]) -> None:
    """Do one of several jobs, so that its failure undoes that job alone."""
    connection.execute("SAVEPOINT job")
    try:
        job.value = job.work(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # SQLite itself has undone all of them, as it does when the disk is full
        connection.execute("ROLLBACK TO job")
        job.error = error
    connection.execute("RELEASE job")


def _deliver(jobs: Iterable[Job[Any]]) -> None:
    """Tell all who wait, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job[Any]]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, done in by_loop.items():
        with suppress(RuntimeError):  # the loop has closed: nobody waits there any more
            loop.call_soon_threadsafe(_settle, done)


def _settle(jobs: Iterable[Job[Any]]) -> None:
    for job in jobs:
        job.settle()


def _nothing(_connection: sqlite3.Connection) -> None:
    """The work of the last job."""
