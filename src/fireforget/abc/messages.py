"""What travels through a queue, and what becomes of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Message(msgspec.Struct, frozen=True):
    """What a queue carries. It knows nothing of events.

    Args:
        id: The deduplication id: the same content has the same id, at every attempt.
        key: The ordering key: message group, ordering key or session of the cloud.
        body: Non-empty text.
        count: How many events the body holds.
    """

    id: str
    key: str
    body: str
    count: int = 1


class Outcome(msgspec.Struct, frozen=True):
    """What became of one published message.

    Args:
        status: ``"delivered"``: the queue holds it. ``"retry"``: not now. ``"refused"``: never, as it is.
        reason: Why it was not delivered, for a log.
        retry_after: Seconds that the queue asked to wait, or None.
    """

    status: Literal["delivered", "retry", "refused"]
    reason: str = ""
    retry_after: float | None = None


class Delivery(msgspec.Struct, frozen=True):
    """One message handed to a consumer under a lease.

    Args:
        message: What was published, exactly.
        attempt: How often it has been delivered, this time included; 1 is the first.
        receipt: The queue's name for this very delivery.
        expires_at: When the lease ends, and with it the right to settle.
    """

    message: Message
    attempt: int
    receipt: str
    expires_at: datetime


class Depth(msgspec.Struct, frozen=True):
    """How full a queue is. What the cloud does not tell is None.

    Args:
        visible: Messages that a consumer could receive now or after their delay.
        in_flight: Messages under a lease.
        dead: Messages among the dead letters.
        oldest_seconds: Age of the oldest message that is not settled, in seconds.
    """

    visible: int | None = None
    in_flight: int | None = None
    dead: int | None = None
    oldest_seconds: float | None = None
