"""One writer for all adapters of a file: group commit, errors with their mend, shared threads, an orderly end."""

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fireforget.errors import ClosedError, PermanentError, TransientError
from fireforget.local.sqlite import _connection, _sql_thread
from fireforget.local.sqlite._connection import connect
from fireforget.local.sqlite._database import Database
from fireforget.local.sqlite._layout import VERSION
from fireforget.local.sqlite._sql_thread import Job, Work
from tests.unit.busy_writer import BusyWriter

pytestmark = pytest.mark.asyncio

INSERT = "INSERT INTO claims (key, holder, until) VALUES (?, '', 0)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fireforget.db"


@pytest_asyncio.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(path)
    yield database
    await database.aclose()


def insert(key: str) -> Work[int]:
    return lambda connection: connection.execute(INSERT, (key,)).rowcount


def overwrite(path: Path, content: bytes, start: int) -> None:
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(start)
        file.write(content)


def replace(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


async def keys(database: Database) -> list[str]:
    return await database.read(
        lambda connection: [key for (key,) in connection.execute("SELECT key FROM claims ORDER BY key")]
    )


async def test_what_waits_together_is_committed_together(database: Database) -> None:
    async with BusyWriter(database) as busy:
        waiting = [asyncio.ensure_future(database.write(insert(f"{n}"))) for n in range(5)]
        await busy.waiting(5)
    assert await asyncio.gather(*waiting) == [1] * 5
    assert busy.statements.count("BEGIN IMMEDIATE") == 1
    assert busy.statements[1:].count("COMMIT") == 1
    assert await keys(database) == ["0", "1", "2", "3", "4"]


async def test_one_failure_undoes_itself_and_nothing_else(database: Database) -> None:
    def fail_late(connection: sqlite3.Connection) -> None:
        connection.execute(INSERT, ("lost",))
        raise LookupError("a bug")

    async with BusyWriter(database) as busy:
        before = asyncio.ensure_future(database.write(insert("before")))
        failing = asyncio.ensure_future(database.write(fail_late))
        after = asyncio.ensure_future(database.write(insert("after")))
        await busy.waiting(3)
    await before
    with pytest.raises(LookupError, match="a bug"):
        await failing
    await after
    with pytest.raises(LookupError, match="a bug"):
        await database.write(fail_late)
    assert await keys(database) == ["after", "before"]


async def test_a_full_disk_undoes_all_that_waited_and_passes(database: Database) -> None:
    def fill_up(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1")
        connection.executemany(INSERT, [(f"{n:0500}",) for n in range(100)])

    async with BusyWriter(database) as busy:
        waiting = [asyncio.ensure_future(database.write(work)) for work in (insert("a"), fill_up, insert("b"))]
        await busy.waiting(3)
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, TransientError)
        assert "disk is full" in str(outcome)
        assert isinstance(outcome.__cause__, sqlite3.OperationalError)
    assert await keys(database) == []
    await database.write(insert("c"))
    assert await keys(database) == ["c"]


async def test_a_failing_commit_fails_all_that_waited(database: Database) -> None:
    def fail_at_commit(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        connection.execute("INSERT INTO child VALUES (1)")

    await database.write(insert("before"))
    assert database._file.writer._connection is not None
    database._file.writer._connection.execute("PRAGMA foreign_keys = ON")
    async with BusyWriter(database) as busy:
        waiting = [asyncio.ensure_future(database.write(work)) for work in (insert("a"), fail_at_commit)]
        await busy.waiting(2)
    for outcome in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(outcome, PermanentError)
    assert await keys(database) == ["before"]


async def test_who_is_cancelled_before_the_work_begins_finds_it_left_out(database: Database) -> None:
    async with BusyWriter(database) as busy:
        cancelled = asyncio.ensure_future(database.write(insert("cancelled")))
        other = asyncio.ensure_future(database.write(insert("other")))
        await busy.waiting(2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    await other
    assert await keys(database) == ["other"]


async def test_who_is_cancelled_after_the_work_began_finds_it_done(database: Database) -> None:
    begun, release = threading.Event(), threading.Event()

    def work(connection: sqlite3.Connection) -> None:
        begun.set()
        release.wait()
        connection.execute(INSERT, ("whole",))

    cancelled = asyncio.ensure_future(database.write(work))
    await asyncio.to_thread(begun.wait)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    release.set()
    await database.write(lambda _: None)
    assert await keys(database) == ["whole"]


async def test_what_is_to_follow_follows_the_commit_only(database: Database, path: Path) -> None:
    seen: list[list[str]] = []

    def look() -> None:
        other = connect(path, "normal")
        seen.append([key for (key,) in other.execute("SELECT key FROM claims")])
        other.close()

    await database.write(insert("a"), then=look)
    with pytest.raises(PermanentError):
        await database.write(insert("a"), then=look)
    async with BusyWriter(database) as busy:
        failing = asyncio.ensure_future(database.write(insert("a"), then=look))
        other = asyncio.ensure_future(database.write(insert("b")))
        await busy.waiting(2)
    await other
    with pytest.raises(PermanentError):
        await failing
    assert seen == [["a"]]


async def test_a_lock_held_elsewhere_is_waited_for_and_then_an_error_for_now(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sql_thread, "BUSY_SECONDS", 0.05)
    other = connect(path, "normal")
    other.execute("BEGIN IMMEDIATE")
    database = Database(path)
    with pytest.raises(TransientError, match="another process holds its lock"):
        await database.write(insert("a"))
    assert await keys(database) == []
    other.execute("ROLLBACK")
    await database.write(insert("a"))
    assert await keys(database) == ["a"]
    other.close()
    await database.aclose()


async def test_what_is_no_database_is_refused_with_the_mend(database: Database, path: Path) -> None:
    overwrite(path, b"the minutes of the meeting " * 100, start=0)
    with pytest.raises(PermanentError, match="not a SQLite database: name another file, or move this one away"):
        await database.write(insert("a"))
    with pytest.raises(PermanentError, match="not a SQLite database"):
        await keys(database)


async def test_another_application_s_database_is_left_alone(database: Database, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE invoices (id)")
    other.close()
    with pytest.raises(PermanentError, match="another application's database: name another file"):
        await database.write(insert("a"))
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
    other.close()


async def test_a_newer_layout_is_refused_with_the_mend(database: Database, path: Path) -> None:
    connection = connect(path, "normal")
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    with pytest.raises(PermanentError, match=r"newer fireforget.*upgrade fireforget here"):
        await database.write(insert("a"))


async def test_a_damaged_file_is_refused_with_the_mend(path: Path) -> None:
    connection = connect(path, "normal")
    connection.executemany(INSERT, [(f"{n:0500}",) for n in range(100)])
    connection.close()
    overwrite(path, b"\xff" * 100_000, start=4096)
    database = Database(path)
    with pytest.raises(PermanentError, match="damaged: stop all users"):
        await keys(database)
    await database.aclose()


async def test_a_path_that_cannot_be_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below_a_file = Database(tmp_path / "file" / "fireforget.db")
    with pytest.raises(PermanentError, match="its directory cannot be made or read"):
        await below_a_file.write(insert("a"))
    await below_a_file.aclose()
    directory = Database(tmp_path)
    with pytest.raises(TransientError, match="cannot be opened"):
        await directory.write(insert("a"))
    await directory.aclose()


@pytest.mark.parametrize(("synchronous", "expected"), [("normal", 1), ("full", 2)])
async def test_a_commit_waits_for_the_disk_as_configured(
    path: Path, synchronous: _connection.Synchronous, expected: int
) -> None:
    database = Database(path, synchronous=synchronous)

    def settings(connection: sqlite3.Connection) -> list[object]:
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]

    for thread in database._file.threads:
        thread.submit(job := Job(settings))
        assert await job.future == ["wal", expected]
    await database.aclose()


def threads() -> list[threading.Thread]:
    ours = (thread for thread in threading.enumerate() if thread.name.startswith("fireforget-sqlite"))
    return sorted(ours, key=lambda thread: thread.name)


async def ended(ending: list[threading.Thread]) -> bool:
    for thread in ending:
        await asyncio.to_thread(thread.join, 10)
    return not any(thread.is_alive() for thread in ending)


async def test_all_adapters_of_a_file_share_two_threads(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    first, second = Database(path), Database("fireforget.db")
    others = threads()
    for database in (first, second):
        await database.write(insert(f"{id(database)}"))
        assert len(await keys(database)) > 0
    ours = [thread for thread in threads() if thread not in others]
    assert [thread.name for thread in ours] == ["fireforget-sqlite", "fireforget-sqlite-reader"]
    await first.aclose()
    await second.write(insert("still open"))
    await second.aclose()
    assert await ended(ours)
    assert [file.name for file in path.parent.iterdir()] == [path.name], "the log went into the file"


@pytest.mark.skipif(os.name == "nt", reason="there are no modes")
async def test_what_is_made_is_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "fireforget.db"
    database = Database(path)
    await database.write(insert("a"))
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in (path.parent, *path.parent.iterdir())} == {
        "new": 0o700,
        "fireforget.db": 0o600,
        "fireforget.db-wal": 0o600,
        "fireforget.db-shm": 0o600,
    }
    await database.aclose()


@pytest.mark.skipif(os.name == "nt", reason="there are no modes")
async def test_who_may_read_a_file_that_is_there_stays_as_it_is(database: Database, path: Path) -> None:
    os.close(os.open(path, os.O_CREAT, 0o640))
    await database.write(insert("a"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o640}


async def test_the_log_goes_into_the_file_though_others_have_it_open(path: Path) -> None:
    other = connect(path, "normal")
    database = Database(path)
    await database.write(insert("a"))
    await database.aclose()
    assert path.with_name(f"{path.name}-wal").stat().st_size == 0
    assert other.execute("SELECT key FROM claims").fetchall() == [("a",)]
    other.close()


async def test_closing_waits_for_no_other_process(path: Path) -> None:
    database = Database(path)
    await database.write(insert("a"))
    other = connect(path, "normal")
    other.execute("BEGIN IMMEDIATE")
    other.execute(INSERT, ("b",))
    await database.aclose()  # else for as long as the other one takes, which is for ever here
    other.execute("COMMIT")
    assert other.execute("SELECT key FROM claims ORDER BY key").fetchall() == [("a",), ("b",)]
    other.close()


async def test_a_file_can_be_opened_again(path: Path) -> None:
    for n in range(3):
        database = Database(path)
        await database.write(insert(f"{n}"))
        await database.aclose()
        await database.aclose()
        with pytest.raises(ClosedError, match="make another one"):
            await database.write(insert("late"))
    database = Database(path)
    assert await keys(database) == ["0", "1", "2"]
    await database.aclose()


async def test_closing_lets_what_was_asked_for_finish(path: Path) -> None:
    database = Database(path)
    async with BusyWriter(database) as busy:
        waiting = asyncio.ensure_future(database.write(insert("a")))
        await busy.waiting(1)
        closing = asyncio.ensure_future(database.aclose())
        await busy.waiting(2)
    assert await waiting == 1
    await closing


async def test_event_loops_of_several_threads_share_a_file(path: Path) -> None:
    async def use(name: str) -> None:
        database = Database(path)
        for n in range(20):
            await database.write(insert(f"{name}{n:02}"))
        await database.aclose()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, use(name)) for name in "abc"), use("d"))
    database = Database(path)
    assert await keys(database) == [f"{name}{n:02}" for name in "abcd" for n in range(20)]
    await database.aclose()


async def test_a_loop_that_ended_meanwhile_disturbs_nobody(database: Database) -> None:
    async def ask_and_leave() -> None:
        asking = asyncio.ensure_future(database.write(insert("left")))
        await asyncio.sleep(0)
        asking.cancel()

    async with BusyWriter(database) as busy:
        await asyncio.to_thread(asyncio.run, ask_and_leave())
        other = asyncio.ensure_future(database.write(insert("other")))
        await busy.waiting(2)
    await other
    assert "other" in await keys(database)


async def test_a_thread_that_cannot_be_started_is_an_error_for_now(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(TransientError, match="no thread can be started now"):
            await database.write(insert("a"))
    await database.write(insert("a"))


async def test_closing_goes_on_though_nobody_waits_for_it(path: Path) -> None:
    database = Database(path)
    await keys(database)
    async with BusyWriter(database) as busy:
        closing = asyncio.ensure_future(database.aclose())
        await busy.waiting(1)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        ending = [thread._thread for thread in database._file.threads if thread._thread is not None]
    assert len(ending) == 2
    assert await ended(ending)


async def test_a_text_that_is_none_is_refused(database: Database) -> None:
    with pytest.raises(PermanentError, match="not UTF-8"):
        await database.write(insert("lone \ud800 surrogate"))


async def test_reading_a_file_that_is_not_there_finds_nothing_and_makes_nothing(path: Path) -> None:
    database = Database(path.parent / "absent" / "fireforget.db")

    assert await keys(database) == []
    assert list(path.parent.iterdir()) == []
    await database.write(insert("a"))
    assert await keys(database) == ["a"]
    await database.aclose()


async def test_a_damage_that_sqlite_can_only_describe_by_damaged_names(path: Path) -> None:
    connect(path, "normal").close()
    replace(path, b"CREATE TABLE", b"CREATE \xe4\xe4\xe4\xe4\xe4")
    database = Database(path)

    with pytest.raises(PermanentError, match="damaged: stop all users"):
        await keys(database)
    await database.aclose()


async def test_a_file_of_another_user_is_refused_for_good(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
        raise error

    overwrite(path, b"", start=0)
    monkeypatch.setattr(sqlite3, "connect", refuse)  # who runs the tests as root may open all files
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK)
    database = Database(path)

    with pytest.raises(PermanentError, match="this user may not write it: change its owner or mode"):
        await keys(database)
    await database.aclose()
