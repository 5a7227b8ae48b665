"""What every store promises, as tests."""

import itertools
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

from fireforget.abc import Query, Record, Store, decode_event, encode_event, uuid7_time
from fireforget.errors import ClosedError
from tests.conformance.events import NOON, event, in_order, records, scan, uuid7

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class StorePlace(Protocol):
    """One store, empty at first."""

    def store(self) -> Store:
        """Make another adapter of the store; the fixture closes it."""

    def now(self) -> datetime:
        """What time it is for the adapters."""

    async def elapse(self, seconds: float) -> None:
        """Let so much time pass for all adapters."""


@pytest.mark.anyio
class StoreConformance:
    """A subclass says with the fixture `place` which adapter is tested, with `anyio_backend` on which event loop."""

    @pytest.fixture
    def place(self) -> StorePlace:
        raise NotImplementedError("say which adapter is to be tested")

    @pytest.fixture
    async def store(self, place: StorePlace) -> Store:
        return place.store()

    @pytest.mark.parametrize(
        "attributes",
        [
            {"data": {}},
            {
                "data": {"text": "žluťoučký 漢字 🐎 \ufffe\uffff\u0000", "deep": {"list": [1, 2.5, None, True, {}]}},
                "subject": "a subject",
                "dataschema": "urn:fireforget:query:2",
                "correlationid": uuid7(NOON, 77),
                "sessionid": "sitting №1",
                "requestid": "from the proxy",
                "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                "extensions": {"partition": "7", "retries": 3, "sampled": True},
            },
            {"time": datetime(2025, 6, 15, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))},
            {"data": {"text": "x" * 120_000}},
        ],
        ids=["smallest", "full", "offset", "large"],
    )
    @pytest.mark.parametrize("expires", [False, True])
    async def test_what_was_put_comes_back_exactly(
        self, place: StorePlace, store: Store, attributes: dict[str, Any], expires: bool
    ) -> None:
        expires_at = place.now() + timedelta(days=90, seconds=1) if expires else None
        put = Record(event(**attributes), expires_at)
        assert list(await store.put([put])) == []
        assert [record async for record in store.scan(Query())] == [put]

    async def test_an_event_whose_text_is_at_hand_is_the_same(self, store: Store) -> None:
        known = event(sessionid="s", data={"text": "漢字 🐎"}, extensions={"partition": "7"})
        text = encode_event(known).replace(":", ": ", 1)
        assert decode_event(text) == known
        assert list(await store.put([Record(known, text=text)])) == []
        assert [record async for record in store.scan(Query(sessionid="s"))] == [Record(known)]

    async def test_what_is_changed_after_putting_changes_nothing(self, store: Store) -> None:
        data = {"n": 1}
        await store.put(records(event(data=data)))
        data["n"] = 2
        (found,) = await scan(store)
        assert found.data == {"n": 1}

    async def test_putting_twice_keeps_one(self, place: StorePlace, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(5)]
        await store.put(records(*events[:3]))
        await store.put(records(*events))
        await place.store().put(records(*events[2:], *events[2:]))
        assert await scan(store) == events

    async def test_putting_the_same_at_once_keeps_one(self, place: StorePlace, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(20)]
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(place.store().put, records(*events))
        assert await scan(store) == events

    async def test_putting_nothing_is_no_error(self, store: Store) -> None:
        assert list(await store.put([])) == []
        assert await scan(store) == []

    @pytest.mark.parametrize(
        "correlationid",
        ["", "request-1", "9f3c1b6e-4a8d-4f0e-8f0a-1c2d3e4f5a6b", uuid7(NOON).upper(), uuid7(NOON).replace("-", "")],
        ids=["none", "text", "version 4", "upper case", "no dashes"],
    )
    async def test_a_correlation_id_without_time_is_refused_alone(self, store: Store, correlationid: str) -> None:
        bad = event(id="not-a-uuid", correlationid=correlationid)
        good = [event(), event()]
        (refusal,) = await store.put(records(good[0], bad, good[1]))
        assert refusal.event_id == "not-a-uuid"
        assert refusal.reason
        assert await scan(store) == in_order(good)

    @pytest.mark.parametrize(
        "attributes",
        [{"data": {"a": "\ud800"}}, {"data": {"a": object()}}, {"type": ""}, {"time": datetime(2025, 6, 15, 12)}],  # noqa: DTZ001 - it is refused
        ids=["surrogate", "object", "no type", "no offset"],
    )
    async def test_what_cannot_be_read_back_is_refused_alone(self, store: Store, attributes: dict[str, Any]) -> None:
        good, bad = event(), event(**attributes)
        (refusal,) = await store.put(records(bad, good))
        assert refusal.event_id == bad.id
        assert await scan(store) == [good]

    async def test_an_event_without_correlation_is_its_own(self, store: Store) -> None:
        alone = event()
        await store.put(records(alone))
        assert await scan(store, Query(correlationid=alone.id)) == [alone]

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
        assert await scan(store) == [events[4], events[2], events[0], events[1], events[3]]

    async def test_a_period_includes_its_start_and_excludes_its_end(self, store: Store) -> None:
        step = timedelta(milliseconds=1)
        events = [event(NOON + n * step, correlationid=uuid7(NOON + n * step, n)) for n in range(6)]
        await store.put(records(*events))
        assert await scan(store, Query(start=NOON + step, end=NOON + 4 * step)) == events[1:4]
        assert await scan(store, Query(start=NOON + step)) == events[1:]
        assert await scan(store, Query(end=NOON + step)) == events[:1]
        assert await scan(store, Query(start=NOON + step, end=NOON + step)) == []
        within = NOON + step + timedelta(microseconds=300)
        assert await scan(store, Query(start=within)) == events[2:]
        assert await scan(store, Query(end=within)) == events[:2]
        elsewhere = timezone(timedelta(hours=-7))
        assert await scan(store, Query(start=(NOON + step).astimezone(elsewhere))) == events[1:]
        assert await scan(store, Query(start=datetime(1, 1, 1, tzinfo=UTC))) == events
        assert await scan(store, Query(end=datetime(9999, 12, 31, tzinfo=UTC))) == events

    async def test_a_late_event_counts_in_its_request_s_period(self, store: Store) -> None:
        before_midnight = datetime(2025, 6, 14, 23, 59, 59, 999000, tzinfo=UTC)
        late = event(before_midnight + timedelta(hours=2), correlationid=uuid7(before_midnight))
        await store.put(records(late))
        midnight = datetime(2025, 6, 15, tzinfo=UTC)
        assert await scan(store, Query(end=midnight)) == [late]
        assert await scan(store, Query(start=midnight)) == []

    async def test_every_combination_of_conditions_holds(self, store: Store) -> None:
        chance = random.Random(7)
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
            assert await scan(store, query) == expected, query

    async def test_many_pages_come_whole_and_in_order(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n // 3), sessionid=f"s{n % 2}") for n in range(1100)]
        shuffled = random.Random(3).sample(events, len(events))
        for start in range(0, len(shuffled), 100):
            await store.put(records(*shuffled[start : start + 100]))
        assert await scan(store) == in_order(events)
        assert await scan(store, Query(sessionid="s1")) == in_order(events[1::2])

    async def test_large_events_come_whole_and_in_order(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n), data={"text": f"{n}" * 60_000}) for n in range(25)]
        for each in events:
            await store.put(records(each))
        assert await scan(store) == events

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
        async with aclosing(cast("AsyncGenerator[Record]", store.scan(Query()))) as found:
            async for _ in found:
                break
        assert len(await scan(store)) == 300

    async def test_expired_records_are_never_returned(self, place: StorePlace, store: Store) -> None:
        now = place.now()
        mortal, immortal = event(NOON), event(NOON + timedelta(seconds=1))
        await store.put([Record(mortal, now + timedelta(seconds=60)), Record(immortal)])
        await place.elapse(59)
        assert await scan(store) == [mortal, immortal]
        await place.elapse(1)
        assert await scan(store) == [immortal]
        assert await scan(store, Query(correlationid=mortal.id)) == []

    async def test_purging_takes_expired_records_only(self, place: StorePlace, store: Store) -> None:
        now = place.now()
        expired = [Record(event(), now + timedelta(seconds=n)) for n in range(1, 8)]
        kept = [Record(event(), now + timedelta(days=1)), Record(event())]
        await store.put([*expired, *kept])
        await place.elapse(10)
        counts = [await store.purge(limit=3) for _ in range(4)]
        assert sum(counts) in {7, 0}, "a store that its cloud purges has nothing to do"
        assert max(counts) <= 3
        assert await scan(store) == in_order([record.event for record in kept])

    async def test_one_holder_has_a_claim(self, place: StorePlace, store: Store) -> None:
        other = place.store()
        assert await store.claim("report/2025-W24", 60, holder="a")
        assert not await other.claim("report/2025-W24", 60, holder="b")
        assert await other.claim("report/2025-W25", 60, holder="b")

    async def test_a_claim_ends_with_its_lease(self, place: StorePlace, store: Store) -> None:
        assert await store.claim("key", 60, holder="a")
        await place.elapse(59)
        assert not await store.claim("key", 60, holder="b")
        await place.elapse(1)
        assert await store.claim("key", 60, holder="b")
        assert not await store.claim("key", 60, holder="a")

    async def test_a_holder_renews_its_claim(self, place: StorePlace, store: Store) -> None:
        assert await store.claim("key", 60, holder="a")
        await place.elapse(50)
        assert await store.claim("key", 60, holder="a")
        await place.elapse(50)
        assert not await store.claim("key", 60, holder="b")

    async def test_of_many_that_claim_at_once_one_succeeds(self, place: StorePlace) -> None:
        answers: list[bool] = []

        async def claim(number: int) -> None:
            answers.append(await place.store().claim("key", 60, holder=f"{number}"))

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(claim, number)
        assert sorted(answers) == [False] * 19 + [True]

    async def test_putting_again_after_a_cancelled_put_does_no_harm(self, store: Store) -> None:
        for turns in range(8):
            events = [event(NOON + timedelta(seconds=n)) for n in range(20)]
            async with anyio.create_task_group() as group:
                group.start_soon(store.put, records(*events))
                for _ in range(turns):
                    await checkpoint()
                group.cancel_scope.cancel()
            await store.put(records(*events))
            assert [each for each in await scan(store) if each in events] == events

    async def test_closing_twice_is_no_error(self, store: Store) -> None:
        await store.put(records(event()))
        await store.aclose()
        await store.aclose()

    async def test_a_closed_adapter_refuses_every_call(self, store: Store) -> None:
        await store.aclose()
        for call in (
            lambda: store.put(records(event())),
            lambda: scan(store),
            lambda: store.claim("key", 60, holder="a"),
            store.purge,
        ):
            with pytest.raises(ClosedError):
                await call()
