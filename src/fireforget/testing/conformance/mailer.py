"""What every mailer promises, as tests."""

from __future__ import annotations

from email.message import EmailMessage
from typing import TYPE_CHECKING, ClassVar

import anyio
import pytest

from fireforget.errors import PermanentError
from fireforget.testing.conformance.awaits import at_every_await
from fireforget.testing.conformance.closing import ClosingConformance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fireforget.abc import Mailer
    from fireforget.testing.conformance.closing import Calls
    from fireforget.testing.place import Place

_TEXT = "žluťoučký kůň 🐎\n.\nFrom here on\n" + "x" * 2000 + "\n"
_HTML = '<p>žluťoučký kůň 🐎 <img src="cid:chart@fireforget.test"></p>\n'
_IMAGE = bytes(range(256)) * 40
_TOGETHER = 5


class MailerConformance(ClosingConformance):
    """All that `fireforget.abc.Mailer` promises. Needs a place with `mailer`, and `inbox` where somebody can look.

    Attributes:
        sender: Address in ``From``: one that the service lets this account use.
        recipients: Addresses in ``To``.
    """

    port: ClassVar[str] = "mailer"
    sender: ClassVar[str] = "reports@fireforget.test"
    recipients: ClassVar[tuple[str, ...]] = ("one@fireforget.test", "two@fireforget.test")

    async def calls(self, place: Place) -> Calls:  # noqa: ARG002 - other ports need it
        """The call of a mailer."""
        return {"send": lambda it: it.send(self.message())}

    @pytest.fixture
    async def mailer(self, place: Place) -> Mailer:
        """An adapter of the mailer."""
        return place.open_mailer()

    def message(self, subject: str = "Týdenní přehled 🐎") -> EmailMessage:
        """A report as the library makes them: plain text, HTML and an image that the HTML shows."""
        message = EmailMessage()
        message["Subject"] = subject
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message.set_content(_TEXT)
        message.add_alternative(_HTML, subtype="html")
        html = message.get_body(("html",))
        assert isinstance(html, EmailMessage)
        html.add_related(_IMAGE, "image", "png", cid="<chart@fireforget.test>")
        return message

    async def test_a_message_arrives_whole(self, place: Place, mailer: Mailer) -> None:
        await mailer.send(self.message())
        (found,) = await self._arrived(place, 1)
        sent = self.message()
        assert [found["Subject"], found["From"], found["To"]] == [sent["Subject"], sent["From"], sent["To"]]
        text, html = found.get_body(("plain",)), found.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n") == _TEXT
        assert html.get_content().replace("\r\n", "\n") == _HTML
        (image,) = (part for part in found.walk() if part.get_content_type() == "image/png")
        assert image["Content-ID"] == "<chart@fireforget.test>"
        assert image.get_content() == _IMAGE

    async def test_every_message_arrives(self, place: Place, mailer: Mailer) -> None:
        subjects = [f"{number}" for number in range(_TOGETHER)]
        for subject in subjects:
            await mailer.send(self.message(subject))
        assert sorted(each["Subject"] for each in await self._arrived(place, len(subjects))) == subjects

    async def test_calls_may_be_made_at_the_same_time(self, place: Place, mailer: Mailer) -> None:
        subjects = [f"{number}" for number in range(_TOGETHER)]
        async with anyio.create_task_group() as group:
            for subject in subjects:
                group.start_soon(mailer.send, self.message(subject))
        assert sorted(each["Subject"] for each in await self._arrived(place, len(subjects))) == subjects

    async def test_a_message_may_be_sent_again(self, place: Place, mailer: Mailer) -> None:
        message = self.message("twice")
        await mailer.send(message)
        await mailer.send(message)
        first, *_, last = await self._arrived(place, 2)
        for found in (first, last):
            assert found["To"] == ", ".join(self.recipients)
            assert [part.get_content_type() for part in found.walk()] == [
                part.get_content_type() for part in message.walk()
            ]

    @pytest.mark.parametrize("header", ["From", "To"])
    async def test_a_message_without_addresses_is_refused(self, mailer: Mailer, header: str) -> None:
        message = self.message()
        del message[header]
        with pytest.raises(PermanentError):
            await mailer.send(message)

    async def test_a_cancelled_send_can_be_made_again(self, place: Place, mailer: Mailer) -> None:
        sent = 0

        async def send() -> None:
            nonlocal sent
            sent += 1
            await mailer.send(self.message(f"again {sent}"))

        await at_every_await(min(self.awaits, _TOGETHER), lambda: mailer.send(self.message("cancelled")), send)
        subjects = {each["Subject"] for each in await self._arrived(place, sent)}
        assert {f"again {number}" for number in range(1, sent + 1)} <= subjects

    async def _arrived(self, place: Place, count: int) -> Sequence[EmailMessage]:
        """What lies in the inbox, once it is as much as expected or the tolerance is over."""
        if place.inbox is None:
            pytest.skip("nobody can look into the mailbox")
        found = await place.inbox()
        with anyio.move_on_after(self.tolerance):
            while len(found) < count:
                await anyio.sleep(self.tolerance / _TOGETHER)
                found = await place.inbox()
        return found
