"""`fireforget stats`: the law's numbers, what lies outside of it, and how full the queue is."""

from pathlib import Path

import pytest

from fireforget import Counts, FireForget
from fireforget._backends import Adapters
from fireforget._journal import Binding, Journal, Totals
from fireforget._journal.directory import read_manifest
from fireforget._site import queue_digest
from fireforget.abc import Depth
from fireforget.errors import TransientError
from fireforget.local.sqlite import SQLiteQueue
from tests.cli import Workspace
from tests.pipeline import event, message


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


COUNTS = Counts(
    pending=2,
    delivered=10,
    dead_lettered=1,
    dropped={"overflow": 3, "discarded": 1},
    corrupt=1,
    recovered=4,
    refused={"too_large": 5},
    sampled_out=6,
    filtered=7,
)


def test_the_equation_stands_with_its_numbers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireforget.cli.stats.totals", lambda root: Totals(COUNTS, 1))

    law, _, *table = workspace.run("stats").stdout.splitlines()

    assert law == "accepted 18 = delivered 10 + pending 2 + dead-lettered 1 + dropped 4 + corrupt 1"
    assert [tuple(line.split("\t")) for line in table] == [
        ("what", "count"),
        ("events dropped: discarded", "1"),
        ("events dropped: overflow", "3"),
        ("events refused: too_large", "5"),
        ("events sampled out", "6"),
        ("events filtered", "7"),
        ("events recovered", "4"),
        ("messages waiting in the queue", "0"),
        ("messages in flight", "0"),
        ("seconds since the oldest message", "0"),
        ("dead letters in the queue", "0"),
        ("dead letters in the file", "0"),
    ]


def test_json_has_the_same_numbers(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fireforget.cli.stats.totals", lambda root: Totals(COUNTS, 1))
    workspace.publish(message(event(1)))
    workspace.bury(message(event(2)), "reason")
    workspace.refused.append(message(event(3)), "reason")

    (stats,) = workspace.values("stats")

    assert stats.pop("queue").pop("oldest_seconds") >= 0
    assert stats == {
        "accepted": 18,
        "delivered": 10,
        "pending": 2,
        "dead_lettered": 1,
        "dropped": {"overflow": 3, "discarded": 1},
        "corrupt": 1,
        "recovered": 4,
        "refused": {"too_large": 5},
        "sampled_out": 6,
        "filtered": 7,
        "dead_letters": {"queue": 1, "file": 1},
        "left_alone": {},
    }


def test_it_counts_what_an_application_emitted(workspace: Workspace) -> None:
    with FireForget(workspace.settings) as application:
        for number in range(3):
            assert application.emit("query", {"n": number})
        assert application.emit("query", {"text": "x" * 200_000}) is None

    (stats,) = workspace.values("stats")

    assert (stats["accepted"], stats["delivered"], stats["pending"]) == (3, 3, 0)
    assert stats["refused"] == {"too_large": 1}


def test_what_the_queue_does_not_tell_is_unknown(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def depth(queue: SQLiteQueue) -> Depth:
        return Depth(visible=3)

    monkeypatch.setattr(SQLiteQueue, "depth", depth)

    lines = workspace.run("stats").stdout.splitlines()

    assert "messages waiting in the queue\t3" in lines
    assert "dead letters in the queue\tunknown" in lines


def test_the_journals_are_told_of_even_where_the_queue_cannot_be_reached(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def depth(queue: SQLiteQueue) -> Depth:
        raise TransientError("the queue gives no answer")

    monkeypatch.setattr(SQLiteQueue, "depth", depth)

    result = workspace.run("stats")

    assert result.exit_code == 1
    assert result.stdout.startswith("accepted 0 = ")
    assert result.stderr == "fireforget: the queue gives no answer (this may pass: try again)\n"


def test_journals_that_nobody_drains_are_named(workspace: Workspace) -> None:
    root = workspace.settings.journal_directory
    for queue in ("another", queue_digest(Adapters(workspace.settings).identity)):
        journal = Journal.open(root, queue)
        journal.append(Binding(b"", 0), "query", 1, 1, b"{}")
        journal.close()
    (other,) = (path for path in root.iterdir() if path.is_dir() and read_manifest(path).queue == "another")

    (stats,) = workspace.values("stats")
    lines = workspace.run("stats").stdout.splitlines()

    assert stats["pending"] == 2
    assert stats["left_alone"] == {str(other): "it is for another queue"}
    assert lines[-1] == f".fireforget/journal/{other.name} left alone\tit is for another queue"
