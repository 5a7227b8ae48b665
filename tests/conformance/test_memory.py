"""The memory adapters keep every promise, on asyncio and on trio."""

import itertools

import pytest

from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.testing import DeadLettersConformance, ManualClock, Place, QueueConformance, StoreConformance

_names = itertools.count()


class OnBothLoops:
    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def place(self) -> Place:
        name, clock = f"place-{next(_names)}", ManualClock()
        return Place(
            queue=lambda: MemoryQueue(name, clock=clock),
            dead_letters=lambda: MemoryDeadLetters(name, clock=clock),
            store=lambda: MemoryStore(name, clock=clock),
            clock=clock,
        )


class TestMemoryQueue(OnBothLoops, QueueConformance): ...


class TestMemoryDeadLetters(OnBothLoops, DeadLettersConformance): ...


class TestMemoryStore(OnBothLoops, StoreConformance): ...
