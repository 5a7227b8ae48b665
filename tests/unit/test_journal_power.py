"""``durability="power"``: what is on the disk itself, and in which order it gets there."""

import errno
import os
from pathlib import Path

import pytest

from fireforget._journal import totals
from fireforget.errors import JournalError
from tests.journals import POWER, TINY, assert_law, deliver, everything, fill, opened, segments


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were brought to the disk, in order."""
    names: list[str] = []

    def record(file: int) -> None:
        names.append(Path(f"/proc/self/fd/{file}").readlink().name)

    monkeypatch.setattr(os, "fdatasync", record)
    monkeypatch.setattr(os, "fsync", record)
    return names


def test_a_sync_brings_what_is_new_to_the_disk(tmp_path: Path, synced: list[str]) -> None:
    journal = opened(tmp_path, POWER)
    assert {"manifest.json", "00000001.seg", journal.id, tmp_path.name} <= set(synced)
    fill(journal, range(60))
    synced.clear()

    journal.sync()

    assert synced == ["00000001.seg", "00000002.seg", "counters", journal.id]
    synced.clear()
    journal.sync()
    assert synced == []
    fill(journal, range(60, 62))
    journal.sync()
    assert synced == ["00000002.seg", "counters", journal.id]


def test_the_checksums_are_there_before_the_sync(tmp_path: Path, synced: list[str]) -> None:
    journal = opened(tmp_path, POWER)
    fill(journal, range(60))
    journal.sync()

    assert journal.seal() == 0


def test_a_settled_file_is_removed_only_after_its_counts_are_on_the_disk(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, POWER)
    fill(journal, range(100))
    deliver(journal, everything(journal))
    assert len(segments(journal)) == 3
    unlink = Path.unlink

    def removed(path: Path, *, missing_ok: bool = False) -> None:
        synced.append(f"removed {path.name}")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", removed)
    synced.clear()
    journal.sync()

    assert synced[-4:] == ["counters", "removed 00000001.seg", "removed 00000002.seg", journal.id]
    assert_law(journal.counts, accepted=100, delivered=100)


def test_other_durabilities_only_seal(tmp_path: Path, synced: list[str]) -> None:
    journal = opened(tmp_path, TINY)
    fill(journal, range(10))
    journal.sync()

    assert journal.seal() == 0
    assert synced == []


def test_closing_syncs_what_stays(tmp_path: Path, synced: list[str]) -> None:
    journal = opened(tmp_path, POWER)
    fill(journal, range(10))
    synced.clear()
    journal.close()

    assert synced == ["00000001.seg", "counters", journal.id]


def test_a_failing_disk_is_an_error_and_the_journal_is_closed_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path, POWER)
    fill(journal, range(10))
    monkeypatch.setattr(os, "fdatasync", _broken)

    with pytest.raises(JournalError, match="cannot sync"):
        journal.sync()
    with pytest.raises(JournalError, match="cannot sync"):
        journal.close()
    assert journal.closed
    assert_law(totals(tmp_path).counts, pending=10)


def _broken(file: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))
