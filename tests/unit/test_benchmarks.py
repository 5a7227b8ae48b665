"""What the benchmarks calculate and print; what they measure is theirs to say."""

import asyncio
import platform
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.clock import ManualClock
from benchmarks.measure import Case, Spread, interleave, ratio, spread
from benchmarks.queues import NullQueue
from benchmarks.report import (
    TIMES,
    Chart,
    Goal,
    Page,
    Section,
    Table,
    duration,
    ratio_goal,
    time_rows,
    to_markdown,
    to_text,
)
from benchmarks.workload import EVENT, scope, types
from fireforget.abc import Clock, Message, Queue
from fireforget.errors import TransientError

PAGE = Page(Path("RESULTS.md"), "Benchmark results", "make bench", ("fireforget",))


def section(*goals: Goal) -> Section:
    rows = time_rows({"floor": [1e-6, 2e-6], "ours": [2e-6, 5e-6]}, [("floor", "floor"), ("ours", "floor")])
    return Section("Emit", "How it was\nmeasured.\n\nAnd why.", [Table(TIMES, rows)], goals)


def test_a_ratio_is_the_median_of_the_rounds_own_and_says_how_far_they_lie_apart() -> None:
    found = ratio([2.0, 8.0, 6.0], [1.0, 2.0, 2.0])

    assert found.median == 3.0
    assert (round(found.low, 3), round(found.high, 3)) == (2.2, 3.8)
    assert found.least == 2.0


def test_one_round_has_no_spread() -> None:
    assert spread([4.0]) == Spread(4.0, 4.0, 4.0, 4.0)


@pytest.mark.asyncio
async def test_rounds_are_interleaved_and_the_warm_up_is_left_out() -> None:
    order: list[str] = []

    def case(name: str) -> Case:
        async def run() -> float:
            order.append(name)
            return float(len(order))

        async def settle() -> None:
            order.append(f"{name} settled")

        return Case(name, run, settle if name == "b" else None)

    found = await interleave([case("a"), case("b")], rounds=2, warmup=1)

    assert order == ["b", "b settled", "a", "a", "b", "b settled", "b", "b settled", "a"]
    assert {name: len(values) for name, values in found.items()} == {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("x", "≤", 2.5, 2.5), True),
        (Goal("x", "≤", 2.5, 2.51), False),
        (Goal("x", "<", 1.0, 1.0), False),
        (Goal("x", "<", 1.0, 0.9), True),
        (Goal("x", "≥", 0.25, 0.25), True),
        (Goal("x", "≥", 0.25, 0.24), False),
    ],
)
def test_a_goal_knows_whether_it_is_met(goal: Goal, met: bool) -> None:
    assert goal.met is met


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.0315, "31.5 ms"), (4.2e-6, "4.2 µs"), (3e-10, "0.3 ns")]
)
def test_a_time_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_page_has_the_goals_the_method_and_the_figures() -> None:
    page = to_markdown(PAGE, [section(ratio_goal("ours ÷ floor", "≤", 2.5, Spread(2.25, 2.0, 2.5, 2.0)))])

    assert "| ours ÷ floor | ≤ 2.5 | 2.25 (2.00 – 2.50) | yes |" in page
    assert "\n## Emit\n\nHow it was measured.\n\nAnd why.\n\n| " in page
    assert "| ours | 3.5 µs | 2.3 µs – 4.7 µs | 2 µs | 2.25 | 2.05 – 2.45 | 2.00 |" in page
    assert page.endswith("|\n")


def test_the_page_shows_a_chart_that_lies_beside_it() -> None:
    drawn = msgspec.structs.replace(section(), charts=[Chart("growth.svg", "flat", "<svg/>")])

    assert to_markdown(PAGE, [drawn]).endswith("|\n\n![flat](growth.svg)\n")


def test_the_page_says_what_kind_of_machine_it_was() -> None:
    page = to_markdown(PAGE, [section()])

    assert platform.python_version() in page
    assert " cores" in page
    assert sys.prefix not in page


def test_the_terminal_gets_columns() -> None:
    lines = to_text(section(Goal("ours ÷ floor", "≤", 2.5, 2.25))).splitlines()

    assert lines[0] == "Emit"
    assert lines[3].index("median") == lines[4].index("1.5 µs") == lines[5].index("3.5 µs")
    assert lines[-1].split() == ["ours", "÷", "floor", "≤", "2.5", "2.25", "yes"]


def test_a_benchmark_that_is_not_there_is_named() -> None:
    ran = subprocess.run([sys.executable, "-m", "benchmarks", "emitt"], capture_output=True, text=True, check=False)

    assert ran.returncode == 2
    assert "there is no benchmark 'emitt': choose from emit, middleware, pipeline, imports, outage" in ran.stderr


@pytest.mark.asyncio
async def test_the_clock_wakes_who_has_slept_long_enough() -> None:
    clock: Clock = ManualClock()
    assert isinstance(clock, ManualClock)
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.monotonic())

    sleepers = [asyncio.ensure_future(sleep(seconds)) for seconds in (2.0, 1.0, 0.0)]
    await asyncio.wait(sleepers, timeout=0.05)
    clock.advance(1.5)
    await asyncio.wait(sleepers, timeout=0.05)

    assert woken == [0.0, 1.5]
    clock.advance(0.5)
    await asyncio.gather(*sleepers)
    assert woken == [0.0, 1.5, 2.0]


@pytest.mark.asyncio
async def test_the_null_queue_counts_what_it_takes_and_takes_nothing_while_it_is_down() -> None:
    queue: Queue = NullQueue(down=True)
    assert isinstance(queue, NullQueue)
    messages = [Message("1", "lane", "é", 3), Message("2", "lane", "e", 1)]

    with pytest.raises(TransientError):
        await queue.publish(messages)
    queue.down = False
    outcomes = await queue.publish(messages)

    assert [outcome.status for outcome in outcomes] == ["delivered", "delivered"]
    assert (queue.calls, queue.events, queue.bytes) == (2, 4, 3)


def test_the_event_has_eight_fields_and_is_registered() -> None:
    assert len(EVENT.__struct_fields__) == 8
    assert types.of(type(EVENT)) is not None


def test_each_request_has_a_scope_of_its_own() -> None:
    first, second = scope(), scope()
    first["route"] = "/"

    assert "route" not in second
