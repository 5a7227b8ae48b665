"""Whom a message is from and to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireforget.errors import PermanentError

if TYPE_CHECKING:
    from email.message import EmailMessage


def check_addresses(message: EmailMessage) -> None:
    """Refuse a message that nobody sends or nobody gets.

    Raises:
        PermanentError: It has no sender, or no recipient.
    """
    if not message["From"] or not (message["To"] or message["Cc"] or message["Bcc"]):
        raise PermanentError("a message needs From and To")
