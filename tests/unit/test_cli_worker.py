"""`fireforget worker`: the whole pipeline in a process of its own."""

import logging
import sys
from pathlib import Path

import pytest

from fireforget.abc import Depth
from fireforget.cli.worker import _Lines
from fireforget.local.sqlite import SQLiteQueue
from tests.cli import Workspace
from tests.pipeline import broken, event, message

PLUGIN = """
async def mark(event):
    from msgspec.structs import replace
    return replace(event, data={**event.data, "marked": True})

enrichers = [mark]
"""

KEPT = "[processing]\nretention_days = 0\n"
"""The events of the tests are old."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, KEPT)


def test_until_empty_processes_everything_and_says_so(workspace: Workspace) -> None:
    workspace.publish(message(event(1), event(2), key="a"), message(event(3), broken(4), key="b"))

    result = workspace.run("worker", "--until-empty")

    assert result.exit_code == 0, result.output
    began, ended = result.stdout.splitlines()
    assert began == "worker began: from sqlite:///.fireforget/shop.db to sqlite:///.fireforget/shop.db"
    assert ended == "worker ended: 4 events in 2 messages done, 1 of them dead-lettered; 0 messages given back"
    assert sorted(each.data["n"] for each in workspace.stored()) == [1, 2, 3]
    assert len(workspace.buried()) == 1
    assert workspace.depth() == Depth(visible=0, in_flight=0, dead=1, oldest_seconds=0.0)


def test_an_empty_queue_ends_it_at_once(workspace: Workspace) -> None:
    result = workspace.run("worker", "--until-empty")

    assert result.exit_code == 0
    assert "worker ended: 0 events in 0 messages done" in result.stdout


def test_it_runs_the_enrichers_of_the_plugin(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [place for place in sys.path if place])  # as in a script, and undone
    (workspace.path / "shop_enrichers.py").write_text(PLUGIN)
    workspace.configure(f'plugin = "shop_enrichers"\n{KEPT}')
    workspace.publish(message(event(1)))

    workspace.run("worker", "--until-empty")

    assert [each.data for each in workspace.stored()] == [{"n": 1, "marked": True}]


def test_a_plugin_that_cannot_be_imported_is_named(workspace: Workspace) -> None:
    workspace.configure('plugin = "no_such_module"')

    result = workspace.run("worker")

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert "plugin = 'no_such_module' cannot be imported" in result.stderr


def test_a_queue_that_does_not_tell_how_full_it_is_cannot_be_emptied(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(queue: SQLiteQueue) -> Depth:
        return Depth(visible=1)

    monkeypatch.setattr(SQLiteQueue, "depth", unknown)

    result = workspace.run("worker", "--until-empty")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "fireforget: this queue does not tell how full it is: leave --until-empty out, and stop the worker\n"
    )


def test_no_line_of_the_log_controls_the_terminal() -> None:
    record = logging.LogRecord("fireforget", logging.WARNING, "", 1, "an event raised %s", ("\x1b[2J\nmore",), None)

    assert _Lines("%(levelname)s %(message)s").format(record) == "WARNING an event raised \\u001b[2J\nmore"
