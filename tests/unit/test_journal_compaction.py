"""Compaction: one stuck lane does not fill the disk, and what readers hold stays valid."""

import errno
import os
from pathlib import Path

import pytest

from fireforget._journal import Entry, Journal, Options, verify
from fireforget._journal.compaction import _is_movable, _is_sparse
from fireforget.errors import JournalError
from tests.journals import (
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

LANES = 8
SMALL = Options(segment_bytes=32768, max_bytes=1 << 20)
MEMORY = Options(segment_bytes=32768, max_bytes=1 << 20, durability="none")


@pytest.fixture(params=["process", "none"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return opened(tmp_path, MEMORY if request.param == "none" else SMALL)


def stuck(journal: Journal, count: int, lane: int = 3) -> list[Entry]:
    """Append events, and deliver all but those of one lane."""
    fill(journal, range(count), [context(number) for number in range(LANES)])
    entries = everything(journal)
    deliver(journal, [entry for entry in entries if entry.key_hash != lane])
    return [entry for entry in entries if entry.key_hash == lane]


def test_what_is_pending_moves_together_and_is_still_read(journal: Journal) -> None:
    held = stuck(journal, 1000)
    expected = list(range(3, 1000, LANES))
    used = journal.bytes_used

    compact(journal)

    assert journal.bytes_used < used / 2
    assert numbers(journal, held) == expected
    assert [entry.context for entry in held] == [context(3).fragment] * len(held)
    again = everything(journal.cursor())
    assert numbers(journal, again) == expected
    assert [(entry.position, entry.type, entry.context, entry.key_hash) for entry in again] == [
        (entry.position, entry.type, entry.context, entry.key_hash) for entry in held
    ]
    assert_law(journal.counts, accepted=1000, delivered=1000 - len(held), pending=len(held))


def test_small_files_are_merged_again_and_again(journal: Journal) -> None:
    held = []
    for first in range(0, 3000, 200):
        fill(journal, range(first, first + 200), [context(number) for number in range(LANES)])
        entries = everything(journal)
        held += [entry for entry in entries if entry.key_hash == 3]
        deliver(journal, [entry for entry in entries if entry.key_hash != 3])
        compact(journal)

    assert len(journal._chain.files()) < len(held) / 8
    assert numbers(journal, held) == list(range(3, 3000, LANES))
    deliver(journal, held[::2])
    compact(journal)
    assert numbers(journal, everything(journal.cursor())) == list(range(3, 3000, LANES))[1::2]
    deliver(journal, held)
    assert_law(journal.counts, accepted=3000, delivered=3000)
    assert len(journal._chain.files()) == 1


def test_positions_and_cursors_stay_valid(journal: Journal) -> None:
    held = stuck(journal, 1000)
    half = len(held) // 2
    start, between = held[half].position, journal.cursor(held[half].position)
    taken = between.take(3)

    compact(journal)

    assert numbers(journal, everything(journal.cursor(start))) == numbers(journal, held[half:])
    assert numbers(journal, taken + everything(between)) == numbers(journal, held[half:])


def test_the_walk_goes_on_through_what_was_compacted_under_it(tmp_path: Path) -> None:
    journal = opened(tmp_path, SMALL)
    fill(journal, range(1000), [context(number) for number in range(LANES)])
    journal.seal()
    first = journal.walk(270)
    size = journal.bytes_used
    deliver(journal, first[1:])
    compact(journal)

    assert journal.bytes_used < size
    assert numbers(journal, first[:1] + everything(journal)) == [0, *range(270, 1000)]


def test_counts_of_what_was_taken_out_survive_in_the_file(tmp_path: Path) -> None:
    journal = opened(tmp_path, SMALL)
    fill(journal, range(500), [context(number) for number in range(LANES)])
    entries = everything(journal)
    journal.settle([entry for entry in entries if entry.key_hash < 3], "delivered")
    journal.settle([entry for entry in entries if 3 < entry.key_hash < 6], "dead")
    journal.settle([entry for entry in entries if entry.key_hash >= 6], "dropped")
    compact(journal)
    counts = journal.counts
    abandon(journal)

    heir = adopted(tmp_path)

    assert heir.counts.recovered == counts.pending
    heir.counts.recovered = 0
    assert_law(heir.counts, accepted=500, delivered=counts.delivered, dead_lettered=counts.dead_lettered)
    assert heir.counts.dropped == counts.dropped
    assert numbers(heir, everything(heir)) == list(range(3, 500, LANES))


def test_files_that_a_merged_one_stands_for_are_removed_when_found(tmp_path: Path) -> None:
    journal = opened(tmp_path, SMALL)
    folder = journal._folder
    assert folder is not None
    stuck(journal, 3000)
    copies = {path: path.read_bytes() for path in folder.glob("*.seg")}
    compact(journal)
    compact(journal)
    left = set(segments(journal))
    assert len(left) <= len(copies) / 2
    abandon(journal)
    for path, data in copies.items():
        if path.name not in left:
            path.write_bytes(data)
    (folder / "00000003.tmp").write_bytes(b"unfinished")

    assert len(verify(folder).leftovers) == len(copies) - len(left) + 1
    heir = adopted(tmp_path)

    assert set(segments(heir)) == left
    assert not list(folder.glob("*.tmp"))
    assert_law(heir.counts, accepted=3000, pending=375)


def test_the_last_segment_is_left_alone(journal: Journal) -> None:
    fill(journal, range(30))
    entries = everything(journal)
    deliver(journal, entries[1:])
    compact(journal)

    assert journal.bytes_used == 32768
    assert emit(journal, context(1), "query", body(30))
    assert numbers(journal, everything(journal.cursor())) == [0]
    assert numbers(journal, everything(journal)) == [30]


def test_a_segment_with_much_pending_is_left_alone(journal: Journal) -> None:
    fill(journal, range(200))
    entries = everything(journal)
    deliver(journal, entries[::2])
    used = journal.bytes_used
    compact(journal)

    assert journal.bytes_used == used


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path, SMALL)
    held = stuck(journal, 1000)
    before = segments(journal)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", _full)
        with pytest.raises(JournalError, match="No space left"):
            compact(journal)

    assert segments(journal) == before
    assert numbers(journal, held) == list(range(3, 1000, LANES))


def _full(file: int, offset: int, length: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path, SMALL)
    held = stuck(journal, 1000)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _refused)
        with pytest.raises(JournalError, match="cannot replace"):
            compact(journal)

    assert numbers(journal, held) == list(range(3, 1000, LANES))
    assert not list(tmp_path.rglob("*.tmp"))


def _refused(path: Path, target: Path) -> Path:
    raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_file_that_cannot_be_removed_is_removed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path, TINY)
    fill(journal, range(200))
    entries = everything(journal)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _stays)
        deliver(journal, entries[:100])
    left = segments(journal)
    assert_law(journal.counts, accepted=200, delivered=100)
    assert "00000001.seg" in left

    deliver(journal, entries)

    assert len(segments(journal)) == 1
    assert_law(journal.counts, accepted=200, delivered=200)


def test_a_file_that_could_not_be_removed_is_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(tmp_path, TINY)
    fill(journal, range(200))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _stays)
        deliver(journal, everything(journal)[:100])
    abandon(journal)

    heir = adopted(tmp_path)

    assert_law(heir.counts, accepted=200, delivered=100)
    assert "00000001.seg" not in segments(heir)


def _stays(path: Path, *, missing_ok: bool = False) -> None:
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def test_a_new_file_is_on_the_disk_before_it_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, Options(segment_bytes=32768, max_bytes=1 << 20, durability="power"))
    stuck(journal, 1000)
    journal.sync()
    steps: list[str] = []
    sync, replace = os.fdatasync, Path.replace

    def synced(file: int) -> None:
        steps.append("sync")
        sync(file)

    def replaced(path: Path, target: Path) -> Path:
        steps.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fdatasync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    compact(journal)

    assert steps[:4] == ["sync", "replace", "sync", "replace"]


def test_segments_of_any_size_are_compacted(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=8192, max_bytes=1 << 20))
    for number in range(20):
        emit(journal, context(number), "query", body(number, 20_000))
    entries = everything(journal)
    deliver(journal, entries[1:])
    compact(journal)

    assert journal.payload(entries[0]) == body(0, 20_000)


def test_one_call_rewrites_one_file(tmp_path: Path) -> None:
    journal = opened(tmp_path, SMALL)
    stuck(journal, 3000)
    before, calls = [file.path for file in journal._chain.files()], 0
    sparse = sum(_is_movable(file) and _is_sparse(file) for file in journal._chain.files())

    assert journal.compact()

    assert sparse > 3
    assert sum(_is_movable(file) and _is_sparse(file) for file in journal._chain.files()) == sparse - 1
    assert [file.path for file in journal._chain.files()] == before
    while journal.compact():
        calls += 1
    assert calls >= sparse - 1
