"""A backlog, on a small scale: what the long run tells is true."""

from pathlib import Path

import pytest

from tests.faults import backlog
from tests.faults.backlog import BYTES_AN_EVENT, Kept


def test_what_a_killed_process_has_left_is_delivered_once() -> None:
    found = backlog.run(30_000)

    assert found.problems == []
    assert (found.events, found.missing, found.doubled) == (30_000, 0, 0)
    assert 100 < found.kept.disk / found.events < BYTES_AN_EVENT
    assert 0 < found.first_seconds <= found.all_seconds


def test_what_does_not_come_is_missing(tmp_path: Path) -> None:
    found = backlog._deliver(tmp_path, 5, Kept(0.0, 0, 0), seconds=0.0)

    assert found.missing == 5
    assert found.problems[0] == "5 of 5 events are missing, and 0 came twice"
    assert found.problems[1].startswith("the journals say of 5 events: Counts(accepted=0")


def test_a_backlog_larger_than_the_disk_is_not_begun() -> None:
    with pytest.raises(OSError, match="GB of room in .* are needed for 10,000,000,000,000 events"):
        backlog.run(10**13)
