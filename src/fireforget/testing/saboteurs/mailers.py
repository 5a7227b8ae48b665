"""Mailers that break their promises, and the one that keeps them, on which they build."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import TYPE_CHECKING

from anyio.lowlevel import checkpoint

from fireforget.errors import ClosedError, PermanentError
from fireforget.testing.saboteurs.saboteur import Found

if TYPE_CHECKING:
    from collections.abc import Sequence

found = Found("mailer")


class MemoryMailer:
    """Keeps what it is given, as text.

    Args:
        sent: Where.
    """

    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent
        self._closed = False

    async def send(self, message: EmailMessage) -> None:
        """Keep a message."""
        await self._begin()
        if not message["From"] or not message["To"]:
            raise PermanentError("a message needs From and To")
        self._sent.append(message.as_bytes())

    async def aclose(self) -> None:
        """Refuse any further call."""
        self._closed = True

    async def _begin(self) -> None:
        if self._closed:
            raise ClosedError("this mailer is closed")
        await checkpoint()


def read(sent: Sequence[bytes]) -> list[EmailMessage]:
    """The messages that were kept."""
    return [email.message_from_bytes(content, policy=email.policy.default) for content in sent]


@found("a_message_arrives_whole", "a_message_may_be_sent_again")
class SendsTextOnly(MemoryMailer):
    """Only the plain text arrives."""

    async def send(self, message: EmailMessage) -> None:
        """Send a part."""
        part = EmailMessage()
        for name in ("Subject", "From", "To"):
            if message[name]:
                part[name] = message[name]
        text = message.get_body(("plain",))
        part.set_content(text.get_content() if text else "")
        await super().send(part)


@found("a_message_may_be_sent_again")
class SendsEachSubjectOnce(MemoryMailer):
    """A message like one before is taken for the same."""

    async def send(self, message: EmailMessage) -> None:
        """Send what is new."""
        await self._begin()
        new = all(known["Subject"] != message["Subject"] for known in read(self._sent))
        if new or not message["To"] or not message["From"]:
            await super().send(message)


@found("every_message_arrives")
class SendsTwo(MemoryMailer):
    """After two messages the service takes no more, which nobody is told."""

    async def send(self, message: EmailMessage) -> None:
        """Send the first ones."""
        if len(self._sent) < 2 or "again" in str(message["Subject"]):  # noqa: PLR2004 - as it says
            await super().send(message)


@found("calls_may_be_made_at_the_same_time")
class HasOneHand(MemoryMailer):
    """Of messages sent at the same time, the last one arrives in the place of the others."""

    async def send(self, message: EmailMessage) -> None:
        """Put down, wait, send what lies there."""
        self._hand = message
        await checkpoint()
        await super().send(self._hand)


@found("a_message_without_addresses_is_refused")
class AsksForNoAddress(MemoryMailer):
    """A message to nobody is sent."""

    async def send(self, message: EmailMessage) -> None:
        """Send, to anybody."""
        for name in ("From", "To"):
            if not message[name]:
                message[name] = "nobody@fireforget.test"
        await super().send(message)


@found("a_cancelled_send_can_be_made_again", "calls_may_be_made_at_the_same_time")
class BreaksWhenCancelled(MemoryMailer):
    """After a cancelled send its connection is of no use."""

    async def send(self, message: EmailMessage) -> None:
        """Send, on a connection that may be broken."""
        if vars(self).get("broken"):
            raise PermanentError("out of step with the server")
        vars(self)["broken"] = not self._closed
        await super().send(message)
        vars(self)["broken"] = False
