"""The SQLite adapters keep every promise."""

from pathlib import Path

import pytest

from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue, SQLiteStore
from fireforget.testing import DeadLettersConformance, ManualClock, Place, QueueConformance, StoreConformance


def in_file(path: Path) -> Place:
    clock = ManualClock()
    return Place(
        queue=lambda: SQLiteQueue(path, clock=clock),
        dead_letters=lambda: SQLiteDeadLetters(path, clock=clock),
        store=lambda: SQLiteStore(path, clock=clock),
        clock=clock,
    )


class OnFile:
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        place = in_file(tmp_path / "made when needed" / "fireforget.db")
        place.unreachable = in_file(tmp_path)
        return place


class TestSQLiteQueue(OnFile, QueueConformance): ...


class TestSQLiteDeadLetters(OnFile, DeadLettersConformance): ...


class TestSQLiteStore(OnFile, StoreConformance): ...
