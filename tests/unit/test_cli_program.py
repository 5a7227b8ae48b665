"""The program: its global options, and how every expected error is one line with an exit code."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fireforget.cli.program import program
from fireforget.errors import JournalError, PermanentError, SettingsError, TransientError
from tests.cli import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let `fireforget stats` raise this error."""

    def raising(config: Path | None) -> None:
        raise error

    monkeypatch.setattr("fireforget.cli.stats.load_settings", raising)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SettingsError("nme is no key: write name"), 2, "nme is no key: write name"),
        (JournalError("the journal is full"), 1, "the journal is full"),
        (PermanentError("no\nsuch\x1b[2J queue"), 1, "no such\\u001b[2J queue"),
        (TransientError("throttled"), 1, "throttled (this may pass: try again)"),
        (
            FileNotFoundError(errno.ENOENT, "No such file", "/there"),
            1,
            "/there: No such file: mend the path, or make what is missing",
        ),
        (OSError(errno.ENOSPC, "No space left"), 1, "No space left: free some space"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/there"),
            1,
            "/there: Permission denied: run this as the application's user, or change the owner or mode",
        ),
        (PermanentError("smtp://me:secret@host is gone"), 1, "smtp://***@host is gone"),
        (OSError("odd"), 1, "odd"),
    ],
)
def test_an_expected_error_is_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, line: str
) -> None:
    fail(monkeypatch, error)

    result = workspace.run("stats")

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"fireforget: {line}\n")


def test_debug_shows_the_traceback_too(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    error = SettingsError("write name")
    error.__cause__ = ValueError("smtp://me:hunter2@mail.example")
    fail(monkeypatch, error)

    result = workspace.run("--debug", "stats")

    assert result.exit_code == 2
    assert "Traceback (most recent call last):\n" in result.stderr
    assert "ValueError: smtp://***@mail.example\n" in result.stderr
    assert result.stderr.endswith("\nfireforget: write name\n")


def test_streams_that_are_closed_are_no_mistake(workspace: Workspace) -> None:
    command = f"exec {sys.executable} -m fireforget doctor <&- >&-"
    done = subprocess.run(["/bin/sh", "-c", command], cwd=workspace.path, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_an_unexpected_error_is_not_hidden(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        workspace.run("stats")


def test_an_interrupt_is_quiet(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(monkeypatch, KeyboardInterrupt())

    result = workspace.run("stats")

    assert (result.exit_code, result.output) == (130, "")


@pytest.mark.parametrize(
    ("arguments", "beginning"),
    [
        (["stat"], "No such command 'stat'"),
        (["events", "--jsn"], "No such option"),
        (["--confg", "x", "stats"], "No such option"),
        (["dead-letters", "show"], "Missing argument 'ID'."),
        (["stats", "more"], "Got unexpected extra argument (more). See "),
        (
            ["events", "--from", "2026-03-02", "--to", "2026-03-01"],
            "--from is 2026-03-02 00:00:00+00:00, and has to be ",
        ),
        (["report", "--from", "2999-01-01"], "--from is 2999-01-01 00:00:00+00:00, and has to be "),
        (["events", "--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_wrong_usage_is_one_line(workspace: Workspace, arguments: list[str], beginning: str) -> None:
    result = workspace.run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"fireforget: {beginning}")
    assert result.stderr.endswith("--help'.\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["dead-letters"]])
def test_no_command_shows_the_help(workspace: Workspace, arguments: list[str]) -> None:
    result = workspace.run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: fireforget ")


def test_help_needs_no_usable_configuration(workspace: Workspace) -> None:
    workspace.configure("wrong = 1")

    for command in program.commands:
        assert workspace.run(command, "--help").exit_code == 0
    assert "Exit codes: 0 done; 1 " in workspace.run("-h").stdout


def test_a_wrong_configuration_is_named_with_its_mend(workspace: Workspace) -> None:
    workspace.configure('bakend = "aws"')

    result = workspace.run("stats")

    assert result.exit_code == 2
    assert result.stderr == "fireforget: unknown key 'bakend' in the top level: did you mean 'backend'?\n"


def test_another_configuration_can_be_named(workspace: Workspace) -> None:
    (workspace.path / "other.toml").write_text("name = 'other'\ndirectory = 'there'")

    assert workspace.run("--config", "other.toml", "worker", "--until-empty").exit_code == 0
    assert (workspace.path / "there" / "other.db").exists()
    missing = workspace.run("--config", "none.toml", "stats")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert "none.toml" in missing.stderr


def test_the_version_is_that_of_the_distribution(workspace: Workspace) -> None:
    assert workspace.run("--version").stdout.startswith("fireforget 0.")


def test_the_shell_completes_commands_and_options() -> None:
    variables = {"_FIREFORGET_COMPLETE": "bash_complete", "COMP_WORDS": "fireforget dead-letters re", "COMP_CWORD": "2"}

    result = CliRunner(env=variables).invoke(program, prog_name="fireforget")

    assert result.stdout == "plain,redrive\n"


@pytest.mark.parametrize(
    ("number", "mend"),
    [
        (errno.EACCES, "run this as the application's user, or change the owner or mode"),
        (errno.ENOSPC, "free some space"),
    ],
)
def test_what_the_system_says_behind_an_error_has_its_mend(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, number: int, mend: str
) -> None:
    error = JournalError("cannot lock it: no")
    error.__cause__ = OSError(number, "no")
    fail(monkeypatch, error)

    assert workspace.run("stats").stderr == f"fireforget: cannot lock it: no: {mend}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_printed(workspace: Workspace, shell: str) -> None:
    result = workspace.run("completion", shell)

    assert result.exit_code == 0
    assert f"_FIREFORGET_COMPLETE={shell}_complete" in result.stdout


def test_a_script_of_another_shell_there_is_not(workspace: Workspace) -> None:
    result = workspace.run("completion", "tcsh")

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_how_to_install_it(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import fireforget.cli; fireforget.cli.main()"

    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert (ended.returncode, ended.stdout, ended.stderr) == (
        2,
        "",
        'fireforget: the command line needs click and rich: pip install "fireforget[cli]"\n',
    )
