"""`fireforget dead-letters`: both places are listed together, and letters are redriven and discarded where they are."""

import json
from pathlib import Path

import pytest

from fireforget.abc import Message
from tests.cli import Workspace
from tests.pipeline import event, message

BURIED = message(event(1), event(2), id_="buried")
REFUSED = message(event(3, data={"text": "\x1b[2J"}), id_="refused")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    workspace.bury(BURIED, "Traceback:\n  ValueError: \x1b[31mred", attempts=5)
    workspace.refused.append(REFUSED, "too large for the queue")
    return workspace


def test_the_list_says_where_each_is(workspace: Workspace) -> None:
    head, *rows = (line.split("\t") for line in workspace.run("dead-letters", "list").stdout.splitlines())

    assert head == ["id", "where", "time", "attempts", "events", "reason"]
    assert [(row[0], row[1], row[3], row[4], row[5]) for row in rows] == [
        ("buried", "queue", "5", "2", "Traceback:\\n  ValueError: \\u001b[31mred"),
        ("refused", "file", "?", "1", "too large for the queue"),
    ]


def test_json_has_everything(workspace: Workspace) -> None:
    buried, refused = workspace.values("dead-letters", "list")

    assert buried["where"] == "queue"
    assert Message(**buried["message"]) == BURIED
    assert (refused["where"], refused["id"], refused["attempts"]) == ("file", "refused", 0)
    assert Message(**refused["message"]) == REFUSED


def test_one_is_shown_with_its_events_and_its_whole_reason(workspace: Workspace) -> None:
    page = workspace.run("dead-letters", "show", "buried").stdout

    assert all(line.isprintable() for line in page.splitlines())
    assert "where     queue\n" in page
    assert "  Traceback:\n    ValueError: \\u001b[31mred\n" in page
    assert json.loads(page[page.index("\nbody\n") + 6 :]) == json.loads(BURIED.body)
    assert workspace.values("dead-letters", "show", "buried") == workspace.values("dead-letters", "list")[:1]


def test_one_whose_body_is_no_json_is_shown_as_it_is(workspace: Workspace) -> None:
    workspace.bury(Message(id="odd", key="k", body="not { JSON \x1b["), "does not decode")

    assert workspace.run("dead-letters", "show", "odd").stdout.endswith("\nbody\n  not { JSON \\u001b[\n")


def test_redriving_sends_them_to_the_queue_from_both_places(workspace: Workspace) -> None:
    result = workspace.run("dead-letters", "redrive", "buried", "refused")

    assert (result.exit_code, result.stdout) == (0, "2 dead letters redriven\n")
    assert workspace.depth().visible == 2
    assert workspace.buried() == []
    assert list(workspace.refused.read()) == []


def test_all_of_them_can_be_redriven(workspace: Workspace) -> None:
    assert workspace.run("dead-letters", "redrive", "--all").stdout == "2 dead letters redriven\n"
    assert workspace.run("dead-letters", "redrive", "--all").stdout == "0 dead letters redriven\n"
    assert workspace.depth().visible == 2


def test_only_the_named_ones_are_redriven(workspace: Workspace) -> None:
    workspace.run("dead-letters", "redrive", "refused")

    assert [letter.id for letter in workspace.buried()] == ["buried"]
    assert list(workspace.refused.read()) == []
    assert workspace.depth().visible == 1


def test_what_the_queue_refuses_again_stays(workspace: Workspace) -> None:
    workspace.refused.append(Message(id="huge", key="k", body="x" * 2_000_000), "too large")

    result = workspace.run("dead-letters", "redrive", "--all")

    assert (result.exit_code, result.stdout) == (1, "2 dead letters redriven\n")
    assert result.stderr.startswith("fireforget: huge stays where it is, since the queue would not take it: ")
    assert [letter.id for letter in workspace.refused.read()] == ["huge"]


def test_discarding_asks_first(workspace: Workspace) -> None:
    refused = workspace.run("dead-letters", "discard", "--all", answer="n\n")
    agreed = workspace.run("dead-letters", "discard", "--all", answer="y\n")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Delete all dead letters for good? [y/N] \nfireforget: nothing was deleted: answer 'y', or give --yes\n"
    )
    assert (agreed.exit_code, agreed.stdout) == (0, "2 dead letters deleted\n")
    assert workspace.values("dead-letters", "list") == []
    assert workspace.depth().visible == 0


def test_credentials_in_a_traceback_are_not_shown(workspace: Workspace) -> None:
    workspace.bury(message(event(7), id_="leaky"), "ValueError: http://me:hunter2@geo.example\n  in enrich")

    for command in (["list"], ["list", "--json"], ["show", "leaky"], ["show", "leaky", "--json"]):
        output = workspace.run("dead-letters", *command).stdout
        assert "hunter2" not in output
        assert "//***@geo.example" in output


def test_nobody_there_to_answer_means_no(workspace: Workspace) -> None:
    assert workspace.run("dead-letters", "discard", "buried").exit_code == 1
    assert len(workspace.buried()) == 1


def test_discarding_need_not_ask(workspace: Workspace) -> None:
    result = workspace.run("dead-letters", "discard", "buried", "--yes")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "1 dead letter deleted\n", "")
    assert [letter["id"] for letter in workspace.values("dead-letters", "list")] == ["refused"]


@pytest.mark.parametrize("command", [["show"], ["redrive", "buried"], ["discard", "--yes", "refused"]])
def test_an_unknown_id_does_nothing_but_fail(workspace: Workspace, command: list[str]) -> None:
    result = workspace.run("dead-letters", *command, "x\x1b[2J")

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "fireforget: there is no dead letter 'x\\x1b[2J': 'fireforget dead-letters list' shows which there are\n"
    )
    assert len(workspace.values("dead-letters", "list")) == 2


@pytest.mark.parametrize("arguments", [["redrive"], ["discard", "--all", "buried"]])
def test_ids_and_all_exclude_each_other(workspace: Workspace, arguments: list[str]) -> None:
    result = workspace.run("dead-letters", *arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith("fireforget: Give either ids or --all. See 'fireforget dead-letters ")
