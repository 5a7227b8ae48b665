"""What every store promises, as tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from fireforget.abc import Query, Record, decode_event, encode_event
from fireforget.testing.conformance.awaits import at_every_await
from fireforget.testing.conformance.closing import ClosingConformance
from fireforget.testing.conformance.lifetimes import LifetimeConformance
from fireforget.testing.conformance.scans import ScanConformance
from fireforget.testing.conformance.scenarios import run_scenarios
from fireforget.testing.conformance.store_scenario import StoreScenario
from fireforget.testing.events import NOON, event, in_order, records, scan, uuid7

if TYPE_CHECKING:
    from fireforget.abc import Store
    from fireforget.testing.conformance.closing import Calls
    from fireforget.testing.place import Place


class StoreConformance(ScanConformance, LifetimeConformance, ClosingConformance):
    """All that `fireforget.abc.Store` promises. Needs a place with `store`."""

    _may_be_idle = frozenset({"purge"})

    async def calls(self, place: Place) -> Calls:  # noqa: ARG002 - other ports need it
        """The calls of a store."""
        return {
            "put": lambda it: it.put(records(event())),
            "scan": scan,
            "claim": lambda it: it.claim("key", self.lease, holder="a"),
            "purge": lambda it: it.purge(),
        }

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
        self,
        place: Place,
        store: Store,
        attributes: dict[str, Any],
        expires: bool,  # noqa: FBT001 - pytest passes it by its name
    ) -> None:
        expires_at = place.now() + timedelta(days=90, seconds=1) if expires else None
        put = Record(event(**attributes), expires_at)
        assert list(await store.put([put])) == []
        await self.expect(store, [put.event])
        assert [record async for record in store.scan(Query())] == [put]

    async def test_an_event_whose_text_is_at_hand_is_the_same(self, store: Store) -> None:
        known = event(sessionid="s", data={"text": "漢字 🐎"}, extensions={"partition": "7"})
        text = encode_event(known).replace(":", ": ", 1)
        assert decode_event(text) == known
        assert list(await store.put([Record(known, text=text)])) == []
        await self.expect(store, [known])
        assert [record async for record in store.scan(Query(sessionid="s"))] == [Record(known)]

    async def test_what_is_changed_after_putting_changes_nothing(self, store: Store) -> None:
        data = {"n": 1}
        await store.put(records(event(data=data)))
        data["n"] = 2
        (found,) = await scan(store)
        assert found.data == {"n": 1}

    async def test_putting_twice_keeps_one(self, place: Place, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(5)]
        await store.put(records(*events[:3]))
        await store.put(records(*events))
        await place.open_store().put(records(*events[2:], *events[2:]))
        await self.expect(store, events)

    async def test_putting_the_same_at_once_keeps_one(self, place: Place, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(20)]
        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(place.open_store().put, records(*events))
        await self.expect(store, events)

    async def test_calls_may_be_made_at_the_same_time(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(20)]
        async with anyio.create_task_group() as group:
            for each in events:
                group.start_soon(store.put, records(each))
                group.start_soon(scan, store)
                group.start_soon(store.purge)
        await self.expect(store, events)

    async def test_putting_nothing_is_no_error(self, store: Store) -> None:
        assert list(await store.put([])) == []
        await self.expect(store, [])

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
        await self.expect(store, in_order(good))

    @pytest.mark.parametrize(
        "attributes",
        [{"data": {"a": "\ud800"}}, {"data": {"a": object()}}, {"type": ""}, {"time": datetime(2025, 6, 15, 12)}],  # noqa: DTZ001 - it is refused
        ids=["surrogate", "object", "no type", "no offset"],
    )
    async def test_what_cannot_be_read_back_is_refused_alone(self, store: Store, attributes: dict[str, Any]) -> None:
        good, bad = event(), event(**attributes)
        (refusal,) = await store.put(records(bad, good))
        assert refusal.event_id == bad.id
        await self.expect(store, [good])

    async def test_an_event_without_correlation_is_its_own(self, store: Store) -> None:
        alone = event()
        await store.put(records(alone))
        await self.expect(store, [alone], Query(correlationid=alone.id))

    async def test_calling_again_after_a_cancelled_call_does_no_harm(self, store: Store) -> None:
        events = [event(NOON + timedelta(seconds=n)) for n in range(20)]

        async def put() -> None:
            await store.put(records(*events))

        async def whole() -> None:
            await put()
            await self.expect(store, events)

        async def claim() -> bool:
            return await store.claim("key", self.lease, holder="a")

        async def claimed() -> None:
            assert await claim()

        await at_every_await(self.awaits, put, whole)
        await at_every_await(self.awaits, lambda: scan(store), whole)
        await at_every_await(self.awaits, claim, claimed)
        await at_every_await(self.awaits, store.purge, whole)

    async def test_random_scenarios_go_as_in_memory(self, place: Place, store: Store) -> None:
        await run_scenarios(
            lambda: StoreScenario(place, store, lease=self.lease, tolerance=self.tolerance), self.examples
        )
