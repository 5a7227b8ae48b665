"""`fireforget tail`: which options go together, and how events are shown."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fireforget import Event
from tests.cli import Workspace
from tests.pipeline import event


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def following(*looks: list[Event], said: list[Any] | None = None) -> Callable[..., AsyncIterator[list[Event]]]:
    """What stands for following: some looks, then the interrupt of an operator who has seen enough."""

    async def follow(*arguments: Any, **options: Any) -> AsyncIterator[list[Event]]:
        if said is not None:
            said.append((arguments[1], options))
        for look in looks:
            yield look
        raise KeyboardInterrupt

    return follow


def test_each_look_is_shown_under_one_heading(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[list[Event]] = [[event(1, sessionid="mine")], [], [event(2)]]
    monkeypatch.setattr("fireforget.cli.tail.follow_store", following(*looks))

    result = workspace.run("tail")

    head, first, second = result.stdout.splitlines()
    assert (result.exit_code, result.stderr) == (0, "")
    assert head.split("\t") == ["time", "type", "session", "correlation", "data"]
    assert [line.split("\t")[2::2] for line in (first, second)] == [["mine", '{"n":1}'], ["", '{"n":2}']]


def test_the_options_say_which_events(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    monkeypatch.setattr("fireforget.cli.tail.follow_store", following(said=said))
    monkeypatch.setattr("fireforget.cli.tail.follow_journals", following(said=said))

    workspace.run("tail", "--type", "a", "--type", "b", "--session", "mine", "--last", "3", "--window", "2")
    workspace.run("tail", "--journal")

    (wanted, options), (every, _) = said
    assert (wanted.types, wanted.sessionid, wanted.last, options) == (("a", "b"), "mine", 3, {"window": 120.0})
    assert (every.types, every.sessionid, every.last) == ((), None, 10)


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "1e300"])
def test_a_window_is_a_number_of_minutes(workspace: Workspace, minutes: str) -> None:
    result = workspace.run("tail", "--window", minutes)

    assert (result.exit_code, "--window" in result.stderr) == (2, True)


def test_options_that_do_not_go_together(workspace: Workspace) -> None:
    both = workspace.run("tail", "--journal", "--window", "5")
    workspace.configure('[journal]\ndurability = "none"')
    none = workspace.run("tail", "--journal")

    assert both.exit_code == none.exit_code == 2
    assert both.stderr.startswith("fireforget: --journal and --window exclude each other")
    assert none.stderr == (
        'fireforget: journal.durability = "none" keeps events in memory alone: leave --journal out\n'
    )
