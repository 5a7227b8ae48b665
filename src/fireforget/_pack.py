"""From journal entries to messages: the envelope of an event, and the pack in which events travel."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from fireforget._event import EventId, escape_noncharacters
from fireforget._journal import Entry
from fireforget.abc import Message

if TYPE_CHECKING:
    from collections import deque

ENVELOPE_BYTES: Final = 160
"""About what the envelope adds to an entry: enough to guess how many entries fill a pack."""

_DIGEST_BYTES: Final = 16
_OPENING: Final = b'{"specversion":"1.0","id":"'


class Pack(msgspec.Struct):
    """Events that travel together. Once attempted, it stays as it is until its outcome is known.

    Args:
        message: What the queue gets.
        entries: The journal entries whose events it holds.
        size: Bytes of the body.
        attempts: How often it was published.
    """

    message: Message
    entries: list[Entry]
    size: int
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
        self._second_text = ""

    def event_id(self, entry: Entry) -> str:
        """The id of the entry's event: what `emit` returned for it."""
        return str(EventId(entry.time_ns, entry.sequence, self._journal.nonce))

    def pack(self, entries: deque[Entry], key: str, max_bytes: int) -> Pack | None:
        """Take entries from the left until the body would exceed `max_bytes`; the first one always goes in.

        An entry that turns out to be damaged is counted by the journal and left out; None when nothing is left.
        """
        texts: list[bytes] = []
        packed: list[Entry] = []
        digest = blake2b(digest_size=_DIGEST_BYTES)
        size = 1
        while entries:
            entry = entries[0]
            payload = self._journal.payload(entry)
            if payload is None:
                entries.popleft()
                continue
            event_id = self.event_id(entry).encode()
            context = b"," + entry.context if entry.context else b""
            text = b"".join(
                (
                    _OPENING,
                    event_id,
                    b'","time":"',
                    self._time(entry.time_ns),
                    b'",',
                    entry.type,
                    context,
                    b',"data":',
                    payload,
                    b"}",
                )
            )
            if packed and size + len(text) + 1 > max_bytes:
                break
            entries.popleft()
            size += len(text) + 1
            texts.append(text)
            packed.append(entry)
            digest.update(event_id)
        if not packed:
            return None
        body = escape_noncharacters((b"[" + b",".join(texts) + b"]").decode())
        return Pack(Message(digest.hexdigest(), key, body, len(packed)), packed, len(body.encode()))

    def _time(self, time_ns: int) -> bytes:
        """RFC 3339 with microseconds; the text of a second is made once."""
        second, rest = divmod(time_ns, 1_000_000_000)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._second_text}.{rest // 1000:06d}Z".encode()
