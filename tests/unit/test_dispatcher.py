"""From the journal to the queue: in order, in packs, and again until it is taken."""

import asyncio
import errno
import itertools
import logging
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fireforget._dispatcher import LOOK_SECONDS, PRESSING_FULLNESS, Dispatcher
from fireforget._journal import Binding, Counts, Entry, Options
from fireforget._lanes import WINDOW_PACKS
from fireforget._waker import Waker
from fireforget.abc import Message, Outcome
from fireforget.errors import PermanentError, TransientError
from tests.emitting import Pen, correlated
from tests.publishing import DELIVERED, Bench, ScriptedQueue, events_of
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio

RETRY = Outcome("retry", "busy")
REFUSED = Outcome("refused", "not like this")


def check_law(counts: Counts, accepted: int) -> None:
    parts = counts.delivered + counts.pending + counts.dead_lettered + sum(counts.dropped.values()) + counts.corrupt
    assert counts.accepted == parts == accepted


def more_calls(bench: Bench, than: int) -> bool:
    return len(bench.queue.calls) > than


# Packs and batches


async def test_events_arrive_as_they_were_emitted(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running():
        ids = [bench.emit(n) for n in range(20)]
        await bench.settle()

    events = bench.queue.events
    assert [event.id for event in events] == ids
    assert [event.data["n"] for event in events] == list(range(20))
    assert {event.sessionid for event in events} == {bench.session(0)}
    assert bench.counts == Counts(delivered=20)


async def test_a_sleeping_dispatcher_is_woken_by_an_emit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running() as dispatcher:
        for n in range(3):
            assert dispatcher.waker.asleep
            bench.emit(n)
            await bench.settle()

    assert bench.numbers == [0, 1, 2]
    assert len(bench.queue.calls) == 3


async def test_the_first_event_lingers_for_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=0.05)
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(0.04)
        bench.emit(1)
        bench.emit(2, lane=1)
        early = list(bench.queue.calls)
        await bench.pass_time(0.011)

    assert early == []
    ((first, second),) = bench.queue.calls
    assert [first.count, second.count] == [2, 1]


async def test_each_wave_of_events_lingers_anew(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=0.05)
    async with bench.running():
        for n in range(3):
            bench.emit(n)
            await bench.pass_time(0.045)
            assert len(bench.queue.calls) == n
            await bench.pass_time(0.006)
            assert len(bench.queue.calls) == n + 1
            await bench.pass_time(1.0)


async def test_a_full_pack_does_not_linger(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    async with bench.running():
        for n in range(30):
            bench.emit(n, size=100)
        await bench.settle()

    assert bench.numbers[0] == 0
    assert len(bench.numbers) >= 5


async def test_packs_are_as_large_as_the_queue_bills(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedQueue(pack_bytes=4096), linger_seconds=1.0)
    async with bench.running():
        for n in range(100):
            bench.emit(n, size=50)
        await bench.pass_time(2.0)

    sizes = [len(message.body.encode()) for message in bench.delivered]
    assert bench.numbers == list(range(100))
    assert all(size <= 4096 for size in sizes)
    assert all(size > 3500 for size in sizes[:-1])


@pytest.mark.parametrize(
    ("wanted", "limit", "most"), [(1000, 256 * 1024, 1000), (8000, 256 * 1024, 8000), (8000, 3000, 3000)]
)
async def test_the_size_of_packs_can_be_chosen_up_to_what_the_queue_takes(
    tmp_path: Path, wanted: int, limit: int, most: int
) -> None:
    bench = Bench(tmp_path, ScriptedQueue(max_message_bytes=limit), pack_bytes=wanted)
    async with bench.running():
        for n in range(60):
            bench.emit(n, size=100)
        await bench.settle()

    sizes = [len(message.body.encode()) for message in bench.delivered]
    assert bench.numbers == list(range(60))
    assert most - 400 < max(sizes) <= most


async def test_an_event_larger_than_a_pack_travels_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running():
        for n, size in enumerate((10, 5000, 10)):
            bench.emit(n, size=size)
        await bench.settle()

    assert [message.count for message in bench.delivered] == [1, 1, 1]
    assert bench.numbers == [0, 1, 2]


async def test_noncharacters_are_escaped_on_their_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running():
        bench.pen.emit("query", {"n": 0, "text": "\ufffe\uffff"})
        await bench.settle()

    assert not {"\ufffe", "\uffff"} & set(bench.delivered[0].body)
    assert bench.queue.events[0].data["text"] == "\ufffe\uffff"


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        ({"max_batch_messages": 1}, 1),
        ({"max_batch_messages": 3}, 3),
        ({"max_batch_bytes": 5000}, 2),
        ({"max_batch_bytes": 20_000}, 8),
        ({"max_batch_bytes": 20_000, "max_batch_messages": 2}, 2),
    ],
)
async def test_a_call_stays_within_the_limits_of_the_queue(tmp_path: Path, limits: dict[str, int], most: int) -> None:
    bench = Bench(tmp_path, ScriptedQueue(**limits), lanes=8, publish_concurrency=1)
    async with bench.running():
        for n in range(240):
            bench.emit(n, lane=n % 8, size=100)
        await bench.finish()

    capabilities = bench.queue.capabilities
    for call in bench.queue.calls:
        assert len(call) <= capabilities.max_batch_messages
        assert sum(len(message.body.encode()) for message in call) <= capabilities.max_batch_bytes
    assert max(map(len, bench.queue.calls)) >= most
    assert sorted(bench.numbers) == list(range(240))


async def test_one_pack_over_the_batch_limit_travels_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedQueue(max_batch_bytes=1000))
    async with bench.running():
        bench.emit(0, lane=0, size=1500)
        bench.emit(1, lane=1, size=1500)
        await bench.settle()

    assert sorted(bench.numbers) == [0, 1]
    assert [len(call) for call in bench.queue.calls] == [1, 1]


async def test_messages_carry_the_key_of_their_lane_and_an_id_of_their_content(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running():
        for n in range(40):
            bench.emit(n, lane=n % 4, size=100)
            await bench.settle()

    assert {message.key for message in bench.delivered} == {f"lane-{lane:03d}" for lane in range(4)}
    assert len({message.id for message in bench.delivered}) == len(bench.delivered)
    for message in bench.delivered:
        assert {event.sessionid for event in events_of([message])} == {bench.session(int(message.key[-3:]))}


async def test_an_event_outside_of_requests_goes_to_some_lane(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running():
        for n in range(500):
            bench.pen.emit("query", {"n": n})
        await bench.settle()

    assert sorted(bench.numbers) == list(range(500))
    assert len({message.key for message in bench.delivered}) == 4


# Concurrency


async def test_a_lane_has_one_call_under_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.stuck = {"lane-000"}
    async with bench.running():
        bench.emit(0)
        await bench.settle()
        for n in range(1, 40):
            bench.emit(n, size=100)
        await bench.settle()
        before = len(bench.queue.calls)
        bench.queue.stuck.clear()
        bench.queue.freed.set()
        await bench.settle()

    assert before == 1
    assert bench.queue.most_under_way == 1
    assert bench.numbers == list(range(40))


async def test_lanes_are_published_side_by_side_within_the_bound(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ScriptedQueue(max_batch_messages=1), lanes=8, publish_concurrency=3)
    bench.queue.stuck = {f"lane-{lane:03d}" for lane in range(8)}
    async with bench.running():
        for n in range(8):
            bench.emit(n, lane=n)
        await bench.settle()
        before = len(bench.queue.calls)
        bench.queue.stuck.clear()
        bench.queue.freed.set()
        await bench.settle()

    assert before == 3
    assert bench.queue.most_under_way == 3
    assert sorted(bench.numbers) == list(range(8))


async def test_a_stuck_lane_holds_back_neither_the_others_nor_memory(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_backoff_seconds=1.0)
    bench.queue.outcome = lambda message: RETRY if message.key == "lane-000" else DELIVERED
    async with bench.running() as dispatcher:
        for n in range(2000):
            bench.emit(n, lane=n % 4, size=100)
            if n % 100 == 99:
                await bench.pass_time(0.1)
        await bench.settle()
        stuck = next(iter(dispatcher._own))
        held = sum(entry.size for entry in stuck.entries) + sum(pack.size for pack in stuck.packs)
        others = list(bench.numbers)
        before = bench.counts
        bench.queue.outcome = lambda message: DELIVERED
        await bench.finish()

    assert sorted(others) == [n for n in range(2000) if n % 4]
    assert held < (WINDOW_PACKS + 2) * bench.queue.capabilities.pack_bytes
    assert (before.delivered, before.pending) == (1500, 500)
    assert [n for n in bench.numbers if n % 4 == 0] == list(range(0, 2000, 4))
    assert bench.counts == Counts(delivered=2000)


# Retries


async def test_only_what_failed_is_sent_again_unchanged_and_in_order(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    failing = {"lane-001", "lane-003"}
    bench.queue.outcome = lambda message: RETRY if message.key in failing else DELIVERED
    async with bench.running():
        for n in range(40):
            bench.emit(n, lane=n % 4, size=100)
        await bench.settle()
        attempted = {message.key: message for call in bench.queue.calls for message in call if message.key in failing}
        bench.emit(41, lane=1)
        failing.clear()
        first_round = len(bench.queue.calls)
        await bench.pass_time(1.0)

    again = bench.queue.calls[first_round]
    assert sorted(again, key=lambda message: message.key) == [attempted["lane-001"], attempted["lane-003"]]
    for lane in range(4):
        expected = [n for n in [*range(40), 41] if n % 4 == lane]
        assert [n for n in bench.numbers if n % 4 == lane] == expected
    assert bench.counts == Counts(delivered=41)


async def test_a_lane_is_tried_again_after_a_backoff_with_full_jitter(tmp_path: Path) -> None:
    bench = Bench(tmp_path, backoff_seconds=1.0, max_backoff_seconds=5.0, breaker_failures=100)
    bench.clock.chance = 0.5
    bench.queue.outcome = lambda message: RETRY
    moments = []
    async with bench.running():
        bench.emit(0)
        await bench.settle()
        for _ in range(6):
            calls, began = len(bench.queue.calls), bench.clock.monotonic()
            await bench.until(partial(more_calls, bench, calls))
            moments.append(round(bench.clock.monotonic() - began, 6))

    assert moments == [0.5, 1.0, 2.0, 2.5, 2.5, 2.5]


async def test_the_backoff_of_a_lane_begins_anew_after_a_success(tmp_path: Path) -> None:
    bench = Bench(tmp_path, backoff_seconds=1.0, breaker_failures=100)
    bench.clock.chance = 0.5
    outcomes = [RETRY, RETRY, DELIVERED, RETRY, DELIVERED]
    bench.queue.outcome = lambda message: outcomes.pop(0)
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(1.5)
        bench.emit(1)
        await bench.pass_time(0.4)
        early = list(bench.numbers)
        await bench.pass_time(0.2)

    assert early == [0]
    assert bench.numbers == [0, 1]


async def test_the_hint_of_an_outcome_is_honoured(tmp_path: Path) -> None:
    bench = Bench(tmp_path, backoff_seconds=0.1)
    bench.queue.answers.append([Outcome("retry", "throttled", 7.0)])
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(6.9)
        early = len(bench.queue.calls)
        await bench.pass_time(0.2)

    assert early == 1
    assert bench.numbers == [0]


async def test_the_hint_of_a_failed_call_is_honoured(tmp_path: Path) -> None:
    bench = Bench(tmp_path, backoff_seconds=0.1)
    bench.queue.failures.append(TransientError("throttled", retry_after=7.0))
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(6.9)
        early = len(bench.queue.calls)
        await bench.pass_time(0.2)

    assert early == 1
    assert bench.numbers == [0]
    assert bench.errors == []


@pytest.mark.parametrize(
    "failure",
    [
        TransientError("down"),
        PermanentError("no such queue"),
        ValueError("a mistake"),
        OSError(5, "input/output error"),
        TimeoutError(),
        ExceptionGroup("several", [ValueError()]),
        RecursionError(),
        asyncio.CancelledError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_whatever_an_adapter_raises_the_same_messages_are_sent_again(
    tmp_path: Path, failure: BaseException
) -> None:
    bench = Bench(tmp_path)
    bench.queue.failures += [failure, failure]
    async with bench.running():
        bench.emit(0, lane=0)
        bench.emit(1, lane=1)
        await bench.settle()
        at_once = len(bench.queue.calls)
        await bench.pass_time(10.0)

    assert at_once == 1
    assert len(bench.queue.calls) == 3
    assert bench.queue.calls[0] == bench.queue.calls[1] == bench.queue.calls[2]
    assert sorted(bench.numbers) == [0, 1]
    assert bench.counts == Counts(delivered=2)


@pytest.mark.parametrize(
    "failure", [PermanentError("no such queue"), ValueError("a mistake")], ids=lambda failure: type(failure).__name__
)
async def test_unexpected_errors_of_an_adapter_reach_the_hook(tmp_path: Path, failure: Exception) -> None:
    bench = Bench(tmp_path)
    bench.queue.failures.append(failure)
    async with bench.running():
        bench.emit(0)
        await bench.settle()

    assert bench.errors == [failure]


class Oddity:
    """Looks like an outcome until one looks closer."""

    status = "lost"
    reason = ""
    retry_after = None


@pytest.mark.parametrize(
    "answer",
    [[], [DELIVERED], [DELIVERED] * 3, None, 5, "ok", [None, None], ["delivered", "delivered"], [Oddity(), Oddity()]],
    ids=repr,
)
async def test_an_answer_that_is_none_delivers_nothing(tmp_path: Path, answer: Any) -> None:
    bench = Bench(tmp_path)
    bench.queue.answers += [answer, answer]
    async with bench.running():
        bench.emit(0, lane=0)
        bench.emit(1, lane=1)
        await bench.settle()
        at_once, pending = len(bench.queue.calls), bench.counts.pending
        await bench.pass_time(10.0)

    assert (at_once, pending) == (1, 2)
    assert len(bench.queue.calls) == 3
    assert sorted(bench.numbers) == [0, 1]
    assert bench.counts == Counts(delivered=2)


async def test_a_call_that_hangs_is_given_up_and_made_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, publish_timeout=0.01)
    bench.queue.stuck = {"lane-000"}
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.settle()
        assert bench.queue.under_way == 1
        await eventually(lambda: not bench.queue.under_way)
        bench.queue.stuck.clear()
        await bench.pass_time(10.0)

    assert bench.queue.calls[0] == bench.queue.calls[1]
    assert bench.numbers == [0]
    assert dispatcher.breaker.state == "closed"


# The breaker


async def test_the_breaker_opens_probes_with_one_call_and_closes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = ScriptedQueue(max_batch_messages=1)
    bench = Bench(tmp_path, queue, breaker_failures=3, backoff_seconds=1.0, max_backoff_seconds=1.0)
    bench.clock.chance = 1.0
    queue.failures += [TransientError("down")] * 20
    with caplog.at_level(logging.WARNING, "fireforget"):
        async with bench.running() as dispatcher:
            for n in range(400):
                bench.emit(n, lane=n % 4, size=50)
            await bench.settle()
            opened = len(queue.calls)
            calls_per_second = []
            for _ in range(10):
                before = len(queue.calls)
                await bench.pass_time(1.0)
                calls_per_second.append(len(queue.calls) - before)
            state = dispatcher.breaker.state
            queue.failures.clear()
            await bench.pass_time(5.0)

    assert opened == 4  # as many were under way when the third one failed
    assert calls_per_second == [1] * 10
    assert state == "open"
    assert sorted(bench.numbers) == list(range(400))
    for lane in range(4):
        assert [n for n in bench.numbers if n % 4 == lane] == list(range(lane, 400, 4))
    assert [record.getMessage() for record in caplog.records] == [
        "the queue does not take messages (down): events wait in the journal",
        "the queue answers again: publishing goes on",
    ]


async def test_one_lane_that_is_put_off_again_and_again_opens_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, breaker_failures=3, max_backoff_seconds=0.2)
    bench.queue.outcome = lambda message: DELIVERED if message.key == "lane-001" else RETRY
    async with bench.running() as dispatcher:
        for n in range(40):
            bench.emit(n, lane=n % 2)
            await bench.pass_time(0.2)
            assert dispatcher.breaker.state == "closed"
        while_stuck = list(bench.numbers)
        bench.queue.outcome = lambda message: DELIVERED
        await bench.finish()

    assert while_stuck == list(range(1, 40, 2))
    assert [n for n in bench.numbers if n % 2 == 0] == list(range(0, 40, 2))
    assert [record.getMessage() for record in caplog.records] == [
        "lane-000 waits, the other lanes go on: the queue says busy",
        "lane-000 goes on",
    ]


async def test_a_call_in_which_all_messages_are_put_off_counts_as_failed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, breaker_failures=2, backoff_seconds=0.01)
    bench.queue.outcome = lambda message: RETRY
    async with bench.running() as dispatcher:
        bench.emit(0, lane=0)
        bench.emit(1, lane=1)
        await bench.settle()
        states = [dispatcher.breaker.state]
        bench.clock.advance(1.0)
        await bench.settle()
        states.append(dispatcher.breaker.state)
    assert states == ["closed", "open"]


# What is refused for good


async def test_a_refused_pack_is_split_and_only_the_culprit_put_aside(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.outcome = lambda message: REFUSED if '"n":5,' in message.body else DELIVERED
    async with bench.running():
        ids = [bench.emit(n) for n in range(10)]
        await bench.settle()

    (letter,) = bench.file.read()
    assert bench.numbers == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert (letter.id, letter.reason, letter.time) == (ids[5], "not like this", bench.clock.now())
    assert events_of([letter.message])[0].data["n"] == 5
    assert bench.counts == Counts(delivered=9, dead_lettered=1)
    assert bench.buried == [(letter.message, "not like this")]


async def test_one_refusal_delays_neither_its_lane_nor_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.outcome = lambda message: REFUSED if '"n":4,' in message.body else DELIVERED
    async with bench.running() as dispatcher:
        for n in range(80):
            bench.emit(n, lane=n % 4, size=100)
        await bench.settle()
        await bench.settle()
        assert dispatcher.breaker.state == "closed"

    by_lane = defaultdict(list)
    for n in bench.numbers:
        by_lane[n % 4].append(n)
    assert all(numbers == sorted(numbers) for numbers in by_lane.values())
    assert sorted(bench.numbers) == [n for n in range(80) if n != 4]


async def test_a_split_pack_keeps_its_order_under_retries(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    turns = itertools.count()

    def outcome(message: Message) -> Outcome:
        if '"n":3,' in message.body:
            return REFUSED
        return RETRY if message.count == 1 and next(turns) % 2 else DELIVERED

    bench.queue.outcome = outcome
    async with bench.running():
        for n in range(8):
            bench.emit(n)
        await bench.pass_time(60.0)

    assert bench.numbers == [0, 1, 2, 4, 5, 6, 7]
    assert [letter.message.count for letter in bench.file.read()] == [1]


async def test_what_cannot_be_put_aside_stays_in_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "taken").write_text("")
    bench = Bench(tmp_path / "taken" / "letters", backoff_seconds=1.0, max_backoff_seconds=1.0)
    bench.clock.chance = 1.0
    bench.queue.outcome = lambda message: REFUSED
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(0.9)
        before = (len(bench.queue.calls), bench.counts)
        (tmp_path / "taken").unlink()
        await bench.pass_time(0.2)

    assert before == (1, Counts(pending=1))
    assert bench.counts == Counts(dead_lettered=1)
    assert len(list(bench.file.read())) == 1
    assert "cannot write the dead-letter file (Not a directory)" in caplog.text


async def test_damage_costs_the_damaged_event_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for n in range(3):
        bench.emit(n)
    bench.pen.open_journal().seal()
    mapping = bench.pen.open_journal().tail.file.mapping
    at = mapping.find(b'{"n":1,', 0)
    mapping[at + 3] = ord("!")

    async with bench.running():
        await bench.settle()

    assert bench.numbers == [0, 2]
    assert (bench.counts.delivered, bench.counts.corrupt, bench.counts.pending) == (2, 1, 0)


async def test_what_cannot_be_written_down_is_sent_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(tmp_path, backoff_seconds=1.0, max_backoff_seconds=1.0)
    bench.clock.chance = 1.0
    journal = bench.pen.open_journal()
    settle, failures = journal.settle, [OSError("the disk is gone"), OSError("still gone")]

    def fail(*arguments: Any) -> None:
        if failures:
            raise failures.pop(0)
        settle(*arguments)

    monkeypatch.setattr(journal, "settle", fail)
    async with bench.running():
        bench.emit(0)
        await bench.pass_time(0.9)
        before = (len(bench.queue.calls), bench.counts.pending)
        await bench.finish()

    assert before == (1, 1)
    assert bench.counts == Counts(delivered=1)
    assert bench.queue.calls[0] == bench.queue.calls[1] == bench.queue.calls[2]
    assert [str(error) for error in bench.errors] == ["the disk is gone", "still gone"]
    assert "what became of a call cannot be written down" in caplog.text


# Hooks


async def test_hooks_that_raise_stop_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(tmp_path)
    for register in (bench.hooks.on_delivered, bench.hooks.on_dead_letter, bench.hooks.on_error):
        register(lambda *_: 1 / 0)
    bench.queue.outcome = lambda message: REFUSED if '"n":1,' in message.body else DELIVERED
    bench.queue.failures.append(ValueError("a mistake"))
    async with bench.running():
        for n in range(3):
            bench.emit(n)
        await bench.pass_time(10.0)

    assert bench.numbers == [0, 2]
    assert bench.counts == Counts(delivered=2, dead_lettered=1)
    assert caplog.text.count("a hook of the application failed") == 4


async def test_the_hook_for_deliveries_gets_each_message_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    outcomes = itertools.cycle([RETRY, DELIVERED])
    bench.queue.outcome = lambda message: next(outcomes)
    async with bench.running():
        for n in range(20):
            bench.emit(n, lane=n % 4)
        await bench.pass_time(60.0)

    assert bench.delivered == bench.queue.taken
    assert sum(message.count for message in bench.delivered) == 20


# What cannot be read


async def test_an_event_that_is_no_json_is_put_aside_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    for n in range(9):
        bench.emit(n)
        if n in {0, 4, 5}:
            flawed = b'{"n":\xff}' if n else b'{"n":}'
            assert bench.pen.open_journal().append(Binding(b"", 0), "query", bench.clock.time_ns(), 1000 + n, flawed)
    async with bench.running():
        await bench.settle()

    assert bench.numbers == list(range(9))
    assert bench.counts == Counts(delivered=9, dead_lettered=3)
    letters = list(bench.file.read())
    assert [reason for _, reason in bench.buried] == [letter.reason for letter in letters]
    assert all(letter.reason.startswith("its data is no JSON text: ") for letter in letters)
    assert '"data":{"n":\\xff}}' in letters[1].message.body
    assert bench.dispatcher.breaker.state == "closed"


async def test_a_journal_that_cannot_be_read_at_the_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for n in range(60):
        bench.emit(n, lane=n % 3, size=100)
    journal, reads = bench.pen.open_journal(), itertools.count()
    payload = journal.payload

    def fail_once(entry: Entry) -> bytes | None:
        if next(reads) == 5:
            raise OSError(errno.EMFILE, "Too many open files")
        return payload(entry)

    monkeypatch.setattr(journal, "payload", fail_once)
    async with bench.running() as dispatcher:
        failed = bench.dispatching.exception()
        again = asyncio.ensure_future(dispatcher.run())
        await bench.settle()
        again.cancel()

    assert isinstance(failed, OSError)
    assert [[n for n in bench.numbers if n % 3 == lane] for lane in range(3)] == [
        list(range(lane, 60, 3)) for lane in range(3)
    ]
    assert bench.counts == Counts(delivered=60)


async def test_a_refused_pack_that_cannot_be_split_now_is_split_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path)
    for n in range(3):
        bench.emit(n)
    journal = bench.pen.open_journal()
    payload, failures = journal.payload, [OSError(errno.EMFILE, "Too many open files")]

    def fail_once_split(entry: Entry) -> bytes | None:
        if bench.queue.calls and failures:
            raise failures.pop()
        return payload(entry)

    monkeypatch.setattr(journal, "payload", fail_once_split)
    bench.queue.outcome = lambda message: REFUSED if message.count > 1 else DELIVERED
    async with bench.running():
        await bench.finish()

    assert not failures
    assert bench.numbers == [0, 1, 2]


async def test_a_lingering_pack_that_is_full_goes_at_once_though_nobody_was_woken(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.settle()
        for n in range(1, 30):
            assert not dispatcher.waker.asleep
            bench.emit(n, size=100)
        await bench.pass_time(LOOK_SECONDS)

    assert bench.clock.monotonic() <= 2 * LOOK_SECONDS
    assert bench.numbers[0] == 0
    assert len(bench.numbers) >= 5


async def test_while_the_queue_is_down_nobody_looks_whether_a_pack_is_full(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0, breaker_failures=1, backoff_seconds=30.0)
    bench.clock.chance = 1.0
    bench.queue.failures.append(TransientError("down"))
    async with bench.running() as dispatcher:
        for n in range(30):
            bench.emit(n, size=100)
        await bench.settle()
        bench.emit(30, lane=1)
        await bench.settle()

        assert dispatcher.breaker.state == "open"
        assert bench.clock.next_moment() == 30.0


# The end, and other journals


async def test_a_drain_that_can_do_nothing_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.emit(0)
    dispatcher = Dispatcher(bench.pen.open_journal(), bench.queue, bench.settings, bench.clock, bench.file, bench.hooks)
    wakings = list[int]()

    class Counted(Waker):
        def wake(self) -> None:
            wakings.append(1)

    dispatcher.waker = Counted()
    drain = asyncio.ensure_future(dispatcher.drain())  # while nobody dispatches
    await bench.pass_time(2.0)
    drain.cancel()
    await asyncio.wait({drain})

    assert 1 < len(wakings) <= 2.0 / bench.settings.backoff_seconds + 2


async def test_draining_publishes_without_lingering(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    async with bench.running() as dispatcher:
        for n in range(20):
            bench.emit(n, lane=n % 4)
        await bench.settle()
        early = len(bench.queue.calls)
        await asyncio.wait_for(dispatcher.drain(), 30)

    assert early == 0
    assert bench.counts == Counts(delivered=20)
    assert bench.clock.monotonic() == 0.0


async def test_draining_goes_on_through_failures(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    bench.queue.failures += [TransientError("down")] * 3
    async with bench.running() as dispatcher:
        bench.emit(0)
        drain = asyncio.ensure_future(dispatcher.drain())
        await bench.pass_time(10.0)
        assert drain.done()

    assert bench.numbers == [0]


async def test_a_drain_ends_although_others_go_on_emitting(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    later = itertools.count(100)

    def meanwhile(_message: Message) -> Outcome:
        for lane in range(4):
            bench.emit(next(later), lane=lane)
        return DELIVERED

    bench.queue.outcome = meanwhile
    async with bench.running() as dispatcher:
        for n in range(20):
            bench.emit(n, lane=n % 4)
        await asyncio.wait_for(dispatcher.drain(), 30)
        bench.queue.outcome = lambda message: DELIVERED

    assert set(range(20)) <= set(bench.numbers)
    assert bench.counts.pending > 0


async def test_draining_nothing_returns_at_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running() as dispatcher:
        await asyncio.wait_for(dispatcher.drain(), 30)

    assert bench.queue.calls == []


async def test_a_drain_that_is_cut_off_leaves_everything_pending(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    bench.queue.stuck = {"lane-000"}
    async with bench.running() as dispatcher:
        bench.emit(0)
        drain = asyncio.ensure_future(dispatcher.drain())
        await bench.settle()
        drain.cancel()
        await asyncio.wait({drain})
        bench.emit(1, lane=1)
        await bench.settle()

        assert dispatcher.pending == 2
        assert len(bench.queue.calls) == 1  # and it lingers again

    assert bench.counts == Counts(pending=2)


async def test_what_was_under_way_at_the_end_is_sent_by_the_next_dispatcher(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.stuck = {"lane-000"}
    async with bench.running():
        bench.emit(0)
        await bench.settle()
        assert bench.queue.under_way == 1
    assert bench.queue.under_way == 0
    assert bench.counts == Counts(pending=1)


async def test_the_journal_of_a_neighbour_is_published_too_and_given_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    neighbour = Pen(clock=bench.clock)
    for n in range(100, 150):
        with correlated(n, bench.session(n % 4)):
            neighbour.emit("query", {"n": n})
    bench.queue.outcome = lambda message: RETRY
    async with bench.running() as dispatcher:
        dispatcher.add(neighbour.open_journal())
        for n in range(50):
            bench.emit(n, lane=n % 4)
        pending = dispatcher.pending
        await bench.settle()
        early = dispatcher.finished()
        bench.queue.outcome = lambda message: DELIVERED
        await bench.until(lambda: not dispatcher.pending)

        assert (pending, early) == (100, [])
        assert dispatcher.finished() == [neighbour.open_journal()]
        assert dispatcher.finished() == []

    assert sorted(bench.numbers) == [*range(50), *range(100, 150)]
    assert neighbour.counts == bench.counts == Counts(delivered=50)
    for call in bench.queue.calls:
        assert len({message.key for message in call}) == len(call)


async def test_a_neighbour_that_cannot_be_delivered_holds_nothing_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    neighbour = Pen(clock=bench.clock)
    neighbour.emit("query", {"n": 100})
    bench.queue.outcome = lambda message: RETRY if '"n":100' in message.body else DELIVERED
    async with bench.running() as dispatcher:
        dispatcher.add(neighbour.open_journal())
        for n in range(20):
            bench.emit(n, lane=n % 4)
            await bench.pass_time(0.1)

        assert dispatcher.finished() == []
        assert dispatcher.pending == 1

    assert bench.numbers == list(range(20))


async def test_the_law_holds_at_every_step(tmp_path: Path) -> None:
    bench = Bench(tmp_path, max_backoff_seconds=0.2)
    outcomes = itertools.cycle([DELIVERED, RETRY, REFUSED, DELIVERED, DELIVERED])
    bench.queue.outcome = lambda message: next(outcomes)
    accepted = 0
    async with bench.running():
        for n in range(60):
            bench.emit(n, lane=n % 4)
            accepted += 1
            check_law(bench.counts, accepted)
            await bench.pass_time(0.05)
            check_law(bench.counts, accepted)
        await bench.pass_time(60.0)

    counts = bench.counts
    check_law(counts, 60)
    assert counts.pending == 0
    assert counts.delivered == len(bench.numbers)
    assert counts.dead_lettered == len(list(bench.file.read())) == len(bench.buried)


# A process that is frozen


async def test_settling_goes_on_through_failures(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0)
    bench.queue.failures += [TransientError("down")] * 3
    async with bench.running() as dispatcher:
        bench.emit(0)
        settling = asyncio.ensure_future(dispatcher.settle())
        await bench.until(settling.done)

    assert bench.numbers == [0]


async def test_settling_does_not_wait_for_a_queue_that_is_down(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=60.0, breaker_failures=3)
    bench.queue.failures += [TransientError("down")] * 100
    async with bench.running() as dispatcher:
        bench.emit(0)
        settling = asyncio.ensure_future(dispatcher.settle())
        await bench.until(settling.done)

    assert len(bench.queue.calls) == 3
    assert bench.counts.pending == 1


async def test_at_rest_it_begins_no_call_and_waits_for_those_under_way(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.stuck = {"lane-000"}
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.settle()
        resting = asyncio.ensure_future(dispatcher.rest())
        bench.emit(1, lane=1)
        await bench.pass_time(60.0)
        assert not resting.done()
        bench.queue.stuck = set()
        bench.queue.freed.set()
        await bench.until(resting.done)
        await bench.pass_time(60.0)
        assert bench.numbers == [0]

        dispatcher.resume()
        await bench.finish()

    assert bench.numbers == [0, 1]


async def test_resumed_it_tries_at_once_what_waited_for_another_try(tmp_path: Path) -> None:
    bench = Bench(tmp_path, backoff_seconds=3600.0, max_backoff_seconds=3600.0, breaker_failures=1)
    bench.queue.failures.append(TransientError("down"))
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.settle()
        assert bench.counts.pending == 1
        dispatcher.resume()
        await bench.settle()

    assert bench.numbers == [0]
    assert bench.clock.monotonic() == 0.0


async def test_who_drains_does_not_wait_for_the_rest_to_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.running() as dispatcher:
        await dispatcher.rest()
        bench.emit(0)
        await asyncio.wait_for(dispatcher.drain(), 30)

    assert bench.numbers == [0]


async def test_the_time_of_a_call_stands_still_while_it_rests(tmp_path: Path) -> None:
    bench = Bench(tmp_path, publish_timeout=0.02)
    bench.queue.stuck = {"lane-000"}
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.settle()
        resting = asyncio.ensure_future(dispatcher.rest())
        await asyncio.sleep(0.1)  # five times what a call may take
        assert not resting.done()
        assert bench.queue.under_way == 1

        dispatcher.resume()
        await eventually(lambda: bench.queue.under_way == 0)
        await resting

    assert bench.counts.pending == 1


# Steps


@pytest.mark.parametrize(
    ("sizes", "turns"), [([100] * 20, 0), ([2000] * 10, 9), ([3000] * 3, 2), ([1500] * 4, 3), ([900, 900, 900, 100], 1)]
)
async def test_small_packs_share_a_step_and_the_application_gets_its_turn_after_a_full_one(
    tmp_path: Path, sizes: list[int], turns: int
) -> None:
    bench = Bench(tmp_path, ScriptedQueue(pack_bytes=2000))
    counted = itertools.count()

    async def count() -> None:
        while True:
            next(counted)
            await asyncio.sleep(0)

    async with bench.running() as dispatcher:
        counting = asyncio.ensure_future(count())
        await asyncio.sleep(0)
        before = next(counted)
        step = 0
        for size in sizes:
            step = await dispatcher._step(step, size)
        after = next(counted)
        counting.cancel()

    assert after - before - 1 == turns


# What is deferred while the application needs the interpreter


async def test_events_press_once_they_have_waited_for_as_long_as_they_may(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=3600.0, defer_seconds=10.0)
    async with bench.running() as dispatcher:
        assert not dispatcher.pressed
        bench.emit(0)
        await bench.pass_time(9.9)
        bench.emit(1, lane=1)
        assert not dispatcher.pressed
        await bench.pass_time(0.2)
        assert dispatcher.pressed
        flush = asyncio.ensure_future(dispatcher.flush())
        await bench.until(flush.done)

        assert bench.numbers == [0, 1]
        assert not dispatcher.pressed


async def test_where_nothing_is_to_be_deferred_delivery_always_presses(tmp_path: Path) -> None:
    bench = Bench(tmp_path, defer_seconds=0.0)
    async with bench.running() as dispatcher:
        assert dispatcher.pressed
        bench.emit(0)
        await bench.settle()

        assert bench.numbers == [0]
        assert dispatcher.pressed


async def test_what_the_queue_does_not_take_presses_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, defer_seconds=1.0, breaker_failures=1, backoff_seconds=3600.0, max_backoff_seconds=3600.0)
    bench.queue.failures.extend([TransientError("down")] * 2)
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.pass_time(60.0)

        assert bench.counts.pending == 1
        assert not dispatcher.pressed


async def test_old_events_press_until_the_queue_has_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path, defer_seconds=1.0)
    bench.queue.stuck = {"lane-000"}
    async with bench.running() as dispatcher:
        bench.emit(0)
        await bench.pass_time(5.0)
        assert bench.queue.under_way == 1
        assert dispatcher.pressed
        bench.queue.freed.set()
        bench.queue.stuck.clear()
        await bench.settle()

        assert bench.numbers == [0]
        assert not dispatcher.pressed


async def test_one_lane_that_the_queue_does_not_take_presses_nobody(tmp_path: Path) -> None:
    bench = Bench(tmp_path, defer_seconds=1.0, backoff_seconds=3600.0, max_backoff_seconds=3600.0)
    bench.queue.outcome = lambda message: RETRY if message.key == "lane-000" else DELIVERED
    async with bench.running() as dispatcher:
        bench.emit(0)
        bench.emit(1, lane=1)
        await bench.pass_time(5.0)

        assert bench.numbers == [1]
        assert bench.counts.pending == 1
        assert not dispatcher.pressed


async def test_a_filling_journal_presses_long_before_an_event_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, linger_seconds=3600.0, defer_seconds=3600.0)
    bench.pen.options = Options(segment_bytes=8192, max_bytes=16 * 8192, durability="none")
    bench.pen._journal = None
    async with bench.running() as dispatcher:
        emitted = 0
        while not dispatcher.pressed:
            bench.emit(emitted, emitted % 4, 400)
            emitted += 1
            await asyncio.sleep(0)
            assert emitted < 1000

        assert 0.3 < bench.pen.open_journal().fullness - PRESSING_FULLNESS + 0.5 < 0.7
        assert bench.counts.refused == {}
        drain = asyncio.ensure_future(dispatcher.drain())
        await bench.until(drain.done)
        assert sorted(bench.numbers) == list(range(emitted))
        assert not dispatcher.pressed
