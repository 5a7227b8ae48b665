"""The kit without a clock of its own, as on an emulator or a cloud: leases really end, and the tests wait for them."""

import itertools

import pytest

from fireforget.local.memory import MemoryDeadLetters, MemoryQueue
from fireforget.testing import Place
from fireforget.testing.conformance.leases import LeaseConformance

_names = itertools.count()


class TestLeasesInRealTime(LeaseConformance):
    port = "queue"
    lease = 1.0
    tolerance = 0.15
    consumers = 10

    @pytest.fixture
    def place(self) -> Place:
        name = f"real-time-{next(_names)}"
        return Place(queue=lambda: MemoryQueue(name), dead_letters=lambda: MemoryDeadLetters(name))
