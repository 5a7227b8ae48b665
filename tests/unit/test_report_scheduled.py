"""The scheduled report: of many workers one sends it, once, and a failure is no end."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from fireforget import FireForget
from fireforget._backends import Roles
from fireforget._configuration import settings_from
from fireforget._hooks import Hooks
from fireforget._schema import EventTypes
from fireforget._settings import Settings
from fireforget.abc import Record
from fireforget.errors import PermanentError, SettingsError, TransientError
from fireforget.local.memory import MemoryDeadLetters, MemoryQueue, MemoryStore
from fireforget.processing import Intake, Processor, Worker
from fireforget.reporting.scheduled import LEASE_SECONDS, ScheduledReport
from fireforget.testing.clock import ManualClock
from tests.pipeline import unused_name
from tests.reports import asked, full, moment
from tests.waiting import eventually, wait_for

pytestmark = pytest.mark.anyio

SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = 86_400.0
WEEKLY = {"schedule": "weekly monday 07:00", "recipients": ["ada@example.org"], "sender": "ff@example.org"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Post:
    """A mailer that fails as it is told to; `taken` also when it fails after it has taken the mail."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []
        self.failure: Exception | None = None
        self.gate: anyio.Event | None = None
        self.tried = 0

    async def send(self, message: EmailMessage) -> None:
        self.tried += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(message)

    async def aclose(self) -> None:
        raise NotImplementedError

    @property
    def subjects(self) -> list[str]:
        return [message["Subject"] for message in self.sent]


class Fleet:
    """Workers on one store, with one clock and one mailer."""

    def __init__(self, start: datetime = SUNDAY, **report: Any) -> None:
        self.settings = settings_from({"name": "cv", "report": WEEKLY | report})
        self.clock = ManualClock(start)
        self.post = Post()
        self.hooks = Hooks()
        self.errors: list[BaseException] = []
        self.hooks.on_error(self.errors.append)
        name = unused_name()
        self.roles = Roles(
            MemoryQueue(name, clock=self.clock),
            MemoryDeadLetters(name, clock=self.clock),
            MemoryStore(name, clock=self.clock),
        )
        self.running = 0

    def worker(self) -> ScheduledReport:
        return ScheduledReport(self.roles, self.settings, EventTypes(), self.hooks, self.clock, self.post)

    @asynccontextmanager
    async def at_work(self, number: int = 1) -> AsyncIterator[None]:
        """So many workers run; at the end they are gone as if killed."""
        async with anyio.create_task_group() as group:
            for _ in range(number):
                group.start_soon(self.worker().run)
            self.running += number
            try:
                yield
            finally:
                self.running -= number
                group.cancel_scope.cancel()

    async def pass_by(self, seconds: float = 0.0, step: float = DAY) -> None:
        """Let time pass in steps, each worker doing after each what it has to."""
        await self.clock.asleep(self.running)
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step
            await self.clock.asleep(self.running)


async def test_of_many_workers_one_sends_it_each_week() -> None:
    fleet = Fleet()
    async with fleet.at_work(5):
        await fleet.pass_by()
        assert fleet.post.subjects == ["cv: Week 46, 2026, no data"]  # which was due on Monday, and nobody was there
        await fleet.pass_by(18.9 * 3600, step=3600)
        assert len(fleet.post.sent) == 1
        await fleet.pass_by(0.2 * 3600, step=60)
        assert fleet.post.subjects[1:] == ["cv: Week 47, 2026, no data"]
        await fleet.pass_by(14 * DAY, step=DAY / 4)

    assert fleet.post.subjects[2:] == ["cv: Week 48, 2026, no data", "cv: Week 49, 2026, no data"]
    assert fleet.errors == []


async def test_it_has_what_the_store_has() -> None:
    fleet = Fleet(datetime(2026, 11, 23, 8, tzinfo=UTC), title="Questions")
    await fleet.roles.store.put([Record(event) for event in asked("Does he know Rust?", full(), time=moment(3))])
    async with fleet.at_work():
        await fleet.pass_by()
    (mail,) = fleet.post.sent
    body = mail.get_body(("plain",))
    assert body is not None

    assert mail["Subject"] == "Questions: Week 47, 2026, 1 query"
    assert (str(mail["From"]), str(mail["To"])) == ("ff@example.org", "ada@example.org")
    assert mail["Date"].datetime == fleet.clock.now()
    assert "Does he know Rust?" in body.get_content()
    assert "Messages in the queue now" in body.get_content()


async def test_a_worker_that_was_down_at_the_hour_sends_it_once_when_it_comes_up() -> None:
    fleet = Fleet()
    async with fleet.at_work():
        await fleet.pass_by()
    fleet.clock.advance(9 * DAY)
    for _ in range(3):
        async with fleet.at_work(2):
            await fleet.pass_by(DAY)

    assert fleet.post.subjects == ["cv: Week 46, 2026, no data", "cv: Week 48, 2026, no data"]


async def test_a_report_that_nobody_could_send_before_the_next_one_is_left_out() -> None:
    fleet = Fleet()
    fleet.post.failure = TransientError("the server is away")
    async with fleet.at_work(2):
        await fleet.pass_by(2 * DAY, step=3600)
        assert fleet.post.sent == []
        fleet.post.failure = None
        await fleet.pass_by(DAY, step=3600)

    assert fleet.post.subjects == ["cv: Week 47, 2026, no data"]


@pytest.mark.parametrize("error", [TransientError("later"), PermanentError("no such login"), ValueError("a mistake")])
async def test_at_least_once_a_failure_is_tried_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    fleet = Fleet()
    fleet.post.failure = error
    async with fleet.at_work(3):
        await fleet.pass_by(3600, step=60)
        assert 3 <= fleet.post.tried <= 6  # and not each minute
        fleet.post.failure = None
        await fleet.pass_by(2 * 3600, step=60)

    assert fleet.post.subjects == ["cv: Week 46, 2026, no data"]
    assert set(fleet.errors) == {error}
    assert f"the report of Week 46, 2026 is not sent: {error}" in caplog.text


async def test_at_most_once_a_failure_of_the_mailer_is_the_end_of_it() -> None:
    """It may have taken the mail before it failed."""
    fleet = Fleet(delivery="at_most_once")
    fleet.post.failure = TransientError("no answer")
    async with fleet.at_work(3):
        await fleet.pass_by(3600, step=60)
        fleet.post.failure = None
        await fleet.pass_by(10 * 3600, step=600)
    async with fleet.at_work(2):
        await fleet.pass_by(3600, step=600)

    assert (fleet.post.tried, fleet.post.sent) == (1, [])


@pytest.mark.parametrize(("delivery", "times"), [("at_least_once", 2), ("at_most_once", 1)])
async def test_a_worker_that_dies_while_sending(delivery: str, times: int) -> None:
    fleet = Fleet(delivery=delivery)
    fleet.post.gate = anyio.Event()
    async with fleet.at_work():
        await eventually(lambda: fleet.post.tried == 1)
    async with fleet.at_work(2):
        await fleet.pass_by(LEASE_SECONDS - 60, step=60)
        assert fleet.post.tried == 1  # whoever claimed it might still be at it
        fleet.post.gate.set()
        await fleet.pass_by(2 * LEASE_SECONDS, step=60)

    assert fleet.post.tried == times


async def test_before_it_is_sent_a_failure_is_tried_again_even_at_most_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(delivery="at_most_once")
    claim = fleet.roles.store.claim
    monkeypatch.setattr(fleet.roles.store, "claim", _failing_once(claim, PermanentError("no such table")))
    async with fleet.at_work():
        await fleet.pass_by(600, step=60)

    assert fleet.post.subjects == ["cv: Week 46, 2026, no data"]


def _failing_once(call: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    failures = [error]

    async def failing(*arguments: Any, **keywords: Any) -> Any:
        if failures:
            raise failures.pop()
        return await call(*arguments, **keywords)

    return failing


async def test_a_clock_that_is_put_back_sends_nothing_again() -> None:
    fleet = Fleet()
    async with fleet.at_work(2):
        await fleet.pass_by(DAY, step=3600)
        fleet.clock._start_ns -= 10 * 3600 * 10**9
        await fleet.pass_by(DAY, step=3600)

    assert fleet.post.subjects == ["cv: Week 46, 2026, no data", "cv: Week 47, 2026, no data"]


async def test_a_new_hour_does_not_send_the_same_report_again() -> None:
    fleet = Fleet()
    async with fleet.at_work():
        await fleet.pass_by()
    changed = msgspec.structs.replace(fleet.settings.report, schedule="weekly monday 09:00")
    fleet.settings = msgspec.structs.replace(fleet.settings, report=changed)
    async with fleet.at_work():
        await fleet.pass_by(3600)

    assert len(fleet.post.sent) == 1


async def test_where_the_clocks_change_there_is_one_report_each_day() -> None:
    fleet = Fleet(datetime(2026, 10, 23, 12, tzinfo=UTC), schedule="daily 02:30", timezone="Europe/Berlin")
    async with fleet.at_work(2):
        await fleet.pass_by(4 * DAY, step=1800)

    days = ("Thursday 22", "Friday 23", "Saturday 24", "Sunday 25", "Monday 26")
    assert fleet.post.subjects == [f"cv: {day} October 2026, no data" for day in days]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"schedule": "soon"}, "schedule of"),
        ({"timezone": "Mars"}, "not a known time zone"),
        ({"definition": "question"}, "did you mean 'questions'"),
        ({"recipients": []}, "has no recipients"),
        ({"sender": "me"}, "not one address"),
    ],
)
async def test_configuration_that_cannot_be_used_is_told_and_ends_it(
    wrong: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    fleet = Fleet(**wrong)
    with pytest.raises(SettingsError, match=words):
        fleet.worker().check()
    await fleet.worker().run()

    assert [type(error) for error in fleet.errors] == [SettingsError]
    assert "no report will be sent" in caplog.text


async def test_a_worker_runs_it_beside_its_own_work() -> None:
    fleet = Fleet()
    queue, letters, store = fleet.roles
    worker = Worker(queue, Processor(store, letters, Intake()), clock=fleet.clock, chores=[fleet.worker().run])
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        await eventually(lambda: fleet.post.sent)
        await worker.stop()

    assert fleet.post.subjects == ["cv: Week 46, 2026, no data"]


def embedded(directory: Path, **report: Any) -> Settings:
    return settings_from({"directory": str(directory), "report": WEEKLY | report})


def test_the_embedded_worker_sends_it(tmp_path: Path) -> None:
    """With real adapters, threads and time; a second start finds it sent."""
    mails = tmp_path / "mail"
    with FireForget(embedded(tmp_path)) as application:
        application.emit("query", {"query": "?"})
        wait_for(lambda: list(mails.glob("*.eml")))
    with FireForget(embedded(tmp_path)) as application:
        application.emit("query", {"query": "?"})

    assert len(list(mails.glob("*.eml"))) == 1
