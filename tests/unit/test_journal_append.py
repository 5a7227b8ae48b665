"""Appending: bindings, rotation, overflow, a full disk."""

import errno
import itertools
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from fireforget._journal import Binding, Journal, Options
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import MOST
from fireforget.errors import JournalError
from tests.journals import (
    NOTHING,
    NOW,
    PROCESS,
    QUEUE,
    TINY,
    abandon,
    adopted,
    assert_law,
    body,
    compact,
    context,
    deliver,
    emit,
    everything,
    fill,
    numbers,
    opened,
    segments,
)


@pytest.fixture(params=["process", "none"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return opened(tmp_path, NOTHING if request.param == "none" else TINY)


def test_what_is_appended_is_read_in_order(journal: Journal) -> None:
    fill(journal, range(300), [PROCESS, context(1), context(2)])

    entries = everything(journal)

    assert numbers(journal, entries) == list(range(300))
    assert [entry.position for entry in entries] == sorted(entry.position for entry in entries)
    assert_law(journal.counts, accepted=300, pending=300)


def test_an_entry_carries_its_type_its_context_and_its_header(journal: Journal) -> None:
    request = Binding(b'"correlationid":"abc"', 4711)
    assert journal.append(request, "query", NOW, 17, b"{}")
    assert journal.append(PROCESS, "respönse", NOW + 1, 18, b'{"a":1}')

    first, second = journal.walk(10)

    assert (first.type, first.context, first.key_hash) == (b'"type":"query"', b'"correlationid":"abc"', 4711)
    assert (first.time_ns, first.sequence, first.size) == (NOW, 17, 2)
    assert (second.type, second.context) == ('"type":"respönse"'.encode(), b"")


def test_outside_any_request_64_events_in_a_row_share_a_key(journal: Journal) -> None:
    for sequence in range(200):
        journal.append(PROCESS, "query", NOW, sequence, b"{}")

    assert [entry.key_hash for entry in everything(journal)] == [sequence // 64 for sequence in range(200)]


def test_the_members_of_a_type_are_the_callers(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path, QUEUE, TINY, describe=lambda name: b'"type":"%s","dataschema":"x"' % name.encode())
    emit(journal, PROCESS, "query", b"{}")

    assert journal.walk(1)[0].type == b'"type":"query","dataschema":"x"'


def test_a_type_and_a_context_are_written_once_for_each_segment(journal: Journal) -> None:
    request = context(5)
    fill(journal, range(50), [request])
    tail = journal.tail

    assert request.place[0] is tail
    assert tail.next_type() == 2
    assert tail.next_context() == 2


def test_who_holds_an_old_segment_comes_to_the_new_one_by_the_slow_path(journal: Journal) -> None:
    request = context(1)
    emit(journal, request, "query", body(0))
    old = journal.tail
    fill(journal, range(1, 200), [PROCESS])

    with pytest.raises(ValueError, match=r"."):
        old.write(b"x")
    assert request.place[0] is old
    assert emit(journal, request, "query", body(200))
    assert request.place[0] is journal.tail
    assert numbers(journal, everything(journal)) == list(range(201))


def test_an_event_larger_than_a_segment_gets_a_segment_of_its_size(journal: Journal) -> None:
    journal.prepare()
    fill(journal, [0])
    large = body(1, 30_000)
    assert emit(journal, PROCESS, "query", large)
    fill(journal, [2])

    entries = everything(journal)

    assert journal.payload(entries[1]) == large
    assert numbers(journal, entries) == [0, 1, 2]


def test_more_contexts_than_a_segment_can_number_go_to_the_next_one(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=1 << 20, durability="none"))
    fill(journal, [0], [context(1)])
    first = journal.tail
    first.next_context = itertools.count(MOST).__next__

    fill(journal, [1], [context(2)])
    assert journal.tail is first
    fill(journal, [2], [context(3)])
    assert journal.tail is not first

    assert [entry.context for entry in everything(journal)] == [context(number).fragment for number in (1, 2, 3)]


def test_a_full_journal_refuses_the_newest(journal: Journal) -> None:
    accepted = 0
    while emit(journal, PROCESS, "query", body(accepted, 500)):
        accepted += 1

    assert journal.bytes_used <= TINY.max_bytes
    assert_law(journal.counts, accepted=accepted, pending=accepted)
    deliver(journal, everything(journal)[: accepted // 2])
    assert emit(journal, PROCESS, "query", body(0))


def test_a_small_event_still_goes_where_a_large_one_does_not_fit(journal: Journal) -> None:
    while emit(journal, PROCESS, "query", body(0, 1000)):
        pass

    assert emit(journal, PROCESS, "query", b"{}")


def test_on_overflow_the_oldest_segment_that_nobody_holds_gives_way(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=4 * 8192, overflow="drop_oldest"))
    fill(journal, range(10))
    held = journal.walk(3)

    for first in range(10, 1000, 30):
        journal.prepare()
        fill(journal, range(first, first + 30))
        assert journal.bytes_used <= 4 * 8192

    counts = journal.counts
    assert_law(counts, accepted=1000)
    assert counts.dropped["overflow"] == counts.accepted - counts.pending
    assert numbers(journal, held) == [0, 1, 2]
    rest = numbers(journal, everything(journal))
    assert len(rest) == counts.pending - len(held)
    assert rest[-30:] == list(range(970, 1000))


def test_between_two_steps_of_the_engine_overflow_stays_within_one_segment(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=4 * 8192, overflow="drop_oldest"))

    accepted = 0
    while emit(journal, PROCESS, "query", body(accepted, 500)):
        accepted += 1

    assert journal.bytes_used == 5 * 8192
    journal.walk(1)
    assert journal.bytes_used <= 4 * 8192
    assert emit(journal, PROCESS, "query", body(accepted, 500))
    assert_law(journal.counts, accepted=accepted + 1)


def test_released_events_may_give_way(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=2 * 8192, overflow="drop_oldest"))
    accepted = 0
    while journal.bytes_used < 2 * 8192:
        emit(journal, PROCESS, "query", body(accepted, 500))
        accepted += 1
    held = everything(journal)
    while emit(journal, PROCESS, "query", body(accepted, 500)):
        accepted += 1

    assert not journal.counts.dropped
    journal.release(held)
    journal.prepare()
    assert emit(journal, PROCESS, "query", body(accepted, 500))
    assert journal.counts.dropped["overflow"] > 0


def test_nothing_is_given_up_for_an_event_that_would_not_fit_even_then(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=4 * 8192, overflow="drop_oldest"))
    fill(journal, range(120))

    assert not emit(journal, PROCESS, "query", body(0, 40_000))
    journal.walk(1)
    assert_law(journal.counts, accepted=120, pending=120)


def test_while_events_are_taken_an_emitter_uses_one_segment_more_and_does_not_wait(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=3 * 8192, overflow="drop_oldest"))
    accepted = 0
    while journal.bytes_used < 3 * 8192:
        accepted += emit(journal, PROCESS, "query", body(accepted, 500))
    taking, done = threading.Event(), threading.Event()

    def take() -> None:
        with journal._chain.handing:
            taking.set()
            done.wait(10)

    reader = threading.Thread(target=take)
    reader.start()
    taking.wait(10)
    while emit(journal, PROCESS, "query", body(accepted, 500)):
        accepted += 1
    done.set()
    reader.join()

    assert journal.bytes_used == 4 * 8192
    assert not journal._chain.doomed
    journal.prepare()
    assert journal.bytes_used == 3 * 8192
    assert emit(journal, PROCESS, "query", body(accepted, 500))
    assert_law(journal.counts, accepted=accepted + 1)


def test_a_spare_segment_is_ready_when_the_last_one_is_full(journal: Journal) -> None:
    journal.prepare()
    (spare,) = journal._spares
    journal.prepare()
    assert list(journal._spares) == [spare]

    while journal.tail is not spare:
        emit(journal, PROCESS, "query", body(0))

    assert not journal._spares
    assert len(everything(journal)) == journal.counts.pending


def test_two_segments_is_the_least_that_a_journal_can_have() -> None:
    with pytest.raises(JournalError, match="at least twice"):
        Options(segment_bytes=8192, max_bytes=8192)


def test_a_closed_journal_refuses(journal: Journal) -> None:
    request = context(1)
    fill(journal, range(3), [request])
    journal.close()

    assert not emit(journal, request, "query", body(4))
    assert not emit(journal, PROCESS, "query", body(4))
    journal.prepare()
    compact(journal)
    journal.sync()
    journal.close()
    assert_law(journal.counts, accepted=3, pending=3)


def _full(file: int, offset: int, length: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_refuses_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _full)
        accepted = 0
        while emit(journal, PROCESS, "query", body(accepted)):
            accepted += 1
        assert journal.trouble is not None
        assert "No space left" in journal.trouble
        with pytest.raises(JournalError, match="No space left"):
            journal.prepare()
    assert not emit(journal, PROCESS, "query", body(0))
    assert segments(journal) == ["00000001.seg"]

    journal.prepare()

    assert journal.trouble is None
    fill(journal, range(accepted, accepted + 100))
    assert numbers(journal, everything(journal)) == list(range(accepted + 100))


def test_a_disk_that_is_full_from_the_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _full)
        with pytest.raises(JournalError, match="No space left"):
            opened(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_without_posix_fallocate_zeros_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    journal = opened(tmp_path)
    fill(journal, range(200))

    assert numbers(journal, everything(journal)) == list(range(200))
    assert journal.tail.file.path is not None
    assert journal.tail.file.path.stat().st_blocks * 512 >= 8192 - PAGE


def test_a_process_may_change_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    journal = opened(Path("journals"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    fill(journal, range(200))

    deliver(journal, everything(journal))
    journal.close()

    assert {path.name for path in (tmp_path / "journals").iterdir()} == {"ledger.jsonl", "ledger.lock"}


def descriptors(root: Path) -> int:
    """How many of this process lead below a directory."""
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += path.readlink().is_relative_to(root)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="open files are counted in /proc")
def test_descriptors_stay_few_and_are_given_back(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(1500))
    everything(journal)
    assert len(journal._chain.files()) > 30
    assert descriptors(tmp_path) < 25
    abandon(journal)
    assert descriptors(tmp_path) == 0
    heir = adopted(tmp_path)
    assert descriptors(tmp_path) < 25
    deliver(heir, everything(heir))
    heir.close()

    assert descriptors(tmp_path) == 0


def test_only_its_owner_may_look_into_a_journal(tmp_path: Path) -> None:
    root = tmp_path / "journals"
    opened(root)

    assert [path.stat().st_mode & 0o077 for path in (root, *root.iterdir())] == [0, 0]
