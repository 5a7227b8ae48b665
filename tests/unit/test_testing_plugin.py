"""The pytest plugin: nobody weakens the kit, and the report says what adapters promise."""

import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from fireforget.local.memory import MemoryQueue
from fireforget.testing import ManualClock, Place, QueueConformance, StoreConformance
from fireforget.testing.conformance.awaits import cancelled_at
from fireforget.testing.table import Table

SUITE = """
import pytest
from fireforget.abc import DeadLetter
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue
from fireforget.testing import ManualClock, Place, QueueConformance


class OrderlessQueue(MemoryQueue):
    @property
    def capabilities(self):
        return MemoryQueue.capabilities.__class__(
            max_message_bytes=1000, max_batch_messages=100, max_batch_bytes=100_000, pack_bytes=1000,
            ordered=False, deduplication_seconds=300, delayed_nack=True, max_lease_seconds=3600.0,
        )

    async def depth(self):
        raise NotImplementedError("a pipe | in a reason")


class TestQueue(QueueConformance):
    @pytest.fixture
    def place(self):
        clock = ManualClock()
        return Place(
            queue=lambda: OrderlessQueue("x", clock=clock),
            dead_letters=lambda: MemoryDeadLetters("x", clock=clock),
            clock=clock,
        )

    @pytest.mark.xfail(reason="it | does not count")
    async def test_depth_tells_what_it_knows(self, place, queue):
        await super().test_depth_tells_what_it_knows(place, queue)
"""

REPLACED = """
from fireforget.testing import StoreConformance

class TestStore(StoreConformance): ...

TestStore.test_closing_twice_is_no_error = lambda self: None
"""


def run(folder: Path, suite: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_suite.py").write_text(suite)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_the_report_says_what_is_declared_kept_and_not_kept(tmp_path: Path) -> None:
    tests = "depth or keeps_its_order or smallest or at_the_limit or nobody_can_hold"
    run(tmp_path, SUITE, "-k", tests, "--fireforget-report", "made/when needed/report.md")

    table = (tmp_path / "made" / "when needed" / "report.md").read_text(encoding="utf-8")

    assert "## Queues" in table
    assert "|  | `OrderlessQueue` |" in table
    assert "| Largest message | 1,000 bytes |" in table
    assert "| Order per key | no |" in table
    assert r"| Depth tells what it knows | no: it \| does not count |" in table
    assert "| A key keeps its order under concurrency | – (this queue declares that it keeps no order) |" in table
    assert "| What was published arrives exactly | yes |" in table
    assert "| A message at the limit arrives | **no** |" in table, "the queue in memory takes more than is declared"
    assert "Stores" not in table


def test_a_promise_that_is_not_expected_to_hold_is_not_reported_as_kept(tmp_path: Path) -> None:
    suite = SUITE.replace("await super().test_depth_tells_what_it_knows(place, queue)", "return")
    result = run(tmp_path, suite, "-k", "depth", "--fireforget-report", "report.md")
    assert "1 xpassed" in result.stdout
    table = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert r"| Depth tells what it knows | no: it \| does not count |" in table


def test_promises_stand_in_their_order_whatever_order_their_results_come_in() -> None:
    table = Table()
    for number, name in ((2, "test_c"), (0, "test_a"), (1, "test_b")):
        tested = {"port": "store", "adapter": "Mine", "number": number}
        for when in ("call", "teardown"):
            table.add(
                pytest.TestReport(
                    nodeid=f"test_mine.py::TestMine::{name}",
                    location=("test_mine.py", 1, name),
                    keywords={},
                    outcome="passed",
                    longrepr=None,
                    when=when,
                    user_properties=[("fireforget", tested)],
                )
            )
    assert table.markdown().splitlines()[4:] == ["| A | yes |", "| B | yes |", "| C | yes |"]


def test_a_test_that_was_replaced_is_no_test(tmp_path: Path) -> None:
    result = run(tmp_path, REPLACED)
    assert result.returncode == pytest.ExitCode.INTERRUPTED
    assert "TestStore.test_closing_twice_is_no_error overrides a test of the kit" in result.stdout


def test_a_class_that_overrides_a_test_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Mine.test_closing_twice_is_no_error overrides a test of the kit: remove it"):

        class Mine(StoreConformance):
            async def test_closing_twice_is_no_error(self, store: object) -> None:
                """It says yes."""

    class Mixin:
        test_closing_twice_is_no_error = None

    with pytest.raises(TypeError, match="Mixin.test_closing_twice_is_no_error"):

        class Mixed(Mixin, StoreConformance):  # type: ignore[misc]
            """It has none."""

    with pytest.raises(TypeError, match="mark it with"):

        class WithoutReason(StoreConformance):
            @pytest.mark.xfail
            async def test_closing_twice_is_no_error(self, store: object) -> None:
                """It says nothing."""

    with pytest.raises(TypeError, match="no condition"):

        class OnCondition(StoreConformance):
            @pytest.mark.xfail(False, reason="never")
            async def test_closing_twice_is_no_error(self, store: object) -> None:
                """It is no expected failure."""


@pytest.mark.parametrize("name", ["expect", "store", "_on_place", "early"])
def test_a_class_that_overrides_what_the_tests_use_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"Mine.{name} overrides the kit: remove it, or give it another name"):
        type("Mine", (StoreConformance,), {name: None})


def test_settings_and_fixtures_of_the_place_are_for_subclasses() -> None:
    settings: dict[str, object] = {
        "lease": 10.0,
        "tolerance": 1.0,
        "awaits": 3,
        "place": None,
        "anyio_backend": None,
        "pytestmark": [],
    }
    assert issubclass(type("Mine", (QueueConformance,), settings | {"consumers": 8, "mine": None}), QueueConformance)


def test_an_expected_failure_with_its_reason_and_a_test_of_its_own_are_fine() -> None:
    class Mine(StoreConformance):
        @pytest.mark.xfail(reason="the service does not know how")
        async def test_closing_twice_is_no_error(self, store: object) -> None:
            """It is known to fail."""

        async def test_something_else(self) -> None:
            """It is nobody else's."""

    assert Mine.__name__ == "Mine"


def test_the_option_is_shown() -> None:
    shown = subprocess.run([sys.executable, "-m", "pytest", "--help"], check=True, capture_output=True, text=True)
    assert "--fireforget-report" in shown.stdout


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_call_is_cancelled_at_the_await_that_is_named(backend: str) -> None:
    passed: list[int] = []

    async def call() -> None:
        for number in range(3):
            await anyio.lowlevel.checkpoint()
            passed.append(number)

    async def all_of_them() -> list[bool]:
        return [await cancelled_at(turn, call) for turn in range(1, 5)]

    assert anyio.run(all_of_them, backend=backend) == [True, True, True, False]
    assert passed == [0, 0, 1, 0, 1, 2]


@pytest.mark.asyncio
async def test_without_a_clock_a_place_waits_in_real_time_but_not_too_long() -> None:
    place = Place(queue=MemoryQueue, longest_sleep=0.01)
    before = place.now()
    await place.pass_time(0.01)
    assert (place.now() - before).total_seconds() >= 0.01
    with pytest.raises(pytest.skip.Exception, match="longest_sleep"):
        await place.pass_time(0.02)
    with pytest.raises(TypeError, match=r"this test needs Place\(store=...\)"):
        place.open_store()


@pytest.mark.asyncio
async def test_a_place_closes_what_was_made_there() -> None:
    clock = ManualClock()
    place = Place(queue=lambda: MemoryQueue("closed", clock=clock), unreachable=Place(queue=MemoryQueue))
    made = [place.open_queue(), place.open_queue()]
    assert place.unreachable is not None
    made.append(place.unreachable.open_queue())
    await place.aclose()
    assert all(queue._closed for queue in made if isinstance(queue, MemoryQueue))


def test_a_lease_too_short_for_the_tolerance_is_refused(tmp_path: Path) -> None:
    suite = SUITE.replace(
        "class TestQueue(QueueConformance):", "class TestQueue(QueueConformance):\n    tolerance = 10.0"
    )
    result = run(tmp_path, suite, "-k", "smallest")
    assert "a lease of 30.0 s is too short for a tolerance of 10.0 s: make it longer than 60.0 s" in result.stdout


def test_the_kit_knows_its_classes_by_name() -> None:
    import fireforget.testing

    for name in fireforget.testing.__all__:
        assert getattr(fireforget.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        fireforget.testing.Nothing  # noqa: B018 - the access is the test
    assert issubclass(QueueConformance, fireforget.testing.QueueConformance)
