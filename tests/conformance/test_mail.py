"""The mailers keep every promise, on asyncio and on trio."""

import socket
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from pathlib import Path

import pytest

from fireforget.local.mail import FileMailer, SMTPMailer, SMTPServer
from fireforget.testing import MailerConformance, Place
from tests.mail import AnyPort, Inbox, read


class OnBothLoops:
    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


class TestFileMailer(OnBothLoops, MailerConformance):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        directory = tmp_path / "made when needed" / "mail"
        (tmp_path / "file").touch()

        async def inbox() -> Sequence[EmailMessage]:
            return [read(file.read_bytes()) for file in sorted(directory.glob("*.eml"))]

        return Place(
            mailer=lambda: FileMailer(directory),
            inbox=inbox,
            unreachable=Place(mailer=lambda: FileMailer(tmp_path / "file")),
        )


class TestSMTPMailer(OnBothLoops, MailerConformance):
    tolerance = 1.0  # a cancelled message may be under way still

    @pytest.fixture
    def place(self) -> Iterator[Place]:
        got = Inbox()
        controller = AnyPort(got, hostname="127.0.0.1", port=0)
        controller.start()

        async def inbox() -> Sequence[EmailMessage]:
            return got.messages

        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            yield Place(
                mailer=lambda: mailer_on(controller.port),
                inbox=inbox,
                unreachable=Place(mailer=lambda: mailer_on(nobody.getsockname()[1])),
            )
        controller.stop()


def mailer_on(port: int) -> SMTPMailer:
    return SMTPMailer(SMTPServer(host="127.0.0.1", port=port, encryption="none"))
