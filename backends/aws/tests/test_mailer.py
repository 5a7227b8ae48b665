"""The mailer: what it asks SES for, what it refuses, and what it tells of an account."""

from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

from fireforget.errors import PermanentError, TransientError
from fireforget_aws import AwsBackend
from fireforget_aws.access import Access
from fireforget_aws.mailer import LINE_BYTES, MESSAGE_BYTES, RECIPIENTS, SESMailer, findings
from tests.counterparts.aws import Counterpart
from tests.mail import read

pytestmark = pytest.mark.anyio

SENDER = "reports@fireforget.test"

GOOD: Mapping[str, Any] = {
    "EnforcementStatus": "HEALTHY",
    "ProductionAccessEnabled": True,
    "SendingEnabled": True,
    "SendQuota": {"Max24HourSend": 50_000.0, "MaxSendRate": 14.0, "SentLast24Hours": 12.0},
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Canned:
    """A client that notes what it is sent, or raises."""

    def __init__(self, code: str = "", status: int = 400) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self._code = code
        self._answer: Mapping[str, Any] = {
            "Error": {"Code": code, "Message": "said so"},
            "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
        }

    async def send_email(self, **request: Any) -> None:
        if self._code:
            raise ClientError(self._answer, "SendEmail")  # type: ignore[arg-type]
        self.requests.append(request)


def mailer_of(canned: object, configuration_set: str | None = None) -> SESMailer:
    mailer = SESMailer(Access(), configuration_set=configuration_set)
    mailer._client = canned  # type: ignore[assignment]
    return mailer


def report(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in ({"From": f"Reports <{SENDER}>", "To": "one@fireforget.test"} | headers).items():
        message[name] = value
    message.set_content("žluťoučký kůň\n")
    return message


async def test_the_envelope_names_all_and_the_message_hides_those_in_bcc() -> None:
    canned = Canned()
    message = report(
        To="One <one@fireforget.test>, two@fireforget.test",
        Cc="three@fireforget.test",
        Bcc="secret@fireforget.test",
        Date="Sun, 15 Jun 2025 12:00:00 -0000",
    )
    message["Message-ID"] = "<one@fireforget.test>"
    await mailer_of(canned, "reports").send(message)
    (request,) = canned.requests
    assert request["Destination"] == {
        "ToAddresses": ["one@fireforget.test", "two@fireforget.test"],
        "CcAddresses": ["three@fireforget.test"],
        "BccAddresses": ["secret@fireforget.test"],
    }
    assert request["ConfigurationSetName"] == "reports"
    content: bytes = request["Content"]["Raw"]["Data"]
    assert b"secret" not in content
    assert content.isascii()
    found = read(content)
    assert [found[name] for name in ("To", "Cc", "Date", "Message-ID")] == [
        message[name] for name in ("To", "Cc", "Date", "Message-ID")
    ]
    assert found.get_content().strip() == "žluťoučký kůň"
    assert message["Bcc"] == "secret@fireforget.test"


async def test_without_a_configuration_set_none_is_named() -> None:
    canned = Canned()
    await mailer_of(canned).send(report())
    assert "ConfigurationSetName" not in canned.requests[0]


@pytest.mark.parametrize(
    ("headers", "mend"),
    [
        ({"To": "kůň@fireforget.test"}, "ASCII"),
        ({"To": "one@kůň.test"}, "xn--"),
        ({"Bcc": ", ".join(f"{n}@fireforget.test" for n in range(RECIPIENTS))}, "list"),
        ({"To": "undisclosed:;"}, "recipients"),
    ],
    ids=["local part", "domain", "51", "none"],
)
async def test_whom_ses_does_not_reach_is_refused(headers: dict[str, str], mend: str) -> None:
    canned = Canned()
    with pytest.raises(PermanentError, match=mend):
        await mailer_of(canned).send(report(**headers))
    assert not canned.requests


async def test_as_many_as_ses_takes_get_it() -> None:
    canned = Canned()
    await mailer_of(canned).send(report(Bcc=", ".join(f"{n}@fireforget.test" for n in range(RECIPIENTS - 1))))
    assert len(canned.requests) == 1


async def test_a_message_over_the_limit_is_refused() -> None:
    canned = Canned()
    message = report()
    message.add_attachment(bytes(30 * 1024 * 1024), "application", "octet-stream")  # as base64 a third more
    with pytest.raises(PermanentError, match=f"{MESSAGE_BYTES}"):
        await mailer_of(canned).send(message)
    assert not canned.requests


@pytest.mark.parametrize("length", [LINE_BYTES, LINE_BYTES + 1])
async def test_a_line_over_the_limit_is_refused(length: int) -> None:
    canned = Canned()
    message = report()
    message.set_payload("x" * length)
    message.replace_header("Content-Transfer-Encoding", "7bit")
    if length <= LINE_BYTES:
        await mailer_of(canned).send(message)
        assert len(canned.requests) == 1
    else:
        with pytest.raises(PermanentError, match="quoted-printable"):
            await mailer_of(canned).send(message)
        assert not canned.requests


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("MessageRejected", "sandbox"),
        ("MailFromDomainNotVerifiedException", "verify"),
        ("AccountSuspendedException", "status"),
        ("SendingPausedException", "status"),
        ("NotFoundException", "URL"),
        ("BadRequestException", "said so"),
    ],
)
async def test_what_ses_refuses_is_permanent_and_says_the_mend(code: str, mend: str) -> None:
    with pytest.raises(PermanentError, match=mend):
        await mailer_of(Canned(code)).send(report())


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("LimitExceededException", 400), ("Unheard", 503)]
)
async def test_what_passes_is_transient(code: str, status: int) -> None:
    with pytest.raises(TransientError):
        await mailer_of(Canned(code, status)).send(report())


async def test_an_address_that_is_not_verified_is_refused_by_the_server(ministack: Counterpart) -> None:
    mailer = SESMailer(Access(endpoint=ministack.url))
    with pytest.raises(PermanentError, match="verify"):
        await mailer.send(report(From="nobody@elsewhere.test"))
    await mailer.aclose()


async def test_the_server_is_told_of_those_in_bcc(ministack: Counterpart) -> None:
    access = Access(endpoint=ministack.url)
    async with access.client("sesv2") as client:
        await client.create_email_identity(EmailIdentity="bcc@fireforget.test")
    mailer = SESMailer(access)
    await mailer.send(report(From="bcc@fireforget.test", Subject="hidden", Bcc="secret@fireforget.test"))
    await mailer.aclose()
    async with httpx.AsyncClient() as http:
        answer = (await http.get(f"{ministack.url}/_ministack/ses/messages")).json()
    (found,) = (each for kept in answer["messages"].values() for each in kept if each["Subject"] == "hidden")
    assert found["BCC"] == ["secret@fireforget.test"]


async def test_the_account_is_looked_at(ministack: Counterpart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    mailer = AwsBackend().mailer("ses://")
    assert isinstance(mailer, SESMailer)
    assert {each.status for each in await mailer.check()} == {"ok"}
    await mailer.aclose()


@pytest.mark.parametrize(
    ("changes", "name", "status"),
    [
        ({"SendingEnabled": False}, "sending", "wrong"),
        ({"EnforcementStatus": "SHUTDOWN"}, "sending", "wrong"),
        ({"EnforcementStatus": "PROBATION"}, "sending", "warning"),
        ({"ProductionAccessEnabled": False}, "sandbox", "warning"),
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 180.0}}, "quota", "warning"),
        ({"SendQuota": {"Max24HourSend": 200.0, "SentLast24Hours": 179.0}}, "quota", "ok"),
    ],
)
def test_what_is_wrong_with_an_account_is_told(changes: dict[str, Any], name: str, status: str) -> None:
    found = {each.name: each for each in findings({**GOOD, **changes})}
    assert found[name].status == status
    assert (found[name].mend == "") == (status == "ok")
    assert all(each.status == "ok" for other, each in found.items() if other != name)


def test_no_limit_is_no_finding() -> None:
    assert [each.name for each in findings({**GOOD, "SendQuota": {"Max24HourSend": -1.0}})] == ["sending"]
