"""Watching a journal from outside: each event is seen once, whatever its owner does meanwhile."""

from pathlib import Path

import pytest

from fireforget._journal import Entry, Segment, Watch, verify, watching
from fireforget.errors import JournalError
from tests.journals import abandon, context, deliver, emit, everything, fill, number_of, opened


def seen(watch: Watch) -> list[int]:
    return [number_of(watch.payload(entry)) for entry in watch.look()]


def test_each_event_is_seen_once_before_anybody_has_sealed_it(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    watch = Watch(tmp_path / journal.id)
    fill(journal, range(3), [context(1), context(2)])

    assert seen(watch) == [0, 1, 2]
    assert seen(watch) == []
    fill(journal, range(3, 5), [context(1)])
    assert seen(watch) == [3, 4]


def test_what_was_delivered_meanwhile_is_seen_too(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    watch = Watch(tmp_path / journal.id)
    fill(journal, range(10))
    deliver(journal, everything(journal))

    assert seen(watch) == list(range(10))


def test_it_goes_on_through_all_segments(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    watch = Watch(tmp_path / journal.id)
    found: list[int] = []
    for begin in range(0, 600, 50):
        fill(journal, range(begin, begin + 50))
        found += seen(watch)
        journal.prepare()  # so that there is a spare segment behind the last one
        found += seen(watch)
        deliver(journal, everything(journal))
        journal.compact()

    assert found == list(range(600))
    assert len(watch._open) <= 2
    watch.close()


def test_an_entry_has_its_type_and_its_context(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    emit(journal, context(7), "query", b"{}")

    (entry,) = Watch(tmp_path / journal.id).look()

    assert (entry.type, entry.context) == (b'"type":"query"', b'"correlationid":"7"')


def test_what_is_torn_is_not_seen_and_nothing_is_changed(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(5))
    end = journal.tail.end()
    abandon(journal)
    (segment,) = (tmp_path / journal.id).glob("*.seg")
    with segment.open("rb+") as file:
        file.seek(end - 10)
        file.write(bytes(10))
    before = segment.read_bytes()

    assert seen(Watch(tmp_path / journal.id)) == [0, 1, 2, 3]
    assert segment.read_bytes() == before
    assert verify(tmp_path / journal.id).counts.pending == 4


def test_what_comes_between_the_look_at_a_segment_and_at_its_heir_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    watch = Watch(tmp_path / journal.id)
    fill(journal, range(2))
    journal.prepare()  # the spare segment is the heir
    read = watching._read
    late = iter([range(2, 200)])

    def reading(segment: Segment, at: int) -> tuple[list[Entry], int]:
        found = read(segment, at)
        for numbers in late:
            fill(journal, numbers)
        return found

    monkeypatch.setattr(watching, "_read", reading)

    assert sorted(seen(watch) + seen(watch)) == list(range(200))


def test_a_journal_that_is_finished_is_told(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    watch = Watch(tmp_path / journal.id)
    fill(journal, range(2))
    deliver(journal, everything(journal))
    journal.close()

    with pytest.raises(FileNotFoundError):
        watch.look()
    with pytest.raises(JournalError):
        Watch(tmp_path / journal.id)
