"""What may befall the directory of the journals, seen from the application: nothing accepted is lost uncounted."""

import asyncio
import itertools
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fireforget import FireForget, JournalSettings, Settings
from fireforget._journal import totals
from fireforget.abc import Query
from fireforget.local.memory import MemoryStore
from tests.faults.cases import mounted
from tests.journals import abandon, adopted, assert_law, deliver, everything, fill, number_of
from tests.waiting import wait_for

LARGE = "x" * 10_000
JOURNALS = Path(__file__).with_name("journals")
names = itertools.count()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(f"place-{next(names)}")


def made(store: MemoryStore, root: Path) -> FireForget:
    journal = JournalSettings(
        adopt_seconds=0.1, directory=str(root), segment_bytes=256 * 1024, max_bytes=4 * 1024 * 1024
    )
    return FireForget(Settings(queue="memory://places", journal=journal), store=store)


def stored(store: MemoryStore) -> list[int]:
    async def scan() -> list[int]:
        return [record.event.data["n"] async for record in store.scan(Query())]

    return sorted(asyncio.run(scan()))


@contextmanager
def read_only(path: Path, *, rw: bool = False) -> Iterator[None]:
    """A directory in which nobody can write; root needs a file system for it."""
    if os.geteuid():
        path.chmod(0o500)
        try:
            yield
        finally:
            path.chmod(0o700)
        return
    with mounted(path, 4096):
        subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(path)], check=True)


def test_a_directory_that_nobody_can_write_refuses_counts_and_recovers(tmp_path: Path, store: MemoryStore) -> None:
    root = tmp_path / "journals"
    root.mkdir()
    ff = made(store, root)
    with ExitStack() as stack:
        try:
            stack.enter_context(read_only(root))
        except PermissionError as error:
            pytest.skip(str(error))
        assert [ff.emit("query", {"n": number}) for number in range(5)] == [None] * 5
        assert ff.stats().refused == {"journal": 5}
    (tmp_path / "elsewhere").mkdir()
    wait_for(lambda: ff.emit("query", {"n": 5}))
    ff.close()

    assert stored(store) == [5]
    assert ff.stats().accepted == 1


def test_a_directory_that_vanishes_under_a_living_process_takes_nothing_accepted_along(
    tmp_path: Path, store: MemoryStore
) -> None:
    root = tmp_path / "journals"
    accepted = []
    ff = made(store, root)
    accepted += [number for number in range(100) if ff.emit("query", {"n": number, "pad": LARGE})]
    shutil.rmtree(root)
    accepted += [number for number in range(100, 300) if ff.emit("query", {"n": number, "pad": LARGE})]
    ff.close()

    counts = ff.stats()
    assert stored(store) == accepted
    assert accepted[:100] == list(range(100))
    assert_law(counts, accepted=len(accepted), delivered=len(accepted))
    assert len(accepted) + sum(counts.refused.values()) == 300


def test_a_journal_of_format_1_is_read_by_every_later_version(tmp_path: Path) -> None:
    with tarfile.open(JOURNALS / "format-1.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    root = tmp_path / "journal"
    assert_law(totals(root).counts, accepted=100, delivered=30, dead_lettered=2, pending=68, corrupt=0, filtered=1)

    heir = adopted(root)
    pending = everything(heir)

    assert [number_of(heir.payload(entry)) for entry in pending] == list(range(32, 100))
    assert [entry.context for entry in pending[:3]] == [b"", b'"correlationid":"1"', b'"correlationid":"2"']
    assert {entry.type for entry in pending} == {b'"type":"query"'}
    deliver(heir, pending)
    heir.close()
    assert_law(totals(root).counts, accepted=100, delivered=98, dead_lettered=2, recovered=68)


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_is_damaged_of_closed_segments_the_next_start_delivers_the_rest_and_counts_it(
    data: st.DataObject,
) -> None:
    root, store = Path(tempfile.mkdtemp(prefix="places-")), MemoryStore(f"place-{next(names)}")
    try:
        dead = made(store, root)._opener.open()
        fill(dead, range(300), size=2000)
        dead.seal(1000)
        folder = root / dead.id
        abandon(dead)
        closed = sorted(folder.glob("*.seg"))[:-1]
        assert len(closed) == 2
        for path in data.draw(st.lists(st.sampled_from(closed), min_size=1, unique=True), label="files"):
            at = data.draw(st.integers(0, path.stat().st_size - 1), label="at")
            with path.open("r+b") as file:
                if data.draw(st.booleans(), label="truncated"):
                    file.truncate(at)
                else:
                    file.seek(at)
                    file.write(data.draw(st.binary(min_size=1, max_size=5000), label="bytes"))
        before = totals(root).counts

        with made(store, root) as ff:
            wait_for(lambda: not folder.exists() and not ff.stats().pending)

        counts = totals(root).counts
        assert_law(counts, pending=0, accepted=before.accepted, corrupt=before.corrupt, recovered=before.pending)
        assert len(stored(store)) == len(set(stored(store))) == counts.delivered == before.pending
        assert set(stored(store)) <= set(range(300))
    finally:
        shutil.rmtree(root)
