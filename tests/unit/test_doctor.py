"""The doctor: each thing that can be wrong is found, by its name and with its mend, and nothing is changed."""

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from fireforget._clock import Clock
from fireforget.abc import Checkable, Depth, Finding, Role, Step
from fireforget.errors import ClosedError, PermanentError, TransientError
from fireforget.local import backend
from fireforget.local.memory import MemoryQueue
from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue, SQLiteStore
from fireforget.operations import adapters, machine
from fireforget.operations.doctor import diagnose
from fireforget.testing.clock import ManualClock
from tests.cli import Workspace
from tests.pipeline import event, message

SECRET = "s3cret-word"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "file_system", lambda path: "ext4")  # wherever these tests run
    return Workspace(tmp_path)


def findings(clock: Clock | None = None) -> dict[str, Finding]:
    """What is not right, by name."""

    async def ask() -> list[Finding]:
        return [finding async for finding in diagnose(None, clock)]

    found = {finding.name: finding for finding in asyncio.run(ask()) if finding.status != "ok"}
    assert all(finding.mend for finding in found.values())
    return found


NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def forbid(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let this user neither read nor write them, though it may be root."""
    access = os.access

    def denied(path: Path, mode: int) -> bool:
        if path in paths:
            return mode == os.F_OK
        return access(path, mode) and not any(each in path.parents for each in paths)

    monkeypatch.setattr(os, "access", denied)


def healthy() -> list[str]:
    async def ask() -> list[str]:
        return [finding.name async for finding in diagnose() if finding.status == "ok"]

    return asyncio.run(ask())


def test_a_sound_site_has_nothing_wrong_and_stays_as_it_is(workspace: Workspace) -> None:
    assert findings() == {}
    assert [each.name for each in workspace.path.iterdir()] == ["fireforget.toml"]
    assert healthy() == [
        "configuration",
        "backends",
        "plugin",
        "time zone",
        "scheduled report",
        "journal directory",
        "journals",
        "dead-letter file",
        "disk",
        "clock",
        "queue and store: database",
        "mailer: directory",
    ]


def test_it_says_so_where_there_is_no_configuration(workspace: Workspace) -> None:
    (workspace.path / "fireforget.toml").unlink()

    assert findings() == {}
    assert "the defaults hold" in workspace.run("doctor").stdout


@pytest.mark.parametrize("text", ["name =", 'bakend = "local"', "drain_seconds = -1", 'secret = "short"'])
def test_a_configuration_that_cannot_be_used_is_all_there_is_to_say(workspace: Workspace, text: str) -> None:
    workspace.configure(text)

    found = findings()

    assert list(found) == ["configuration"]
    assert found["configuration"].status == "wrong"


@pytest.mark.parametrize("text", [f'mailer = "smtp://me:{SECRET}@127.0.0.1:1"', f'secret = "{SECRET * 2}"'])
def test_a_secret_that_others_may_read(workspace: Workspace, text: str) -> None:
    workspace.configure(text)
    file = workspace.path / "fireforget.toml"

    file.chmod(0o644)
    found = findings()["configuration"]
    assert (found.status, found.mend[:9]) == ("warning", "chmod 600")
    assert SECRET not in str(found)
    file.chmod(0o600)
    assert "configuration" not in findings()


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ('schedule = "weekly"', "write 'daily 07:00'"),
        ('schedule = "daily 07:00"', "write their addresses into recipients"),
        ('schedule = "daily 07:00"\nrecipients = ["a@example.org"]\ndefinition = "absent.toml"', "absent.toml"),
    ],
)
def test_a_scheduled_report_that_nobody_will_get(workspace: Workspace, text: str, mend: str) -> None:
    workspace.configure(f"[report]\n{text}")

    found = findings()

    assert list(found) == ["scheduled report"]
    assert mend in str(found)


@pytest.mark.parametrize("text", ['backend = "awz"', f'queue = "amqps://me:{SECRET}@host/q"'])
def test_a_backend_that_is_not_installed_is_told_once(workspace: Workspace, text: str) -> None:
    workspace.configure(text)
    (workspace.path / "fireforget.toml").chmod(0o600)

    found = findings()

    assert list(found) == ["backends"]
    assert "mend the name, or install what brings it" in found["backends"].text
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("text", "name", "part"),
    [
        ('plugin = "absent_module"', "plugin", "absent_module"),
        ('[processing]\ngeo_database = "absent.mmdb"', "plugin", "absent.mmdb"),
        ('[report]\ntimezone = "Mars"', "time zone", "'Mars' is not a known time zone"),
    ],
)
def test_what_the_configuration_names_has_to_be_there(workspace: Workspace, text: str, name: str, part: str) -> None:
    workspace.configure(text)

    found = findings()

    assert list(found) == [name]
    assert part in found[name].text


def test_a_file_in_the_place_of_the_directory(workspace: Workspace) -> None:
    (workspace.path / ".fireforget").touch()

    found = findings()

    assert [found[name].status for name in ("journal directory", "queue and store and mailer: directory")] == [
        "wrong",
        "wrong",
    ]
    assert "name another" in found["journal directory"].mend


def test_a_directory_that_cannot_be_written(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002 - its name in tempfile
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("fireforget.operations.machine.tempfile.TemporaryFile", refuse)
    forbid(monkeypatch, workspace.path)

    found = findings()

    assert "no file can be made in" in found["journal directory"].text
    assert "this user cannot make files in" in found["queue and store and mailer: directory"].text


def test_a_directory_that_cannot_even_be_looked_into(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = workspace.path / ".fireforget"
    directory.mkdir(mode=0)
    forbid(monkeypatch, directory)

    found = findings()["queue and store and mailer: directory"]

    assert found.text == f"this user cannot make files in {directory}"


def test_a_database_that_this_user_may_not_write(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.publish(message(event(1)))
    database = workspace.path / ".fireforget" / "shop.db"
    database.chmod(0o444)
    forbid(monkeypatch, database)

    found = findings()["queue and store: database"]

    assert found.text == f"this user may not read and write {database}"
    assert "as the application's user" in found.mend


def test_files_that_another_user_has_made_among_those_of_this_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ledger,) = replayed(workspace)
    ledger.chmod(0)
    forbid(monkeypatch, ledger)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)

    found = findings()["journal directory"]

    assert (found.status, found.text) == ("wrong", f"another user has made {ledger}")
    assert "chown" in found.mend


@as_root
def test_files_that_root_has_made_for_itself_among_those_of_another_user(workspace: Workspace) -> None:
    (ledger,) = replayed(workspace)
    os.chown(ledger.parent, NOBODY, NOBODY)
    os.chown(ledger.with_suffix(".jsonl"), NOBODY, NOBODY)

    assert findings()["journal directory"].text == f"another user has made {ledger}"


def replayed(workspace: Workspace) -> list[Path]:
    """The ledger's lock, once there is one."""
    workspace.journal(range(3))
    assert workspace.run("journal", "replay").exit_code == 0
    return list(workspace.settings.journal_directory.absolute().glob("*.lock"))


@as_root
def test_root_is_told_that_it_does_not_see_what_the_application_s_user_cannot_do(workspace: Workspace) -> None:
    os.chown(workspace.path, NOBODY, NOBODY)

    found = findings()["journal directory"]

    assert (found.status, "this is root" in found.text, "sudo -u" in found.mend) == ("warning", True, True)


@pytest.mark.parametrize(("kind", "status"), [("nfs4", "wrong"), ("tmpfs", "warning")])
def test_a_file_system_that_holds_no_journal(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, kind: str, status: str
) -> None:
    monkeypatch.setattr(machine, "file_system", lambda path: kind)

    found = findings()["journal directory"]

    assert (found.status, kind in found.text) == (status, True)


def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"disk / ext4 rw 0 0\nserver {tmp_path}/my\\040data nfs4 rw 0 0\nover {tmp_path}/my\\040data tmpfs rw 0 0\n"
    )
    monkeypatch.setattr(machine, "_MOUNTS", mounts)

    assert machine.file_system(tmp_path / "my data" / "journal") == "tmpfs"
    assert machine.file_system(tmp_path / "mine") == "ext4"
    monkeypatch.setattr(machine, "_MOUNTS", tmp_path / "absent")
    assert machine.file_system(tmp_path) == ""


def test_journals_that_nobody_drains(workspace: Workspace) -> None:
    workspace.journal(range(3))

    found = findings()["journals"]

    assert (found.status, found.text[:21]) == ("warning", "3 events in 1 journal")
    assert "fireforget journal replay" in found.mend


def test_journals_for_another_queue(workspace: Workspace) -> None:
    workspace.journal(range(3), queue="sqs://elsewhere")

    assert "--other-queues" in findings()["journals"].mend


def test_a_journal_that_is_damaged_or_of_another_version(workspace: Workspace) -> None:
    journal = workspace.journal(range(30))
    (segment,) = (workspace.settings.journal_directory / journal.id).glob("*.seg")
    content = bytearray(segment.read_bytes())
    content[5000:5040] = b"\xff" * 40
    segment.write_bytes(content)
    assert workspace.run("journal", "replay").exit_code == 0  # what is left of it is delivered, and it is gone
    assert "journals" not in findings()

    journal = workspace.journal(range(3), alive=True)
    (segment,) = (workspace.settings.journal_directory / journal.id).glob("*.seg")
    journal.seal()
    with segment.open("rb+") as file:
        file.seek(4096 + 40)
        file.write(b"\xff" * 8)
    assert findings()["journals"].text.endswith("lost to damage")

    manifest = workspace.settings.journal_directory / journal.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":9'))
    found = findings()["journals"]
    assert found.status == "wrong"
    assert "let the version of fireforget that wrote it drain it" in found.text


def test_without_a_journal_on_disk_there_is_nothing_to_look_at(workspace: Workspace) -> None:
    workspace.configure('[journal]\ndurability = "none"')

    assert "disk" not in healthy()
    assert findings() == {}


def test_events_that_the_queue_refused(workspace: Workspace) -> None:
    workspace.refused.append(message(event(1)), "too odd")

    assert "1 event that the queue refused for good" in findings()["dead-letter file"].text


@pytest.mark.parametrize(("free", "status"), [(1 << 20, "wrong"), (100 << 20, "warning"), (1 << 40, "ok")])
def test_the_disk_has_room(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr("fireforget.operations.machine.shutil.disk_usage", lambda path: usage)

    found = findings().get("disk")

    assert (found.status if found else "ok") == status


def test_a_limit_on_files_is_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (65536, 65536))

    assert "ulimit -f" in findings()["disk"].mend


def test_a_clock_that_is_behind_what_has_happened(workspace: Workspace) -> None:
    behind = ManualClock(datetime(2001, 1, 1, tzinfo=UTC))

    found = findings(behind)["clock"]

    assert "it is 2001-01-01T00:00:00+00:00 here, but this fireforget was installed at 20" in found.text
    assert "NTP" in found.mend


def test_a_clock_that_is_behind_a_journal_or_a_message(workspace: Workspace) -> None:
    journal = workspace.journal(range(1), alive=True)
    workspace.publish(message(event(1)))
    behind = ManualClock(datetime.now(UTC) - timedelta(hours=2))

    found = findings(behind)

    assert f"the journal {journal.id} was made at" in found["clock"].text
    workspace.configure('store = "memory://doctor"')
    assert "a message was published or settled at" in ask_queue(workspace, behind)


def ask_queue(workspace: Workspace, clock: Clock) -> str:
    """What the file of the queue says of a clock."""

    async def ask() -> Sequence[Finding]:
        queue = SQLiteQueue(workspace.path / ".fireforget" / "shop.db", clock=clock)
        try:
            return await queue.check()
        finally:
            await queue.aclose()

    return next(finding.text for finding in asyncio.run(ask()) if finding.name == "clock")


def test_the_log_of_a_database_whose_users_have_died_stays_what_it_is(workspace: Workspace) -> None:
    directory = workspace.path / ".fireforget"
    directory.mkdir()
    writer = "import os, pathlib, fireforget.local.sqlite._connection as c; "
    writer += "c.connect(pathlib.Path('.fireforget/shop.db'), 'normal'); os._exit(0)"
    subprocess.run([sys.executable, "-c", writer], cwd=workspace.path, check=True)
    before = {name: (directory / name).read_bytes() for name in ("shop.db", "shop.db-wal")}
    assert before["shop.db-wal"]

    assert findings() == {}
    assert workspace.run("provision", "--dry-run").exit_code == 0

    assert {name: (directory / name).read_bytes() for name in before} == before


def test_a_database_that_is_locked(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireforget.local.sqlite._inspection._LOCK_SECONDS", 0.01)
    workspace.publish(message(event(1)))
    with closing(sqlite3.connect(".fireforget/shop.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        found = findings()

    assert "another process has held its lock" in found["queue and store: lock"].text
    assert "fuser" in found["queue and store: lock"].mend


def test_a_database_that_is_not_ours(workspace: Workspace) -> None:
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE theirs (a)")
    Path("junk.db").write_bytes(b"no database" * 1000)
    workspace.configure('queue = "sqlite:///other.db"\nstore = "sqlite:///junk.db"')

    found = findings()

    assert "it is another application's database: name another file" in found["queue: database"].text
    assert "it is not a SQLite database" in found["store: database"].text
    assert "mailer: directory" in healthy()


def test_a_database_of_a_newer_version(workspace: Workspace) -> None:
    workspace.publish(message(event(1)))
    with closing(sqlite3.connect(".fireforget/shop.db")) as ours:
        ours.execute("PRAGMA user_version = 99")

    assert "upgrade fireforget here" in findings()["queue and store: database"].text


def test_an_empty_file_is_fine(workspace: Workspace) -> None:
    Path(".fireforget").mkdir()
    Path(".fireforget/shop.db").touch()

    assert findings() == {}
    assert Path(".fireforget/shop.db").stat().st_size == 0


def test_messages_that_nobody_takes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def depth(queue: MemoryQueue) -> Depth:
        return Depth(visible=3, in_flight=0, dead=2, oldest_seconds=3600.0)

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(MemoryQueue, "depth", depth)

    found = findings()

    assert "3 messages wait, the oldest for 3600 s" in found["queue: worker"].text
    assert "fireforget dead-letters list" in found["queue: dead letters"].mend


def test_messages_that_a_worker_holds_on_to(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def depth(queue: MemoryQueue) -> Depth:
        return Depth(visible=0, in_flight=3, dead=0, oldest_seconds=3600.0)

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(MemoryQueue, "depth", depth)

    assert "3 messages are in flight, the oldest for 3600 s" in findings()["queue: worker"].text


@pytest.mark.parametrize(
    ("error", "text", "mend"),
    [
        (TransientError("no route"), "no route", "see whether it is up"),
        (PermanentError(f"https://me:{SECRET}@host: no permission: grant sqs:Get"), "grant sqs:Get", ""),
        (ZeroDivisionError("oops"), "the adapter failed by a mistake: ZeroDivisionError: oops", "tell its author"),
    ],
)
def test_an_adapter_that_fails_is_a_finding_and_the_others_are_looked_at(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str, mend: str
) -> None:
    async def depth(queue: MemoryQueue) -> Depth:
        raise error

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(MemoryQueue, "depth", depth)

    found = findings()

    assert list(found) == ["queue: answer"]
    assert text in found["queue: answer"].text
    assert mend in found["queue: answer"].mend
    assert SECRET not in str(found)
    assert "store: database" in healthy()


def test_what_a_distant_backend_lacks_is_told_and_its_queue_is_not_asked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def plan(self: object, urls: Mapping[Role, str]) -> Sequence[Step]:
        return [Step("make the queue cv.fifo", make)]

    async def make() -> None:
        raise AssertionError("a doctor makes nothing")

    monkeypatch.setattr(type(backend), "embeddable", False)
    monkeypatch.setattr(type(backend), "plan", plan)

    found = findings()["queue and store and mailer: provision"]

    assert (found.status, found.mend) == ("wrong", "run 'fireforget provision'")
    assert "make the queue cv.fifo" in found.text


def test_what_keeps_plan_and_look_from_seeing_anything_is_told_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: object, *given: object) -> NoReturn:
        raise PermanentError("no credentials")

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(type(backend), "embeddable", False)
    monkeypatch.setattr(type(backend), "plan", fail)
    monkeypatch.setattr(MemoryQueue, "depth", fail)

    assert [name for name, found in findings().items() if found.text == "no credentials"] == [
        "queue and store and mailer: answer"
    ]


def test_an_adapter_that_never_answers_keeps_nobody_waiting(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    async def depth(queue: MemoryQueue) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(queue: MemoryQueue) -> None:
        await asyncio.sleep(0)
        closed.append(queue)

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(MemoryQueue, "depth", depth)
    monkeypatch.setattr(MemoryQueue, "aclose", aclose)
    monkeypatch.setattr(adapters, "_PATIENCE_SECONDS", 0.2)

    found = findings()["queue: answer"]

    assert (found.status, found.text) == ("wrong", "no answer within 0.2 s")
    assert closed


def test_what_is_missing_need_not_answer(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def plan(self: object, urls: Mapping[Role, str]) -> Sequence[Step]:
        return [Step("make the queue", depth)] if "queue" in urls else []

    async def depth(queue: object = None) -> NoReturn:
        raise PermanentError("there is no such queue")

    workspace.configure('queue = "memory://doctor"')
    monkeypatch.setattr(type(backend), "embeddable", False)
    monkeypatch.setattr(type(backend), "plan", plan)
    monkeypatch.setattr(MemoryQueue, "depth", depth)

    assert list(findings()) == ["queue: provision"]


def test_a_mail_server_that_cannot_be_reached(workspace: Workspace) -> None:
    workspace.configure(f'mailer = "smtp://me:{SECRET}@127.0.0.1:1"')

    found = findings()

    assert "127.0.0.1:1 cannot be reached" in found["mailer: answer"].text
    assert SECRET not in workspace.run("doctor").output


def test_the_command_ends_by_what_was_found(workspace: Workspace) -> None:
    well = workspace.run("doctor")
    workspace.refused.append(message(event(1)), "too odd")
    warned = workspace.run("doctor")
    workspace.configure("name =")
    wrong = workspace.run("doctor", "--json")

    assert (well.exit_code, warned.exit_code, wrong.exit_code) == (0, 0, 1)
    assert "\nwarning  dead-letter file: 1 event that the queue refused for good, in " in warned.stdout
    assert "\n         → see why with 'fireforget dead-letters list'; then redrive or discard them\n" in warned.stdout
    assert wrong.stdout.startswith('{"name":"configuration","status":"wrong","text":"fireforget.toml is not valid TOML')


def test_a_plugin_of_the_working_directory_is_found(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace.path / "doctors_plugin.py").write_text("enrichers = []")
    workspace.configure('plugin = "doctors_plugin"')
    monkeypatch.setattr(sys, "path", [*sys.path])

    assert workspace.run("doctor").exit_code == 0


@pytest.mark.parametrize("kind", [SQLiteQueue, SQLiteStore, SQLiteDeadLetters])
def test_a_closed_adapter_is_not_looked_at(
    tmp_path: Path, kind: type[SQLiteQueue | SQLiteStore | SQLiteDeadLetters]
) -> None:
    async def ask() -> None:
        adapter = kind(tmp_path / "closed.db")
        assert isinstance(adapter, Checkable)
        await adapter.aclose()
        with pytest.raises(ClosedError):
            await adapter.check()

    asyncio.run(ask())
