"""The header page of a segment file."""

from __future__ import annotations

from struct import Struct
from typing import Final
from zlib import crc32

import msgspec

from fireforget._journal.counts import Tally

_HEADER: Final = Struct("<8sQIIQQQQQ")
_TOTAL: Final = Struct("<I")
_NAME: Final = b"ffseg\x00\x01\n"


class SegmentHeader(msgspec.Struct):
    """What the header page says.

    Args:
        nonce: That of the journal.
        number: Of the segment.
        last: After compaction the file stands for the segments `number` to `last`.
        size: Bytes of the file; a file that is shorter was truncated.
        removed: Settled events that compaction has taken out.
    """

    nonce: int
    number: int
    last: int
    size: int
    removed: Tally

    def pack(self) -> bytes:
        """The header page's first bytes."""
        gone = self.removed
        fields = (self.nonce, self.number, self.last, self.size, gone.delivered, gone.dead, gone.dropped, gone.corrupt)
        head = _HEADER.pack(_NAME, *fields)
        return head + _TOTAL.pack(crc32(head))

    @classmethod
    def unpack(cls, page: bytes) -> SegmentHeader | None:
        """Read a header page; None where it is damaged or was never finished."""
        if len(page) < _HEADER.size + _TOTAL.size or page[:8] != _NAME:
            return None
        head = page[: _HEADER.size]
        if _TOTAL.unpack_from(page, _HEADER.size)[0] != crc32(head):
            return None
        _, nonce, number, last, size, *removed = _HEADER.unpack(head)
        return cls(nonce, number, last, size, Tally(*removed))
