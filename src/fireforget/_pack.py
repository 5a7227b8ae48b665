"""From journal entries to messages: the envelope of an event, and the pack in which events travel."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from fireforget._event import UUID7, escape_noncharacters, id_fields, id_text
from fireforget._journal import Entry
from fireforget.abc import Message

if TYPE_CHECKING:
    from collections import deque

ENVELOPE_BYTES: Final = 160
"""About what the envelope adds to an entry: enough to guess how many entries fill a pack."""

_DIGEST_BYTES: Final = 16
_json: Final = msgspec.json.Decoder(msgspec.Raw)
_OPENING: Final = b'{"specversion":"1.0","id":"'
_EVENT: Final = _OPENING + UUID7.encode() + b'","time":"%b.%06dZ",%b%b%b,"data":%b}'
_ID: Final = slice(len(_OPENING), len(_OPENING) + 36)


class Pack(msgspec.Struct):
    """Events that travel together. Once attempted, it stays as it is until its outcome is known.

    Args:
        message: What the queue gets.
        entries: The journal entries whose events it holds.
        size: Bytes of the body.
        flaw: Why its one event cannot travel at all; ``""`` where nothing speaks against it.
        attempts: How often it was published.
    """

    message: Message
    entries: list[Entry]
    size: int
    flaw: str = ""
    attempts: int = 0


class Source(Protocol):
    """What entries come from: a journal, or a watch of one."""

    @property
    def nonce(self) -> int:
        """That of the journal."""
        ...

    def payload(self, entry: Entry) -> bytes | None:
        """The event's data; None where it is damaged."""
        ...


class Packer:
    """Renders the events of one journal."""

    def __init__(self, journal: Source) -> None:
        self._journal = journal
        self._second = -1
        self._second_text = b""

    def event_id(self, entry: Entry) -> str:
        """The id of the entry's event: what `emit` returned for it."""
        return id_text(entry.time_ns, entry.sequence, self._journal.nonce)

    def pack(self, entries: deque[Entry], key: str, max_bytes: int) -> Pack | None:
        """Take entries from the left until the body would exceed `max_bytes`; the first one always goes in.

        An entry that turns out to be damaged is counted by the journal and left out; None when nothing is left. One
        whose data is no JSON text gets a pack of its own, which has a flaw: it would take the others down with it.

        Raises:
            OSError: The journal cannot be read at the moment. Nothing has been taken.
        """
        texts: list[bytes] = []
        packed: list[Entry] = []
        size, passed = 1, len(entries)
        for place, entry in enumerate(entries):
            text = self._text(entry)
            if text is None:
                continue
            if packed and size + len(text) + 1 > max_bytes:
                passed = place
                break
            size += len(text) + 1
            texts.append(text)
            packed.append(entry)
        flaw = _flaw(b"[" + b",".join(texts) + b"]")
        if flaw and len(texts) > 1:
            sound = next((i for i, text in enumerate(texts) if _flaw(text)), len(texts))
            del texts[max(sound, 1) :]
            packed = packed[: len(texts)]
            passed = entries.index(packed[-1]) + 1
            flaw = _flaw(texts[0])
        pack = self._pack(texts, packed, key, flaw) if packed else None
        for _ in range(passed):
            entries.popleft()
        return pack

    def _pack(self, texts: list[bytes], entries: list[Entry], key: str, flaw: str) -> Pack:
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for event in texts:
            digest.update(event[_ID])
        text = (b"[" + b",".join(texts) + b"]").decode(errors="backslashreplace" if flaw else "strict")
        body = escape_noncharacters(text)
        return Pack(Message(digest.hexdigest(), key, body, len(entries)), entries, len(body.encode()), flaw)

    def _text(self, entry: Entry) -> bytes | None:
        """The whole event; None where it turns out to be damaged."""
        payload = self._journal.payload(entry)
        if payload is None:
            return None
        second, rest = divmod(entry.time_ns, 1_000_000_000)
        if second != self._second:
            self._second, self._second_text = second, _rfc3339(second)
        return _EVENT % (
            *id_fields(entry.time_ns, entry.sequence, self._journal.nonce),
            self._second_text,
            rest // 1000,
            entry.type,
            b"," if entry.context else b"",
            entry.context,
            payload,
        )


def _rfc3339(second: int) -> bytes:
    """The time of a second, without its fraction."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()


def _flaw(text: bytes) -> str:
    """Why a text is no JSON; ``""`` where it is."""
    try:
        text.decode()
        _json.decode(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError) as error:
        return f"its data is no JSON text: {error}"
    return ""
