"""Damage: what is lost is counted, what is intact is read, and nothing wrong is delivered."""

from pathlib import Path

import msgspec
import pytest

from fireforget._journal import Counts, Journal, Options, verification, verify
from fireforget._journal.directory import Manifest
from fireforget._journal.mapping import PAGE
from fireforget._journal.record import CHECKSUM_AT, DELIVERED, HEADER, HEADER_SIZE, STATE_AT
from tests.journals import (
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


def places(path: Path) -> list[int]:
    """Where the records of events begin in a segment file."""
    data, at, found = path.read_bytes(), PAGE, []
    while at + HEADER_SIZE <= len(data):
        magic, size, _, _, word, _ = HEADER.unpack_from(data, at)
        if not magic:
            break
        if word >> 8 & 0xFF == 1:
            found.append(at)
        at += HEADER_SIZE + size
    return found


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Three segments, all sealed; 100 events."""
    journal = opened(tmp_path)
    fill(journal, range(100))
    journal.seal()
    return journal


@pytest.fixture
def first(journal: Journal) -> Path:
    assert journal._folder is not None
    return journal._folder / "00000001.seg"


def test_a_damaged_payload_is_passed_over_and_counted(journal: Journal, first: Path, tmp_path: Path) -> None:
    at = places(first)[5]
    abandon(journal)
    overwrite(first, at + HEADER_SIZE + 3, b"7")

    verification = verify(first.parent)
    heir = adopted(tmp_path)

    assert not verification.sound
    assert [(damage.segment, damage.begin) for damage in verification.damage] == [(1, at)]
    assert numbers(heir, everything(heir)) == [number for number in range(100) if number != 5]
    assert_law(heir.counts, accepted=100, pending=99, corrupt=1)


@pytest.mark.parametrize("offset", [0, 4, 8, 12, 21, 24, 26, 28, 35])
def test_a_damaged_header_costs_its_own_event(journal: Journal, first: Path, tmp_path: Path, offset: int) -> None:
    at = places(first)[7]
    abandon(journal)
    overwrite(first, at + offset, bytes([first.read_bytes()[at + offset] ^ 0x11]))

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == [number for number in range(100) if number != 7]
    assert_law(heir.counts, accepted=100, pending=99, corrupt=1)


def test_an_unreadable_state_means_sent_again(journal: Journal, first: Path, tmp_path: Path) -> None:
    deliver(journal, everything(journal)[:10])
    at = places(first)[3]
    abandon(journal)
    assert first.read_bytes()[at + STATE_AT] == DELIVERED
    overwrite(first, at + STATE_AT, bytes([DELIVERED ^ 1]))

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == [3, *range(10, 100)]
    assert_law(heir.counts, accepted=100, delivered=9, corrupt=0)


def test_a_lost_page_costs_the_events_that_touch_it(journal: Journal, first: Path, tmp_path: Path) -> None:
    abandon(journal)
    inside = [number for number, at in enumerate(places(first)) if PAGE + 900 <= at < PAGE + 2000]
    overwrite(first, PAGE + 1000, b"\0" * 1000)

    heir = adopted(tmp_path)

    found = numbers(heir, everything(heir))
    assert set(range(100)) - set(found) <= {inside[0] - 1, *inside}
    assert inside[-1] + 1 in found
    assert heir.counts.corrupt >= 1


def test_without_its_header_page_a_segment_is_still_read(journal: Journal, first: Path, tmp_path: Path) -> None:
    abandon(journal)
    overwrite(first, 0, b"\xff" * PAGE)

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == list(range(100))
    assert_law(heir.counts, accepted=100, corrupt=0)


def test_a_segment_of_zeros_alone_does_not_vanish_without_a_count(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(300))
    names = segments(journal)
    folder = journal._folder
    assert folder is not None
    abandon(journal)
    for name in (names[0], names[-1]):
        (folder / name).write_bytes(bytes((folder / name).stat().st_size))

    heir = adopted(tmp_path)

    assert heir.counts.corrupt == 1  # in the last one there may have been nothing yet
    assert 0 not in numbers(heir, everything(heir))


def test_events_whose_context_is_lost_are_corrupt(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(20), [context(1), context(2)])
    journal.seal()
    path = journal.tail.file.path
    assert path is not None
    data = path.read_bytes()
    abandon(journal)
    overwrite(path, data.index(context(2).fragment) + 3, b"?")

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == list(range(0, 20, 2))
    assert_law(heir.counts, accepted=20, corrupt=10)


def test_a_truncated_segment_gives_what_is_left_of_it(journal: Journal, first: Path, tmp_path: Path) -> None:
    at = places(first)[20]
    abandon(journal)
    with first.open("r+b") as file:
        file.truncate(at + 50)
    rest = len(places(first)) - 1

    heir = adopted(tmp_path)

    found = numbers(heir, everything(heir))
    assert found[:20] == list(range(20))
    assert rest == 20
    assert 20 not in found
    assert heir.counts.corrupt == 1
    deliver(heir, everything(heir.cursor()))
    heir.close()
    assert not first.exists()


@pytest.mark.parametrize("size", [0, 1, PAGE - 1, PAGE, PAGE + 10])
def test_a_stump_of_a_segment_is_counted_and_removed(journal: Journal, first: Path, tmp_path: Path, size: int) -> None:
    rest = 100 - len(places(first))
    abandon(journal)
    with first.open("r+b") as file:
        file.truncate(size)

    looked = verify(first.parent).counts.corrupt
    heir = adopted(tmp_path)

    assert heir.counts.corrupt == looked == (1 if size else 0)
    assert len(everything(heir)) == rest
    heir.settle(everything(heir.cursor()), "delivered")
    assert not first.exists()


def test_a_torn_tail_is_no_loss(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(10))
    tail = journal.tail
    torn = HEADER.pack(tail.magic, 60, 0, 11, 0x10000010F, 1) + b'{"n":11,"pad":"xx\0\0\0\0"}' + b"\0" * 36
    tail.write(torn)
    folder = journal._folder
    assert folder is not None
    abandon(journal)

    verification = verify(folder)
    heir = adopted(tmp_path)

    assert len(verification.torn) == 1
    assert verification.sound
    assert numbers(heir, everything(heir)) == list(range(10))
    assert_law(heir.counts, accepted=10, corrupt=0)


def test_a_torn_copy_without_its_first_bytes_is_no_loss(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(10))
    journal.tail.write(b"\0" * 30 + b'x"}')
    abandon(journal)

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == list(range(10))
    assert_law(heir.counts, accepted=10, corrupt=0)


def test_unsealed_events_at_the_end_are_taken(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(30), [context(1), context(2)])
    journal.seal(10)
    fill(journal, range(30, 40))
    abandon(journal)

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == list(range(40))
    assert verify(tmp_path / heir.id).sound


def test_an_unsealed_event_before_a_sealed_one_betrays_damage(journal: Journal, first: Path, tmp_path: Path) -> None:
    at = places(first)[4]
    abandon(journal)
    overwrite(first, at + CHECKSUM_AT, b"\0\0\0\0")

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == [number for number in range(100) if number != 4]
    assert_law(heir.counts, corrupt=1)


def test_an_unsealed_event_that_is_no_json_is_not_taken(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, [0])
    emit(journal, context(1), "query", b'{"n":1')
    fill(journal, [2])
    abandon(journal)

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == [0, 2]
    assert_law(heir.counts, accepted=3, corrupt=1)


@pytest.mark.parametrize("where", [0, 4, 12, 20, 24, 40])
def test_damage_under_a_living_journal_is_noticed_when_the_payload_is_read(
    journal: Journal, first: Path, where: int
) -> None:
    entries = everything(journal)
    overwrite(first, places(first)[6] + where, b"\xee")

    payloads = [journal.payload(entry) for entry in entries]

    lost = [] if where == STATE_AT else [6]
    assert [number for number, payload in enumerate(payloads) if payload is None] == lost
    assert_law(journal.counts, accepted=100, corrupt=len(lost))
    deliver(journal, entries)
    deliver(journal, entries)
    assert_law(journal.counts, accepted=100, corrupt=len(lost), pending=0, delivered=100 - len(lost))
    assert not first.exists()


def test_damage_under_a_cursor_is_passed_over(journal: Journal, first: Path) -> None:
    everything(journal)
    overwrite(first, places(first)[6], b"\xee" * 300)

    found = numbers(journal, everything(journal.cursor()))

    assert found[:7] == [0, 1, 2, 3, 4, 5, 9]
    assert found[-1] == 99
    assert_law(journal.counts, pending=97)


def test_damage_in_a_compacted_file_costs_its_own_event(tmp_path: Path) -> None:
    journal = opened(tmp_path, Options(segment_bytes=32768, max_bytes=1 << 20))
    fill(journal, range(500), [context(number) for number in range(8)])
    entries = everything(journal)
    held = [entry for entry in entries if entry.key_hash == 3]
    deliver(journal, [entry for entry in entries if entry.key_hash != 3])
    compact(journal)
    path = held[0].segment.file.path
    assert path is not None
    overwrite(path, path.read_bytes().index(body(11)[:8]) + 10, b"?")

    assert journal.payload(held[1]) is None
    assert numbers(journal, [held[0], *held[2:]]) == [3, *range(19, 500, 8)]
    assert numbers(journal, everything(journal.cursor())) == [3, *range(19, 500, 8)]
    assert_law(journal.counts, accepted=500, corrupt=1, pending=len(held) - 1)


def test_a_file_of_another_journal_is_not_read_as_ours(tmp_path: Path) -> None:
    ours, theirs = opened(tmp_path), opened(tmp_path / "other")
    fill(ours, range(10))
    fill(theirs, range(100, 150))
    assert ours._folder is not None
    assert theirs._folder is not None
    (ours._folder / "00000009.seg").write_bytes((theirs._folder / "00000001.seg").read_bytes())
    abandon(ours)

    heir = adopted(tmp_path)

    assert numbers(heir, everything(heir)) == list(range(10))
    assert heir.counts.corrupt >= 1


def test_what_looks_damaged_once_because_it_is_just_being_written_is_no_damage(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = verification._look
    looks = []

    def look(path: Path, manifest: Manifest, progress: verification.Progress) -> verification.Verification:
        looks.append(path)
        seen = sound(path, manifest, progress)
        if len(looks) > 1:
            return seen
        half_written = [verification.Damage(1, PAGE, PAGE + 43)]
        return msgspec.structs.replace(seen, counts=Counts(corrupt=1), damage=half_written)

    monkeypatch.setattr(verification, "_look", look)

    assert verify(tmp_path / journal.id).sound
    assert len(looks) == 2
