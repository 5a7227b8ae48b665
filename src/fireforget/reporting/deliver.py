"""The report as a mail: plain text, HTML, and the charts that the HTML names by their Content-ID."""

from __future__ import annotations

from contextlib import suppress
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

import msgspec

from fireforget.errors import SettingsError
from fireforget.reporting.charts import draw
from fireforget.reporting.compose import compose, subject
from fireforget.reporting.render_html import layout as html
from fireforget.reporting.render_text import layout as text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.headerregistry import Address

    from fireforget.reporting.report import Report

_LINE: Final = 998
"""Octets of the longest line that RFC 5322 allows."""


def message(report: Report, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """Make a report a mail, for any `Mailer` or `smtplib` to send.

    The same figures to the same people have the same Message-ID, so that a mail sent twice after a crash can
    be known for the same one. ``Date`` is when the store was read; without `Report.as_of` there is none, and
    who sends the mail sets it.

    Args:
        report: What is sent.
        sender: Address in ``From``, with or without a name: ``Ada <ada@example.org>``.
        recipients: Addresses in ``To``, each on its own.

    Raises:
        SettingsError: An address cannot be used, there is no recipient, or the extra ``fireforget[report]``
            is not installed.
    """
    origin, to = check_people(sender, recipients)
    document = compose(report)
    images = {chart.name: draw(chart) for chart in document.charts}
    ids = {name: f"{name}.{_digest(image)}@{origin.domain}" for name, image in images.items()}

    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = subject(report)
    mail["From"] = origin
    mail["To"] = to
    if report.as_of is not None:
        mail["Date"] = report.as_of
    mail["Message-ID"] = f"<{_identity(report, [origin, *to])}@{origin.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # so that nobody's absence note answers it
    mail.set_content(text(document))
    mail.add_alternative(html(document, {name: f"cid:{cid}" for name, cid in ids.items()}), subtype="html")
    *_, page = mail.iter_parts()
    for name, image in images.items():
        cid, file = f"<{ids[name]}>", f"{name}.png"
        page.add_related(image, "image", "png", cid=cid, filename=file, disposition="inline")
    return mail


def check_people(sender: str, recipients: Sequence[str]) -> tuple[Address, list[Address]]:
    """The addresses that a report goes from and to.

    Raises:
        SettingsError: One cannot be used, or there is no recipient.
    """
    if not recipients:
        raise SettingsError("the report has no recipients: write their addresses into recipients of [report]")
    return _address("sender", sender), [_address("recipients", recipient) for recipient in recipients]


def _address(key: str, written: str) -> Address:
    """The one address that is written there.

    A line break would begin a header of somebody else's choosing, and other characters that do not print
    could make one address look like another.
    """
    if written.isprintable() and len(written) < _LINE:
        with suppress(HeaderParseError, IndexError):  # the parser of the standard library raises both
            header = SMTP.header_factory("To", written)
            one = len(header.groups) == len(header.addresses) == 1 and header.groups[0].display_name is None
            address: Address | None = header.addresses[0] if one and not header.defects else None
            if address and address.username and address.domain and address.addr_spec.isascii():
                return address
    problem = (
        f"{key} of [report] has {written!r:.80}, which is not one address: write it as 'ada@example.org' or "
        "'Ada <ada@example.org>', the domain in ASCII, and each on its own"
    )
    raise SettingsError(problem)


def _identity(report: Report, people: list[Address]) -> str:
    """What tells this mail from every other: the figures and the people, but not the moment it was made."""
    figures = msgspec.json.encode(msgspec.structs.replace(report, as_of=None))
    return _digest(figures + "\n".join(map(str, people)).encode())


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
