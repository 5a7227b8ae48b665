"""The memory adapters keep every promise, on asyncio and on trio."""

import itertools
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from fireforget.abc import DeadLetters, Queue, Store
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from tests.clock import ManualClock
from tests.conformance.dead_letters import DeadLettersConformance
from tests.conformance.queue import QueueConformance
from tests.conformance.store import StoreConformance

_names = itertools.count()


class MemoryPlace:
    def __init__(self) -> None:
        self._name = f"place-{next(_names)}"
        self._clock = ManualClock()
        self._made: list[MemoryQueue | MemoryDeadLetters | MemoryStore] = []

    def queue(self) -> Queue:
        self._made.append(queue := MemoryQueue(self._name, clock=self._clock))
        return queue

    def dead_letters(self) -> DeadLetters:
        self._made.append(dead_letters := MemoryDeadLetters(self._name, clock=self._clock))
        return dead_letters

    def store(self) -> Store:
        self._made.append(store := MemoryStore(self._name, clock=self._clock))
        return store

    def now(self) -> datetime:
        return self._clock.now()

    async def elapse(self, seconds: float) -> None:
        self._clock.advance(seconds)

    async def aclose(self) -> None:
        for adapter in self._made:
            await adapter.aclose()


class OnBothLoops:
    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    async def place(self, anyio_backend: str) -> AsyncIterator[MemoryPlace]:
        place = MemoryPlace()
        yield place
        await place.aclose()


class TestMemoryQueue(OnBothLoops, QueueConformance): ...


class TestMemoryDeadLetters(OnBothLoops, DeadLettersConformance): ...


class TestMemoryStore(OnBothLoops, StoreConformance): ...
