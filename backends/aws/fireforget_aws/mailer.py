"""The mailer that hands messages to SES."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from fireforget.abc import Clock, Finding
from fireforget.adapters import check_addresses, envelope, visible_bytes
from fireforget.errors import PermanentError
from fireforget_aws._adapter import AwsAdapter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import EmailMessage

    from types_aiobotocore_sesv2 import SESV2Client  # noqa: F401 - the base of the class names it in quotes

    from fireforget_aws.access import Access

MESSAGE_BYTES: Final = 40 * 1024 * 1024
"""Largest message, attachments included (SES, "Service quotas", "Message quotas", of version 2 of the API)."""
RECIPIENTS: Final = 50
"""Most recipients of one message (the same page)."""
LINE_BYTES: Final = 998
"""Longest line without its end (SES, "RawMessage": 1,000 characters; RFC 5321, section 4.5.3.1.6)."""

_NEARLY: Final = 0.9
"""From which share of the daily quota on somebody should know."""


class SESMailer(AwsAdapter["SESV2Client"]):
    """Sends each message by version 2 of the API, whole as it is, with its attachments.

    SES itself puts a ``Date`` and a ``Message-ID`` of its own in the place of those that a message has (SES, "Header
    fields").

    Args:
        access: How AWS is reached.
        configuration_set: Name of the configuration set that SES is to apply; None for the identity's own, if any.
        clock: Where time comes from; None for the machine's own.
    """

    service: ClassVar[str] = "sesv2"

    def __init__(self, access: Access, *, configuration_set: str | None = None, clock: Clock | None = None) -> None:
        super().__init__(access, clock)
        self._options: dict[str, Any] = {"ConfigurationSetName": configuration_set} if configuration_set else {}

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over. See `fireforget.abc.Mailer`.

        Those in ``Bcc`` get it, and nobody reads of them.

        Raises:
            TransientError: SES cannot be reached, or throttles.
            PermanentError: SES refused it (an address is not verified, the account is in the sandbox or paused), or it
                would: over 40 MB, over 50 recipients, an address that is not ASCII, a line over 998 bytes.
            ClosedError: After `aclose`.
        """
        self._check_open()
        check_addresses(message)
        request = _request(message)
        await self._call(lambda client: client.send_email(**request, **self._options))

    async def check(self) -> list[Finding]:
        """Look whether the account may send, and how much; sends nothing. See `fireforget.abc.Checkable`.

        Raises:
            AdapterError: The account cannot be looked at.
        """
        return findings(await self._call(lambda client: client.get_account()))


def findings(account: Mapping[str, Any]) -> list[Finding]:
    """What ``fireforget doctor`` says of an account."""
    console = "look at the account's status in the console of SES"
    state = account.get("EnforcementStatus", "HEALTHY")
    if not account["SendingEnabled"] or state == "SHUTDOWN":
        found = [Finding("sending", "wrong", "SES sends nothing for this account in this region", console)]
    elif state != "HEALTHY":
        text = f"SES sends, but the reputation of the account is under review ({state.lower()})"
        found = [Finding("sending", "warning", text, console)]
    else:
        found = [Finding("sending", "ok", "SES sends for this account")]
    if not account["ProductionAccessEnabled"]:
        text = "the account is in the sandbox: only verified addresses get mail, 200 recipients a day"
        found.append(Finding("sandbox", "warning", text, "verify the recipients, or ask for production access"))
    return [*found, *_of_quota(account.get("SendQuota") or {})]


def _of_quota(quota: Mapping[str, float]) -> list[Finding]:
    most, sent = quota.get("Max24HourSend", -1.0), quota.get("SentLast24Hours", 0.0)
    if most < 0:  # there is no limit, or nobody says
        return []
    text = f"{sent:.0f} of the {most:.0f} recipients a day were used in the last 24 hours"
    if sent >= _NEARLY * most:
        return [Finding("quota", "warning", text, "ask for a larger quota, or send less")]
    return [Finding("quota", "ok", text)]


def _request(message: EmailMessage) -> dict[str, Any]:
    """The call that sends a message.

    Raises:
        PermanentError: SES would not take it.
    """
    try:
        found = envelope(message)
        content = visible_bytes(message)
    except (ValueError, LookupError) as error:  # a header or a charset that has no text form
        raise PermanentError(f"the message has no text form: {error}") from error
    if not found.is_ascii:
        raise PermanentError("SES takes ASCII addresses only: write a domain as xn--..., and use another local part")
    if not found.recipients or len(found.recipients) > RECIPIENTS:
        raise PermanentError(f"a message has up to {RECIPIENTS} recipients, not {len(found.recipients)}: name a list")
    if len(content) > MESSAGE_BYTES:
        raise PermanentError(f"the message of {len(content)} bytes is over SES's limit of {MESSAGE_BYTES}: shorten it")
    if max(map(len, content.splitlines()), default=0) > LINE_BYTES:
        raise PermanentError(f"the message has a line of over {LINE_BYTES} bytes: encode that part (quoted-printable)")
    return {
        "Destination": {
            "ToAddresses": list(found.to),
            "CcAddresses": list(found.cc),
            "BccAddresses": list(found.bcc),
        },
        "Content": {"Raw": {"Data": content}},
    }
