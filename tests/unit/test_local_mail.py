"""The embedded mailers: whole files in a directory, and a real SMTP server to talk to."""

import logging
import shutil
import smtplib
import socket
import ssl
import stat
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from fireforget.errors import AdapterError, PermanentError, SettingsError, TransientError
from fireforget.local.mail import FileMailer, SMTPMailer, SMTPServer
from fireforget.testing.clock import ManualClock
from tests.mail import AnyPort, Inbox, read

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def report() -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = "Týdenní přehled 🐎"
    message["From"] = "reports@fireforget.test"
    message["To"] = "one@fireforget.test, two@fireforget.test"
    message.set_content("žluťoučký kůň\n")
    message.add_alternative("<p>žluťoučký kůň</p>", subtype="html")
    return message


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


async def test_a_message_becomes_one_file(tmp_path: Path) -> None:
    clock = ManualClock()
    mailer = FileMailer(tmp_path / "made when needed" / "mail", clock=clock)
    await mailer.send(report())
    clock.advance(1)
    await mailer.send(report())
    written = files(tmp_path / "made when needed" / "mail")
    assert [file.name[:23] for file in written] == ["20250615T120000.000000Z", "20250615T120001.000000Z"]
    assert {file.suffix for file in written} == {".eml"}
    assert [stat.S_IMODE(file.stat().st_mode) for file in (written[0].parent, *written)] == [0o700, 0o600, 0o600]
    found = read(written[0].read_bytes())
    assert found["Subject"] == "Týdenní přehled 🐎"
    body = found.get_body(("plain",))
    assert body is not None
    assert body.get_content().strip() == "žluťoučký kůň"


async def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(TransientError, match="No space left on device"):
        await FileMailer(tmp_path).send(report())
    assert files(tmp_path) == []


async def test_a_directory_that_cannot_be_is_refused_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "mail"):
        with pytest.raises(PermanentError, match="look at its owner and mode"):
            await FileMailer(path).send(report())


def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, login: Any) -> AuthResult:
    return AuthResult(success=login == LoginPassword(b"me", b"hunter2"), handled=False)


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def plain(inbox: Inbox) -> Iterator[SMTPServer]:
    controller = AnyPort(inbox, hostname="127.0.0.1", port=0)
    controller.start()
    yield SMTPServer(host="127.0.0.1", port=controller.port, encryption="none")
    controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl to make a certificate")
    key = tmp_path_factory.mktemp("tls") / "key.pem"
    command = f"{openssl} req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {key.with_name('certificate.pem')}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return key.with_name("certificate.pem")


@pytest.fixture(params=["starttls", "implicit"])
def encrypted(request: pytest.FixtureRequest, inbox: Inbox, certificate: Path) -> Iterator[SMTPServer]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    where: dict[str, Any] = {"tls_context" if request.param == "starttls" else "ssl_context": context}
    controller = AnyPort(
        inbox, hostname="127.0.0.1", port=0, authenticator=authenticate, auth_require_tls=False, **where
    )
    controller.start()
    yield SMTPServer(host="localhost", port=controller.port, encryption=request.param, user="me", password="hunter2")
    controller.stop()


async def test_a_message_reaches_the_server_whole(plain: SMTPServer, inbox: Inbox) -> None:
    mailer = SMTPMailer(plain)
    await mailer.send(report())
    await mailer.send(report())
    envelope = inbox.envelopes[1]
    assert envelope.mail_from == "reports@fireforget.test"
    assert envelope.rcpt_tos == ["one@fireforget.test", "two@fireforget.test"]
    assert isinstance(envelope.original_content, bytes)
    assert read(envelope.original_content)["Subject"] == "Týdenní přehled 🐎"


async def test_login_and_message_are_encrypted(
    encrypted: SMTPServer, inbox: Inbox, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    await SMTPMailer(encrypted).send(report())
    assert len(inbox.envelopes) == 1


async def test_a_wrong_password_is_refused_and_not_shown(
    encrypted: SMTPServer, certificate: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    caplog.set_level(logging.DEBUG, logger="fireforget")
    with pytest.raises(PermanentError, match=r"refused the login \(535\): look at user and password") as caught:
        await SMTPMailer(msgspec.structs.replace(encrypted, password="hunter3")).send(report())
    assert "hunter3" not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"


async def test_a_certificate_that_is_not_trusted_is_refused(encrypted: SMTPServer, inbox: Inbox) -> None:
    with pytest.raises(PermanentError, match=r"certificate that is not trusted: self.signed certificate"):
        await SMTPMailer(encrypted).send(report())
    assert inbox.envelopes == []


async def test_encryption_that_the_server_lacks_is_not_done_without(plain: SMTPServer, inbox: Inbox) -> None:
    with pytest.raises(PermanentError, match="lacks what the URL or the message asks for: STARTTLS"):
        await SMTPMailer(msgspec.structs.replace(plain, encryption="starttls")).send(report())
    assert inbox.envelopes == []


def test_a_password_is_not_sent_in_the_clear() -> None:
    with pytest.raises(SettingsError, match="needs encryption"):
        SMTPServer(host="mail.test", encryption="none", user="me", password="hunter2")


def test_a_password_does_not_show() -> None:
    mailer = SMTPMailer(SMTPServer(host="mail.test", user="me", password="hunter2"))
    assert "hunter2" not in f"{mailer!r} {mailer._server!r} {vars(mailer)}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [("451 try later", TransientError), ("552 too large", PermanentError), ("421 closing", TransientError)],
)
async def test_the_server_s_answer_says_whether_to_try_again(
    plain: SMTPServer, inbox: Inbox, answer: str, error: type[AdapterError]
) -> None:
    inbox.answer = answer
    with pytest.raises(error, match=answer.split(maxsplit=1)[0]) as caught:
        await SMTPMailer(plain).send(report())
    assert isinstance(caught.value.__cause__, smtplib.SMTPException)


async def test_recipients_refused_alone_are_logged_by_number(
    plain: SMTPServer, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.refused = {"two@fireforget.test": "550 nobody here"}
    await SMTPMailer(plain).send(report())
    assert inbox.envelopes[0].rcpt_tos == ["one@fireforget.test"]
    assert "refused 1 of the recipients" in caplog.text
    assert "two@" not in caplog.text


@pytest.mark.parametrize(("code", "error"), [(550, PermanentError), (450, TransientError)])
async def test_recipients_refused_altogether_are_an_error(
    plain: SMTPServer, inbox: Inbox, code: int, error: type[AdapterError]
) -> None:
    inbox.refused = {f"{name}@fireforget.test": f"{code} not now" for name in ("one", "two")}
    with pytest.raises(error, match=f"refused all recipients.*{code}"):
        await SMTPMailer(plain).send(report())


async def test_a_server_that_is_not_there_is_an_error_for_now(plain: SMTPServer) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        server = msgspec.structs.replace(plain, port=nobody.getsockname()[1])
        with pytest.raises(TransientError, match="cannot be reached, or broke off"):
            await SMTPMailer(server).send(report())


async def test_a_check_reaches_the_server_and_sends_nothing(plain: SMTPServer, inbox: Inbox) -> None:
    (finding,) = await SMTPMailer(plain).check()

    assert (finding.status, finding.text) == ("ok", f"{plain.address} answers")
    assert inbox.envelopes == []


async def test_a_check_tries_the_login(
    encrypted: SMTPServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    wrong = msgspec.structs.replace(encrypted, password="guessed")

    (finding,) = await SMTPMailer(encrypted).check()
    assert finding.text.endswith("answers, and takes the login")
    with pytest.raises(PermanentError, match="look at user and password") as failure:
        await SMTPMailer(wrong).check()
    assert "guessed" not in str(failure.value)


async def test_a_check_of_a_server_that_is_not_there_fails(plain: SMTPServer) -> None:
    gone = SMTPMailer(msgspec.structs.replace(plain, port=1))

    with pytest.raises(TransientError, match="127.0.0.1:1 cannot be reached"):
        await gone.check()


async def test_a_check_of_a_directory_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    (there,) = await FileMailer(tmp_path).check()
    (missing,) = await FileMailer(tmp_path / "some" / "mail").check()
    (taken,) = await FileMailer(tmp_path / "file" / "mail").check()

    assert (there.status, missing.status, taken.status) == ("ok", "ok", "wrong")
    assert missing.text.endswith("is made when it is first used")
    assert files(tmp_path) == [tmp_path / "file"]
