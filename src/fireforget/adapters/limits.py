"""What a queue takes: messages and leases against what its adapter declares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fireforget.abc import Outcome
from fireforget.errors import PermanentError

if TYPE_CHECKING:
    from fireforget.abc import Capabilities, Message

DELIVERED: Final = Outcome("delivered")
"""The outcome of a message that the queue holds; one object, so that `is` tells it."""


def judge(message: Message, capabilities: Capabilities) -> Outcome:
    """`DELIVERED` where nothing speaks against it, else why the message is refused."""
    try:
        size = len(message.body) if message.body.isascii() else len(message.body.encode())
        message.id.encode()
        message.key.encode()
    except UnicodeEncodeError as error:
        return Outcome("refused", f"it is not UTF-8 text: {error.reason}")
    if size == 0:
        return Outcome("refused", "its body is empty")
    if size > capabilities.max_message_bytes:
        return Outcome("refused", f"its body of {size} bytes is over the limit of {capabilities.max_message_bytes}")
    return DELIVERED


def check_lease(seconds: float, capabilities: Capabilities) -> None:
    """Refuse a lease that nobody can hold.

    Raises:
        PermanentError: It is not longer than 0, or longer than the longest.
    """
    longest = capabilities.max_lease_seconds
    if not 0 < seconds <= longest:
        raise PermanentError(f"a lease of {seconds} s is not possible: ask for more than 0 s, up to {longest:.0f} s")
