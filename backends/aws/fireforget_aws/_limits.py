"""What the queues of SQS can do, how much they take, and where their dead letters are."""

from __future__ import annotations

from typing import Final

import msgspec

from fireforget.abc import Capabilities

FIFO: Final = ".fifo"
"""How the name of a FIFO queue ends."""

ENTRIES: Final = 10
"""Most entries of a batch, and most messages of a receive (SQS, "Quotas related to messages")."""
MESSAGE_BYTES: Final = 1024 * 1024
"""Largest message and largest batch, attributes included (the same page)."""
ATTRIBUTE_BYTES: Final = 1024
"""Kept free in each message for the attributes that go with the body."""
REASON_BYTES: Final = 32 * 1024
"""Kept free in a message of the largest size for what it may have among the dead letters."""
BILLED_BYTES: Final = 64 * 1024
"""What is billed as one request (SQS pricing)."""
WAIT_SECONDS: Final = 20
"""Longest wait of one receive (`WaitTimeSeconds`)."""
LEASE_SECONDS: Final = 12 * 3600
"""Longest visibility timeout, counted from the receive (SQS, "Quotas related to messages")."""

_FIFO: Final = Capabilities(
    max_message_bytes=MESSAGE_BYTES - REASON_BYTES,
    max_batch_messages=ENTRIES,
    max_batch_bytes=MESSAGE_BYTES - ENTRIES * ATTRIBUTE_BYTES,
    pack_bytes=BILLED_BYTES - ATTRIBUTE_BYTES,
    ordered=True,
    deduplication_seconds=300.0,
    delayed_nack=True,
    max_lease_seconds=float(LEASE_SECONDS),
    min_lease_seconds=1.0,
)

_STANDARD: Final = msgspec.structs.replace(_FIFO, ordered=False, deduplication_seconds=0.0)


def capabilities(name: str) -> Capabilities:
    """What the queue of that name can do."""
    return _FIFO if name.endswith(FIFO) else _STANDARD


def dead_name(name: str, dead: str | None = None) -> str:
    """The name of the queue of the dead letters: the one given, else that of the queue with ``-dead``."""
    stem = name.removesuffix(FIFO)
    return dead or f"{stem}-dead{name[len(stem) :]}"
