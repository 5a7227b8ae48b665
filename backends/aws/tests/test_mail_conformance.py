"""The mailer keeps every promise; on moto, which alone shows a message as it was sent."""

from collections.abc import Sequence
from email.message import EmailMessage

import httpx
import pytest

from fireforget.testing import MailerConformance, Place
from fireforget_aws.access import Access
from fireforget_aws.mailer import SESMailer
from tests.counterparts.aws import NOWHERE, Counterpart
from tests.mail import read


async def verified(server: Counterpart) -> Access:
    access = Access(endpoint=server.url)
    async with access.client("sesv2") as client:
        await client.create_email_identity(EmailIdentity=MailerConformance.sender)
    return access


def unreachable() -> Place:
    return Place(mailer=lambda: SESMailer(Access(endpoint=NOWHERE)))


class TestOnMinistack(MailerConformance):
    @pytest.fixture
    async def place(self, ministack: Counterpart) -> Place:
        access = await verified(ministack)
        return Place(mailer=lambda: SESMailer(access), unreachable=unreachable())


class TestOnMoto(MailerConformance):
    tolerance = 0.2  # a cancelled message may be under way still

    @pytest.fixture
    async def place(self, moto: Counterpart) -> Place:
        access = await verified(moto)
        before = len(await sent(moto))

        async def inbox() -> Sequence[EmailMessage]:
            return [read(each.encode()) for each in (await sent(moto))[before:]]

        return Place(mailer=lambda: SESMailer(access), inbox=inbox, unreachable=unreachable())


async def sent(moto: Counterpart) -> list[str]:
    """All raw messages that moto was given."""
    async with httpx.AsyncClient() as client:
        answer = (await client.get(f"{moto.url}/moto-api/data.json")).json()
    return [each["raw_data"] for each in answer["ses"].get("RawMessage", [])]
