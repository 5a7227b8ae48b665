"""The function behind the schedule: the hour and the period that an event says, and the answer."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from fireforget.errors import SettingsError, TransientError
from fireforget.local.memory import MemoryStore
from fireforget.reporting import Period, Sending
from fireforget_aws.handlers.reporter import ReporterHandler
from tests.counterparts.invocations import Invoked
from tests.pipeline import unused_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = datetime(2026, 11, 23, 7, tzinfo=UTC)
WEEK = Period.parse("2026-W47", now=HOUR)

SCHEDULE = {
    "version": "0",
    "id": "27aca8b1",
    "detail-type": "Scheduled Event",
    "source": "aws.scheduler",
    "account": "000000000000",
    "time": "2026-11-23T07:00:00Z",
    "region": "eu-west-2",
    "resources": ["arn:aws:scheduler:eu-west-2:000000000000:schedule/default/weekly"],
    "detail": "{}",
}
"""What EventBridge Scheduler hands over where no input is given; a rule's event has the same parts."""


class Asked:
    """Stands for what sends, and notes what it is asked for."""

    def __init__(self, answer: Sending | Exception) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, **asked: Any) -> Sending:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def asked() -> Asked:
    return Asked(Sending(WEEK, sent=True))


@pytest.fixture
def handler(asked: Asked) -> Iterator[ReporterHandler]:
    made = ReporterHandler(asked)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("event", "hour", "every"),
    [
        (SCHEDULE, HOUR, "week"),
        ({"time": "2026-11-23T08:00:00+01:00", "period": "month"}, HOUR, "month"),
        ({"scheduled-time": "2026-11-23T07:00:00Z", "period": "day"}, HOUR, "day"),
        (SCHEDULE | {"scheduled-time": "2026-11-16T07:00:00Z"}, datetime(2026, 11, 16, 7, tzinfo=UTC), "week"),
        ({}, None, "week"),
        (None, None, "week"),
        ({"key1": "value1"}, None, "week"),
    ],
)
def test_the_event_says_the_hour_and_the_period(
    handler: ReporterHandler, asked: Asked, event: object, hour: datetime | None, every: str
) -> None:
    assert handler(event, Invoked(60.0)) == {"sent": True, "period": "Week 47, 2026"}
    assert asked.asked == [{"moment": hour, "every": every, "lease": 65.0}]


@pytest.mark.parametrize("wrong", ["soon", "", 7, None, "2026-11-23T07:00:00", "<aws.scheduler.scheduled-time>"])
def test_an_hour_that_is_none_is_told_with_the_mend(handler: ReporterHandler, wrong: object) -> None:
    with pytest.raises(SettingsError, match=r"let the schedule write it, as \"<aws\.scheduler\.scheduled-time>\""):
        handler({"time": wrong}, Invoked())


def test_why_it_was_not_sent_is_said(handler: ReporterHandler, asked: Asked) -> None:
    asked.answer = Sending(WEEK, sent=False, why="it has been sent already")

    answer = handler(SCHEDULE, Invoked())

    assert answer == {"sent": False, "period": "Week 47, 2026", "why": "it has been sent already"}


def test_a_failure_is_raised_so_that_lambda_tries_again(handler: ReporterHandler, asked: Asked) -> None:
    asked.answer = TransientError("the mailer is away")
    with pytest.raises(TransientError, match="the mailer is away"):
        handler(SCHEDULE, Invoked())

    asked.answer = Sending(WEEK, sent=True)
    assert handler(SCHEDULE, Invoked())["sent"]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Variables as a function has them; where the mails arrive."""
    name, mails = unused_name(), tmp_path / "mail"
    monkeypatch.chdir(tmp_path)
    variables = {
        "NAME": "cv",
        "QUEUE": f"memory://{name}",
        "STORE": f"memory://{name}",
        "MAILER": f"file://{mails}",
        "REPORT_RECIPIENTS": "ada@example.org,bob@example.org",
        "REPORT_SENDER": "ff@example.org",
        "REPORT_TIMEZONE": "Europe/London",
    }
    for variable, value in variables.items():
        monkeypatch.setenv(f"FIREFORGET_{variable}", value)
    store = MemoryStore(name)  # which outlives those of the handlers
    yield mails
    del store


def test_of_many_environments_that_retry_at_once_one_sends_it(configured: Path) -> None:
    handlers = [ReporterHandler() for _ in range(4)]
    answers: list[dict[str, Any]] = []

    def invoke(handler: ReporterHandler) -> None:
        answers.append(handler(SCHEDULE, Invoked()))
        handler.close()

    threads = [threading.Thread(target=invoke, args=[handler]) for handler in handlers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer["sent"] for answer in answers) == [False, False, False, True]
    (mail,) = configured.glob("*.eml")
    assert "Subject: cv: Week 47, 2026, no data" in mail.read_text()


def test_without_recipients_the_mend_is_said(configured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIREFORGET_REPORT_RECIPIENTS")
    handler = ReporterHandler()
    with pytest.raises(SettingsError, match=r"write their addresses into recipients of \[report\]"):
        handler(SCHEDULE, Invoked())
    handler.close()
