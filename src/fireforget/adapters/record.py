"""A record as stores hold it: the event as text, the expiry as a number."""

from __future__ import annotations

from fireforget.abc import Event, Record, Refusal, decode_event, encode_event, is_uuid7
from fireforget.adapters.moments import micros, moment
from fireforget.errors import DecodeError, PermanentError


def render_record(record: Record) -> tuple[str, int | None] | Refusal:
    """The event's text and the record's expiry in microseconds since 1970 UTC, or why no store will ever take it."""
    event = record.event
    if not is_uuid7(event.correlation):
        return Refusal(event.id, f"the correlation id {event.correlation!r:.80} is not a UUIDv7")
    try:
        return record.text or _encode(event), None if record.expires_at is None else micros(record.expires_at)
    except (TypeError, ValueError, RecursionError, DecodeError) as error:
        return Refusal(event.id, f"it has no form that can be read back: {error}")


def _encode(event: Event) -> str:
    text = encode_event(event)
    if event.extensions or not event.id or not event.type or event.time.tzinfo is None:
        decode_event(text)  # what cannot be read back is not to be written
    return text


def parse_record(text: str, expires_at: int | None) -> Record:
    """The record of which `render_record` made the text.

    Raises:
        PermanentError: It is not what `render_record` makes.
    """
    try:
        return Record(decode_event(text), None if expires_at is None else moment(expires_at))
    except DecodeError as error:
        raise PermanentError(f"a stored event cannot be read, mend or delete it: {error}: {text:.200}") from error
