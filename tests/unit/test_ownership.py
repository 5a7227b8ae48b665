"""Root makes no files where they belong to somebody else, and who only looks makes none at all."""

import os
from pathlib import Path

import pytest

from tests.cli import Workspace
from tests.pipeline import event, message

NOBODY = 65534


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, '[report]\nrecipients = ["boss@example.com"]')


@pytest.fixture
def root(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A directory of another user, as root finds it."""
    if os.geteuid() == 0:
        os.chown(workspace.path, NOBODY, NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return workspace


@pytest.mark.parametrize(
    "arguments",
    [
        ["provision", "--yes"],
        ["journal", "replay"],
        ["dead-letters", "redrive", "--all"],
        ["dead-letters", "discard", "--all", "--yes"],
        ["report", "--send"],
    ],
)
def test_what_makes_files_is_left_to_their_owner(root: Workspace, arguments: list[str]) -> None:
    result = root.run(*arguments)

    assert (result.exit_code, "run this as that user, such as by 'sudo -u " in result.stderr) == (1, True)
    assert [each.name for each in root.path.iterdir()] == ["fireforget.toml"]


def test_a_directory_that_is_root_s_own_is_no_hindrance(workspace: Workspace) -> None:
    assert workspace.run("provision", "--yes").exit_code == 0


def test_a_mail_server_needs_no_files(root: Workspace) -> None:
    root.configure('mailer = "smtp://127.0.0.1:1"\n[report]\nrecipients = ["boss@example.com"]')

    assert "127.0.0.1:1 cannot be reached" in root.run("report", "--send").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["stats"],
        ["events"],
        ["journal", "list"],
        ["journal", "verify"],
        ["dead-letters", "list"],
        ["report"],
        ["provision", "--dry-run"],
    ],
)
def test_who_looks_makes_nothing(workspace: Workspace, arguments: list[str]) -> None:
    assert workspace.run(*arguments).exit_code == 0
    assert [each.name for each in workspace.path.iterdir()] == ["fireforget.toml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["stats"],
        ["events"],
        ["journal", "list"],
        ["journal", "verify"],
        ["dead-letters", "list"],
        ["report"],
    ],
)
def test_who_looks_changes_nothing(workspace: Workspace, arguments: list[str]) -> None:
    workspace.journal(range(3))
    workspace.publish(message(event(1)))
    workspace.refused.append(message(event(2)), "too odd")
    before = contents(workspace.path)

    assert workspace.run(*arguments).exit_code == 0

    assert contents(workspace.path) == before


def contents(path: Path) -> dict[Path, bytes]:
    """All files, save the one in which those who read a database sign in."""
    return {each: each.read_bytes() for each in path.rglob("*") if each.is_file() and not each.name.endswith("-shm")}
