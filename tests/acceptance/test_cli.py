"""The installed script as a shell runs it: signals, pipes, a terminal, and errors of one line."""

import json
import os
import pty
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fireforget import FireForget
from tests.cli import Workspace
from tests.pipeline import event, message

SCRIPT = str(Path(sysconfig.get_path("scripts"), "fireforget"))
SLOW_PLUGIN = """
import sys
from pathlib import Path
import anyio

async def wait_for_the_test(event):
    sys.stdout.write("working\\n")
    sys.stdout.flush()
    while not Path("go").exists():
        await anyio.sleep(0.01)
    return event

enrichers = [wait_for_the_test]
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, "[processing]\nretention_days = 0\n")


@pytest.fixture
def worker(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """A worker in the middle of a message."""
    (workspace.path / "slow.py").write_text(SLOW_PLUGIN)
    workspace.configure('plugin = "slow"\n[processing]\nretention_days = 0\nstop_seconds = 30')
    workspace.publish(message(event(1)))
    with subprocess.Popen([SCRIPT, "worker"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("worker began: from sqlite://")
        assert process.stdout.readline() == "working\n"
        yield process
        process.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *arguments], check=False, capture_output=True, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_stop_finishes_what_it_has(
    workspace: Workspace, worker: subprocess.Popen[str], number: int
) -> None:
    worker.send_signal(number)
    (workspace.path / "go").touch()
    out, err = worker.communicate()

    assert worker.returncode == 0
    assert "what is in work is finished; a second signal gives it up" in err
    assert out == "worker ended: 1 event in 1 message done, 0 of them dead-lettered; 0 messages given back\n"
    assert [each.data for each in workspace.stored()] == [{"n": 1}]


def test_a_worker_that_is_told_twice_gives_up_at_once(workspace: Workspace, worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGTERM)
    assert worker.stderr is not None
    assert "a second signal gives it up" in worker.stderr.readline()
    worker.send_signal(signal.SIGTERM)
    out, _ = worker.communicate()

    assert worker.returncode == 0
    assert out == "worker ended: 0 events in 0 messages done, 0 of them dead-lettered; 0 messages given back\n"
    assert workspace.stored() == []
    assert workspace.depth().in_flight == 1  # it comes again when its lease ends


def test_from_an_application_to_the_report(workspace: Workspace) -> None:
    workspace.configure("[processing]\nembedded = false")
    with FireForget(workspace.settings) as application:
        assert application.emit("query", {"text": "tea"})

    before = json.loads(run("stats", "--json").stdout)
    worked = run("worker", "--until-empty")
    after = json.loads(run("stats", "--json").stdout)

    assert before["delivered"] == before["queue"]["visible"] == 1
    assert worked.stdout.splitlines()[-1].startswith("worker ended: 1 event in 1 message done")
    assert after["queue"]["visible"] == 0
    assert json.loads(run("events", "--json").stdout)["data"] == {"text": "tea"}
    assert "1 query" in run("report").stdout


def test_it_runs_as_a_module_too() -> None:
    command = [sys.executable, "-m", "fireforget", "--version"]
    told = subprocess.run(command, check=True, capture_output=True, text=True)

    assert told.stdout.startswith("fireforget ")


def test_an_error_is_one_line(workspace: Workspace) -> None:
    workspace.configure('backend = "awz"')

    for arguments in (["stats"], ["events"], ["report"], ["dead-letters", "list"], ["worker"]):
        ended = run(*arguments)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
        assert ended.stderr.startswith("fireforget: no backend answers to 'awz'; installed: ")


def test_a_reader_that_leaves_is_no_error(workspace: Workspace) -> None:
    workspace.store(*(event(number, data={"text": "x" * 1000}) for number in range(1000)))

    with subprocess.Popen([SCRIPT, "events", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == b""

    assert process.returncode == 128 + signal.SIGPIPE


def _hear_interrupts() -> None:
    """Whoever runs the tests in the background may have told everything below it to ignore them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_a_command_quietly(workspace: Workspace) -> None:
    os.mkfifo(workspace.path / "pipe.toml")
    with (
        subprocess.Popen(
            [SCRIPT, "--config", "pipe.toml", "stats"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 - no thread of this process holds anything that it needs
        ) as process,
        (workspace.path / "pipe.toml").open("w"),
    ):  # open since the command reads it, and waits for its end
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert (process.returncode, out, err) == (130, "", "")


@pytest.mark.parametrize("options", [[], ["--journal"]])
def test_new_events_are_followed_until_an_interrupt(workspace: Workspace, options: list[str]) -> None:
    with subprocess.Popen(
        [SCRIPT, "tail", "--json", "--type", "query", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - no thread of this process holds anything that it needs
    ) as process:
        assert process.stdout is not None
        with FireForget(workspace.settings) as application:
            for number in range(3):
                assert application.emit("query", {"n": number})
                assert application.emit("other", {"n": number})
                # each is seen before the next one is emitted; the first may have been there before the command
                assert json.loads(process.stdout.readline())["data"] == {"n": number}
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()

    assert (process.returncode, out, err) == (0, "", "")


def test_a_terminal_gets_a_table_and_nothing_that_controls_it(workspace: Workspace) -> None:
    workspace.store(event(1, sessionid="\x1b]0;owned\x07", data={"text": "\x9b2J\x1b[31m"}))

    head, row = click.unstyle(_on_terminal("events")).splitlines()

    assert head.split() == ["time", "type", "session", "correlation", "data"]
    assert row.isprintable()
    assert '{"text":"\\u009b2J\\u001b[31m"}' in row


def test_long_work_shows_a_bar_on_a_terminal_alone(workspace: Workspace) -> None:
    workspace.bury(message(event(1), id_="buried"), "too odd")
    seen = click.unstyle(_on_terminal("dead-letters", "redrive", "--all"))
    workspace.bury(message(event(2), id_="buried too"), "too odd")
    piped = run("dead-letters", "redrive", "--all")

    assert "dead letters ━" in seen
    assert "1/1" in seen
    assert seen.splitlines()[-1].endswith("1 dead letter redriven")
    assert (piped.stdout, piped.stderr) == ("1 dead letter redriven\n", "")


def test_an_export_shows_a_bar_and_its_output_stays_clean(workspace: Workspace) -> None:
    workspace.store(event(1), event(2))
    ours, its = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen([SCRIPT, "events", "--csv"], stdout=subprocess.PIPE, stderr=its, env=variables) as process:
        os.close(its)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
        os.close(ours)
        assert process.stdout is not None
        exported = process.stdout.read().decode()

    assert "events ━" in click.unstyle(shown.decode())
    assert len(exported.splitlines()) == 3
    assert exported.startswith("time,type,id,")
    assert "\x1b" not in exported


def _on_terminal(*arguments: str) -> str:
    """What a command shows on a terminal."""
    ours, its = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen([SCRIPT, *arguments], stdin=its, stdout=its, stderr=its, env=variables) as process:
        os.close(its)
        printed = b""
        while chunk := _read(ours):
            printed += chunk
        os.close(ours)
    assert process.returncode == 0
    return printed.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""
