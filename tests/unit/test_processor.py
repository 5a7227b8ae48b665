"""The processor: what it stores, what it buries, what it sends back."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import anyio
import msgspec
import pytest

from fireforget._event import Event, decode_event, encode_event, split_batch, uuid7_time
from fireforget._schema import EventTypes
from fireforget._settings import ProcessingSettings
from fireforget.abc import Message
from fireforget.errors import ClosedError, DecodeError, EnricherTimeoutError, PermanentError, TransientError
from fireforget.processing import DirectEnricher, Intake, Verdict
from fireforget.processing.intake import correlated
from tests.pipeline import NOON, Bench, Raising, SteppingClock, broken, delivery, event, ids, message, uuid

pytestmark = pytest.mark.asyncio


def query_types() -> EventTypes:
    """``query`` in version 2, with the way from version 1."""
    types = EventTypes()

    @types.event_type("query", version=2)
    class Query(msgspec.Struct):
        number: int

    @types.upcaster("query", version=1)
    def rename(data: dict[str, Any]) -> dict[str, Any]:
        return {"number": data["n"]}

    return types


async def stuck(*_arguments: object, **_keywords: object) -> None:
    """A service that never answers."""
    await anyio.sleep_forever()


class TestStoring:
    async def test_all_messages_of_a_call_are_written_at_once(self) -> None:
        """One put for several messages of several keys."""
        bench = Bench()
        statuses = await bench.process(message(event(1), event(2)), message(event(3), key="other"))
        assert statuses == ["ack", "ack"]
        assert bench.store.calls == [ids([event(1), event(2), event(3)])]

    async def test_an_event_is_stored_as_it_came(self) -> None:
        """Nothing is added to an event that has all it needs."""
        bench = Bench()
        sent = event(1, correlationid=uuid(9), sessionid="s", subject="x", extensions={"tenant": "a"})
        await bench.process(message(sent))
        assert [record.event for record in bench.store.written] == [sent]

    async def test_what_nothing_changes_is_stored_as_the_text_that_came(self) -> None:
        """It need not be encoded again; whatever is changed must be."""
        bench = Bench(types=query_types())
        as_it_came = encode_event(event(1, correlationid=uuid(9), type="other")).replace('"data":', '"data": ')
        changed = [
            event(2, type="other"),
            event(3, correlationid=uuid(9), type="other", data={"ip": "203.0.113.9"}),
            event(4, correlationid=uuid(9), dataschema="urn:fireforget:query:1"),
        ]
        await bench.process(message(as_it_came, *changed))
        assert [record.text for record in bench.store.written] == [as_it_came, None, None, None]
        assert next(iter(bench.store._shelf.events.values()))[0] == as_it_came

    @pytest.mark.parametrize("waits", [True, False])
    async def test_what_an_enricher_changes_in_place_is_stored(self, *, waits: bool) -> None:
        """The text that came would say something else."""

        class Marking(DirectEnricher):
            def enrich(self, event: Event) -> Event:
                event.data["marked"] = True
                return event

        async def mark(event: Event) -> Event:
            return Marking().enrich(event)

        bench = Bench(mark if waits else Marking())
        await bench.process(message(event(1, correlationid=uuid(9))))
        [(text, _)] = bench.store._shelf.events.values()
        assert decode_event(text).data == {"n": 1, "marked": True}

    async def test_an_empty_batch_is_done(self) -> None:
        """A message without events is settled, and nothing is written."""
        bench = Bench()
        assert await bench.process(Message("m", "k", "[]", 0)) == ["ack"]
        assert bench.store.calls == []

    async def test_a_single_event_needs_no_batch(self) -> None:
        """A body that is one CloudEvent is a batch of one."""
        bench = Bench()
        assert await bench.process(Message("m", "k", encode_event(event(1)))) == ["ack"]
        assert bench.store.ids == [uuid(1)]

    async def test_no_deliveries_have_no_verdicts(self) -> None:
        """An empty call does nothing."""
        bench = Bench()
        assert await bench.processor.process([]) == []
        assert bench.store.calls == []

    @pytest.mark.parametrize(("days", "expiry"), [(90, NOON + timedelta(days=90)), (0, None)])
    async def test_a_record_expires_after_the_retention(self, days: int, expiry: datetime | None) -> None:
        """Retention counts from the event's own time; 0 is for ever."""
        bench = Bench(settings=ProcessingSettings(retention_days=days))
        await bench.process(message(event(1)))
        assert bench.store.written[0].expires_at == expiry

    async def test_an_event_from_the_end_of_the_calendar_never_expires(self) -> None:
        """An expiry that no calendar can hold is none."""
        record = Intake().record(event(1, time=datetime(9999, 12, 31, tzinfo=UTC)))
        assert record.expires_at is None

    async def test_an_event_of_an_older_version_is_lifted(self) -> None:
        """What is stored is in the version that this process knows."""
        bench = Bench(types=query_types())
        await bench.process(message(event(1, dataschema="urn:fireforget:query:1")))
        stored = bench.store.written[0].event
        assert (stored.data, stored.dataschema) == ({"number": 1}, "urn:fireforget:query:2")

    async def test_unknown_types_are_accepted_by_default(self) -> None:
        """An event whose type nobody registered is stored."""
        bench = Bench(types=query_types())
        assert await bench.process(message(event(1, type="other"))) == ["ack"]
        assert bench.store.ids == [uuid(1)]

    async def test_a_type_that_others_know_is_warned_of_once(self, caplog: pytest.LogCaptureFixture) -> None:
        """Such events were checked when they were emitted; a worker without the plugin stores them unchecked."""
        bench = Bench()
        known = [event(n, type="order", dataschema="urn:fireforget:order:3") for n in range(3)]
        foreign = event(4, type="other", dataschema="https://example.com/other.json")
        plain = event(5, type="plain")
        assert await bench.process(message(*known, foreign, plain), message(*known, key="again")) == ["ack", "ack"]
        (line,) = (record.getMessage() for record in caplog.records)
        assert "'order' name the schema 'urn:fireforget:order:3', which this worker does not know" in line
        assert line.endswith("set plugin = ... to the module that registers it")

    async def test_client_addresses_are_hashed_by_default(self) -> None:
        """Without any setting no client address reaches the store."""
        bench = Bench()
        await bench.process(message(event(1, data={"metadata": {"ip": "203.0.113.9"}})))
        assert len(bench.store.written[0].event.data["metadata"]["ip"]) == 32

    async def test_a_long_message_leaves_others_their_turn(self) -> None:
        """Reading many events is interrupted as soon as the turn is over."""
        clock = TickingClock()
        bench = Bench(clock=clock)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as group:
            group.start_soon(other)
            await bench.process(message(*map(event, range(100))))
            group.cancel_scope.cancel()
        assert turns >= 20
        assert len(bench.store.calls[0]) == 100

    async def test_calls_may_run_side_by_side(self) -> None:
        """Two calls at once store what each of them was given."""
        bench = Bench()
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(bench.process, message(event(number), key=str(number)))
        assert sorted(bench.store.ids) == sorted(map(uuid, range(4)))


class TickingClock:
    """A clock that a tenth of a millisecond passes on whenever somebody looks at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 0.0001
        return self.now

    def time_ns(self) -> int:
        return int(NOON.timestamp()) * 1_000_000_000

    def random(self) -> float:
        return 0.5

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


class TestCorrelation:
    async def test_an_event_outside_a_request_is_its_own_correlation(self) -> None:
        """The id of an event without a correlation id is used for it."""
        assert correlated(event(1)).correlationid == uuid(1)

    async def test_a_foreign_id_becomes_a_stable_uuid7_of_the_events_time(self) -> None:
        """An id that is no UUIDv7 gives the same correlation id whenever it is read."""
        foreign = event(1, id="order-17")
        derived = correlated(foreign).correlationid
        assert derived == correlated(foreign).correlationid
        assert uuid7_time(derived) == NOON
        assert derived != correlated(event(1, id="order-18")).correlationid

    async def test_events_of_one_foreign_request_stay_together(self) -> None:
        """A correlation id of somebody else's becomes the request id and gives one of ours."""
        early = correlated(event(1, correlationid="abc"))
        late = correlated(event(2, correlationid="abc", time=NOON + timedelta(minutes=59)))
        assert early.correlationid == late.correlationid
        assert uuid7_time(early.correlationid) == NOON
        assert early.requestid == "abc"

    async def test_a_request_id_is_not_replaced(self) -> None:
        """Whoever has a request id keeps it."""
        assert correlated(event(1, correlationid="abc", requestid="r")).requestid == "r"

    @pytest.mark.parametrize(
        "time",
        [datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), datetime(9999, 12, 31, 23, tzinfo=UTC)],
    )
    async def test_any_time_gives_a_uuid7(self, time: datetime) -> None:
        """The ends of the calendar are no reason to fail."""
        assert uuid7_time(correlated(event(1, id="x", time=time)).correlationid) is not None

    async def test_a_uuid7_beyond_the_calendar_is_replaced(self) -> None:
        """A hostile correlation id whose time no calendar holds is not kept."""
        hostile = "ffffffff-ffff-7fff-bfff-ffffffffffff"
        assert uuid7_time(correlated(event(1, correlationid=hostile)).correlationid) is not None


class TestPermanentFailures:
    async def test_a_poison_event_goes_alone(self) -> None:
        """The rest of its message, before and behind it, is stored; nothing comes again."""
        bench = Bench()
        sent = message(event(1), broken(2), event(3))
        assert await bench.process(sent) == ["ack"]
        assert bench.store.ids == [uuid(1), uuid(3)]
        letter = bench.letters.kept[uuid(2)]
        assert letter.message == Message(uuid(2), "lane", f"[{broken(2)}]", 1)
        assert letter.reason.startswith("not a CloudEvent")
        assert letter.attempts == 1
        assert bench.buried == [(letter.message, letter.reason)]
        assert bench.errors == []

    @pytest.mark.parametrize("poison", ['{"a": 1}', "17", "null", json.dumps({"id": "x" * 200}), '{"id": "a b"}'])
    async def test_an_event_without_a_usable_id_is_buried_under_its_digest(self, poison: str) -> None:
        """Delivered again, the same text gets the same id."""
        bench = Bench()
        await bench.process(message(poison))
        await bench.process(message(poison))
        [letter] = bench.letters.kept.values()
        assert len(letter.id) == 32
        assert letter.message.body == f"[{poison}]"

    async def test_what_is_no_batch_is_buried_as_a_whole(self) -> None:
        """A body that cannot even be split keeps its own message."""
        bench = Bench()
        sent = Message("m", "lane", "not json", 3)
        assert await bench.process(sent, message(event(1))) == ["ack", "ack"]
        assert bench.letters.kept["m"].message == sent
        assert bench.store.ids == [uuid(1)]

    async def test_data_that_does_not_fit_its_type_is_buried(self) -> None:
        """The reason names the type and what is wrong."""
        bench = Bench(types=query_types())
        await bench.process(message(event(1, data={"n": "one"})))
        assert "'query' version 2: Expected `int`" in bench.letters.kept[uuid(1)].reason

    async def test_an_event_of_a_newer_version_is_buried(self) -> None:
        """It waits among the dead letters for newer code."""
        bench = Bench(types=query_types())
        await bench.process(message(event(1, dataschema="urn:fireforget:query:3")))
        assert "deploy the newer code" in bench.letters.kept[uuid(1)].reason

    async def test_unknown_types_can_be_refused(self) -> None:
        """The reason says the mend."""
        bench = Bench(types=query_types(), settings=ProcessingSettings(unknown_types="refuse"))
        await bench.process(message(event(1, type="other")))
        assert "register it and redrive" in bench.letters.kept[uuid(1)].reason
        assert bench.store.ids == []

    async def test_what_the_store_refuses_is_buried(self) -> None:
        """The event as it came, not as it was enriched, with the store's reason."""
        bench = Bench()
        bench.store.refusal = lambda record: "too large" if record.event.id == uuid(2) else None
        sent = event(2, data={"ip": "203.0.113.9"})
        assert await bench.process(message(event(1), sent), message(event(3))) == ["ack", "ack"]
        assert bench.store.ids == [uuid(1), uuid(3)]
        letter = bench.letters.kept[uuid(2)]
        assert letter.reason == "the store refuses it: too large"
        assert decode_event(split_batch(letter.message.body)[0]) == sent

    async def test_an_enricher_may_refuse_an_event(self) -> None:
        """An EventError of an enricher is as permanent as one of our own."""
        bench = Bench(Raising(DecodeError("a bot"), uuid(1)))
        assert await bench.process(message(event(1), event(2))) == ["ack"]
        assert bench.letters.kept[uuid(1)].reason == "a bot"
        assert bench.store.ids == [uuid(2)]

    async def test_data_nested_too_deeply_is_buried(self) -> None:
        """What cannot be searched for addresses is not stored unsearched, and does not come again."""
        bench = Bench()
        levels = 600 if sys.version_info < (3, 12) else 1000  # deep for Python, and not for the decoder
        text = encode_event(event(1)).replace('{"n":1}', '{"ip":' + "[" * levels + "]" * levels + "}")
        assert await bench.process(message(text)) == ["ack"]
        assert bench.store.ids == []
        assert list(bench.letters.kept) == [uuid(1)]


class TestUnexpectedFailures:
    async def test_the_message_goes_back_while_it_has_attempts_left(self) -> None:
        """Nothing of it is buried, and the user is told."""
        error = ValueError("bug")
        bench = Bench(Raising(error, uuid(2)))
        assert await bench.process(message(event(1), event(2)), attempt=4) == ["retry"]
        assert bench.letters.kept == {}
        assert bench.errors == [error]

    async def test_at_the_last_attempt_only_the_culprit_is_buried(self) -> None:
        """Its reason is the traceback; the rest of its message is stored."""
        bench = Bench(Raising(ValueError("bug"), uuid(2)))
        assert await bench.process(message(event(1), event(2), event(3)), attempt=5) == ["ack"]
        assert bench.store.ids == [uuid(1), uuid(3)]
        reason = bench.letters.kept[uuid(2)].reason
        assert reason.startswith("Traceback")
        assert reason.endswith("ValueError: bug\n")
        assert bench.letters.kept[uuid(2)].attempts == 5

    async def test_a_direct_enricher_is_judged_in_the_same_way(self) -> None:
        """Whether an enricher waits or not makes no difference to what its failure means."""

        class Direct(DirectEnricher):
            def enrich(self, event: Event) -> Event:
                if event.id == uuid(2):
                    raise ValueError
                return event

        bench = Bench(Direct())
        sent = message(event(1), event(2), event(3))
        assert await bench.process(sent, attempt=4) == ["retry"]
        assert await bench.process(sent, attempt=5) == ["ack"]
        assert bench.store.ids == [uuid(1), uuid(3)]
        assert list(bench.letters.kept) == [uuid(2)]

    async def test_max_attempts_is_a_setting(self) -> None:
        """With one attempt the first failure is the last."""
        bench = Bench(Raising(ValueError("bug"), uuid(1)), settings=ProcessingSettings(max_attempts=1))
        assert await bench.process(message(event(1))) == ["ack"]
        assert list(bench.letters.kept) == [uuid(1)]

    async def test_an_enricher_that_returns_no_event_is_unexpected(self) -> None:
        """The error names the enricher and says what it must return."""

        class Forgetful:
            async def __call__(self, event: Event) -> Event:
                return None  # type: ignore[return-value]

        bench = Bench(Forgetful())
        assert await bench.process(message(event(1)), attempt=9) == ["ack"]
        assert "Forgetful returned NoneType: an enricher returns the event" in bench.letters.kept[uuid(1)].reason

    async def test_an_enricher_that_hangs_is_unexpected(self, caplog: pytest.LogCaptureFixture) -> None:
        """It is cancelled in its time; its event alone is buried in the end, and the log names it."""
        cancelled: list[str] = []

        async def hang(event: Event) -> Event:
            if event.id == uuid(2):
                try:
                    await anyio.sleep_forever()
                finally:
                    cancelled.append(event.id)
            return event

        bench = Bench(hang, settings=ProcessingSettings(enrich_timeout=0.01))
        sent = message(event(1), event(2), event(3))
        assert await bench.process(sent, attempt=4) == ["retry"]
        assert await bench.process(sent, attempt=5) == ["ack"]
        assert cancelled == [uuid(2)] * 2
        assert bench.store.ids == [uuid(1), uuid(3)]
        assert list(bench.letters.kept) == [uuid(2)]
        assert [type(error) for error in bench.errors] == [EnricherTimeoutError] * 2
        (line,) = (record.getMessage() for record in caplog.records if "raised" in record.getMessage())
        assert line.endswith("hang took longer than 0.01 s: mend it, or raise enrich_timeout in [processing]")

    async def test_an_enricher_s_own_timeout_is_its_own(self) -> None:
        """What it raises itself is told as it is."""
        error = TimeoutError("no answer from the directory")
        bench = Bench(Raising(error, uuid(1)), settings=ProcessingSettings(enrich_timeout=60))
        assert await bench.process(message(event(1))) == ["retry"]
        assert bench.errors == [error]

    async def test_an_enricher_that_breaks_an_event_is_unexpected(self) -> None:
        """What no record can be made of is somebody's bug, and not the end of the processor."""

        class Breaking:
            async def __call__(self, event: Event) -> Event:
                return msgspec.structs.replace(event, time=None)

        bench = Bench(Breaking())
        assert await bench.process(message(event(1))) == ["retry"]
        assert await bench.process(message(event(1)), attempt=5) == ["ack"]
        assert "TypeError" in bench.letters.kept[uuid(1)].reason

    async def test_a_body_that_cannot_be_read_at_all_is_unexpected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bug of ours in splitting a body buries the message as a whole at the last attempt."""
        bench = Bench()
        monkeypatch.setattr("fireforget.processing.processor.split_batch", lambda body: 1 // 0)
        sent = message(event(1))
        assert await bench.process(sent) == ["retry"]
        assert await bench.process(sent, attempt=5) == ["ack"]
        assert bench.letters.kept[sent.id].message == sent

    async def test_a_store_that_raises_for_one_event_holds_up_only_its_lane(self) -> None:
        """The others of the call are written message by message."""
        bench = Bench()
        bench.store.failure = lambda record: ValueError("bug") if record.event.id == uuid(1) else None
        sent = [message(event(1)), message(event(2), key="other"), message(event(3))]
        assert await bench.process(*sent) == ["retry", "ack", "retry"]
        assert bench.store.ids == [uuid(2)]

    async def test_a_store_that_raises_for_one_event_is_isolated_at_the_last_attempt(self) -> None:
        """Only that event is buried."""
        bench = Bench()
        bench.store.failure = lambda record: ValueError("bug") if record.event.id == uuid(2) else None
        assert await bench.process(message(event(1), event(2), event(3)), attempt=5) == ["ack"]
        assert bench.store.ids == [uuid(1), uuid(3)]
        assert "ValueError: bug" in bench.letters.kept[uuid(2)].reason

    async def test_a_store_that_goes_down_during_isolation_buries_nothing(self) -> None:
        """What is not known to be at fault comes again."""
        bench = Bench()
        error: dict[str, Exception] = {uuid(1): ValueError("bug"), uuid(2): TransientError("down", retry_after=7)}
        bench.store.failure = lambda record: error.get(record.event.id)
        [verdict] = await bench.processor.process([delivery(message(event(1), event(2)), attempt=5)])
        assert verdict == Verdict("retry", "the store raised TransientError", 7)
        assert bench.letters.kept == {}

    async def test_long_tracebacks_are_cut_at_their_beginning(self) -> None:
        """The end of a traceback says most."""
        bench = Bench(Raising(ValueError("x" * 10_000), uuid(1)))
        await bench.process(message(event(1)), attempt=5)
        assert len(bench.letters.kept[uuid(1)].reason) == 4000


class TestTransientFailures:
    @pytest.mark.parametrize(
        "error",
        [TransientError("down"), TransientError("slow", retry_after=9), PermanentError("no table"), ClosedError()],
    )
    async def test_a_store_that_fails_never_buries(self, error: Exception) -> None:
        """An adapter's error is about the store, whatever the attempt."""
        bench = Bench()
        bench.store.failure = lambda record: error
        sent = [message(event(number), key=str(number)) for number in range(8)]
        assert await bench.process(*sent, attempt=1000) == ["retry"] * 8
        assert bench.letters.kept == {}
        assert bench.errors

    @pytest.mark.parametrize("answer", [None, "refused", ["too large"], [None]])
    async def test_a_store_that_answers_what_it_does_not_promise_is_told_of_and_buries_nothing(
        self, answer: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its mistake is no event's fault; the store keeps each event once, so they may all come again."""
        bench = Bench()

        async def put(_records: object) -> Any:
            return answer

        monkeypatch.setattr(bench.store, "put", put)
        assert await bench.process(message(event(1)), attempt=1000) == ["retry"]
        assert bench.letters.kept == {}
        assert "returned no sequence of refusals" in str(bench.errors[0])

    async def test_a_store_that_never_answers_is_given_up_and_buries_nothing(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Its messages go back, whatever the attempt: no worker holds them for ever."""
        bench = Bench(settings=ProcessingSettings(call_timeout=0.01))
        sent = [message(event(number), key=str(number)) for number in range(4)]
        with monkeypatch.context() as patch:
            patch.setattr(bench.store, "put", stuck)
            assert await bench.process(*sent, attempt=1000) == ["retry"] * 4
        assert await bench.process(*sent, attempt=1001) == ["ack"] * 4
        assert bench.letters.kept == {}
        late = "the store's put: no answer within call_timeout = 0.01 s"
        assert [str(error) for error in bench.errors] == [late] * 3, "the call for all, and two for single messages"
        assert [record.getMessage() for record in caplog.records] == [
            f"the store fails and messages wait in the queue: TransientError: {bench.errors[0]}",
            "the store works again",
        ]

    async def test_dead_letters_that_never_answer_are_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What could not be buried comes again, and what is behind it; the other lanes are done."""
        bench = Bench(settings=ProcessingSettings(call_timeout=0.01))
        monkeypatch.setattr(bench.letters, "put", stuck)
        sent = [message(broken(1)), message(event(2)), message(event(3), key="other")]
        assert await bench.process(*sent) == ["retry", "retry", "ack"]
        assert [str(error) for error in bench.errors] == [
            "the dead letters' put: no answer within call_timeout = 0.01 s"
        ]

    async def test_a_store_that_is_down_is_not_hammered(self) -> None:
        """After the call for all and two for single messages the rest are spared."""
        bench = Bench()
        bench.store.failure = lambda record: TransientError("down")
        await bench.process(*(message(event(number), key=str(number)) for number in range(8)))
        assert len(bench.store.calls) == 3

    async def test_a_store_that_asks_for_time_gets_it(self) -> None:
        """No call follows the one that was throttled, and the hint goes to all."""
        bench = Bench()
        bench.store.failure = lambda record: TransientError("slow down", retry_after=9)
        verdicts = await bench.processor.process([delivery(message(event(n), key=str(n))) for n in range(8)])
        assert len(bench.store.calls) == 1
        assert {verdict.retry_after for verdict in verdicts} == {9}

    async def test_a_failure_of_one_lane_delays_that_lane_only(self) -> None:
        """The other lanes of the call are stored."""
        bench = Bench()
        bench.store.failure = lambda record: TransientError("hot") if record.event.id == uuid(2) else None
        sent = [message(event(number), key="ab"[number % 2]) for number in range(6)]
        assert await bench.process(*sent) == ["ack", "ack", "retry", "ack", "retry", "ack"]
        assert bench.store.ids == [uuid(0), uuid(1), uuid(3), uuid(5)]

    async def test_two_lanes_that_fail_are_not_taken_for_all(self) -> None:
        """As long as others are stored between them."""
        bench = Bench()
        bench.store.failure = lambda record: TransientError("hot") if record.event.id in {uuid(0), uuid(2)} else None
        sent = [message(event(number), key=str(number)) for number in range(4)]
        assert await bench.process(*sent) == ["retry", "ack", "retry", "ack"]

    async def test_an_enricher_may_ask_for_another_time(self) -> None:
        """Its message goes back with the hint, however often it has come."""
        bench = Bench(Raising(TransientError("down", retry_after=5), uuid(1)))
        verdicts = await bench.processor.process([delivery(message(event(1)), attempt=1000)])
        assert verdicts == [Verdict("retry", "an enricher asks for another time", 5)]
        assert bench.letters.kept == {}

    async def test_what_was_written_is_written_again_without_harm(self) -> None:
        """A message whose dead letter could not be kept comes again as a whole."""
        bench = Bench()
        bench.letters.failure = lambda message: TransientError("down")
        sent = message(event(1), broken(2))
        assert await bench.process(sent) == ["retry"]
        assert bench.buried == []
        bench.letters.failure = lambda message: None
        assert await bench.process(sent, attempt=2) == ["ack"]
        assert bench.store.ids == [uuid(1)]
        assert list(bench.letters.kept) == [uuid(2)]

    @pytest.mark.parametrize("error", [TransientError("down"), ValueError("bug")])
    async def test_what_is_kept_nowhere_comes_again(self, error: Exception) -> None:
        """However the dead letters fail, and whatever the attempt."""
        bench = Bench()
        bench.letters.failure = lambda message: error
        sent = [message(broken(1)), message(event(2)), message(event(3), key="other")]
        assert await bench.process(*sent, attempt=50) == ["retry", "retry", "ack"]


class TestOrder:
    async def test_the_later_messages_of_a_lane_go_back_too_and_only_those(self) -> None:
        """Earlier messages and other lanes are settled."""
        bench = Bench(Raising(ValueError("bug"), uuid(2)))
        lanes = ["a", "b", "a", "b", "a", "c"]
        sent = [message(event(number), key=key) for number, key in enumerate(lanes)]
        assert await bench.process(*sent) == ["ack", "ack", "retry", "ack", "retry", "ack"]
        assert bench.store.ids == [uuid(0), uuid(1), uuid(3), uuid(5)]

    async def test_what_goes_back_for_its_lane_waits_as_long(self) -> None:
        """The hint for the first counts for those behind it."""
        bench = Bench(Raising(TransientError("down", retry_after=5), uuid(1)))
        verdicts = await bench.processor.process([delivery(message(event(n))) for n in (1, 2)])
        assert verdicts[1] == Verdict("retry", "an earlier message of its lane went back", 5)

    async def test_a_poison_event_delays_nobody(self) -> None:
        """A permanent failure holds nothing up."""
        bench = Bench()
        assert await bench.process(message(event(1)), message(broken(2)), message(event(3))) == ["ack"] * 3

    async def test_events_are_written_in_order(self) -> None:
        """Within a call the order of messages and events is kept."""
        bench = Bench()
        await bench.process(message(event(3), event(1)), message(event(2)))
        assert bench.store.calls == [[uuid(3), uuid(1), uuid(2)]]


class TestReporting:
    async def test_a_failing_hook_breaks_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        """What the user's callbacks raise is logged."""
        bench = Bench(Raising(ValueError("bug"), uuid(3)))

        def fail(*arguments: object) -> None:
            raise RuntimeError

        bench.hooks.on_error(fail)
        bench.hooks.on_dead_letter(fail)
        sent = [message(event(1), broken(2)), message(event(3), key="other")]
        assert await bench.process(*sent) == ["ack", "retry"]
        assert "a hook of the application failed" in caplog.text

    async def test_the_log_has_one_line_for_each_change(self, caplog: pytest.LogCaptureFixture) -> None:
        """A store that stays down is reported once, and so is its return."""
        bench = Bench()
        bench.store.failure = lambda record: TransientError("no route")
        for number in range(5):
            await bench.process(message(event(number)))
        bench.store.failure = lambda record: None
        await bench.process(message(event(9)))
        assert [record.getMessage() for record in caplog.records] == [
            "the store fails and messages wait in the queue: TransientError: no route",
            "the store works again",
        ]

    async def test_the_log_counts_events_at_most_once_a_minute(self, caplog: pytest.LogCaptureFixture) -> None:
        """A flood of poison does not flood the log."""
        clock = SteppingClock()
        bench = Bench(Raising(ValueError("bug"), *map(uuid, range(10))), clock=clock)
        for number in range(10):
            await bench.process(message(event(number)), message(broken(number + 20), key="other"))
        clock.advance(60)
        await bench.process(message(event(0)), message(broken(30), key="other"))
        lines = [record.getMessage().partition(": ")[::2] for record in caplog.records]
        assert [text.split()[0] for text, _ in lines] == ["events", "messages"] * 2
        assert [count.partition(",")[0] for _, count in lines] == ["1", "1", "10", "10"]

    async def test_the_log_holds_nothing_of_the_events(self, caplog: pytest.LogCaptureFixture) -> None:
        """What an enricher raises may quote an event, so only its type and place are logged."""
        caplog.set_level(logging.DEBUG)
        bench = Bench(Raising(ValueError("secret-17"), uuid(1)))
        await bench.process(message(event(1, data={"q": "secret-17"})))
        await bench.process(message(event(1, data={"q": "secret-17"})), attempt=5)
        assert "ValueError in pipeline.py, line" in caplog.text
        assert "secret-17" not in caplog.text

    async def test_what_became_of_events_is_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each outcome once a call, with its number of events."""
        bench = Bench(Raising(ValueError("bug"), uuid(3)))
        counted: dict[str, int] = {}

        def add(name: str, amount: int, attributes: dict[str, str]) -> None:
            assert name == "fireforget.process.events"
            counted[attributes["outcome"]] = amount

        monkeypatch.setattr(bench.processor._telemetry, "add", add)
        sent = [message(event(1), broken(2), event(5)), message(event(3), event(4), key="other")]
        await bench.process(*sent)
        assert counted == {"stored": 2, "dead_lettered": 1, "retried": 2}

    async def test_the_span_is_linked_to_some_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A bounded number of the events' trace contexts is linked."""
        bench = Bench()
        linked: list[frozenset[str]] = []
        span = bench.processor._telemetry.span

        def spy(name: str, traceparents: frozenset[str] = frozenset()) -> Any:
            linked.append(traceparents)
            return span(name, traceparents)

        monkeypatch.setattr(bench.processor._telemetry, "span", spy)
        parents = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 20)]
        await bench.process(message(*(event(n, traceparent=parent) for n, parent in enumerate(parents))))
        assert linked[0] < set(parents)
        assert len(linked[0]) == 8
