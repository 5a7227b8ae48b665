"""`fireforget init`: a configuration to begin with, never in the place of another one."""

import errno
from pathlib import Path

import pytest

from fireforget import Settings, load_settings
from fireforget._settings_file import settings_file
from tests.cli import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_it_writes_into_the_working_directory(workspace: Workspace) -> None:
    (workspace.path / "fireforget.toml").unlink()

    result = workspace.run("init")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "fireforget: wrote fireforget.toml\n")
    assert (workspace.path / "fireforget.toml").read_text() == settings_file()
    assert load_settings(environ={}) == Settings()


def test_a_file_that_is_there_stays(workspace: Workspace) -> None:
    result = workspace.run("init")

    assert result.exit_code == 1
    assert result.stderr == (
        "fireforget: fireforget.toml is there already: --force writes over it, --config FILE names another\n"
    )
    assert workspace.settings.name == "shop"


def test_force_writes_over_it(workspace: Workspace) -> None:
    assert workspace.run("init", "--force").exit_code == 0
    assert workspace.settings == Settings()


def test_another_file_can_be_named(workspace: Workspace) -> None:
    assert workspace.run("--config", "other.toml", "init").exit_code == 0
    assert load_settings("other.toml", {}) == Settings()


def test_a_place_that_is_not_there_is_one_line(workspace: Workspace) -> None:
    result = workspace.run("--config", "none/other.toml", "init")

    assert (result.exit_code, result.stderr) == (
        1,
        "fireforget: none/other.toml: No such file or directory: mend the path, or make what is missing\n",
    )


def test_the_variable_that_names_the_file_says_where_it_goes(workspace: Workspace) -> None:
    result = workspace.run("init", FIREFORGET_CONFIG="other.toml")

    assert (result.exit_code, result.stderr) == (0, "fireforget: wrote other.toml\n")


def test_a_full_disk_leaves_what_was_there(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fireforget.cli.init.os.fsync", fill_up)

    result = workspace.run("init", "--force")

    assert (result.exit_code, "free some space" in result.stderr) == (1, True)
    assert workspace.settings.name == "shop"
    assert [each.name for each in workspace.path.iterdir()] == ["fireforget.toml"]


def test_force_keeps_the_mode_and_follows_a_link(workspace: Workspace) -> None:
    file = workspace.path / "fireforget.toml"
    file.rename(workspace.path / "kept.toml").chmod(0o600)
    file.symlink_to("kept.toml")

    assert workspace.run("init", "--force").exit_code == 0

    assert file.is_symlink()
    assert file.read_text() == settings_file()
    assert file.stat().st_mode & 0o777 == 0o600
