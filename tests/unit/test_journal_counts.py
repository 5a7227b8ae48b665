"""The law's counters: in a living journal, on its page, in the ledger, and for all journals together."""

import os
import threading
from pathlib import Path

import msgspec
import pytest

from fireforget._journal import Counts, Verification, totals, verification, verify
from fireforget._journal.counters import SLOT, Counters
from fireforget._journal.ledger import Ledger
from fireforget.errors import JournalError
from tests.journals import (
    PROCESS,
    QUEUE,
    abandon,
    adopted,
    assert_law,
    body,
    context,
    deliver,
    emit,
    everything,
    fill,
    opened,
    segments,
)


def test_notes_count_what_was_not_accepted(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.note("refused", "schema")
    journal.note("refused", "overflow", 2)
    journal.note("refused", "schema", 3)
    journal.note("sampled_out", number=7)
    journal.note("filtered")

    counts = journal.counts

    assert counts.refused == {"schema": 4, "overflow": 2}
    assert_law(counts, accepted=0, sampled_out=7, filtered=1)


def test_notes_from_many_threads_are_all_counted(tmp_path: Path) -> None:
    counters = Counters(None)

    def note() -> None:
        for _ in range(3000):
            counters.note("refused", "x", 1)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counters.counts.refused == {"x": 12_000}


def test_more_reasons_than_there_is_room_for_are_others(tmp_path: Path) -> None:
    counters = Counters(tmp_path)
    for number in range(100):
        counters.note("refused", f"{number}" + "\x01" * 100, 1)
    counters.write()

    refused = Counters(tmp_path).counts.refused
    assert sum(refused.values()) == 100
    assert refused["other"] > 0


def test_the_page_survives_with_the_journal(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(200))
    journal.note("refused", "schema", 3)
    deliver(journal, everything(journal)[:150])
    journal.prepare()
    counts = journal.counts
    abandon(journal)

    heir = adopted(tmp_path).counts

    assert heir.recovered == 50
    heir.recovered = 0
    assert heir == counts


@pytest.mark.parametrize("damaged", [0, 1])
def test_one_damaged_slot_costs_the_last_write_only(tmp_path: Path, damaged: int) -> None:
    counters = Counters(tmp_path)
    counters.fold(Counts(delivered=1), [(1, 1)])
    counters.removed([(1, 1)])
    counters.fold(Counts(delivered=1), [(2, 5)])
    counters.close()
    page = tmp_path / "counters"
    data = bytearray(page.read_bytes())
    data[damaged * SLOT + 12] ^= 1
    page.write_bytes(data)

    again = Counters(tmp_path)

    assert (again.counts.delivered, again.slot.folded) == ((2, [(2, 5)]) if damaged == 1 else (1, [(1, 1)]))


def test_a_page_of_zeros_or_of_another_size_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "counters").write_bytes(b"short")

    assert Counters(tmp_path).counts == Counts()


def test_a_closed_settled_journal_leaves_one_line_in_the_ledger(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(100))
    journal.settle(everything(journal), "delivered")
    journal.note("filtered")
    journal.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.jsonl", "ledger.lock"]
    assert Ledger(tmp_path).ids() == {journal.id}
    assert totals(tmp_path).counts == journal.counts == Counts(delivered=100, filtered=1)


def test_a_journal_that_never_had_an_event_leaves_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.prepare()
    journal.close()

    assert list(tmp_path.iterdir()) == []


def test_a_closed_journal_with_pending_events_waits(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(100))
    deliver(journal, everything(journal)[:99])
    journal.prepare()
    journal.close()

    assert not Ledger(tmp_path).ids()
    assert_law(totals(tmp_path).counts, accepted=100, delivered=99, pending=1)
    heir = adopted(tmp_path)
    deliver(heir, heir.walk(5))
    heir.close()
    assert_law(totals(tmp_path).counts, accepted=100, delivered=100, recovered=1)


def test_a_settled_journal_may_be_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(3))
    deliver(journal, journal.walk(5))
    journal.close(remove_if_settled=False)

    assert adopted(tmp_path).counts.delivered == 3


def test_where_the_ledger_cannot_be_written_the_journal_stays_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    fill(journal, range(3))
    deliver(journal, journal.walk(5))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", _fail)
        journal.close()

    assert not Ledger(tmp_path).ids()
    adopted(tmp_path).close()
    assert_law(totals(tmp_path).counts, accepted=3, delivered=3)


def _fail(path: Path, data: bytes) -> int:
    raise OSError(28, os.strerror(28))


def test_the_ledger_takes_each_journal_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("a", Counts(delivered=1))
    ledger.append("a", Counts(delivered=1))
    ledger.append("b", Counts(delivered=2, dropped={"overflow": 1}))

    assert ledger.counts() == Counts(delivered=3, dropped={"overflow": 1})


def test_a_long_ledger_is_summed_up_except_for_journals_that_are_still_there(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    (tmp_path / "still-there").mkdir()
    lines = [{"id": f"{number}", "counts": {"delivered": 1}} for number in range(999)]
    lines.insert(5, {"id": "still-there", "counts": {"delivered": 1}})
    (tmp_path / "ledger.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, lines)))

    ledger.append("new", Counts(delivered=1))

    assert ledger.counts() == Counts(delivered=1001)
    assert ledger.ids() == {"", "still-there"}


def test_a_damaged_line_of_the_ledger_leaves_the_others(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append("a", Counts(delivered=1))
    with ledger._path.open("ab") as file:
        file.write(b'{"id":"b","cou')

    ledger.append("c", Counts(delivered=1))

    assert ledger.ids() == {"a", "c"}


def test_totals_add_up_the_living_the_dead_and_the_gone(tmp_path: Path) -> None:
    gone, dead, living = (opened(tmp_path) for _ in range(3))
    for journal, number in ((gone, 10), (dead, 200), (living, 300)):
        fill(journal, range(number))
    deliver(gone, everything(gone))
    deliver(dead, everything(dead)[:50])
    living.settle(everything(living)[:100], "dead")
    gone.close()
    abandon(dead)

    both = totals(tmp_path)

    assert both.journals == 2
    assert_law(both.counts, accepted=510, delivered=60, dead_lettered=100, pending=350)


def test_totals_of_nothing_are_nothing(tmp_path: Path) -> None:
    assert totals(tmp_path / "nowhere").counts == Counts()


def test_a_journal_that_stands_in_the_ledger_is_not_counted_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(3))
    deliver(journal, journal.walk(3))
    Ledger(tmp_path).append(journal.id, journal.counts)

    assert_law(totals(tmp_path).counts, accepted=3)


def test_verification_changes_nothing(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(200), [context(number) for number in range(4)])
    emit(journal, PROCESS, "other", body(200))
    folder = journal._folder
    assert folder is not None
    before = {path: path.read_bytes() for path in folder.iterdir()}

    verification = verify(folder)

    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert verification.sound
    assert verification.manifest.queue == QUEUE
    assert verification.segments == len(segments(journal))
    assert not verification.torn
    assert_law(verification.counts, accepted=201, pending=201)
    assert journal.counts == verification.counts


def test_what_is_no_journal_cannot_be_verified(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no manifest"):
        verify(tmp_path)


def test_counts_add_up() -> None:
    counts = Counts(delivered=1, dropped={"overflow": 1}, refused={"a": 1}, corrupt=1, pending=2)
    counts.add(Counts(delivered=2, dropped={"overflow": 1, "x": 1}, refused={"a": 1}, dead_lettered=1))

    assert_law(counts, accepted=10, delivered=3, dead_lettered=1)
    assert counts.refused == {"a": 2}


def test_a_close_does_not_wait_without_end_for_the_ledger(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    fill(journal, range(3))
    deliver(journal, journal.walk(3))
    with Ledger(tmp_path).locked():
        journal.close()

    assert Ledger(tmp_path).ids() == set()
    adopted(tmp_path).close()
    assert Ledger(tmp_path).ids() == {journal.id}
    assert_law(totals(tmp_path).counts, accepted=3, delivered=3)


def test_who_adds_everything_up_keeps_nobody_from_finishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journals = [opened(tmp_path) for _ in range(3)]
    for journal in journals:
        fill(journal, range(3))
        deliver(journal, journal.walk(3))
    look, left = verification.verify, list(journals)

    def finish_one_then_look(path: Path) -> Verification:
        if left:
            left.pop().close()
        return look(path)

    monkeypatch.setattr(verification, "verify", finish_one_then_look)
    counted = totals(tmp_path)

    assert Ledger(tmp_path).ids() == {journal.id for journal in journals}
    assert_law(counted.counts, accepted=9, delivered=9)
    assert (counted.journals, counted.unread) == (0, [])


def test_a_damaged_manifest_does_not_hide_the_other_journals(tmp_path: Path) -> None:
    sound, damaged = opened(tmp_path), opened(tmp_path)
    for journal in (sound, damaged):
        fill(journal, range(3))
    (tmp_path / damaged.id / "manifest.json").write_bytes(b"")

    counted = totals(tmp_path)

    assert_law(counted.counts, accepted=3, pending=3)
    assert counted.journals == 1
    (unread,) = counted.unread
    assert unread.path.name == damaged.id
    assert "is damaged" in unread.reason
