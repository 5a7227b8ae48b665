"""What the processor says of one delivery."""

from __future__ import annotations

from typing import Final, Literal

import msgspec


class Verdict(msgspec.Struct, frozen=True):
    """How to settle one delivery.

    Args:
        status: ``"ack"``: every event of it is stored or among the dead letters. ``"retry"``: it must come
            again.
        reason: Why it must come again, for a log; it holds nothing of the events.
        retry_after: Seconds that a service asked to wait, or None.
    """

    status: Literal["ack", "retry"]
    reason: str = ""
    retry_after: float | None = None


ACK: Final = Verdict("ack")
