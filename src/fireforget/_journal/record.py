"""One record: its layout, its checksum, its states.

    offset  0   u32  magic      the segment's own number, drawn from the journal's nonce: a reader finds the next
                                record after damage by looking for it
            4   u32  size       bytes of the payload
            8   u32  checksum   0: not sealed yet
           12   u64  sequence   which record of the journal
           20   u8   state      the only byte that ever changes once the record is sealed
           21   u8   kind       event, type or context
           22   u16  key hash   decides the lane
           24   u16  type       number of the type record, per segment, from 1
           26   u16  context    number of the context record, per segment, from 1; 0: outside any request
           28   u64  time       nanoseconds since the Unix epoch
           36        payload    JSON text: the data of an event, the members of a type or of a context

All numbers are little-endian; bytes 20 to 27 are the *word*, one number that an emitter knows beforehand.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, Literal
from zlib import crc32

import msgspec

HEADER: Final = Struct("<IIIQQQ")
HEADER_SIZE: Final = HEADER.size
CHECKSUM: Final = Struct("<I")
CHECKSUM_AT: Final = 8
STATE_AT: Final = 20
SEALED_FROM: Final = 21
"""From here to its end a record is covered by its checksum as bytes; size and sequence go into the start value."""

EVENT: Final = 1
TYPE: Final = 2
CONTEXT: Final = 3

# Any two states differ in four bits, so that no single flipped bit turns one into another.
PENDING: Final = 0x0F
DELIVERED: Final = 0x33
DEAD: Final = 0x55
DROPPED: Final = 0x69

Outcome = Literal["delivered", "dead", "dropped"]
STATE_OF: Final[dict[Outcome, int]] = {"delivered": DELIVERED, "dead": DEAD, "dropped": DROPPED}
SETTLED: Final = frozenset({DELIVERED, DEAD, DROPPED})

PENDING_EVENT: Final = EVENT << 8 | PENDING
MOST: Final = 0xFFFF
"""The greatest type or context number."""

_U32: Final = 0xFFFF_FFFF
_raw: Final = msgspec.json.Decoder(msgspec.Raw)


def magic_of(nonce: int, number: int) -> int:
    """The magic of a segment. Its first byte occurs in no UTF-8 text, so no payload can contain it."""
    return crc32(number.to_bytes(8, "little"), nonce & _U32) << 8 & _U32 | 0x8000_00FF


def checksum(magic: int, size: int, sequence: int, sealed: bytes) -> int:
    """The checksum of a record: of its bytes from `SEALED_FROM` on, and of what stands before them; never 0."""
    start = magic + size * 0x9E37_79B1 + sequence * 0x85EB_CA77
    return crc32(sealed, start & _U32) or 1


def definition(magic: int, kind: int, number: int, payload: bytes) -> bytes:
    """A record that tells what a type or context number stands for.

    Raises:
        ValueError: A segment has no such number.
    """
    if number > MOST:
        raise ValueError(number)
    word = PENDING | kind << 8 | number << (32 if kind == TYPE else 48)
    return HEADER.pack(magic, len(payload), 0, 0, word, 0) + payload


def seal(record: bytes) -> bytes:
    """A record with its checksum."""
    magic, size, _, sequence, _, _ = HEADER.unpack_from(record)
    total = checksum(magic, size, sequence, record[SEALED_FROM:])
    return record[:CHECKSUM_AT] + CHECKSUM.pack(total) + record[CHECKSUM_AT + CHECKSUM.size :]


def plausible(kind: int, payload: bytes) -> bool:
    """Can an unsealed payload be trusted? Space not yet written is zero, so a torn copy shows."""
    if 0 in payload:
        return False
    try:
        _raw.decode(payload if kind == EVENT else b"{%b}" % payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return kind in {EVENT, TYPE, CONTEXT}
