"""What a queue takes: which messages, and which leases."""

from __future__ import annotations

from typing import Final

from fireforget.abc import Message, Outcome
from fireforget.errors import PermanentError

DEDUPLICATION_SECONDS: Final = 300
"""For how long the queues remember the id of a settled message."""

DELIVERED: Final = Outcome("delivered")


def judge(message: Message, max_bytes: int) -> Outcome:
    """`DELIVERED` where nothing speaks against it, else why the message is refused."""
    try:
        size = len(message.body) if message.body.isascii() else len(message.body.encode())
        message.id.encode()
        message.key.encode()
    except UnicodeEncodeError as error:
        return Outcome("refused", f"it is not UTF-8 text: {error.reason}")
    if size == 0:
        return Outcome("refused", "its body is empty")
    if size > max_bytes:
        return Outcome("refused", f"its body of {size} bytes is over the limit of {max_bytes}")
    return DELIVERED


def check_lease(seconds: float, longest: float) -> None:
    """Refuse a lease that nobody can hold.

    Raises:
        PermanentError: It is not longer than 0, or longer than the longest.
    """
    if not 0 < seconds <= longest:
        raise PermanentError(f"a lease of {seconds} s is not possible: ask for more than 0 s, up to {longest:.0f} s")
