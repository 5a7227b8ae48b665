"""The SQLite adapters keep every promise."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from fireforget.abc import DeadLetters, Queue, Store
from fireforget.local.sqlite import SQLiteDeadLetters, SQLiteQueue, SQLiteStore
from tests.clock import ManualClock
from tests.conformance.dead_letters import DeadLettersConformance
from tests.conformance.queue import QueueConformance
from tests.conformance.store import StoreConformance


class SQLitePlace:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._clock = ManualClock()
        self._made: list[SQLiteQueue | SQLiteDeadLetters | SQLiteStore] = []

    def queue(self) -> Queue:
        self._made.append(queue := SQLiteQueue(self._path, clock=self._clock))
        return queue

    def dead_letters(self) -> DeadLetters:
        self._made.append(dead_letters := SQLiteDeadLetters(self._path, clock=self._clock))
        return dead_letters

    def store(self) -> Store:
        self._made.append(store := SQLiteStore(self._path, clock=self._clock))
        return store

    def now(self) -> datetime:
        return self._clock.now()

    async def elapse(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def aclose(self) -> None:
        for adapter in self._made:
            await adapter.aclose()


class OnAsyncio:
    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def place(self, anyio_backend: str, tmp_path: Path) -> AsyncIterator[SQLitePlace]:
        place = SQLitePlace(tmp_path / "made when needed" / "fireforget.db")
        yield place
        await place.aclose()


class TestSQLiteQueue(OnAsyncio, QueueConformance): ...


class TestSQLiteDeadLetters(OnAsyncio, DeadLettersConformance): ...


class TestSQLiteStore(OnAsyncio, StoreConformance): ...
