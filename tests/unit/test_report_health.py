"""The pipeline's own counts, as the report shows them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from fireforget._configuration import settings_from
from fireforget._journal import Journal
from fireforget._settings import Settings
from fireforget.abc import Depth
from fireforget.errors import JournalError, TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.reporting import Health, health, pipeline_health
from tests.journals import fill, opened

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


class _Queue(MemoryQueue):
    """One whose depth is what the test says."""

    def __init__(self, depth: Depth | Exception) -> None:
        super().__init__()
        self._said = depth

    async def depth(self) -> Depth:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


def settings(directory: Path) -> Settings:
    return settings_from({"name": "cv", "directory": str(directory)})


def journal(known: Settings) -> Journal:
    known.journal_directory.mkdir(parents=True)
    made = opened(known.journal_directory)
    fill(made, range(3))
    return made


async def test_it_is_the_counts_of_the_journals_and_the_depth_of_the_queue(tmp_path: Path) -> None:
    known = settings(tmp_path)
    journal(known)
    found = await pipeline_health(known, _Queue(Depth(visible=7, in_flight=1, dead=2)))

    assert (found.accepted, found.pending, found.delivered, found.unread) == (3, 3, 0, 0)
    assert (found.queue_depth, found.dead_letters) == (7, 2)


async def test_without_a_journal_here_only_the_queue_is_known(tmp_path: Path) -> None:
    found = await pipeline_health(settings(tmp_path), _Queue(Depth(visible=7)))

    assert found == Health(queue_depth=7)


async def test_a_queue_that_does_not_answer_keeps_back_only_its_own_numbers(tmp_path: Path) -> None:
    known = settings(tmp_path)
    journal(known)
    found = await pipeline_health(known, _Queue(TransientError("down")))

    assert (found.accepted, found.queue_depth, found.dead_letters) == (3, None, None)


async def test_journals_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    known = settings(tmp_path)
    journal(known)
    damaged = opened(known.journal_directory)
    (known.journal_directory / damaged.id / "manifest.json").write_bytes(b"")
    found = await pipeline_health(known, MemoryQueue())

    assert (found.accepted, found.unread) == (3, 1)


async def test_a_ledger_that_stays_locked_costs_the_counts_and_not_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Path) -> None:
        raise JournalError("another process keeps the ledger locked")

    known = settings(tmp_path)
    known.journal_directory.mkdir(parents=True)
    monkeypatch.setattr(health, "totals", refuse)
    with caplog.at_level(logging.WARNING, "fireforget"):
        found = await pipeline_health(known, _Queue(Depth(visible=7)))

    assert found == Health(queue_depth=7)
    assert "another process keeps the ledger locked" in caplog.text
