"""Reading and settling: the walk, cursors behind it, positions, payloads."""

import errno
import mmap
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from fireforget._journal import START, Entry, Journal, Position, Wanted, reading
from fireforget._journal import mapping as memory
from tests.journals import (
    NOTHING,
    PROCESS,
    TINY,
    abandon,
    adopted,
    assert_law,
    body,
    context,
    deliver,
    emit,
    everything,
    fill,
    number_of,
    numbers,
    opened,
)


@pytest.fixture(params=["process", "none"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return opened(tmp_path, NOTHING if request.param == "none" else TINY)


def test_the_walk_gives_each_event_once_and_goes_on_as_more_come(journal: Journal) -> None:
    fill(journal, range(100))
    first = everything(journal)
    assert journal.walk(10) == []
    fill(journal, range(100, 120))

    assert numbers(journal, first + everything(journal)) == list(range(120))


def test_a_walk_gives_no_more_than_was_asked_for(journal: Journal) -> None:
    fill(journal, range(100))

    assert [len(journal.walk(number)) for number in (0, 1, 64, 100)] == [0, 1, 64, 35]


def test_an_empty_journal_has_nothing_to_read(journal: Journal) -> None:
    assert journal.walk(10) == []
    assert journal.cursor().take(10) == []
    assert journal.cursor().at_end
    assert_law(journal.counts, accepted=0)


def test_a_cursor_reads_again_what_one_lane_was_passed_over_for(journal: Journal) -> None:
    fill(journal, range(300), [context(number) for number in range(5)])
    entries = everything(journal)
    missed = [entry for entry in entries if entry.key_hash == 3][10:]

    cursor = journal.cursor(missed[0].position)
    found = []
    while not cursor.at_end:
        found += cursor.take(4, Wanted((3,), 1 << 16))

    assert found == missed
    assert numbers(journal, found) == [number for number in range(300) if number % 5 == 3][10:]


def test_a_cursor_never_passes_the_walk(journal: Journal) -> None:
    fill(journal, range(200))
    walked = journal.walk(90)
    cursor = journal.cursor()

    assert everything(cursor) == walked
    assert cursor.at_end
    walked += journal.walk(50)
    assert not cursor.at_end
    assert everything(cursor) == walked[90:]
    assert cursor.position > walked[-1].position


def test_a_cursor_looks_at_a_stretch_in_one_call_and_says_whether_it_is_at_the_end(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, "digest")
    fill(journal, range(4000), [context(1), context(2)], size=100)
    fill(journal, [4000], [context(9)])
    everything(journal, 1000)
    cursor = journal.cursor(START)

    calls = []
    while not cursor.at_end:
        calls.append(cursor.take(10, Wanted((9,), 1 << 16)))

    assert len(calls) > 3
    assert [number_of(journal.payload(entry)) for found in calls for entry in found] == [4000]


def test_a_cursor_does_not_read_where_nothing_is_for_it(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(journal, range(100), [context(1)])
    fill(journal, range(100, 110), [context(2)])
    fill(journal, range(110, 300), [context(1)])
    fill(journal, range(300, 310), [context(2)])
    entries = everything(journal)
    looked: list[int] = []
    unpack = reading._unpack

    def looking(mapping: mmap.mmap, at: int) -> tuple[int, ...]:
        looked.append(at)
        return unpack(mapping, at)

    cursor = journal.cursor()
    cursor.skip(entries[0].position, entries[50].position)
    cursor.skip(entries[50].position, entries[100].position)
    cursor.skip(entries[110].position, entries[300].position)
    monkeypatch.setattr(reading, "_unpack", looking)
    found = []
    while not cursor.at_end:
        found += cursor.take(1000, Wanted((2,), 1 << 16))

    assert found == entries[100:110] + entries[300:]
    assert len(looked) < 30


def test_a_cursor_remembers_some_gaps_and_reads_where_others_are(journal: Journal) -> None:
    fill(journal, range(600), [context(1), context(2)])
    entries = everything(journal)
    cursor = journal.cursor()
    for entry, after in pairwise(entries):
        if entry.key_hash == 1:
            cursor.skip(entry.position, after.position)

    assert len(cursor._gaps) < 100
    found = []
    while not cursor.at_end:
        found += cursor.take(7, Wanted((2,), 1 << 16))
    assert found == [entry for entry in entries if entry.key_hash == 2]


def test_a_walk_for_some_passes_the_others_and_says_whose_they_are(journal: Journal) -> None:
    fill(journal, range(300), [context(number) for number in range(5)])
    wanted = Wanted({1, 3}, 1 << 16)
    found: list[Entry] = []
    while not journal.at_end:
        found += journal.walk(10, wanted)

    assert numbers(journal, found) == [number for number in range(300) if number % 5 in {1, 3}]
    assert wanted.passed == {0, 2, 4}
    assert numbers(journal, everything(journal.cursor())) == list(range(300))


def test_positions_are_in_the_order_of_the_events(journal: Journal) -> None:
    fill(journal, range(100))
    positions = [entry.position for entry in everything(journal)]

    assert positions == sorted(positions)
    assert positions[0] > START
    assert Position(1, 5) < Position(1, 6) < Position(2, 0)


def test_a_position_outlives_its_segment(journal: Journal) -> None:
    fill(journal, range(200))
    entries = everything(journal)
    start = entries[10].position
    deliver(journal, entries[:120])

    assert numbers(journal, everything(journal.cursor(start))) == list(range(120, 200))


def test_settling_is_idempotent_and_the_first_outcome_stays(journal: Journal) -> None:
    fill(journal, range(10))
    entries = everything(journal)

    journal.settle(entries[:4], "delivered")
    journal.settle(entries[:6], "dead")
    journal.settle(entries[5:7], "dropped")
    journal.settle(entries[:7], "delivered")

    counts = journal.counts
    assert_law(counts, accepted=10, delivered=4, dead_lettered=2, pending=3, corrupt=0)
    assert counts.dropped == {"discarded": 1}


def test_settled_segments_vanish_and_stay_counted(journal: Journal) -> None:
    fill(journal, range(300))
    used = journal.bytes_used
    deliver(journal, everything(journal))

    assert journal.bytes_used == 8192 < used
    assert_law(journal.counts, accepted=300, delivered=300)
    assert journal.pending == 0


def test_a_segment_in_the_middle_vanishes_before_an_older_one(journal: Journal) -> None:
    fill(journal, range(300))
    entries = everything(journal)
    stuck, others = entries[0], entries[1:]

    deliver(journal, others)

    assert journal.bytes_used == 2 * 8192
    assert_law(journal.counts, accepted=300, delivered=299, pending=1)
    assert number_of(journal.payload(stuck)) == 0
    deliver(journal, [stuck])
    assert journal.bytes_used == 8192


def test_the_payload_of_a_settled_event_in_a_vanished_segment_is_none(journal: Journal) -> None:
    fill(journal, range(300))
    entries = everything(journal)
    deliver(journal, entries)

    assert journal.payload(entries[0]) is None
    deliver(journal, entries)
    assert_law(journal.counts, accepted=300, delivered=300, corrupt=0)


def test_pending_counts_what_was_not_walked_yet(journal: Journal) -> None:
    fill(journal, range(150), size=10)

    assert journal.pending == 150
    assert numbers(journal, everything(journal)) == list(range(150))


def test_sealing_goes_step_by_step(journal: Journal) -> None:
    fill(journal, range(99))

    types = len(journal._chain.files())
    assert [journal.seal(40) for _ in range(4)] == [40, 40, 99 + types - 80, 0]


def test_the_walk_of_a_closed_journal_is_empty_and_settling_does_nothing(journal: Journal) -> None:
    fill(journal, range(5))
    entries = journal.walk(2)
    journal.close()

    assert journal.walk(5) == []
    assert journal.payload(entries[0]) is None
    deliver(journal, entries)
    assert_law(journal.counts, accepted=5, pending=5)


def test_an_empty_payload_of_json_is_read_back(journal: Journal) -> None:
    assert emit(journal, PROCESS, "query", b"{}")

    assert journal.payload(journal.walk(1)[0]) == b"{}"


def test_only_some_files_stay_in_memory(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(1500))
    entries = everything(journal)
    files = journal._chain.files()

    assert len(files) > 30
    assert sum(file.mapped for file in files) < 20
    assert numbers(journal, entries) == list(range(1500))
    deliver(journal, entries)
    assert_law(journal.counts, accepted=1500, delivered=1500)


def test_an_unmapped_tail_is_still_the_tail(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(1500))
    journal.seal()

    assert journal.tail.file.mapped
    assert emit(journal, PROCESS, "query", body(1500))
    assert len(everything(journal)) == 1501


def test_a_file_that_cannot_be_read_at_the_moment_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = opened(tmp_path)
    fill(dead, range(3000), [context(number) for number in range(5)], size=0)
    abandon(dead)
    heir = adopted(tmp_path)
    assert [file.mapped for file in heir._chain.files()].count(False) > 5
    opening, failing = memory.open_file, iter([True, True, False, True, False])

    def fail_now_and_then(path: Path, size: int, *, writable: bool = True) -> mmap.mmap:
        if next(failing, False):
            raise OSError(errno.EMFILE, "Too many open files")
        return opening(path, size, writable=writable)

    monkeypatch.setattr(memory, "open_file", fail_now_and_then)
    entries, failures = list[Entry](), 0
    while len(entries) < 3000:
        try:
            found = heir.walk(200)
        except OSError:
            failures += 1
            continue
        assert found
        entries += found
    cursor = heir.cursor()

    assert failures
    assert numbers(heir, entries) == list(range(3000))
    assert numbers(heir, everything(cursor)) == list(range(3000))
    deliver(heir, entries)
    assert_law(heir.counts, accepted=3000, delivered=3000)


def test_whether_anything_is_pending_is_told_without_sealing_all(journal: Journal) -> None:
    assert journal.idle
    fill(journal, range(3000), size=0)

    assert not journal.idle
    assert journal.seal() > 2500

    deliver(journal, everything(journal))
    assert journal.idle
    fill(journal, [3000])
    assert not journal.idle


def test_counting_lets_go_of_the_journal_between_its_steps(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(journal, range(3000), size=0)
    free = list[bool]()

    def take() -> bool:
        if taken := journal._chain.reading.acquire(blocking=False):
            journal._chain.reading.release()
        return taken

    def look(seconds: float) -> None:
        with ThreadPoolExecutor(1) as other:
            free.append(other.submit(take).result())

    monkeypatch.setattr(time, "sleep", look)

    assert journal.counts.pending == 3000
    assert len(free) >= 5
    assert all(free)
