"""What SQS carries comes out as it went in, and is as large as SQS counts."""

import json
import re
import zlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fireforget.abc import DeadLetter, Message
from fireforget.adapters import micros
from fireforget.errors import PermanentError
from fireforget_aws._batches import cut
from fireforget_aws._letter_form import is_letter, read_letter, says_why, write_letter
from fireforget_aws._limits import ATTRIBUTE_BYTES, BILLED_BYTES, ENTRIES, MESSAGE_BYTES, capabilities
from fireforget_aws._message_form import message_bytes, read_message, write_message

FITS = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
TAKEN = re.compile("[\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]+")

texts = st.text(st.characters(codec="utf-8"), max_size=200)
broken_texts = st.text(max_size=200)
digest_of_pack = "0f" * 32
noon = datetime(2026, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)


def received(entry: Any) -> Any:
    """What a receive returns of it."""
    system = {"MessageGroupId": entry["MessageGroupId"], "ApproximateReceiveCount": "1", "SentTimestamp": "1"}
    if "MessageDeduplicationId" in entry:
        system["MessageDeduplicationId"] = entry["MessageDeduplicationId"]
    message = {"MessageId": "m-1", "Body": entry["MessageBody"], "Attributes": system}
    attributes = entry.get("MessageAttributes")
    return message | ({"MessageAttributes": attributes} if attributes else {})


def check_taken(entry: Any, *, fifo: bool) -> None:
    """Everything about it is within what SQS takes."""
    assert FITS.fullmatch(entry["MessageGroupId"])
    assert ("MessageDeduplicationId" in entry) is fifo
    assert FITS.fullmatch(entry.get("MessageDeduplicationId", "any"))
    assert TAKEN.fullmatch(entry["MessageBody"])
    for name, value in entry.get("MessageAttributes", {}).items():
        assert re.fullmatch(r"[a-z.]+", name)
        assert TAKEN.fullmatch(value["StringValue"])
    assert len(entry.get("MessageAttributes", {})) <= 10


@given(id_=texts, key=texts, body=texts.filter(bool), count=st.integers(1, 10**6), fifo=st.booleans())
@example(id_="", key="", body="\x00", count=1, fifo=True)
@example(id_='"quoted"', key="x" * 129, body="\ufffe", count=2, fifo=False)
def test_any_message_comes_out_as_it_went_in(id_: str, key: str, body: str, count: int, fifo: bool) -> None:
    sent = Message(id_, key, body, count)
    entry = write_message(sent, fifo=fifo)
    check_taken(entry, fifo=fifo)
    assert read_message(received(entry)) == sent
    again = write_message(sent, fifo=fifo)
    assert again == entry, "the queue knows the same message by the same id"


@given(sent=st.builds(Message, texts, texts, texts.filter(bool)), fifo=st.booleans())
def test_another_deduplication_id_changes_nothing_else(sent: Message, fifo: bool) -> None:
    entry = write_message(sent, fifo=fifo, deduplication_id="d-1")
    check_taken(entry, fifo=fifo)
    assert entry.get("MessageDeduplicationId", "d-1") == "d-1"
    assert read_message(received(entry)) == sent


@given(
    message=st.builds(Message, broken_texts, broken_texts, broken_texts, st.integers(1, 1000)),
    reason=texts,
    attempts=st.integers(0, 1000),
    fifo=st.booleans(),
)
@example(message=Message("\ud800", "\udfff", ""), reason="\x1b[31mred", attempts=0, fifo=True)
def test_any_letter_comes_out_as_it_went_in(message: Message, reason: str, attempts: int, fifo: bool) -> None:
    sent = DeadLetter(message.id, message, reason, noon, attempts)
    entry = write_letter(sent, micros(noon), fifo=fifo)
    check_taken(entry, fifo=fifo)
    assert is_letter(received(entry))
    assert says_why(received(entry))
    assert read_letter(received(entry)) == sent


def test_letters_of_one_key_have_groups_of_their_own() -> None:
    letters = [DeadLetter(id_, Message(id_, "lane", "{}"), "", noon) for id_ in ("a", "b")]
    groups = [write_letter(letter, 0, fifo=True)["MessageGroupId"] for letter in letters]
    assert len(set(groups)) == 2


@pytest.mark.parametrize("filling", ["x", "é", "\x00"])
def test_a_reason_that_is_too_long_is_cut(filling: str) -> None:
    body = "x" * capabilities("q").max_message_bytes
    letter = DeadLetter("", Message("a", "lane", body), filling * 100_000, noon)
    entry = write_letter(letter, micros(noon), fifo=True)
    assert message_bytes(entry) <= MESSAGE_BYTES
    found = read_letter(received(entry))
    assert found.message == letter.message
    assert found.reason.startswith(filling * 1000)
    assert found.reason.endswith(" [...]")


@pytest.mark.parametrize("fifo", [True, False])
def test_a_message_as_large_as_sqs_takes_has_its_letter(fifo: bool) -> None:
    sent = DeadLetter("a", Message("a", "lane", "žluťoučký " * (MESSAGE_BYTES // 14)), "a reason", noon, 3)
    assert len(sent.message.body.encode()) > capabilities("q").max_message_bytes
    entry = write_letter(sent, micros(noon), fifo=fifo)
    assert message_bytes(entry) <= MESSAGE_BYTES
    assert read_letter(received(entry)) == sent


def test_a_letter_larger_than_anything_is_refused() -> None:
    letter = DeadLetter("", Message("a", "k" * MESSAGE_BYTES, "{}"), "a reason", noon)
    with pytest.raises(PermanentError, match="over the limit"):
        write_letter(letter, 0, fifo=True)


def test_what_others_sent_is_read_all_the_same() -> None:
    system = {"ApproximateReceiveCount": "3", "MessageGroupId": "theirs", "MessageDeduplicationId": "d"}
    fifo: Any = {"MessageId": "m-1", "Body": "hello", "Attributes": system}
    assert read_message(fifo) == Message("d", "theirs", "hello")
    standard: Any = {"MessageId": "m-1", "Body": "hello", "Attributes": {"ApproximateReceiveCount": "3"}}
    assert read_message(standard) == Message("m-1", "", "hello")
    strange = standard | {
        "MessageAttributes": {
            "ff.count": {"DataType": "String", "StringValue": "many"},
            "ff.body": {"DataType": "String", "StringValue": "zlib"},
            "ff.id": {"DataType": "String", "StringValue": '"open'},
            "ff.key": {"DataType": "Binary", "BinaryValue": b"key"},
        }
    }
    assert read_message(strange) == Message('"open', "", "hello")


WITHOUT: dict[str, Any] = {"ff.count": 1, "ff.time": datetime(1970, 1, 1, 0, 0, 0, 1000, tzinfo=UTC), "ff.attempts": 0}
"""What is read where an attribute does not tell it."""


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, str(2**63), "0x1", "-1"], ids=lambda number: number[:5])
@pytest.mark.parametrize("name", ["ff.count", "ff.time", "ff.attempts"])
def test_a_number_that_is_none_of_ours_keeps_nobody_from_reading(name: str, number: str) -> None:
    entry: Any = write_letter(DeadLetter("id", Message("id", "key", "[]", 7), "why", noon, 3), micros(noon), fifo=True)
    entry["MessageAttributes"][name]["StringValue"] = number
    told = {"ff.count": 7, "ff.time": noon, "ff.attempts": 3} | {name: WITHOUT[name]}
    letter = read_letter(received(entry))
    assert {"ff.count": letter.message.count, "ff.time": letter.time, "ff.attempts": letter.attempts} == told


def test_a_body_that_is_a_gigabyte_when_unpacked_stays_packed() -> None:
    entry: Any = write_message(Message("id", "key", "[]"), fifo=True, compressed=True)
    packing = zlib.compressobj(9)
    packed = b"".join([*(packing.compress(bytes(2**20)) for _ in range(64)), packing.flush()])
    entry["MessageBody"] = b64encode(packed).decode()
    assert read_message(received(entry)).body == entry["MessageBody"]


@pytest.mark.parametrize("name", ["q.fifo", "q"])
def test_a_full_pack_is_billed_as_one_request(name: str) -> None:
    pack = Message(digest_of_pack, "lane-15", "é" * (capabilities(name).pack_bytes // 2), 10_000)
    entry = write_message(pack, fifo=name.endswith(".fifo"))
    assert BILLED_BYTES - ATTRIBUTE_BYTES <= message_bytes(entry) <= BILLED_BYTES


def test_bytes_are_counted_as_sqs_counts_them() -> None:
    entry = write_message(Message("id", "key", "žluťoučký", 7), fifo=True)
    assert message_bytes(entry) == len("žluťoučký".encode()) + len("ff.count" + "Number" + "7")


@given(st.lists(st.integers(1, MESSAGE_BYTES), max_size=60))
@example([MESSAGE_BYTES] * 3)
@example([MESSAGE_BYTES - 1, 1, 1])
@example([1] * 21)
def test_batches_are_as_long_as_they_may_be(sizes: list[int]) -> None:
    parts = [sizes[part] for part in cut(sizes)]
    assert [size for part in parts for size in part] == sizes
    for index, part in enumerate(parts):
        following = parts[index + 1] if index + 1 < len(parts) else None
        assert 1 <= len(part) <= ENTRIES
        assert sum(part) <= MESSAGE_BYTES
        full = len(part) == ENTRIES or (following and sum(part) + following[0] > MESSAGE_BYTES)
        assert full or following is None


def test_what_is_ours_stands_beside_what_is_theirs() -> None:
    entry: Any = write_message(Message("id", "key", "{}", 3), fifo=True)
    entry["MessageAttributes"]["count"] = {"DataType": "Number", "StringValue": "99"}
    assert read_message(received(entry)).count == 3
    assert json.loads(read_message(received(entry)).body) == {}
