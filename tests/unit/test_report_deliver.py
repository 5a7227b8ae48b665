import re
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import msgspec
import pytest

from fireforget.errors import SettingsError
from fireforget.reporting import Report, message, render_text
from tests.reports import AFTER, HOSTILE, PRICED, asked, busy_week, full, hidden, report_of

SENDER = "Fire Forget <reports@example.org>"
PEOPLE = ("Ada Łovelace <ada@example.org>", "bob@example.org")


def sent(report: Report, sender: str = SENDER, recipients: tuple[str, ...] = PEOPLE) -> EmailMessage:
    """The mail as its reader gets it."""
    raw = message(report, sender, recipients).as_bytes()
    parsed = BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(raw)
    assert isinstance(parsed, EmailMessage)
    return parsed


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(busy_week())


@pytest.fixture(scope="module")
def mail(report: Report) -> EmailMessage:
    return sent(report)


def test_the_mail_has_text_and_a_page_and_the_page_has_its_images(mail: EmailMessage) -> None:
    assert [part.get_content_type() for part in mail.walk()] == [
        *("multipart/alternative", "text/plain", "multipart/related", "text/html"),
        *("image/png", "image/png", "image/png"),
    ]
    assert all(part.defects == [] for part in mail.walk())


def test_every_image_is_named_by_its_content_id(mail: EmailMessage) -> None:
    page = mail.get_body(("html",))
    assert page is not None
    named = re.findall(r'src="cid:([^"]+)"', page.get_content())
    images = [part for part in mail.walk() if part.get_content_maintype() == "image"]

    assert [f"<{name}>" for name in named] == [image["Content-ID"] for image in images]
    assert len(set(named)) == 3
    assert all(image.get_content_disposition() == "inline" for image in images)
    assert all(image.get_content().startswith(b"\x89PNG") for image in images)
    assert "data:" not in page.get_content()


def test_the_text_is_the_text(report: Report, mail: EmailMessage) -> None:
    text = mail.get_body(("plain",))
    assert text is not None

    assert text.get_content().replace("\r\n", "\n") == render_text(report)


def test_the_headers_say_what_it_is(mail: EmailMessage) -> None:
    assert mail["Subject"].startswith("cv: Week 47, 2026, 81 queries ▲")
    assert str(mail["From"]) == SENDER
    assert str(mail["To"]) == ", ".join(PEOPLE)
    assert mail["Date"].datetime == AFTER
    assert re.fullmatch(r"<[0-9a-f]{32}@example\.org>", mail["Message-ID"])
    assert mail["Auto-Submitted"] == "auto-generated"


def test_the_same_figures_to_the_same_people_are_the_same_mail() -> None:
    report = report_of(asked("?", full()))
    later = msgspec.structs.replace(report, as_of=None)
    other = report_of([*asked("?", full()), *asked("?", full())])

    assert sent(report)["Message-ID"] == sent(later)["Message-ID"]
    assert sent(report)["Message-ID"] != sent(other)["Message-ID"]
    assert sent(report)["Message-ID"] != sent(report, recipients=PEOPLE[:1])["Message-ID"]
    assert sent(later)["Date"] is None


def test_a_period_without_data_is_a_mail_that_says_so() -> None:
    mail = sent(report_of())

    assert mail["Subject"] == "cv: Week 47, 2026, no data"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_title_stays_within_the_subject(text: str) -> None:
    settings = msgspec.structs.replace(PRICED, report=msgspec.structs.replace(PRICED.report, title=text))
    mail = sent(report_of(settings=settings))

    assert mail["Subject"].endswith("Week 47, 2026, no data")
    assert hidden(mail["Subject"]) == set()
    assert mail["Bcc"] is None
    assert mail.defects == []


def test_nothing_of_an_event_is_in_a_header(mail: EmailMessage) -> None:
    headers = " ".join(f"{name}: {value}" for name, value in mail.items())

    assert "script" not in headers
    assert "everybody" not in headers


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "Ada", "ada@", "@example.org", "<>", "ada@example.org, bob@example.org", "all: ada@example.org;"),
        *(
            "ada@example.org\r\nBcc: eve@example.org",
            "ada@example.org\n",
            "\u202eada@example.org",
            "Eve\u202e <ada@example.org>",
            "ada\x00@example.org",
        ),
        *("ada@exämple.org", "ada@example.org <bob@example.org", "a" * 1000 + "@example.org"),
    ],
)
def test_what_is_not_one_address_is_refused_with_the_mend(address: str) -> None:
    report = report_of()

    with pytest.raises(SettingsError, match=r"recipients of \[report\] has .* write it as 'ada@example.org'"):
        message(report, SENDER, [address])
    with pytest.raises(SettingsError, match=r"sender of \[report\] has"):
        message(report, address, PEOPLE)


def test_without_recipients_there_is_no_mail() -> None:
    with pytest.raises(SettingsError, match=r"write their addresses into recipients of \[report\]"):
        message(report_of(), SENDER, [])
