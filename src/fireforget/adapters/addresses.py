"""Whom a message is from and to, and what of it they may see."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import msgspec

from fireforget.errors import PermanentError

if TYPE_CHECKING:
    from email.message import EmailMessage


class Envelope(msgspec.Struct, frozen=True):
    """Bare addresses, without the names beside them.

    Args:
        sender: Who sends it: ``Sender`` where there is one, else the first in ``From``.
        to: Those in ``To``.
        cc: Those in ``Cc``.
        bcc: Those in ``Bcc``, whom nobody else sees.
    """

    sender: str
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()

    @property
    def recipients(self) -> list[str]:
        """All who get it."""
        return [*self.to, *self.cc, *self.bcc]

    @property
    def is_ascii(self) -> bool:
        """Whether a server without SMTPUTF8 can take it."""
        return "".join([self.sender, *self.recipients]).isascii()


def check_addresses(message: EmailMessage) -> None:
    """Refuse a message that nobody sends or nobody gets.

    Raises:
        PermanentError: It has no sender, or no recipient.
    """
    if not message["From"] or not (message["To"] or message["Cc"] or message["Bcc"]):
        raise PermanentError("a message needs From and To")


def envelope(message: EmailMessage) -> Envelope:
    """Who sends a message and who gets it; of one that `check_addresses` let pass."""
    (sender, *_) = _addresses(message, "Sender") or _addresses(message, "From")
    return Envelope(sender, _addresses(message, "To"), _addresses(message, "Cc"), _addresses(message, "Bcc"))


def visible_bytes(message: EmailMessage) -> bytes:
    """The message for the wire, in 7 bits and without ``Bcc``. The message itself stays as it is.

    Raises:
        ValueError, LookupError: A header or a charset has no text form.
    """
    from email import policy

    visible = copy.copy(message)
    del visible["Bcc"]
    return visible.as_bytes(policy=policy.SMTP.clone(cte_type="7bit"))


def _addresses(message: EmailMessage, name: str) -> tuple[str, ...]:
    from email.utils import getaddresses

    found = getaddresses([str(each) for each in message.get_all(name, [])])
    return tuple(address for _, address in found if address)  # a group may have no members
