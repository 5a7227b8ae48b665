"""What the queues of SQS can do."""

from __future__ import annotations

from typing import Final

import msgspec

from fireforget.abc import Capabilities

FIFO: Final = ".fifo"
"""How the name of a FIFO queue ends."""

ENTRIES: Final = 10
"""Most entries of a batch (SQS, "Quotas related to messages")."""
MESSAGE_BYTES: Final = 1024 * 1024
"""Largest message and largest batch, attributes included (the same page)."""
ATTRIBUTE_BYTES: Final = 1024
"""Kept free in each message for the attributes that go with the body."""
BILLED_BYTES: Final = 64 * 1024
"""What is billed as one request (SQS pricing)."""

_FIFO: Final = Capabilities(
    max_message_bytes=MESSAGE_BYTES - 32 * ATTRIBUTE_BYTES,  # room for the reason of a dead letter
    max_batch_messages=ENTRIES,
    max_batch_bytes=MESSAGE_BYTES - 32 * ATTRIBUTE_BYTES,
    pack_bytes=BILLED_BYTES - ATTRIBUTE_BYTES,
    ordered=True,
    deduplication_seconds=300.0,
    delayed_nack=True,
    max_lease_seconds=12 * 3600.0,
    min_lease_seconds=1.0,
)

_STANDARD: Final = msgspec.structs.replace(_FIFO, ordered=False, deduplication_seconds=0.0)


def capabilities(name: str) -> Capabilities:
    """What the queue of that name can do."""
    return _FIFO if name.endswith(FIFO) else _STANDARD
