"""The event: CloudEvents 1.0 attributes in a frozen struct, its id, and its wire form.

One event travels as CloudEvents JSON; several travel as a CloudEvents batch, a JSON array of them. The text is
UTF-8, never empty, and every noncharacter that a cloud would refuse is escaped.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fireforget.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

MEDIA_TYPE: Final = "application/cloudevents+json"
BATCH_MEDIA_TYPE: Final = "application/cloudevents-batch+json"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UUID7: Final = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}").fullmatch
_USUAL_UUID7: Final = re.compile(
    "[0-9a-d][0-9a-f]{7}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
).fullmatch
"""A UUIDv7 whose time a calendar can hold for certain; `uuid7_time`, which costs ten times as much, judges the rest."""

RESERVED_ATTRIBUTES: Final = frozenset(
    {
        "specversion",
        "id",
        "source",
        "type",
        "time",
        "dataschema",
        "datacontenttype",
        "data",
        "data_base64",
    }
)
"""Attribute names that belong to the library: an emitter cannot set them."""


class EventId(msgspec.Struct, frozen=True, gc=False, order=True):
    """The id of an accepted event: a UUIDv7, rendered only when somebody asks for its text.

    Args:
        time_ns: When it was emitted, in nanoseconds since the Unix epoch.
        sequence: Which record of its journal it is.
        nonce: The journal's own random number (62 bits).
    """

    time_ns: int
    sequence: int
    nonce: int

    def __repr__(self) -> str:
        """With the text of the id."""
        return f"EventId({str(self)!r})"

    def __str__(self) -> str:
        """The UUIDv7 in its canonical form of 36 characters."""
        return id_text(self.time_ns, self.sequence, self.nonce)


_ODD: Final = 0x1E3779B97F4A7C15
"""An odd factor spreads consecutive sequence numbers over all 62 bits, and no two of them meet."""


def id_text(time_ns: int, sequence: int, nonce: int) -> str:
    """The text of an `EventId`, without making one."""
    return UUID7 % id_fields(time_ns, sequence, nonce)


def id_fields(time_ns: int, sequence: int, nonce: int) -> tuple[int, int, int, int, int]:
    """The same as numbers that fill in `UUID7`: who renders many events renders the rest of them in the same stroke."""
    return _uuid7_fields(time_ns, nonce + sequence * _ODD)


UUID7: Final = "%08x-%04x-7%03x-%04x-%012x"
"""The form of a UUIDv7. An f-string in its place would take a quarter longer, for every event."""


def uuid7_text(time_ns: int, random_bits: int) -> str:
    """Render a UUIDv7 whose 12 bits after the millisecond are its fraction (RFC 9562, section 6.2, method 3)."""
    return UUID7 % _uuid7_fields(time_ns, random_bits)


def _uuid7_fields(time_ns: int, random_bits: int) -> tuple[int, int, int, int, int]:
    millis, rest = divmod(time_ns, 1_000_000)
    low = 0x8000_0000_0000_0000 | (random_bits & 0x3FFF_FFFF_FFFF_FFFF)
    return (
        millis >> 16 & 0xFFFF_FFFF,
        millis & 0xFFFF,
        rest * 4096 // 1_000_000,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF,
    )


def uuid7_time(text: str) -> datetime | None:
    """When the UUIDv7 was made, to the millisecond; None where the text is not a canonical UUIDv7."""
    if not _UUID7(text):
        return None
    try:
        return _EPOCH + timedelta(milliseconds=int(text[:8] + text[9:13], 16))
    except OverflowError:
        return None


def is_uuid7(text: str) -> bool:
    """Is it a canonical UUIDv7 whose time a calendar can hold?"""
    return _USUAL_UUID7(text) is not None or uuid7_time(text) is not None


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One event with its CloudEvents attributes.

    Args:
        id: UUIDv7, unique; the key of idempotence.
        source: Which application emitted it (a URI reference).
        type: The event type, such as ``"query"``.
        time: When it was emitted.
        data: The application's own mapping.
        subject: What within the source it is about, if the emitter said so.
        dataschema: ``urn:fireforget:<type>:<version>`` where the type is registered, else None.
        correlationid: UUIDv7 that all events of one request share.
        sessionid: Whose visit it belongs to, where that is known.
        requestid: The request id that the client or a proxy sent; not to be trusted.
        traceparent: W3C trace context of the request.
        extensions: Other CloudEvents extension attributes.
    """

    id: str
    source: str
    type: str
    time: datetime
    data: dict[str, Any] = {}
    subject: str | None = None
    dataschema: str | None = None
    correlationid: str = ""
    sessionid: str | None = None
    requestid: str | None = None
    traceparent: str | None = None
    # in the JSON form extensions stand beside the others, so this name, which no attribute can have, is never used
    extensions: dict[str, str | int | bool] = msgspec.field(default_factory=dict, name="~extensions")

    @property
    def correlation(self) -> str:
        """The correlation id; an event that was emitted outside a request is its own correlation."""
        return self.correlationid or self.id

    @property
    def key(self) -> str:
        """The ordering key: the session id, else the correlation id."""
        return self.sessionid or self.correlation


class _Foreign(msgspec.Struct):
    """What the JSON form has beside the attributes of `Event`."""

    specversion: str
    datacontenttype: str = "application/json"


_OPENING: Final = b'{"specversion":"1.0",'
_KNOWN: Final = frozenset({*Event.__struct_encode_fields__, *_Foreign.__struct_fields__}) - {"~extensions"}
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Event)
_splitter: Final = msgspec.json.Decoder(list[msgspec.Raw])
_opener: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_extension: Final = msgspec.json.Decoder(str | int | bool)


def encode_event(event: Event) -> str:
    """Render one event as CloudEvents JSON text."""
    if event.extensions:
        plain = _encoder.encode(msgspec.structs.replace(event, extensions={}))
        text = _OPENING + plain[1:-1] + b"," + _encoder.encode(event.extensions)[1:]
    else:
        text = _OPENING + _encoder.encode(event)[1:]
    return escape_noncharacters(text.decode())


def encode_batch(events: Iterable[str]) -> str:
    """Join events already rendered into one CloudEvents batch."""
    return f"[{','.join(events)}]"


def decode_event(text: str | bytes | msgspec.Raw) -> Event:
    """Read one event from CloudEvents JSON.

    Raises:
        DecodeError: The text is not JSON, or a required attribute is missing or has the wrong type.
    """
    try:
        event = _decode(text.encode() if isinstance(text, str) else bytes(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        message = f"not a CloudEvent: {error}"
        raise DecodeError(message) from error
    if not event.id or not event.type or event.time.tzinfo is None:
        message = "not a CloudEvent: it needs an id, a type and a time with its offset"
        raise DecodeError(message)
    return event


def _decode(text: bytes) -> Event:
    """Read our own form at once; any other one, or one with extensions, attribute by attribute."""
    if text.startswith(_OPENING):
        try:
            return _decoder.decode(b"{" + text[len(_OPENING) :])
        except msgspec.ValidationError:
            pass  # extensions, or something wrong: told below
    fields = _opener.decode(text)
    foreign = msgspec.json.decode(text, type=_Foreign)
    if foreign.specversion != "1.0":
        message = f"specversion is {foreign.specversion!r:.20}, not '1.0'"
        raise msgspec.ValidationError(message)
    own = {name: raw for name, raw in fields.items() if name in _KNOWN and name not in _Foreign.__struct_fields__}
    event = _decoder.decode(_encoder.encode(own))
    extensions = {name: _extension.decode(raw) for name, raw in fields.items() if name not in _KNOWN}
    return msgspec.structs.replace(event, extensions=extensions) if extensions else event


def split_batch(body: str | bytes) -> list[msgspec.Raw]:
    """Split a batch into its events without reading them, so that one bad event does not spoil the rest.

    Raises:
        DecodeError: The text is neither a JSON array nor a JSON object.
    """
    try:
        stripped = body.lstrip()
        if stripped[:1] in {"{", b"{"}:
            return [msgspec.Raw(stripped)]
        return _splitter.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        message = f"not a CloudEvents batch: {error}"
        raise DecodeError(message) from error


def escape_noncharacters(text: str) -> str:
    """Escape U+FFFE and U+FFFF, which SQS refuses, the JSON way."""
    if "\ufffe" in text or "\uffff" in text:
        return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return text
