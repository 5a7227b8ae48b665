"""The event: its id, its wire form, and who else can read it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cloudevents.core.formats.json import JSONFormat

from fireforget import Event, EventId
from fireforget._event import (
    decode_event,
    encode_batch,
    encode_event,
    escape_noncharacters,
    split_batch,
    uuid7_text,
    uuid7_time,
)
from fireforget.errors import DecodeError

MOMENT = datetime(2026, 3, 4, 12, 30, 15, 250_000, tzinfo=UTC)
MOMENT_NS = int(MOMENT.timestamp() * 1000) * 1_000_000
SMALLEST = '{"specversion":"1.0","id":"1","source":"app","type":"query","time":"2026-03-04T12:30:15Z"%s}'


def full() -> Event:
    return Event(
        id=uuid7_text(MOMENT_NS, 7),
        source="shop",
        type="query",
        time=MOMENT,
        data={"query": "grüße", "score": 0.5, "tags": ["a", None, True]},
        subject="cart/1",
        dataschema="urn:fireforget:query:2",
        correlationid=uuid7_text(MOMENT_NS, 8),
        sessionid="s-1",
        requestid="r-1",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        extensions={"region": "eu", "shard": 3, "beta": True},
    )


def test_an_event_reads_back_as_it_was_written() -> None:
    assert decode_event(encode_event(full())) == full()


def test_an_event_with_nothing_but_the_required_attributes_reads_back() -> None:
    event = Event(id="1", source="app", type="query", time=MOMENT)

    assert decode_event(encode_event(event)) == event


def test_the_cloudevents_sdk_reads_every_attribute() -> None:
    event = full()

    read = JSONFormat().read(None, encode_event(event))

    assert read.get_data() == event.data
    assert read.get_attributes() == {
        "specversion": "1.0",
        "id": event.id,
        "source": "shop",
        "type": "query",
        "time": MOMENT,
        "subject": "cart/1",
        "dataschema": "urn:fireforget:query:2",
        "correlationid": event.correlationid,
        "sessionid": "s-1",
        "requestid": "r-1",
        "traceparent": event.traceparent,
        "region": "eu",
        "shard": 3,
        "beta": True,
    }


def test_an_event_that_the_cloudevents_sdk_wrote_is_read() -> None:
    written = JSONFormat().write(JSONFormat().read(None, encode_event(full())))

    assert decode_event(written) == full()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        SMALLEST % ',"data":[1]',
        SMALLEST % ',"subject":5',
        SMALLEST % ',"colour":{"a":1}',
        SMALLEST.replace('"1.0"', '"0.3"') % "",
        SMALLEST.replace('"id":"1"', '"id":""') % "",
        SMALLEST.replace('"type":"query"', '"type":""') % "",
        SMALLEST.replace("15Z", "15") % "",
        SMALLEST.replace('"time"', '"hour"') % "",
        '{"specversion":' * 5000,
    ],
)
def test_what_is_no_cloudevent_is_told_from_what_is_one(text: str) -> None:
    with pytest.raises(DecodeError):
        decode_event(text)


def test_bytes_that_are_no_text_are_no_event() -> None:
    with pytest.raises(DecodeError):
        decode_event(b'{"specversion":"\xff"}')


def test_one_damaged_event_does_not_spoil_its_batch() -> None:
    body = encode_batch([encode_event(full()), '{"specversion":"1.0"}', SMALLEST % ""])

    first, damaged, last = split_batch(body)

    assert decode_event(first) == full()
    assert decode_event(last).id == "1"
    with pytest.raises(DecodeError):
        decode_event(damaged)


def test_a_single_event_is_a_batch_of_one() -> None:
    (only,) = split_batch(f"  {SMALLEST % ''}")

    assert decode_event(only).id == "1"


@pytest.mark.parametrize("body", ["", "[", "5", b"\xff", "[" * 5000])
def test_what_is_no_batch_is_refused(body: str | bytes) -> None:
    with pytest.raises(DecodeError):
        split_batch(body)


def test_noncharacters_travel_escaped() -> None:
    event = Event(id="1", source="app", type="query", time=MOMENT, data={"text": "a\ufffeb\uffffc"})

    text = encode_event(event)

    assert "\ufffe" not in text
    assert "\uffff" not in text
    assert json.loads(text)["data"] == {"text": "a\ufffeb\uffffc"}
    assert decode_event(text) == event


def test_text_without_noncharacters_is_left_as_it_is() -> None:
    assert escape_noncharacters("grüße 🎉") == "grüße 🎉"


def test_an_event_outside_a_request_is_its_own_correlation_and_key() -> None:
    event = Event(id="1", source="app", type="query", time=MOMENT)

    assert (event.correlation, event.key) == ("1", "1")


def test_the_session_is_the_ordering_key_before_the_correlation() -> None:
    event = Event(id="1", source="app", type="query", time=MOMENT, correlationid="c")

    assert event.key == "c"
    assert full().key == "s-1"


def test_an_id_is_a_uuid_of_version_7() -> None:
    parsed = UUID(str(EventId(MOMENT_NS, 3, 1 << 61)))

    assert parsed.version == 7
    assert parsed.variant == "specified in RFC 4122"
    assert parsed.int >> 80 == int(MOMENT.timestamp() * 1000)


def test_ids_sort_by_time_below_the_millisecond_too() -> None:
    step = 250  # nanoseconds: 12 bits hold a 4096th of a millisecond, which is 244
    texts = [str(EventId(MOMENT_NS + step * i, 5000 - i, 99)) for i in range(5000)]

    assert texts == sorted(texts)


def test_ids_of_one_nanosecond_differ_by_their_sequence() -> None:
    assert len({str(EventId(MOMENT_NS, sequence, 12345)) for sequence in range(10_000)}) == 10_000


def test_the_time_of_an_id_can_be_read_back() -> None:
    assert uuid7_time(uuid7_text(MOMENT_NS, 1)) == MOMENT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not-a-uuid",
        str(UUID(int=0)),
        "0b1fd2f4-6b3e-4c89-9c4e-3f1b2a5d6e7f",
        "01987A2B-3C4D-7E5F-8901-23456789ABCD",
        "01987a2b3c4d7e5f890123456789abcd",
        "01987a2b-3c4d-7e5f-c901-23456789abcd",
        "01987a2b-3c4d-7e5f-8901-23456789abcg",
        "01987a2b-3c4d-7e5f-8901-2345678\N{FULLWIDTH DIGIT NINE}abcd",
        "ffffffff-ffff-7fff-bfff-ffffffffffff",
    ],
)
def test_what_is_no_canonical_uuid_of_version_7_has_no_time(text: str) -> None:
    assert uuid7_time(text) is None


def test_an_id_far_in_the_future_still_has_its_time() -> None:
    text = uuid7_text(MOMENT_NS + 86_400 * 365 * 1_000_000_000, 1)

    assert uuid7_time(text) == MOMENT + timedelta(days=365)
