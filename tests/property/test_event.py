"""Whatever stands in an event, it comes back as it was."""

import itertools
import string
from datetime import UTC, datetime
from uuid import UUID

from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from fireforget import Event, EventId
from fireforget._event import decode_event, encode_batch, encode_event, split_batch, uuid7_text, uuid7_time

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=10
)
NANOSECONDS = st.integers(0, 4_102_444_800 * 10**9)  # to the year 2100
UUIDS = st.builds(uuid7_text, NANOSECONDS, st.integers(0, 2**62 - 1))
EXTENSIONS = st.dictionaries(
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).map("x{}".format),
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | NAMES,
    max_size=3,
)
EVENTS = st.builds(
    Event,
    id=UUIDS,
    source=NAMES,
    type=NAMES,
    time=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    data=st.dictionaries(TEXTS, VALUES, max_size=5),
    subject=st.none() | NAMES,
    dataschema=st.none() | st.just("urn:fireforget:query:3"),
    correlationid=st.just("") | UUIDS,
    sessionid=st.none() | NAMES,
    requestid=st.none() | NAMES,
    traceparent=st.none() | NAMES,
    extensions=EXTENSIONS,
)


@given(EVENTS)
def test_every_event_reads_back_as_it_was_written(event: Event) -> None:
    assert decode_event(encode_event(event)) == event


@given(EVENTS)
def test_the_cloudevents_sdk_reads_the_same_data_and_identity(event: Event) -> None:
    read = JSONFormat().read(None, encode_event(event))

    assert read.get_data() == (event.data or None)
    assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
    assert read.get_time() == event.time
    assert {name: read.get_extension(name) for name in event.extensions} == event.extensions


@given(st.lists(EVENTS, max_size=5))
def test_a_batch_splits_into_its_events_in_order(events: list[Event]) -> None:
    body = encode_batch(encode_event(event) for event in events)

    assert [decode_event(raw) for raw in split_batch(body)] == events


@given(EVENTS)
def test_the_wire_form_is_text_that_every_cloud_takes(event: Event) -> None:
    text = encode_event(event)

    assert text
    assert not {"\ufffe", "\uffff"} & set(text)
    assert not any(ord(character) < 0x20 for character in text)


@given(NANOSECONDS, st.integers(1, 2**40), st.integers(0, 2**62 - 1))
def test_an_id_is_a_canonical_uuid_of_its_time(time_ns: int, sequence: int, nonce: int) -> None:
    text = str(EventId(time_ns, sequence, nonce))
    made = uuid7_time(text)

    assert str(UUID(text)) == text
    assert UUID(text).version == 7
    assert made is not None
    assert round(made.timestamp() * 1000) == time_ns // 1_000_000


@given(st.lists(st.integers(1, 2**40), unique=True, max_size=50), st.integers(0, 2**62 - 1), NANOSECONDS)
def test_no_two_sequence_numbers_share_an_id(sequences: list[int], nonce: int, time_ns: int) -> None:
    assert len({str(EventId(time_ns, sequence, nonce)) for sequence in sequences}) == len(sequences)


@given(st.lists(st.tuples(NANOSECONDS, st.integers(1, 2**40)), max_size=20), st.integers(0, 2**62 - 1))
def test_ids_never_sort_against_their_time(moments: list[tuple[int, int]], nonce: int) -> None:
    ids = [(str(EventId(time_ns, sequence, nonce)), time_ns) for time_ns, sequence in moments]

    by_text = [time_ns for _, time_ns in sorted(ids)]

    # What follows is no earlier than a 4096th of a millisecond before what precedes it.
    assert all(later - earlier > -245 for earlier, later in itertools.pairwise(by_text))


@given(st.text(max_size=40) | st.from_regex(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"))
def test_reading_the_time_of_any_text_never_fails(text: str) -> None:
    made = uuid7_time(text)

    assert made is None or made.tzinfo is UTC
