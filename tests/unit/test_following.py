"""Following: each new event once, whether or not it is late, of the store or of the journals."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fireforget import Event
from fireforget.abc import Record
from fireforget.local.memory import MemoryStore
from fireforget.operations.following import Wanted, follow_journals, follow_store
from fireforget.testing.clock import ManualClock
from tests.cli import Workspace
from tests.journals import abandon, deliver, everything, fill
from tests.pipeline import NOON, event, unused_name, uuid

pytestmark = pytest.mark.asyncio


class Looks:
    """What is followed, look by look."""

    def __init__(self, followed: AsyncIterator[list[Event]], clock: ManualClock) -> None:
        self._followed = followed
        self._clock = clock
        self._first = True

    async def next(self) -> list[object]:
        """The numbers of the events of the next look."""
        look = asyncio.ensure_future(anext(self._followed))
        if not self._first:
            await self._clock.asleep()
            self._clock.advance(1.0)
        self._first = False
        return [each.data["n"] for each in await look]


class Followed(Looks):
    """A store that is followed.

    Args:
        wanted: Which events.
        window: Seconds.
    """

    def __init__(self, wanted: Wanted | None = None, window: float = 900.0) -> None:
        clock = ManualClock(NOON + timedelta(seconds=10))
        self._store = MemoryStore(unused_name(), clock=clock)
        super().__init__(follow_store(self._store, wanted or Wanted(), clock, window=window), clock)

    async def put(self, *events: Event) -> None:
        await self._store.put([Record(each) for each in events])


def at(number: int, seconds: float, **changes: object) -> Event:
    time = NOON + timedelta(seconds=seconds)
    return event(number, id=uuid(number, time), time=time, **changes)


async def test_what_is_there_already_is_passed_over() -> None:
    followed = Followed()
    await followed.put(at(1, 0), at(2, 1))

    assert await followed.next() == []
    await followed.put(at(4, 4), at(3, 3))
    assert await followed.next() == [3, 4]
    assert await followed.next() == []


async def test_the_last_ones_come_first_where_they_are_wanted() -> None:
    followed = Followed(Wanted(last=2))
    await followed.put(*(at(number, number) for number in range(5)))

    assert await followed.next() == [3, 4]
    await followed.put(*(at(number, number) for number in range(5, 9)))
    assert await followed.next() == [5, 6, 7, 8]


async def test_an_event_that_is_late_is_seen() -> None:
    followed = Followed()
    await followed.put(at(5, 5))
    await followed.next()
    request = uuid(9, NOON - timedelta(minutes=10))

    await followed.put(at(1, 1), at(2, 6, correlationid=request))

    assert await followed.next() == [1, 2]


async def test_what_is_older_than_the_window_is_not_read() -> None:
    followed = Followed(window=60.0)
    await followed.next()
    await followed.put(at(1, -120), at(2, 0))

    assert await followed.next() == [2]


async def test_only_what_is_wanted_is_seen() -> None:
    followed = Followed(Wanted(types=("query",), sessionid="mine"))
    await followed.next()
    await followed.put(
        at(1, 1, sessionid="mine"), at(2, 2, sessionid="other"), at(3, 3, sessionid="mine", type="response")
    )

    assert await followed.next() == [1]


async def test_a_store_that_takes_long_is_left_alone_for_longer() -> None:
    clock = ManualClock(NOON)

    class Slow(MemoryStore):
        async def scan(self, query: object) -> AsyncIterator[Record]:
            clock.advance(2.0)
            return
            yield

    followed = follow_store(Slow(unused_name(), clock=clock), Wanted(), clock)
    await anext(followed)
    look = asyncio.ensure_future(anext(followed))
    await clock.asleep()

    assert clock.sleeping == [8.0]
    clock.advance(8.0)
    await look


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def followed_journals(workspace: Workspace, wanted: Wanted | None = None) -> Looks:
    clock = ManualClock(datetime.now(UTC))
    return Looks(follow_journals(workspace.settings.journal_directory, wanted or Wanted(), clock), clock)


async def test_the_events_of_all_journals_are_seen_also_of_those_to_come(workspace: Workspace) -> None:
    first = workspace.journal(range(2), alive=True)
    followed = followed_journals(workspace)

    assert await followed.next() == []
    fill(first, range(2, 4))
    second = workspace.journal(range(10, 12), alive=True)
    assert sorted(map(str, await followed.next())) == ["10", "11", "2", "3"]
    fill(second, range(12, 13))
    assert await followed.next() == [12]


async def test_the_last_ones_of_the_journals_come_first_where_they_are_wanted(workspace: Workspace) -> None:
    workspace.journal(range(5), alive=True)

    assert await followed_journals(workspace, Wanted(last=2)).next() == [3, 4]


async def test_a_journal_that_goes_takes_nothing_with_it(workspace: Workspace) -> None:
    journal = workspace.journal(range(2), alive=True)
    followed = followed_journals(workspace, Wanted(last=10))
    assert await followed.next() == [0, 1]

    deliver(journal, everything(journal))
    journal.close()
    other = workspace.journal(range(5, 6), alive=True)

    assert await followed.next() == [5]
    abandon(other)
    assert await followed.next() == []


async def test_of_the_journals_too_only_what_is_wanted_is_seen(workspace: Workspace) -> None:
    workspace.journal(range(3), alive=True)

    assert await followed_journals(workspace, Wanted(types=("other",), last=9)).next() == []
    assert await followed_journals(workspace, Wanted(sessionid="mine", last=9)).next() == []
    assert await followed_journals(workspace, Wanted(types=("query",), last=9)).next() == [0, 1, 2]


async def test_a_journal_of_another_version_is_passed_over(workspace: Workspace) -> None:
    journal = workspace.journal(range(3))
    manifest = workspace.settings.journal_directory / journal.id / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format":1', '"format":9'))
    workspace.journal(range(5, 7), alive=True)

    assert await followed_journals(workspace, Wanted(last=9)).next() == [5, 6]
