"""Adoption: locks, neighbours, strangers, leftovers, forks."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from fireforget._journal import ADOPTED_AT_ONCE, Journal, Options, adopt, strangers, totals, verify
from fireforget._journal.directory import Directory
from fireforget.errors import JournalError
from tests.journals import (
    QUEUE,
    abandon,
    adopted,
    assert_law,
    context,
    deliver,
    emit,
    everything,
    fill,
    in_child,
    number_of,
    numbers,
    opened,
)


def test_a_dead_neighbour_is_drained_in_place(tmp_path: Path) -> None:
    dead, ours = opened(tmp_path), opened(tmp_path)
    fill(dead, range(200), [context(1), context(2)])
    deliver(dead, everything(dead)[:150])
    abandon(dead)

    (heir,) = adopt(tmp_path, QUEUE)

    assert heir.id == dead.id
    assert heir.nonce == dead.nonce
    assert heir.id != ours.id
    entries = everything(heir)
    assert numbers(heir, entries) == list(range(150, 200))
    assert not heir.append(context(3), "query", 1, 1, b"{}")
    deliver(heir, entries)
    heir.close()
    assert not (tmp_path / heir.id).exists()
    assert_law(totals(tmp_path).counts, accepted=200, delivered=200, recovered=50)


def test_the_living_are_left_alone(tmp_path: Path) -> None:
    living = opened(tmp_path)
    fill(living, range(10))

    assert adopt(tmp_path, QUEUE) == []
    assert strangers(tmp_path, QUEUE) == []


def test_who_adopts_has_it_alone(tmp_path: Path) -> None:
    dead = opened(tmp_path)
    fill(dead, range(10))
    abandon(dead)
    heir = adopted(tmp_path)

    assert adopt(tmp_path, QUEUE) == []
    heir.close()
    assert len(adopt(tmp_path, QUEUE)) == 1


def test_the_adopter_may_die_too(tmp_path: Path) -> None:
    dead = opened(tmp_path)
    fill(dead, range(100))
    abandon(dead)
    for done in (30, 60):
        heir = adopted(tmp_path)
        deliver(heir, heir.walk(30))
        assert_law(heir.counts, accepted=100, delivered=done)
        abandon(heir)

    last = adopted(tmp_path)

    assert numbers(last, everything(last)) == list(range(60, 100))
    assert last.counts.recovered == 100 + 70 + 40


def test_another_queue_is_a_stranger(tmp_path: Path) -> None:
    other = Journal.open(tmp_path, "another", Options(segment_bytes=8192, max_bytes=16384))
    fill(other, range(3))
    abandon(other)

    assert adopt(tmp_path, QUEUE) == []
    (stranger,) = strangers(tmp_path, QUEUE)
    assert (stranger.path, stranger.reason) == (tmp_path / other.id, "it is for another queue")
    assert strangers(tmp_path, "another") == []


def test_the_living_are_no_strangers(tmp_path: Path) -> None:
    other = Journal.open(tmp_path, "another", Options(segment_bytes=8192, max_bytes=16384))
    fill(other, range(3))
    assert strangers(tmp_path, QUEUE) == []

    abandon(other)

    assert [stranger.path.name for stranger in strangers(tmp_path, QUEUE)] == [other.id]


def test_many_are_adopted_a_few_at_a_time(tmp_path: Path) -> None:
    dead = [opened(tmp_path) for _ in range(2 * ADOPTED_AT_ONCE + 1)]
    for journal in dead:
        fill(journal, range(3))
        abandon(journal)
    rounds = [adopt(tmp_path, QUEUE) for _ in range(4)]

    assert [len(heirs) for heirs in rounds] == [ADOPTED_AT_ONCE, ADOPTED_AT_ONCE, 1, 0]
    assert {heir.id for heirs in rounds for heir in heirs} == {journal.id for journal in dead}


@pytest.mark.parametrize(
    ("manifest", "reason"), [(b"{", "damaged"), (b"{}", "damaged"), (None, "no manifest"), (b"2", "format 2")]
)
def test_what_this_version_cannot_read_is_a_stranger(tmp_path: Path, manifest: bytes | None, reason: str) -> None:
    dead = opened(tmp_path)
    fill(dead, range(3))
    abandon(dead)
    path = tmp_path / dead.id / "manifest.json"
    if manifest is None:
        path.unlink()
    elif manifest == b"2":
        path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), "format": 2}))
    else:
        path.write_bytes(manifest)

    assert adopt(tmp_path, QUEUE) == []
    (stranger,) = strangers(tmp_path, QUEUE)
    assert reason in stranger.reason


def test_a_journal_that_stands_in_the_ledger_only_remains_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    fill(journal, range(3))
    deliver(journal, journal.walk(3))
    with monkeypatch.context() as patch:
        patch.setattr(Directory, "remove", Directory.release)
        journal.close()
    assert (tmp_path / journal.id).exists()

    assert adopt(tmp_path, QUEUE) == []
    assert not (tmp_path / journal.id).exists()
    assert_law(totals(tmp_path).counts, accepted=3, delivered=3)


def test_what_was_never_born_or_half_removed_is_swept_up(tmp_path: Path) -> None:
    for name in (".new-empty", ".new-locked", ".new-free", ".gone-x"):
        (tmp_path / name).mkdir()
    for name in (".new-locked", ".new-free", ".gone-x"):
        (tmp_path / name / "lock").touch()
    with (tmp_path / ".new-locked" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert adopt(tmp_path, QUEUE) == []

    assert [path.name for path in tmp_path.iterdir()] == [".new-locked"]


def test_who_makes_a_journal_tries_again_when_it_is_swept_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening, swept = os.open, list[Path]()

    def sweep_then_open(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).parent.name.startswith(".new-") and not swept and not flags & os.O_EXCL:
            swept.append(path)
            monkeypatch.setattr(os, "open", opening)
            adopt(tmp_path, QUEUE)
        return opening(path, flags, mode)

    monkeypatch.setattr(os, "open", sweep_then_open)
    journal = opened(tmp_path)

    assert swept
    assert [path.name for path in tmp_path.iterdir()] == [journal.id]


def test_a_directory_removed_between_opening_and_locking_is_not_adopted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = opened(tmp_path)
    fill(dead, range(3))
    abandon(dead)
    locking = fcntl.flock

    def remove_then_lock(file: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", locking)
        heir = adopted(tmp_path)
        deliver(heir, heir.walk(9))
        heir.close()
        locking(file, how)

    monkeypatch.setattr(fcntl, "flock", remove_then_lock)

    assert adopt(tmp_path, QUEUE) == []
    assert_law(totals(tmp_path).counts, accepted=3, delivered=3)


def test_one_that_cannot_be_read_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = []
    for _ in range(2):
        dead.append(opened(tmp_path))
        fill(dead[-1], range(3))
        abandon(dead[-1])
    dead.sort(key=lambda journal: journal.id)
    opening = Path.open

    def failing(path: Path, mode: str = "r") -> object:
        if path.suffix == ".seg" and path.parent.name == dead[0].id:
            raise OSError(5, os.strerror(5))
        return opening(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", failing)
        (heir,) = adopt(tmp_path, QUEUE)
        assert heir.id == dead[1].id
        with pytest.raises(JournalError, match="cannot take over"):
            adopt(tmp_path, QUEUE)

    assert adopted(tmp_path).id == dead[0].id


def test_without_locks_the_error_says_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)

    with pytest.raises(JournalError, match='durability = "none"'):
        opened(tmp_path)
    assert Journal.open(tmp_path, QUEUE, Options(durability="none")).id == ""


def test_a_place_where_no_journal_can_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(JournalError, match="cannot make a journal"):
        opened(tmp_path / "file" / "journals")


def test_the_child_of_a_fork_leaves_its_parents_records_alone(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    request = context(1)
    fill(parent, range(50), [request])

    def child(report: int) -> None:
        parent.after_fork_in_child()
        assert not emit(parent, request, "query", b'{"n":1000}')
        assert parent.walk(10) == []
        parent.settle([], "delivered")
        parent.close()
        assert adopt(tmp_path, QUEUE) == []
        own = opened(tmp_path)
        assert emit(own, request, "query", b'{"n":2000}')
        os.write(report, b"%d" % number_of(own.payload(own.walk(1)[0])))

    status, lines = in_child(child)

    assert (status, lines) == (0, [b"2000"])
    fill(parent, range(50, 60), [request])
    assert numbers(parent, everything(parent)) == list(range(60))
    assert verify(tmp_path / parent.id).sound
    heir = adopted(tmp_path)
    assert numbers(heir, everything(heir)) == [2000]


def test_the_parents_lock_holds_while_its_children_come_and_go(tmp_path: Path) -> None:
    parent = opened(tmp_path)
    fill(parent, range(5))

    status, _ = in_child(lambda _: parent.after_fork_in_child())

    assert status == 0
    assert adopt(tmp_path, QUEUE) == []


def test_a_spawned_process_does_not_inherit_the_lock(tmp_path: Path) -> None:
    dead = opened(tmp_path)
    fill(dead, range(3))
    with subprocess.Popen(["/bin/cat"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, close_fds=False) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.read(1) == b"\n"  # it runs, and has dropped what it was not to inherit
        abandon(dead)
        assert len(adopt(tmp_path, QUEUE)) == 1


RACER = """
import sys
from pathlib import Path
from fireforget._journal import adopt

print("ready", flush=True)
sys.stdin.readline()
print(*(journal.id for journal in adopt(Path(sys.argv[1]), "digest")), flush=True)
sys.stdin.readline()
"""


def test_of_processes_that_adopt_at_once_exactly_one_gets_each_journal(tmp_path: Path) -> None:
    dead = [opened(tmp_path) for _ in range(8)]
    for journal in dead:
        fill(journal, range(20))
        abandon(journal)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    taken = []
    for racer in racers:
        assert racer.stdout
        taken += racer.stdout.readline().split()
    for racer in racers:
        racer.communicate("\n")

    assert sorted(taken) == sorted(journal.id for journal in dead)
