"""What the embedded queues can do: which messages and which leases they take."""

from __future__ import annotations

from typing import Final

from fireforget.abc import Capabilities, Message, Outcome
from fireforget.errors import PermanentError

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

DELIVERED: Final = Outcome("delivered")


def judge(message: Message) -> Outcome:
    """`DELIVERED` where nothing speaks against it, else why the message is refused."""
    try:
        size = len(message.body) if message.body.isascii() else len(message.body.encode())
        message.id.encode()
        message.key.encode()
    except UnicodeEncodeError as error:
        return Outcome("refused", f"it is not UTF-8 text: {error.reason}")
    if size == 0:
        return Outcome("refused", "its body is empty")
    if size > CAPABILITIES.max_message_bytes:
        return Outcome("refused", f"its body of {size} bytes is over the limit of {CAPABILITIES.max_message_bytes}")
    return DELIVERED


def check_lease(seconds: float) -> None:
    """Refuse a lease that nobody can hold.

    Raises:
        PermanentError: It is not longer than 0, or longer than the longest.
    """
    longest = CAPABILITIES.max_lease_seconds
    if not 0 < seconds <= longest:
        raise PermanentError(f"a lease of {seconds} s is not possible: ask for more than 0 s, up to {longest:.0f} s")
