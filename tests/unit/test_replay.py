"""Replay: what dead processes left reaches the queue without the application."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from fireforget import site_counts
from fireforget._journal import ADOPTED_AT_ONCE
from fireforget.abc import Message, Outcome
from fireforget.errors import TransientError
from fireforget.local.sqlite import SQLiteQueue
from fireforget.operations.replay import Replayed, replay
from tests.cli import Workspace
from tests.journals import fill


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, "[dispatch]\nbackoff_seconds = 0.001\nbreaker_failures = 2")


def replayed(workspace: Workspace, *, other_queues: bool = False) -> tuple[Replayed, list[tuple[int, int | None]]]:
    told: list[tuple[int, int | None]] = []

    def tell(done: int, total: int | None) -> None:
        told.append((done, total))

    return asyncio.run(replay(workspace.settings, other_queues=other_queues, progress=tell)), told


def test_events_of_the_dead_reach_the_queue(workspace: Workspace) -> None:
    workspace.journal(range(30))
    workspace.journal(range(30, 50))

    done, told = replayed(workspace)

    assert done == Replayed(journals=2, delivered=50)
    assert told[-1] == (50, 50)
    assert sorted(told) == told
    assert workspace.run("worker", "--until-empty").exit_code == 0
    assert sorted(each.data["n"] for each in workspace.stored()) == list(range(50))
    counts = site_counts(workspace.settings)
    assert (counts.accepted, counts.delivered, counts.pending, counts.recovered) == (50, 50, 0, 50)


def test_there_may_be_more_journals_than_are_taken_over_at_once(workspace: Workspace) -> None:
    count = ADOPTED_AT_ONCE + 2
    for number in range(count):
        workspace.journal([number])

    done, told = replayed(workspace)

    assert done == Replayed(journals=count, delivered=count)
    assert told[-1] == (count, count)
    assert replayed(workspace)[0] == Replayed()


def test_what_a_queue_that_is_down_left_in_all_journals_is_told(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish(queue: SQLiteQueue, messages: Sequence[Message]) -> Sequence[Outcome]:
        raise TransientError("no route")

    count = ADOPTED_AT_ONCE + 2
    for number in range(count):
        workspace.journal([number])
    monkeypatch.setattr(SQLiteQueue, "publish", publish)

    assert replayed(workspace)[0] == Replayed(journals=ADOPTED_AT_ONCE, pending=count, reason="no route")


def test_a_finished_journal_that_cannot_be_removed_does_not_hold_it_up(workspace: Workspace) -> None:
    workspace.journal(range(3))
    (workspace.settings.journal_directory / "ledger.lock").symlink_to("absent/absent")

    assert replayed(workspace)[0] == Replayed(journals=1, delivered=3)


def test_a_journal_that_cannot_be_locked_is_told_and_the_others_are_sent(workspace: Workspace) -> None:
    workspace.journal(range(3))
    odd = workspace.journal(range(3, 5))
    lock = workspace.settings.journal_directory / odd.id / "lock"
    lock.unlink()
    lock.mkdir()

    done, _ = replayed(workspace)

    assert (done.journals, done.delivered, done.pending) == (1, 3, 2)
    assert "cannot be taken over" in done.reason


def test_the_living_keep_theirs(workspace: Workspace) -> None:
    journal = workspace.journal(range(5), alive=True)

    assert replayed(workspace) == (Replayed(), [])
    fill(journal, range(5, 6))
    assert journal.pending == 6


def test_a_second_replay_has_nothing_to_do(workspace: Workspace) -> None:
    workspace.journal(range(3))

    assert replayed(workspace)[0].delivered == 3
    assert replayed(workspace)[0] == Replayed()


def test_events_for_another_queue_are_taken_only_when_asked(workspace: Workspace) -> None:
    other = workspace.journal(range(4), queue="sqs://elsewhere")

    left, _ = replayed(workspace)
    taken, _ = replayed(workspace, other_queues=True)

    assert left == Replayed(left={other.id: "its events were meant for another queue: --other-queues takes them, too"})
    assert taken == Replayed(journals=1, delivered=4)


def test_what_another_version_wrote_is_left(workspace: Workspace) -> None:
    journal = workspace.journal(range(4))
    manifest = workspace.settings.journal_directory / journal.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":9'))

    done, _ = replayed(workspace, other_queues=True)

    assert done.journals == 0
    assert "let the version of fireforget that wrote it drain it" in done.left[journal.id]


def test_a_queue_that_is_down_ends_it_and_loses_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(queue: SQLiteQueue, messages: Sequence[Message]) -> Sequence[Outcome]:
        raise TransientError("no route")

    workspace.journal(range(5))
    with monkeypatch.context() as patch:
        patch.setattr(SQLiteQueue, "publish", publish)
        done, _ = replayed(workspace)

    assert done == Replayed(journals=1, pending=5, reason="no route")
    assert replayed(workspace)[0].delivered == 5


def test_a_queue_that_answers_nothing_ends_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(queue: SQLiteQueue, messages: Sequence[Message]) -> Sequence[Outcome]:
        return [Outcome("retry", "busy")]

    workspace.configure("[dispatch]\npublish_timeout = 0.05\nmax_backoff_seconds = 0.05\nlanes = 1")
    workspace.journal(range(5))
    monkeypatch.setattr(SQLiteQueue, "publish", publish)

    done, _ = replayed(workspace)

    assert (done.delivered, done.pending) == (0, 5)
    assert done.reason == "the queue has taken nothing for 0 s"


def test_what_the_queue_refuses_goes_to_the_dead_letters(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def publish(queue: SQLiteQueue, messages: Sequence[Message]) -> Sequence[Outcome]:
        return [Outcome("refused", "too odd")] * len(messages)

    workspace.journal(range(2))
    monkeypatch.setattr(SQLiteQueue, "publish", publish)

    done, told = replayed(workspace)

    assert done == Replayed(journals=1, dead_lettered=2)
    assert told == [(0, 2), (1, 2), (2, 2)]
    assert [each.reason for each in workspace.refused.read()] == ["too odd", "too odd"]


def test_what_a_replay_has_not_sent_when_it_is_cut_short_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def publish(queue: SQLiteQueue, messages: Sequence[Message]) -> Sequence[Outcome]:
        called.set()
        return await asyncio.Future()

    async def cut_short() -> None:
        task = asyncio.ensure_future(replay(workspace.settings))
        await called.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    called = asyncio.Event()
    workspace.journal(range(5))
    with monkeypatch.context() as patch:
        patch.setattr(SQLiteQueue, "publish", publish)
        asyncio.run(cut_short())

    assert replayed(workspace)[0] == Replayed(journals=1, delivered=5)
