"""Appending in the middle of an append, at every single instruction of it, and from many threads at once."""

import itertools
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from fireforget._journal import Binding, Journal, Options
from fireforget._journal import appender as appender_module
from fireforget._journal import segment as segment_module
from tests.journals import (
    NOTHING,
    PROCESS,
    TINY,
    adopted,
    assert_law,
    body,
    compact,
    context,
    deliver,
    emit,
    everything,
    in_child,
    numbers,
    opened,
)

APPENDER = appender_module.__file__


def interrupted(work: Callable[[], object], at: int, interruption: Callable[[], object]) -> bool:
    """Run some work, and something else before the instruction number `at` of the appender; False if it has fewer."""
    left = at

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if frame.f_code.co_filename != APPENDER:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                sys.settrace(None)
                interruption()
                sys.settrace(trace)
        return trace

    sys._getframe().f_trace_opcodes = True  # Python 3.12 looks for it when the tracing begins
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)
    return left <= 0


def contexts_fit(journal: Journal) -> None:
    """Every event carries the context it was emitted in, and its own type."""
    for entry in everything(journal.cursor()):
        payload = journal.payload(entry)
        assert payload is not None
        number = int(payload.partition(b'"n":')[2].partition(b",")[0])
        assert entry.context == context(number // 1000).fragment
        assert entry.type == b'"type":"t%d"' % (number // 1000)


def _nearly_full(journal: Journal) -> None:
    """Fill the tail so that the next two events do not both fit in it."""
    room = journal.tail.file.size - journal.tail.end()
    journal.append(Binding(b"", 0), "fill", 1, 0, b'{"n":0,"pad":"%s"}' % (b"x" * (room - 36 - 36 - 13 - 16 - 40)))


@pytest.mark.parametrize("full", [False, True], ids=["room", "full"])
@pytest.mark.parametrize("same", [False, True], ids=["another context", "the same context"])
def test_an_append_may_be_interrupted_by_another_at_every_instruction(tmp_path: Path, full: bool, same: bool) -> None:
    at = 0
    more = True
    while more:
        at += 1
        journal = opened(tmp_path, NOTHING)
        if full:
            _nearly_full(journal)
            journal.settle(everything(journal), "delivered")
        outer = context(1)
        inner = outer if same else context(2)
        number = 1 if same else 2

        def nest(journal: Journal = journal, inner: Binding = inner, number: int = number) -> None:
            for more in range(2):
                assert emit(journal, inner, f"t{number}", body(number * 1000 + 1 + more))

        def work(journal: Journal = journal, outer: Binding = outer) -> None:
            assert emit(journal, outer, "t1", body(1000))

        more = interrupted(work, at, nest)
        for binding, kind in ((outer, 1), (inner, number)):
            assert emit(journal, binding, f"t{kind}", body(kind * 1000 + 500))

        entries = everything(journal)
        found = numbers(journal, entries)
        expected = [1000, 1500, number * 1000 + 500] + ([number * 1000 + 1, number * 1000 + 2] if more else [])
        assert sorted(found) == sorted(expected)
        assert found.index(1500) > found.index(1000)
        if more:
            assert found.index(number * 1000 + 1) < found.index(number * 1000 + 2) < found.index(number * 1000 + 500)
        contexts_fit(journal)
        assert [entry.position for entry in entries] == sorted(entry.position for entry in entries)
        journal.close()
    assert at > 100


def test_a_nested_append_that_fills_segments_leaves_the_order_intact(tmp_path: Path) -> None:
    options = Options(segment_bytes=8192, max_bytes=1 << 20, durability="none")
    for at in range(1, 400, 3):
        journal = opened(tmp_path, options)
        _nearly_full(journal)
        journal.settle(everything(journal), "delivered")

        def nest(journal: Journal = journal) -> None:
            for number in range(30):
                assert emit(journal, context(2), "t2", body(2000 + number, 300))

        outer = context(1)
        interrupted(partial(emit, journal, outer, "t1", body(1000)), at, nest)
        assert emit(journal, outer, "t1", body(1001))

        found = numbers(journal, everything(journal))
        nested = [number for number in found if number >= 2000]
        assert nested == sorted(nested)
        assert found.count(1000) == found.count(1001) == 1
        assert found[-1] == 1001
        contexts_fit(journal)
        assert journal._chain.last is journal.tail
        journal.close()


def test_a_segment_that_two_made_at_once_is_made_once(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    folder = journal._folder
    assert folder is not None
    for at in itertools.count(1, 2):
        _nearly_full(journal)
        nest = partial(emit, journal, context(2), "t2", body(2000))
        more = interrupted(partial(emit, journal, context(1), "t1", body(1000)), at, nest)

        files = {path.name for path in folder.glob("*.seg")}
        assert files == {file.path.name for file in journal._chain.files() if file.path}
        deliver(journal, everything(journal))
        if not more:
            break


def test_an_append_broken_off_by_an_exception_leaves_the_journal_usable(tmp_path: Path) -> None:
    at = 0
    broken = True
    while broken:
        at += 1
        journal = opened(tmp_path, NOTHING)
        _nearly_full(journal)
        request = context(1)
        try:
            broken = interrupted(partial(emit, journal, request, "t1", body(1000)), at, _break)
        except KeyboardInterrupt:
            broken = True
        assert emit(journal, request, "t1", body(1001))
        assert emit(journal, context(2), "t2", body(2000))
        assert numbers(journal, everything(journal))[-2:] == [1001, 2000]
        journal.close()
    assert at > 100


def _break() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("locked", [False, True], ids=["by the GIL", "by locks"])
@pytest.mark.parametrize("durability", ["process", "none"])
def test_threads_append_side_by_side_while_the_engine_reads(
    tmp_path: Path, durability: str, locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if locked:
        monkeypatch.setattr(segment_module, "GIL", False)
        monkeypatch.setattr(appender_module, "GIL", False)
    journal = opened(tmp_path, NOTHING if durability == "none" else TINY)
    shared = context(9)
    interval = sys.getswitchinterval()
    accepted: list[int] = []
    stop = threading.Event()

    def emitter(thread: int) -> None:
        mine = 0
        for number in range(1500):
            binding, kind = (shared, 9) if number % 3 == 0 else (context(thread), thread)
            if emit(journal, binding, f"t{kind}", body(kind * 1_000_000 + thread * 100_000 + number)):
                mine += 1
        accepted.append(mine)

    found: list[tuple[int, bytes, bytes]] = []

    def engine() -> None:
        while True:
            last = stop.is_set()
            journal.prepare()
            entries = journal.walk(100)
            for entry in entries:
                payload = journal.payload(entry)
                assert payload is not None
                found.append((int(payload.partition(b'"n":')[2].partition(b",")[0]), entry.context, entry.type))
            deliver(journal, entries)
            compact(journal)
            if last and not entries:
                return

    threads = [threading.Thread(target=emitter, args=(thread,)) for thread in range(1, 5)]
    reader = threading.Thread(target=engine)
    sys.setswitchinterval(1e-6)
    try:
        for thread in [*threads, reader]:
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        reader.join()
    finally:
        sys.setswitchinterval(interval)

    assert len(found) == sum(accepted)
    assert_law(journal.counts, accepted=sum(accepted), delivered=sum(accepted), corrupt=0)
    for number, fragment, kind in found:
        assert fragment == context(number // 1_000_000).fragment
        assert kind == b'"type":"t%d"' % (number // 1_000_000)
    for name in range(1, 5):
        own = [number for number, _, _ in found if number // 1_000_000 == name]
        assert own == sorted(own)


def test_a_fork_in_the_middle_of_an_append_leaves_both_sides_whole(tmp_path: Path) -> None:
    for at in (3, 40, 90, 140):
        root = tmp_path / str(at)
        journal = opened(root)
        _nearly_full(journal)
        statuses: list[int] = []

        def fork(journal: Journal = journal, root: Path = root, statuses: list[int] = statuses) -> None:
            def child(report: int) -> None:
                journal.after_fork_in_child()
                own = opened(root)
                assert emit(own, context(3), "t3", body(3000))

            statuses.append(in_child(child)[0])

        assert interrupted(partial(emit, journal, context(1), "t1", body(1000)), at, fork)

        assert statuses == [0]
        assert numbers(journal, everything(journal))[-1] == 1000
        heir = adopted(root)
        assert numbers(heir, everything(heir)) == [3000]
        assert emit(journal, PROCESS, "t", body(0))
