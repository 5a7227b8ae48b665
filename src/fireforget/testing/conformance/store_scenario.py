"""Whatever is done to it in whatever order, a store does what the readable reference in memory does."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from fireforget.abc import Query, Record
from fireforget.local.memory import MemoryStore
from fireforget.testing.conformance.scenarios import Scenario
from fireforget.testing.events import NOON, event, uuid7

if TYPE_CHECKING:
    from fireforget.abc import Store
    from fireforget.testing.place import Place

_numbers = itertools.count()

_MINUTES = st.integers(0, 4)
_NAMES = st.sampled_from([None, "s1", "s2"])
_TYPES = st.sampled_from(["query", "response", "click"])
_LOOKS = 10


class StoreScenario(Scenario):
    """Puts, scans, claims and purges on both sides, and compares.

    Args:
        place: Where the adapter is; each scenario has a day of its own there.
        store: The adapter.
        lease: Seconds of a claim and of a short life.
        tolerance: How many seconds later than promised something may show.
    """

    def __init__(self, place: Place, store: Store, *, lease: float, tolerance: float) -> None:
        super().__init__()
        self._place = place
        self._store = store
        self._lease = lease
        self._tolerance = tolerance
        number = next(_numbers)
        self._name = f"scenario-{number}"
        self._day = NOON + timedelta(days=1 + number)
        self._reference = MemoryStore(self._name, clock=place.time)
        self._put: list[Record] = []

    @rule(
        minutes=st.lists(_MINUTES, max_size=4),
        kind=_TYPES,
        sessionid=_NAMES,
        life=st.sampled_from([None, 0.5, 1.0, 3.0]),
        data=st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.integers(-9, 9), max_size=2),
    )
    def put(
        self, minutes: list[int], kind: str, sessionid: str | None, life: float | None, data: dict[str, Any]
    ) -> None:
        """Put events of a few requests, some with an end."""
        expires_at = None
        if life is not None and self._place.clock is not None:
            expires_at = self._place.now() + timedelta(seconds=life * self._lease)
        events = [
            event(
                self._day + timedelta(hours=minute),
                correlationid=self._correlation(minute),
                type=kind,
                sessionid=sessionid,
                data=data,
            )
            for minute in minutes
        ]
        records = [Record(each, expires_at) for each in events]
        self._put += records
        self.do(self._put_both, records)

    @precondition(lambda self: self._put)
    @rule(data=st.data())
    def put_again(self, data: st.DataObject) -> None:
        """Put what has been put before; expired or not, it changes nothing that anybody sees."""
        now = self._place.now()
        alive = [each for each in self._put if each.expires_at is None or each.expires_at > now]
        if alive:
            self.do(self._put_both, data.draw(st.lists(st.sampled_from(alive), max_size=5), label="records"))

    @rule(
        start=st.none() | _MINUTES,
        end=st.none() | _MINUTES,
        types=st.sets(_TYPES, max_size=2),
        sessionid=_NAMES,
        correlation=st.none() | _MINUTES,
    )
    def scan(
        self, start: int | None, end: int | None, types: set[str], sessionid: str | None, correlation: int | None
    ) -> None:
        """Read with any conditions."""
        query = Query(
            start=self._day if start is None else self._day + timedelta(minutes=start),
            end=self._day + timedelta(hours=1) if end is None else self._day + timedelta(minutes=end),
            types=tuple(sorted(types)),
            sessionid=sessionid,
            correlationid=None if correlation is None else self._correlation(correlation),
        )
        self.do(self._compare, query)

    @invariant()
    def holds_the_same(self) -> None:
        """A scan of everything."""
        self.do(self._compare, Query(start=self._day, end=self._day + timedelta(hours=1)))

    @rule(key=st.sampled_from("ab"), holder=st.sampled_from("xyz"))
    def claim(self, key: str, holder: str) -> None:
        """Take a claim, or fail to."""
        self.do(self._claim_both, f"{self._name}/{key}", holder)

    @precondition(lambda self: self._place.clock is not None)
    @rule(share=st.sampled_from([0.1, 0.5, 1.0, 2.0]))
    def pass_time(self, share: float) -> None:
        """Let records expire and claims end."""
        self.do(self._place.pass_time, share * self._lease)

    @rule(limit=st.integers(1, 5))
    def purge(self, limit: int) -> None:
        """Delete what has expired, which nobody notices."""
        self.do(self._store.purge, limit)

    def _correlation(self, minute: int) -> str:
        return uuid7(self._day + timedelta(minutes=minute), minute)

    async def _put_both(self, records: list[Record]) -> None:
        assert list(await self._store.put(records)) == list(await self._reference.put(records)) == []

    async def _claim_both(self, key: str, holder: str) -> None:
        found = await self._store.claim(key, self._lease_of_claims, holder=holder)
        assert found == await self._reference.claim(key, self._lease_of_claims, holder=holder)

    @property
    def _lease_of_claims(self) -> float:
        return self._lease if self._place.clock is not None else 100 * self._lease

    async def _compare(self, query: Query) -> None:
        expected = [record async for record in self._reference.scan(query)]
        found = [record async for record in self._store.scan(query)]
        with anyio.move_on_after(self._tolerance):
            while found != expected:
                await anyio.sleep(self._tolerance / _LOOKS)
                found = [record async for record in self._store.scan(query)]
        assert found == expected, query
