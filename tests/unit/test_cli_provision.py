"""`fireforget provision`: shows first, makes then, and makes nothing twice."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from fireforget.abc import Provisioner, Role, Step
from fireforget.errors import PermanentError
from fireforget.local import backend
from tests.cli import Workspace
from tests.pipeline import event, message


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def steps(path: Path) -> list[str]:
    here = path / ".fireforget"
    return [
        f"make the directory {here}",
        f"make the tables of the queue and the store in {here}/shop.db",
        f"make the directory {here}/mail",
        f"make the journal directory {here}/journal",
    ]


def test_a_dry_run_shows_what_is_missing_and_makes_nothing(workspace: Workspace) -> None:
    result = workspace.run("provision", "--dry-run")

    assert (result.exit_code, result.stdout.splitlines()) == (0, steps(workspace.path))
    assert [each.name for each in workspace.path.iterdir()] == ["fireforget.toml"]
    assert workspace.values("provision", "--dry-run") == [{"action": step} for step in steps(workspace.path)]


def test_everything_is_made_once(workspace: Workspace) -> None:
    first = workspace.run("provision", "--yes")
    second = workspace.run("provision", "--yes")

    assert (first.exit_code, first.stdout.splitlines()) == (0, steps(workspace.path))
    assert first.stderr == "fireforget: 4 things done\n"
    assert (second.exit_code, second.stdout, second.stderr) == (0, "", "fireforget: nothing is missing\n")
    for made in (workspace.settings.journal_directory, workspace.path / ".fireforget" / "mail"):
        assert made.stat().st_mode & 0o777 == 0o700
    workspace.publish(message(event(1)))
    assert workspace.depth().visible == 1


def test_what_is_there_stays(workspace: Workspace) -> None:
    workspace.publish(message(event(1)))

    result = workspace.run("provision", "--yes")

    assert not any("tables" in line for line in result.stdout.splitlines())
    assert workspace.depth().visible == 1


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 1)])
def test_it_asks(workspace: Workspace, answer: str, code: int) -> None:
    result = workspace.run("provision", answer=answer)

    assert result.exit_code == code
    assert "Do these 4 things? [y/N]" in result.stderr
    assert (workspace.path / ".fireforget").exists() == (code == 0)


def test_options_that_do_not_go_together(workspace: Workspace) -> None:
    assert workspace.run("provision", "--json").exit_code == 2
    assert workspace.run("provision", "--yes", "--dry-run").exit_code == 2


def test_a_directory_that_cannot_be_made_is_one_line(workspace: Workspace) -> None:
    (workspace.path / ".fireforget").touch()

    result = workspace.run("provision", "--yes")

    assert result.exit_code == 1
    assert result.stderr.startswith(f"fireforget: {workspace.path}/.fireforget: it cannot be made (File exists): look")
    assert result.stderr.count("\n") == 1


def test_a_file_of_another_application_is_refused(workspace: Workspace) -> None:
    (workspace.path / "junk.db").write_bytes(b"no database" * 1000)
    workspace.configure('store = "sqlite:///junk.db"')

    result = workspace.run("provision", "--dry-run")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "it is not a SQLite database: name another file" in result.stderr


def test_a_step_that_fails_ends_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    async def plan(self: object, urls: Mapping[Role, str]) -> Sequence[Step]:
        assert set(urls) == {"queue", "store", "mailer"}
        return [Step("one", succeed), Step("two", fail), Step("three", succeed)]

    async def succeed() -> None:
        made.append("one")

    async def fail() -> None:
        raise PermanentError("no permission: grant sqs:CreateQueue")

    workspace.configure('[journal]\ndurability = "none"')
    monkeypatch.setattr(type(backend), "plan", plan)

    result = workspace.run("provision", "--yes")

    assert (result.exit_code, result.stdout, made) == (1, "one\ntwo\nthree\n", ["one"])
    assert result.stderr == "fireforget: no permission: grant sqs:CreateQueue\n"


def test_the_embedded_backend_provisions_what_a_role_needs(tmp_path: Path) -> None:
    assert isinstance(backend, Provisioner)

    async def plan(urls: Mapping[Role, str]) -> list[str]:
        return [step.action for step in await backend.plan(urls)]

    assert asyncio.run(plan({"queue": "memory://x", "mailer": "smtp://host"})) == []
    assert asyncio.run(plan({"mailer": f"file://{tmp_path}/mail"})) == [f"make the directory {tmp_path}/mail"]
    assert asyncio.run(plan({"queue": f"sqlite:///{tmp_path}/a.db", "store": f"sqlite:///{tmp_path}/b.db"})) == [
        f"make the tables of the queue and the store in {tmp_path}/a.db",
        f"make the tables of the queue and the store in {tmp_path}/b.db",
    ]
