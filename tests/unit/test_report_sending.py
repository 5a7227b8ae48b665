"""One report on call: of the right period, and sent once, however often it is called for."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from fireforget._configuration import settings_from
from fireforget.abc import Record
from fireforget.errors import AdapterError, PermanentError, SettingsError, TransientError
from fireforget.local.mail import FileMailer
from fireforget.local.memory import MemoryStore
from fireforget.reporting import Sending, send_report
from fireforget.testing.clock import ManualClock
from tests.pipeline import unused_name
from tests.reports import asked, full, moment

if TYPE_CHECKING:
    from pathlib import Path

    from fireforget._settings import Settings

pytestmark = pytest.mark.asyncio

MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)


class Office:
    """A store that outlives each call, and a directory where mails arrive."""

    def __init__(self, directory: Path) -> None:
        self.mails = directory
        self.name = unused_name()
        self.store = MemoryStore(self.name)

    def settings(self, **report: Any) -> Settings:
        known = {"recipients": ["ada@example.org"], "sender": "ff@example.org"}
        urls = {"queue": f"memory://{self.name}", "store": f"memory://{self.name}", "mailer": f"file://{self.mails}"}
        return settings_from({"name": "cv", **urls, "report": known | report})

    async def send(self, hour: datetime = MONDAY, *, every: str = "week", **report: Any) -> Sending:
        return await send_report(self.settings(**report), moment=hour, every=every, lease=60.0)

    @property
    def sent(self) -> int:
        return len(list(self.mails.glob("*.eml")))


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "mail")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the mailer raises, one for each call; then it works."""
    failures: list[Exception] = []
    send = FileMailer.send

    async def fail(self: FileMailer, message: Any) -> None:
        if failures:
            raise failures.pop(0)
        await send(self, message)

    monkeypatch.setattr(FileMailer, "send", fail)
    return failures


@pytest.mark.parametrize(
    ("hour", "zone", "label"),
    [
        ("2026-11-23T07:00:00Z", "UTC", "Week 47, 2026"),
        ("2026-11-22T23:59:59Z", "UTC", "Week 46, 2026"),
        ("2026-11-23T00:00:00Z", "UTC", "Week 47, 2026"),
        ("2026-11-29T23:59:59Z", "UTC", "Week 47, 2026"),  # late by a week, and of the same one
        ("2027-01-04T07:00:00Z", "UTC", "Week 53, 2026"),  # which ends on Sunday, 3 January
        ("2027-01-03T07:00:00Z", "UTC", "Week 52, 2026"),
        ("2025-01-06T07:00:00Z", "UTC", "Week 1, 2025"),  # which began on Monday, 30 December
        ("2024-12-30T07:00:00Z", "UTC", "Week 52, 2024"),
        ("2026-03-29T22:59:59Z", "Europe/London", "Week 12, 2026"),  # in the night when the clocks go forward
        ("2026-03-29T23:00:00Z", "Europe/London", "Week 13, 2026"),
        ("2026-10-25T23:59:59Z", "Europe/London", "Week 42, 2026"),  # and back
        ("2026-10-26T00:00:00Z", "Europe/London", "Week 43, 2026"),
        ("2026-11-22T11:00:00Z", "Pacific/Auckland", "Week 47, 2026"),  # where it is Monday already
        ("2026-11-23T07:59:59Z", "America/Los_Angeles", "Week 46, 2026"),  # where it is Sunday still
    ],
)
async def test_it_is_of_the_last_whole_week_before_the_hour(office: Office, hour: str, zone: str, label: str) -> None:
    sending = await office.send(datetime.fromisoformat(hour), timezone=zone)

    assert (sending.period.label, sending.sent, sending.why) == (label, True, "")
    assert sending.period.zone == zone
    assert sending.period.noun == "week"


@pytest.mark.parametrize(("every", "label"), [("day", "Sunday 22 November 2026"), ("month", "October 2026")])
async def test_or_of_another_period(office: Office, every: str, label: str) -> None:
    assert (await office.send(every=every)).period.label == label


async def test_without_an_hour_it_is_now(office: Office) -> None:
    clock = ManualClock(datetime(2027, 1, 4, 7, tzinfo=UTC))

    assert (await send_report(office.settings(), clock=clock)).period.label == "Week 53, 2026"


async def test_a_week_without_events_sends_a_report_that_says_so(office: Office) -> None:
    await office.send()

    (mail,) = office.mails.glob("*.eml")
    assert "Subject: cv: Week 47, 2026, no data" in mail.read_text()


async def test_it_has_what_the_store_has(office: Office) -> None:
    events = asked("Does he know Rust?", full(), time=moment(3))
    await office.store.put([Record(event) for event in events])
    await office.send()

    (mail,) = office.mails.glob("*.eml")
    assert "Subject: cv: Week 47, 2026, 1 query" in mail.read_text()


async def test_called_again_it_is_not_sent_again(office: Office) -> None:
    await office.send()
    again = [await office.send(MONDAY.replace(hour=hour)) for hour in (7, 8, 23)]

    assert [(each.sent, "sent already" in each.why) for each in again] == [(False, True)] * 3
    assert office.sent == 1
    assert (await office.send(MONDAY.replace(day=30))).sent
    assert (await office.send(every="month")).sent


async def test_called_many_times_at_once_it_is_sent_once(office: Office) -> None:
    sendings = await asyncio.gather(*(office.send() for _ in range(5)))

    assert sum(each.sent for each in sendings) == office.sent == 1


@pytest.mark.parametrize("error", [TransientError("later"), PermanentError("no such login"), ValueError("a mistake")])
async def test_at_least_once_the_next_call_sends_what_failed(
    office: Office, failing: list[Exception], error: Exception
) -> None:
    """At once, and not when the claim of the failed one has ended."""
    failing.append(error)
    with pytest.raises(type(error)):
        await office.send()

    assert (await office.send()).sent
    assert not (await office.send()).sent
    assert office.sent == 1


async def test_at_most_once_what_the_mailer_may_have_sent_is_not_sent_again(
    office: Office, failing: list[Exception]
) -> None:
    failing.append(TransientError("no answer"))
    with pytest.raises(TransientError):
        await office.send(delivery="at_most_once")

    assert not (await office.send(delivery="at_most_once")).sent
    assert office.sent == 0


async def test_at_most_once_what_never_came_to_the_mailer_is_sent_by_the_next_call(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(MemoryStore, "scan", lambda *_: (_ for _ in ()).throw(PermanentError("no such table")))
        with pytest.raises(AdapterError, match="no such table"):
            await office.send(delivery="at_most_once")

    assert (await office.send(delivery="at_most_once")).sent


async def test_a_call_that_is_cancelled_lets_the_next_one_send(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()

    async def hang(self: FileMailer, message: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as hanging:
        hanging.setattr(FileMailer, "send", hang)
        call = asyncio.ensure_future(office.send())
        await begun.wait()
        assert not (await office.send()).sent  # while the other one is at it
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert (await office.send()).sent


async def test_a_call_that_dies_holds_the_report_for_its_lease_and_one_that_sends_for_good(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims: list[float] = []
    claim = MemoryStore.claim

    async def note(self: MemoryStore, key: str, lease: float, *, holder: str) -> bool:
        claims.append(lease)
        return await claim(self, key, lease, holder=holder)

    monkeypatch.setattr(MemoryStore, "claim", note)
    await office.send()

    assert claims == [60.0, 60.0, 14 * 86400.0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"recipients": []}, "has no recipients"),
        ({"sender": "me"}, "not one address"),
        ({"definition": "question"}, "did you mean 'questions'"),
        ({"timezone": "Mars"}, "not a known time zone"),
    ],
)
async def test_configuration_that_cannot_be_used_is_told(office: Office, wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        await office.send(**wrong)


async def test_another_period_than_there_is_is_told(office: Office) -> None:
    with pytest.raises(SettingsError, match="day, week, month"):
        await office.send(every="year")


async def test_the_plugin_is_loaded_which_lifts_older_events(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report_plugin.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)

    await send_report(msgspec.structs.replace(office.settings(), plugin="report_plugin"), moment=MONDAY)

    assert "report_plugin" in sys.modules
