"""What the embedded queues can do."""

from __future__ import annotations

from typing import Final

from fireforget.abc import Capabilities

DEDUPLICATION_SECONDS: Final = 300
"""For how long the id of a settled message is remembered."""

CAPABILITIES: Final = Capabilities(
    max_message_bytes=1024 * 1024,
    max_batch_messages=100,
    max_batch_bytes=8 * 1024 * 1024,
    pack_bytes=64 * 1024,
    ordered=True,
    deduplication_seconds=float(DEDUPLICATION_SECONDS),
    delayed_nack=True,
    max_lease_seconds=12 * 3600.0,
)
