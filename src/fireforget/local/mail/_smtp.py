"""The mailer that hands messages to a mail server."""

from __future__ import annotations

import logging
import smtplib
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

import anyio.to_thread
import msgspec

from fireforget.abc import Finding
from fireforget.adapters import Closable, check_addresses, envelope, visible_bytes
from fireforget.errors import AdapterError, PermanentError, SettingsError, TransientError

if TYPE_CHECKING:
    from email.message import EmailMessage

Encryption = Literal["starttls", "implicit", "none"]

_PORTS: Final[dict[Encryption, int]] = {"starttls": 587, "implicit": 465, "none": 25}
_TIMEOUT_SECONDS: Final = 30.0
_FOR_EVER: Final = 500
"""A server's answers from this code on say that the same message will fail again."""

_logger: Final = logging.getLogger("fireforget.local.mail")


class SMTPServer(msgspec.Struct, frozen=True, kw_only=True):
    """Which server, and how to speak to it. Its text never shows the password.

    Args:
        host: Its name, which its certificate must bear.
        port: None for what the encryption usually has: 587, 465 or 25.
        encryption: ``"starttls"`` (default), ``"implicit"`` (from the first byte on) or ``"none"``.
        user: Empty for a server that asks for no login.
        password: Its password.

    Raises:
        SettingsError: A login without encryption.
    """

    host: str
    port: int | None = None
    encryption: Encryption = "starttls"
    user: str = ""
    password: str = ""

    def __post_init__(self) -> None:
        if self.user and self.encryption == "none":
            raise SettingsError("an smtp URL with a password needs encryption: write ?tls=starttls or ?tls=implicit")

    def __repr__(self) -> str:
        return f"SMTPServer({self.address}, {self.encryption})"

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port or _PORTS[self.encryption]}"

    def connect(self) -> smtplib.SMTP:
        """A session, encrypted and logged in as configured. Raises whatever `smtplib` and `ssl` raise."""
        port = self.port or _PORTS[self.encryption]
        if self.encryption == "implicit":
            context = ssl.create_default_context()
            session: smtplib.SMTP = smtplib.SMTP_SSL(self.host, port, timeout=_TIMEOUT_SECONDS, context=context)
        else:
            session = smtplib.SMTP(self.host, port, timeout=_TIMEOUT_SECONDS)
        try:
            if self.encryption == "starttls":
                session.starttls(context=ssl.create_default_context())
            if self.user:
                session.login(self.user, self.password)
        except BaseException:  # whatever it is: nobody else could close the session
            session.close()
            raise
        return session


class SMTPMailer(Closable):
    """Sends each message in a session of its own: reports are rare.

    Args:
        server: Where to.
    """

    def __init__(self, server: SMTPServer) -> None:
        self._server = server

    async def send(self, message: EmailMessage) -> None:
        """Hand the message over. Where the server takes it for some recipients only, the rest is logged by number.

        Cancelling the call does not recall a message on its way.

        Raises:
            TransientError: The server cannot be reached or says later; each step waits up to 30 s.
            PermanentError: It refused the login, all recipients or the message, or its certificate is not trusted.
            ClosedError: After `aclose`.
        """
        self._check_open()
        check_addresses(message)
        try:
            refused = await anyio.to_thread.run_sync(self._send, message, abandon_on_cancel=True)
        except (OSError, ValueError, LookupError) as error:  # smtplib's and ssl's errors are OSErrors
            raise self._translate(error) from error
        if refused:
            _logger.warning("%s refused %d of the recipients of a message", self._server.address, refused)

    async def check(self) -> list[Finding]:
        """Reach the server and log in, and send nothing. See `fireforget.abc.Checkable`.

        Raises:
            AdapterError: As for `send`.
        """
        self._check_open()
        try:
            await anyio.to_thread.run_sync(self._greet, abandon_on_cancel=True)
        except (OSError, ValueError, LookupError) as error:
            raise self._translate(error) from error
        text = f"{self._server.address} answers" + (", and takes the login" if self._server.user else "")
        return [Finding("server", "ok", text)]

    def _greet(self) -> None:
        session = self._server.connect()
        try:
            session.noop()
        finally:
            session.close()

    def _send(self, message: EmailMessage) -> int:
        """How many of the recipients were refused, though not all."""
        session = self._server.connect()
        try:
            refused = _hand_over(session, message)
            with suppress(OSError):  # the message is accepted, however the server takes its leave
                session.quit()
            return len(refused)
        finally:
            session.close()

    def _translate(self, error: Exception) -> AdapterError:
        permanent = True
        match error:
            case smtplib.SMTPAuthenticationError():
                text = f"refused the login ({error.smtp_code}): look at user and password"
            case smtplib.SMTPRecipientsRefused():
                codes = sorted(code for code, _ in error.recipients.values())
                permanent = not codes or codes[0] >= _FOR_EVER
                text = f"refused all recipients, with {codes}: look at their addresses"
            case smtplib.SMTPResponseException():
                permanent = error.smtp_code >= _FOR_EVER
                text = f"answered {error.smtp_code}: {_text(error.smtp_error)}"
            case smtplib.SMTPNotSupportedError():
                text = f"lacks what the URL or the message asks for: {error}"
            case ssl.SSLCertVerificationError():
                text = f"shows a certificate that is not trusted: {error.verify_message}"
            case OSError():
                permanent = False
                text = f"cannot be reached, or broke off: {error}"
            case _:
                text = f"was not asked, for the message cannot be sent: {error}"
        text = f"{self._server.address} {text}"
        return PermanentError(text) if permanent else TransientError(text)


def _hand_over(session: smtplib.SMTP, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
    """Send it as `send_message` does, except that this leaves a line that begins with ``From`` as it is."""
    found = envelope(message)
    if not found.is_ascii:
        return session.send_message(message)  # it knows how to ask for SMTPUTF8
    return session.sendmail(found.sender, found.recipients, visible_bytes(message))


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
