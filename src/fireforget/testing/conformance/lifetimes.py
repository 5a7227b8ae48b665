"""What every store promises of time: records that expire, and claims that end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from fireforget.abc import Query, Record
from fireforget.testing.conformance.on_store import OnStore
from fireforget.testing.events import NOON, event, in_order

if TYPE_CHECKING:
    from fireforget.abc import Store
    from fireforget.testing.place import Place


class LifetimeConformance(OnStore):
    """Lets time pass over records and claims."""

    async def test_expired_records_are_never_returned(self, place: Place, store: Store) -> None:
        now = place.now()
        mortal, immortal = event(NOON), event(NOON + timedelta(seconds=1))
        await store.put([Record(mortal, now + timedelta(seconds=self.lease)), Record(immortal)])
        await place.pass_time(self.lease - self.early)
        await self.expect(store, [mortal, immortal])
        await place.pass_time(self.late)
        await self.expect(store, [immortal])
        await self.expect(store, [], Query(correlationid=mortal.id))

    async def test_purging_takes_expired_records_only(self, place: Place, store: Store) -> None:
        now = place.now()
        expired = [Record(event(), now + timedelta(seconds=n / 2)) for n in range(1, 8)]
        kept = [Record(event(), now + timedelta(days=1)), Record(event())]
        await store.put([*expired, *kept])
        await place.pass_time(4 + self.tolerance)
        counts = [await store.purge(limit=3) for _ in range(4)]
        assert sum(counts) in {len(expired), 0}, "a store that its cloud purges has nothing to do"
        assert max(counts) <= 3
        await self.expect(store, in_order([record.event for record in kept]))

    async def test_one_holder_has_a_claim(self, place: Place, store: Store) -> None:
        other = place.open_store()
        assert await store.claim("report/2025-W24", self.lease, holder="a")
        assert not await other.claim("report/2025-W24", self.lease, holder="b")
        assert await other.claim("report/2025-W25", self.lease, holder="b")

    async def test_a_claim_ends_with_its_lease(self, place: Place, store: Store) -> None:
        assert await store.claim("key", self.lease, holder="a")
        await place.pass_time(self.lease - self.early)
        assert not await store.claim("key", self.lease, holder="b")
        await place.pass_time(self.late)
        assert await store.claim("key", self.lease, holder="b")
        assert not await store.claim("key", self.lease, holder="a")

    async def test_a_holder_renews_its_claim(self, place: Place, store: Store) -> None:
        assert await store.claim("key", self.lease, holder="a")
        await place.pass_time(self.lease - self.early)
        assert await store.claim("key", self.lease, holder="a")
        await place.pass_time(self.lease - self.early)
        assert not await store.claim("key", self.lease, holder="b")

    async def test_of_many_that_claim_at_once_one_succeeds(self, place: Place) -> None:
        answers: list[bool] = []

        async def claim(number: int) -> None:
            answers.append(await place.open_store().claim("key", self.lease, holder=f"{number}"))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(claim, number)
        assert sorted(answers) == [False] * 19 + [True]
