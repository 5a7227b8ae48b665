"""SIGKILL: what was accepted is found again, and every count is right, wherever death comes."""

import errno
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from zlib import crc32

import pytest

import fireforget._journal as package
from fireforget._journal import Entry, Journal, Options, adopt, totals, verify
from tests.faults.cases import mounted
from tests.journals import (
    PROCESS,
    QUEUE,
    TINY,
    adopted,
    assert_law,
    body,
    compact,
    context,
    deliver,
    die,
    emit,
    everything,
    fill,
    in_child,
    numbers,
    opened,
)

PACKAGE = str(Path(package.__file__).parent)
KILLED = int(signal.SIGKILL)

LOOP = """
import os, sys, threading
from pathlib import Path
from fireforget._journal import Journal, Options
from tests.journals import body, context, emit, everything

journal = Journal.open(Path(sys.argv[1]), "digest", Options(segment_bytes=16384, durability=sys.argv[2]))

def engine():
    while True:
        journal.prepare()
        journal.settle(journal.walk(20)[::3], "delivered")
        compact(journal)

threading.Thread(target=engine, daemon=True).start()
number = 0
while True:
    request = context(number)
    for _ in range(5):
        if emit(journal, request, "query", body(number, number % 300)):
            os.write(1, b"%d\\n" % number)
        number += 1
"""


@pytest.mark.parametrize("durability", ["process", "power"])
def test_every_event_that_was_reported_accepted_is_found_after_a_kill(tmp_path: Path, durability: str) -> None:
    for lines in (1, 700, 1500):
        root = tmp_path / str(lines)
        with subprocess.Popen(
            [sys.executable, "-c", LOOP, str(root), durability],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            cwd=Path(__file__).parents[2],
        ) as process:
            assert process.stdout
            reported = [int(process.stdout.readline()) for _ in range(lines)]
            process.kill()
            reported += [int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")]

        heir = adopted(root)

        counts = heir.counts
        assert counts.corrupt == 0
        assert counts.accepted - len(reported) in {0, 1}
        found = numbers(heir, everything(heir))
        assert found == sorted(set(found))
        assert len(found) == counts.pending
        assert counts.delivered == counts.accepted - counts.pending
        assert verify(root / heir.id).counts.accepted == counts.accepted
        heir.close()


def watched(work: Callable[[], object], step: Callable[[str], object]) -> None:
    """Run some work, and call `step` with every line of it that moves files or counts, before it runs."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        folder, _, name = frame.f_code.co_filename.rpartition(os.sep)
        if folder != PACKAGE or name not in STEPS or frame.f_code.co_name == "settle":
            return None  # settling changes one byte for each event: there is nothing in between
        if event == "line":
            step(f"{name}:{frame.f_lineno}")
        return trace

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def quickly(work: Callable[[], object]) -> None:
    """Run a part of the work that is not watched."""
    trace = sys.gettrace()
    sys.settrace(None)
    work()
    sys.settrace(trace)


def moments(work: Callable[[], object], root: Path) -> list[int]:
    """When to die in some work: whenever something below `root` has just changed; and never."""
    chosen: list[int] = []
    clock = itertools.count()
    before = 0

    def look(line: str) -> None:
        nonlocal before
        moment, now = next(clock), fingerprint(root)
        if now != before:
            chosen.append(moment)
        before = now

    watched(work, look)
    return [*chosen, next(clock)]


def fingerprint(root: Path) -> int:
    total = 0
    for folder, _, files in os.walk(root):
        for name in sorted(files):
            path = os.path.join(folder, name)  # noqa: PTH118 - this runs before every line
            total = crc32(path.encode(), total)
            with open(path, "rb") as file:  # noqa: PTH123
                total = crc32(file.read(), total)
    return total


def dying(work: Callable[[], object], moment: int) -> Callable[[int], None]:
    """The same work, with death at some moment of it."""
    clock = itertools.count()
    return lambda _: watched(work, lambda _: die() if next(clock) == moment else None)


STEPS = {
    "adoption.py",
    "compaction.py",
    "counters.py",
    "directory.py",
    "folding.py",
    "journal.py",
    "ledger.py",
    "loading.py",
    "mapping.py",
    "upkeep.py",
}
"""Where files are made, replaced and removed, and counts are moved from one place to another."""

SMALL = Options(segment_bytes=32768, max_bytes=1 << 20)
EVENTS = 240


def _settle(journal: Journal) -> None:
    """Settle nearly everything, in an order that leaves holes, then the rest."""
    entries: list[Entry] = []
    quickly(lambda: entries.extend(everything(journal, 50)))
    stuck = [entry for entry in entries if entry.key_hash == 3 and entry.sequence > 20]
    held = set(map(id, stuck))
    deliver(journal, [entry for entry in entries[:120] if id(entry) not in held])
    journal.settle([entry for entry in entries[120:] if id(entry) not in held], "dead")
    journal.note("filtered")
    journal.prepare()
    compact(journal)
    deliver(journal, stuck)


def _live(root: Path) -> None:
    journal = opened(root, SMALL)
    bindings = [context(number) for number in range(8)]
    quickly(lambda: fill(journal, range(EVENTS - 3), bindings, 600))
    journal.tail.close()
    fill(journal, range(EVENTS - 3, EVENTS), bindings)
    _settle(journal)
    journal.close()


def _adopt(root: Path) -> None:
    for journal in adopt(root, QUEUE, SMALL):
        _settle(journal)
        journal.close()


def test_wherever_a_life_ends_the_next_one_ends_it_right(tmp_path: Path) -> None:
    for moment in moments(partial(_live, tmp_path / "whole"), tmp_path / "whole"):
        root = tmp_path / str(moment)
        status, lines = in_child(dying(partial(_live, root), moment))
        assert (status in {0, KILLED}, lines) == (True, [])
        before = totals(root).counts

        for heir in adopt(root, QUEUE, SMALL):
            assert heir.counts.accepted == before.accepted
            deliver(heir, everything(heir, 50))
            heir.close()

        counts = totals(root).counts
        assert (moment, counts.accepted) == (moment, before.accepted)
        assert_law(counts, pending=0, corrupt=0, recovered=before.pending)
        assert counts.delivered + counts.dead_lettered == counts.accepted
        assert adopt(root, QUEUE) == []
        assert {path.name for path in root.glob("*")} <= {"ledger.jsonl", "ledger.lock", "ledger.tmp"}
    assert status == 0
    assert_law(counts, accepted=EVENTS, filtered=1)


def test_wherever_an_adoption_ends_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    left = tmp_path / "left"

    def leave(report: int) -> None:
        journal = opened(left, SMALL)
        fill(journal, range(EVENTS), [context(number) for number in range(8)], 600)
        journal.settle(everything(journal, 50)[:80], "delivered")
        die()

    assert in_child(leave)[0] == KILLED
    assert_law(totals(left).counts, accepted=EVENTS, delivered=80)
    whole = shutil.copytree(left, tmp_path / "whole")
    for moment in moments(partial(_adopt, whole), whole):
        root = shutil.copytree(left, tmp_path / str(moment))
        status, lines = in_child(dying(partial(_adopt, root), moment))
        assert (status in {0, KILLED}, lines) == (True, [])
        assert_law(totals(root).counts, accepted=EVENTS, corrupt=0)

        for heir in adopt(root, QUEUE, SMALL):
            deliver(heir, everything(heir, 50))
            heir.close()

        assert_law(totals(root).counts, accepted=EVENTS, pending=0, corrupt=0)
    assert status == 0


def test_an_append_that_death_cuts_short_was_not_accepted(tmp_path: Path) -> None:
    def cut_short(report: int) -> None:
        journal = opened(tmp_path)
        fill(journal, range(60), [context(1), context(2)])
        os.write(report, b"%d\n" % journal.tail.file.mapping.tell())
        die()

    status, lines = in_child(cut_short)
    assert status == KILLED
    (folder,) = tmp_path.iterdir()
    tail = folder / "00000002.seg"
    whole, end = tail.read_bytes(), int(lines[0])
    begin = whole.rindex(b'{"n":59') - 36

    for cut in range(begin, end):
        tail.write_bytes(whole[:cut] + b"\0" * (len(whole) - cut))
        looked = verify(folder)
        assert_law(looked.counts, accepted=59, corrupt=0)
    tail.write_bytes(whole)
    assert_law(verify(folder).counts, accepted=60)


def test_a_full_disk_refuses_in_the_child_and_loses_nothing(tmp_path: Path) -> None:
    def work(report: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        journal = Journal.open(tmp_path, QUEUE, Options(segment_bytes=16384, max_bytes=1 << 20))
        accepted = 0
        while accepted < 100:
            assert emit(journal, PROCESS, "query", body(accepted))
            accepted += 1
        assert not emit(journal, PROCESS, "query", body(0, 20_000))
        assert journal.trouble
        assert os.strerror(errno.EFBIG) in journal.trouble
        os.write(report, b"%d" % accepted)
        die()

    status, lines = in_child(work)

    assert (status, lines) == (KILLED, [b"100"])
    heir = adopted(tmp_path, TINY)
    assert numbers(heir, everything(heir)) == list(range(100))


def test_a_file_system_that_really_fills_up_refuses_and_recovers(tmp_path: Path) -> None:
    with ExitStack() as disk:
        try:
            disk.enter_context(mounted(tmp_path, 256))
        except PermissionError as error:
            pytest.skip(str(error))
        journal = Journal.open(tmp_path, QUEUE, Options(segment_bytes=32768, max_bytes=1 << 20))
        accepted = 0
        while emit(journal, PROCESS, "query", body(accepted, 100)):
            accepted += 1
        assert accepted > 500
        assert journal.trouble is not None
        assert numbers(journal, everything(journal)) == list(range(accepted))
        deliver(journal, everything(journal.cursor()))
        journal.prepare()
        assert emit(journal, PROCESS, "query", body(accepted, 100))
        assert_law(journal.counts, accepted=accepted + 1, delivered=accepted)
        journal.close()
