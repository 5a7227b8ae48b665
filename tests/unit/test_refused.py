"""The dead-letter file beside the journals: durable, readable, and whole after any death."""

import json
import multiprocessing
import os
import stat
from pathlib import Path
from typing import Any, Self

import pytest

from fireforget import _refused
from fireforget._refused import RefusedFile
from fireforget.abc import Message
from fireforget.testing.clock import START, ManualClock


@pytest.fixture
def file(tmp_path: Path) -> RefusedFile:
    return RefusedFile(tmp_path / "data", ManualClock())


def letter(number: int) -> Message:
    return Message(f"id-{number}", "lane-001", f'[{{"n":{number}}}]')


def ids(file: RefusedFile) -> list[str]:
    return [each.id for each in file.read()]


def test_without_a_file_there_is_no_letter(file: RefusedFile) -> None:
    assert list(file.read()) == []


def test_a_letter_comes_back_with_its_reason_and_time(file: RefusedFile) -> None:
    file.append(letter(1), "too big: 300 KB")

    (read,) = file.read()

    assert (read.id, read.message, read.reason, read.time) == ("id-1", letter(1), "too big: 300 KB", START)


def test_each_line_is_json_that_any_tool_reads(file: RefusedFile) -> None:
    file.append(Message("a\n1", "k", '["\u2028ä"]'), "line\nbreak")
    file.append(letter(2), "second")

    lines = file.path.read_text(encoding="utf-8").split("\n")

    assert [json.loads(line)["reason"] for line in lines[:-1]] == ["line\nbreak", "second"]
    assert lines[-1] == ""


def test_a_letter_that_was_written_twice_is_read_once(file: RefusedFile) -> None:
    file.append(letter(1), "first")
    file.append(letter(1), "again")

    assert [each.reason for each in file.read()] == ["first"]


def test_a_torn_last_line_is_passed_over(file: RefusedFile) -> None:
    file.append(letter(1), "refused")
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + whole[:40])

    assert ids(file) == ["id-1"]


def test_a_letter_after_a_torn_line_is_read(file: RefusedFile) -> None:
    file.append(letter(1), "refused")
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + whole[:40])

    file.append(letter(2), "refused")
    file.append(letter(3), "refused")

    assert ids(file) == ["id-1", "id-2", "id-3"]


def test_a_line_that_somebody_damaged_does_not_hide_the_others(file: RefusedFile) -> None:
    for number in range(3):
        file.append(letter(number), "refused")
    lines = file.path.read_bytes().splitlines(keepends=True)
    file.path.write_bytes(lines[0] + b"{oops\n" + lines[2])

    assert ids(file) == ["id-0", "id-2"]


@pytest.mark.skipif(os.name == "nt", reason="there are no modes")
def test_what_is_made_is_for_this_user_alone(file: RefusedFile) -> None:
    directory = file.path.parent
    for number in range(2):
        file.append(letter(number), "because")
    assert file.remove([letter(0).id]) == 1
    assert {each.name: stat.S_IMODE(each.stat().st_mode) for each in (directory, *directory.iterdir())} == {
        "data": 0o700,
        "dead-letters.jsonl": 0o600,
        "dead-letters.lock": 0o600,
    }


def test_letters_can_be_removed(file: RefusedFile) -> None:
    for number in range(4):
        file.append(letter(number), "refused")

    removed = file.remove(["id-1", "id-3", "id-9"])

    assert removed == 2
    assert ids(file) == ["id-0", "id-2"]


def test_removing_nothing_leaves_the_file_alone(file: RefusedFile) -> None:
    file.append(letter(1), "refused")
    before = file.path.stat().st_ino

    assert file.remove(["id-9"]) == 0
    assert file.path.stat().st_ino == before


def test_a_full_disk_leaves_no_torn_line(file: RefusedFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.append(letter(1), "refused")

    class Full:
        """A file on a disk with room for 20 bytes."""

        def __init__(self, path: Path, mode: str, **options: Any) -> None:
            self._file = open(path, mode, **options)  # noqa: PTH123, SIM115 - as it is opened there; closed on exit

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            return int(self._file.write(data[:20]))

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

    with monkeypatch.context() as patch:
        patch.setattr(
            _refused,
            "open",
            lambda path, mode, **options: (Full if path == file.path else open)(path, mode, **options),
            raising=False,
        )
        with pytest.raises(OSError, match="No space left"):
            file.append(letter(2), "refused")
    file.append(letter(3), "refused")

    assert ids(file) == ["id-1", "id-3"]


def append_many(directory: Path, first: int) -> None:
    file = RefusedFile(directory, ManualClock())
    for number in range(first, first + 25):
        _append(file, number)


def _append(file: RefusedFile, number: int) -> None:
    """As the dispatcher does: who did not get the lock in time tries again."""
    try:
        file.append(letter(number), "refused")
    except BlockingIOError:
        _append(file, number)


def test_a_letter_does_not_wait_without_end_for_a_lock(file: RefusedFile) -> None:
    with file._locked(0.0), pytest.raises(BlockingIOError, match="another process keeps it locked"):
        file.append(letter(1), "refused")
    file.append(letter(1), "refused")

    assert ids(file) == ["id-1"]


def test_processes_share_the_file_without_losing_a_line(file: RefusedFile) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(file.path.parent, first)) for first in (0, 25)]
    for number in range(100, 110):
        file.append(letter(number), "refused")
    for writer in writers:
        writer.start()
    for number in range(100, 110):
        file.remove([f"id-{number}"])
    for writer in writers:
        writer.join()

    assert sorted(ids(file)) == sorted(f"id-{number}" for number in range(50))
