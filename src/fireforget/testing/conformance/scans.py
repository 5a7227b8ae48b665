"""What every store promises of reading: every key, every page, the promised order."""

from __future__ import annotations

import itertools
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, cast

from fireforget.abc import Query, uuid7_time
from fireforget.testing.conformance.on_store import OnStore
from fireforget.testing.events import NOON, event, in_order, records, scan, uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from fireforget.abc import Record, Store


class ScanConformance(OnStore):
    """Scans by period, type, session and correlation id."""

    async def test_a_request_comes_together_in_the_order_of_time(self, store: Store) -> None:
        first, second = uuid7(NOON, 9), uuid7(NOON + timedelta(milliseconds=1), 1)
        events = [
            event(NOON + timedelta(hours=1), correlationid=first, type="late"),
            event(NOON + timedelta(seconds=1), correlationid=second),
            event(NOON, correlationid=first),
            event(NOON + timedelta(seconds=2), correlationid=second, type="response"),
            event(NOON + timedelta(minutes=1), correlationid=uuid7(NOON, 8)),
        ]
        for each in events:
            await store.put(records(each))
        await self.expect(store, [events[4], events[2], events[0], events[1], events[3]])

    async def test_a_period_includes_its_start_and_excludes_its_end(self, store: Store) -> None:
        step = timedelta(milliseconds=1)
        events = [event(NOON + n * step, correlationid=uuid7(NOON + n * step, n)) for n in range(6)]
        await store.put(records(*events))
        await self.expect(store, events[1:4], Query(start=NOON + step, end=NOON + 4 * step))
        await self.expect(store, events[1:], Query(start=NOON + step))
        await self.expect(store, events[:1], Query(end=NOON + step))
        await self.expect(store, [], Query(start=NOON + step, end=NOON + step))
        within = NOON + step + timedelta(microseconds=300)
        await self.expect(store, events[2:], Query(start=within))
        await self.expect(store, events[:2], Query(end=within))
        elsewhere = timezone(timedelta(hours=-7))
        await self.expect(store, events[1:], Query(start=(NOON + step).astimezone(elsewhere)))
        await self.expect(store, events, Query(start=datetime(1, 1, 1, tzinfo=UTC)))
        await self.expect(store, events, Query(end=datetime(9999, 12, 31, tzinfo=UTC)))

    async def test_a_late_event_counts_in_its_request_s_period(self, store: Store) -> None:
        before_midnight = datetime(2025, 6, 14, 23, 59, 59, 999000, tzinfo=UTC)
        late = event(before_midnight + timedelta(hours=2), correlationid=uuid7(before_midnight))
        await store.put(records(late))
        midnight = datetime(2025, 6, 15, tzinfo=UTC)
        await self.expect(store, [late], Query(end=midnight))
        await self.expect(store, [], Query(start=midnight))

    async def test_every_combination_of_conditions_holds(self, store: Store) -> None:
        chance = random.Random(7)  # noqa: S311 - the same in every run is the purpose
        requests = [uuid7(NOON + timedelta(minutes=n), n) for n in range(12)]
        events = [
            event(
                NOON + timedelta(minutes=n),
                correlationid=requests[n],
                type=chance.choice(["query", "response", "click"]),
                sessionid=chance.choice([None, "s1", "s2"]),
            )
            for n in chance.choices(range(12), k=60)
        ]
        await store.put(records(*events))
        for start, end, types, sessionid, correlationid in itertools.product(
            [None, NOON + timedelta(minutes=3)],
            [None, NOON + timedelta(minutes=9)],
            [(), ("click",), ("query", "response"), ("nothing",)],
            [None, "s1", "nobody"],
            [None, requests[5], uuid7(NOON, 99)],
        ):
            expected = [
                each
                for each in in_order(events)
                if (start is None or cast("datetime", uuid7_time(each.correlation)) >= start)
                and (end is None or cast("datetime", uuid7_time(each.correlation)) < end)
                and (not types or each.type in types)
                and (sessionid is None or each.sessionid == sessionid)
                and (correlationid is None or each.correlation == correlationid)
            ]
            query = Query(start=start, end=end, types=types, sessionid=sessionid, correlationid=correlationid)
            await self.expect(store, expected, query)

    async def test_many_pages_come_whole_and_in_order(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n // 3), sessionid=f"s{n % 2}") for n in range(1100)]
        shuffled = random.Random(3).sample(events, len(events))  # noqa: S311 - the same in every run is the purpose
        for start in range(0, len(shuffled), 100):
            await store.put(records(*shuffled[start : start + 100]))
        await self.expect(store, in_order(events))
        await self.expect(store, in_order(events[1::2]), Query(sessionid="s1"))

    async def test_large_events_come_whole_and_in_order(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n), data={"text": f"{n}" * 60_000}) for n in range(25)]
        for each in events:
            await store.put(records(each))
        await self.expect(store, events)

    async def test_writing_meanwhile_does_not_disturb_a_scan(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(500)]
        await store.put(records(*events))
        found = []
        async for record in store.scan(Query()):
            found.append(record.event)
            if len(found) % 100 == 50:
                await store.put(records(event(NOON - timedelta(days=1)), event(NOON + timedelta(seconds=len(found)))))
        assert [each for each in found if each in events] == events
        assert len(set(map(id, found))) == len(found)

    async def test_a_scan_may_be_given_up(self, store: Store) -> None:
        await store.put(records(*(event(NOON + timedelta(seconds=n)) for n in range(300))))
        for most in (0, 1, 150, 299):
            count = 0
            async with aclosing(cast("AsyncGenerator[Record]", store.scan(Query()))) as found:
                while count < most:
                    await anext(found)
                    count += 1
        assert len(await scan(store)) == 300
