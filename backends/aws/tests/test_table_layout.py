"""The layout of the table: keys, days, shards and sizes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireforget.abc import Query, Record, Refusal, encode_event
from fireforget.testing.events import NOON, event, uuid7
from fireforget_aws import _table_layout as layout

MIDNIGHT = datetime(2025, 6, 15, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

moments = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)


def item_of(record: Record) -> layout.Item:
    item = layout.to_item(record)
    assert not isinstance(item, Refusal), item
    return item


@given(moments)
def test_the_day_is_that_of_the_correlation_in_utc(moment: datetime) -> None:
    assert layout.day_of(uuid7(moment, 5)) == moment.date().isoformat()


def test_midnight_begins_the_day() -> None:
    assert layout.day_of(uuid7(MIDNIGHT)) == "2025-06-15"
    assert layout.day_of(uuid7(MIDNIGHT - MILLISECOND, -1)) == "2025-06-14"


@pytest.mark.parametrize(("shards", "shard"), [(1, 0), (2, 0), (4, 0), (7, 1), (64, 28)])
def test_a_shard_is_the_same_for_ever(shards: int, shard: int) -> None:
    assert layout.shard_of("01977351-4e00-7000-8000-00000000002a", shards) == shard


@given(st.integers(0, 2**62 - 1), st.integers(1, layout.MAX_SHARDS))
def test_every_shard_is_one_of_the_day_s(rest: int, shards: int) -> None:
    assert 0 <= layout.shard_of(uuid7(NOON, rest), shards) < shards


def test_shards_are_filled_evenly() -> None:
    counts = [0] * 8
    for number in range(8000):
        counts[layout.shard_of(uuid7(NOON + number * MILLISECOND, number * 7919), 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150


@given(st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_an_expiry_is_exact_and_dynamodb_never_deletes_before_it(expires_at: datetime | None) -> None:
    record = Record(event(), expires_at)
    item = item_of(record)
    assert layout.to_record(item) == record
    if expires_at is None:
        assert layout.EXPIRES not in item
    else:
        deleted_at = datetime.fromtimestamp(int(item[layout.EXPIRES]["N"]), UTC)
        assert expires_at <= deleted_at < expires_at + timedelta(seconds=1)


@given(st.text(max_size=300), st.text(max_size=30), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_a_size_is_that_of_names_and_values_or_a_little_more(
    text: str, sessionid: str, expires_at: datetime | None
) -> None:
    item = item_of(Record(event(data={"text": text}, sessionid=sessionid), expires_at))
    placed = {layout.PARTITION: {"S": layout.partition("2025-06-15", 63)}, **item}
    exact = sum(
        len(name) + (len(value["S"].encode()) if "S" in value else len(value["N"]) // 2 + 1)
        for name, value in placed.items()
    )
    assert exact <= layout.size_of(item) <= exact + 2 * 21


def test_the_largest_item_is_taken_and_one_byte_more_is_refused() -> None:
    one = event(data={"text": ""})
    room = layout.ITEM_BYTES - layout.size_of(item_of(Record(one)))
    text = encode_event(one)
    largest = Record(one, text=text.replace('"text":""', f'"text":"{"é" * (room // 2)}{"x" * (room % 2)}"'))
    assert layout.size_of(item_of(largest)) == layout.ITEM_BYTES
    assert largest.text is not None
    refusal = layout.to_item(Record(one, text=largest.text + " "))
    assert isinstance(refusal, Refusal)
    assert refusal.event_id == one.id
    assert f"{layout.ITEM_BYTES + 1} bytes" in refusal.reason


def test_ids_that_make_no_key_are_refused() -> None:
    longest = event(id="é" * 494, correlationid=uuid7(NOON))
    assert len(item_of(Record(longest))[layout.SORT]["S"].encode()) == layout.SORT_BYTES
    longer = event(id="é" * 494 + "x", correlationid=uuid7(NOON))
    assert isinstance(layout.to_item(Record(longer)), Refusal)


def test_what_is_no_text_is_refused() -> None:
    one = event()
    refusal = layout.to_item(Record(one, text=encode_event(one)[:-1] + ' "\ud800"}'))
    assert isinstance(refusal, Refusal)


@pytest.mark.parametrize("sessionid", ["", "é" * 1025], ids=["empty", "long"])
def test_a_session_that_makes_no_key_is_kept_out_of_the_index(sessionid: str) -> None:
    record = Record(event(sessionid=sessionid))
    item = item_of(record)
    assert layout.SESSION not in item
    assert not layout.is_indexed(sessionid)
    assert layout.to_record(item) == record


def test_sort_keys_are_in_the_order_of_a_scan() -> None:
    request = uuid7(NOON, 7)
    events = [
        event(id="\U0001f40e", correlationid=request),
        event(id="\uffee", correlationid=request),
        event(id="a", correlationid=request),
        event(id=request, correlationid=request),
        event(id="zz", correlationid=uuid7(NOON, 6)),
    ]
    by_key = sorted(events, key=lambda each: str(item_of(Record(each))[layout.SORT]["S"]).encode())
    assert by_key == sorted(events, key=lambda each: (each.correlation, each.id.encode()))


def test_a_period_touches_its_own_days_only() -> None:
    def days(**query: datetime) -> tuple[str, str]:
        bounds = layout.bounds_of(Query(**query))  # type: ignore[arg-type]
        assert bounds is not None
        return bounds.first_day, bounds.last_day

    day = timedelta(days=1)
    assert days(start=MIDNIGHT, end=MIDNIGHT + 2 * day) == ("2025-06-15", "2025-06-16")
    assert days(start=MIDNIGHT - MILLISECOND, end=MIDNIGHT + MILLISECOND) == ("2025-06-14", "2025-06-15")
    assert days(end=MIDNIGHT)[1] == "2025-06-14"
    far = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-7)))
    assert days(start=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=7))), end=far) == ("1970-01-01", "9999-12-31")
    first, last = days()
    assert first < "1970-01-01"
    assert last > "9999-12-31"


@given(
    st.none() | moments,
    st.none() | moments,
    moments,
    st.integers(0, 2**62 - 1),
    st.sampled_from(["a", "\U0010ffff", "z"]),
)
def test_bounds_hold_what_answers_and_nothing_else(
    start: datetime | None, end: datetime | None, time: datetime, rest: int, id_: str
) -> None:
    correlation = uuid7(time, rest)
    within = (start is None or start <= time) and (end is None or time < end)
    for chosen in (None, correlation):
        bounds = layout.bounds_of(Query(start=start, end=end, correlationid=chosen))
        found = bounds is not None and (
            bounds.first <= correlation + id_ <= bounds.last
            and bounds.first_day <= layout.day_of(correlation) <= bounds.last_day
        )
        assert found == within


def test_a_correlation_has_bounds_of_its_own() -> None:
    one, next_one = uuid7(MIDNIGHT, 0xF), uuid7(MIDNIGHT, 0x10)
    bounds = layout.bounds_of(Query(correlationid=one))
    assert bounds is not None
    assert bounds.first_day == bounds.last_day == "2025-06-15"
    assert bounds.first <= one + "\U0010ffff" <= bounds.last < next_one + "\x00"
    assert layout.bounds_of(Query(correlationid="request-1")) is None
