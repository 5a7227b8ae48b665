"""`fireforget report`: which period, and in which forms."""

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn
from zoneinfo import ZoneInfo

import pytest

from fireforget import FireForget
from fireforget.abc import Depth
from fireforget.errors import TransientError
from fireforget.local.sqlite import SQLiteQueue, SQLiteStore
from tests.cli import Workspace
from tests.pipeline import NOON, event

CONFIGURATION = '[report]\ntitle = "The shop"\ntimezone = "Europe/London"\nsender = "ff@example.org"'

WEEK = ["--week", "2026-W10"]
"""The week of `NOON`."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path, CONFIGURATION)
    workspace.store(event(1), event(2))
    return workspace


def test_the_text_is_what_it_prints(workspace: Workspace) -> None:
    result = workspace.run("report", *WEEK)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("The shop\nWeek 10, 2026\n")
    assert "2 queries" in result.stdout


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        (WEEK, "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z"),
        (["--period", "2026-03"], "2026-03-01T00:00:00Z", "2026-03-31T23:00:00Z"),
        (["--period", "2026-03-04"], "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z"),
        (["--from", "2026-03-01", "--to", "2026-03-04"], "2026-03-01T00:00:00Z", "2026-03-05T00:00:00Z"),
        (["--from", "2026-04-01T10:30", "--to", "2026-04-01T11:30Z"], "2026-04-01T09:30:00Z", "2026-04-01T11:30:00Z"),
    ],
)
def test_the_period_is_that_of_the_calendar_in_the_configured_zone(
    workspace: Workspace, options: list[str], start: str, end: str
) -> None:
    (report,) = workspace.values("report", *options)

    assert report["period"] == {"start": start, "end": end, "zone": "Europe/London"}


@pytest.mark.parametrize(("options", "days"), [([], 7), (["--from", "2026-03-04T12:00Z"], None)])
def test_a_period_without_an_end_goes_up_to_now(workspace: Workspace, options: list[str], days: int | None) -> None:
    (report,) = workspace.values("report", *options)

    start, end = (datetime.fromisoformat(report["period"][side]) for side in ("start", "end"))
    assert abs(end - datetime.now(UTC)) < timedelta(minutes=1)
    assert start == (NOON if days is None else end - timedelta(days=days))


def test_json_is_the_figures(workspace: Workspace) -> None:
    (report,) = workspace.values("report", *WEEK)

    assert report["title"] == "The shop"
    assert report["figures"]["events"]["total"] == 2
    assert report["figures"]["measures"]["queries"] == {"type": "total", "value": 2}
    assert "definition" not in report


def test_html_goes_to_a_file(workspace: Workspace) -> None:
    result = workspace.run("report", *WEEK, "--html", "week.html")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "fireforget: the report is in week.html\n")
    page = (workspace.path / "week.html").read_text(encoding="utf-8")
    assert "The shop" in page
    assert not re.search(r'src="(?!data:)', page)


def test_html_and_text_can_be_had_together(workspace: Workspace) -> None:
    assert workspace.run("report", *WEEK, "--html", "week.html", "--text").stdout.startswith("The shop\n")
    assert json.loads(workspace.run("report", *WEEK, "--html", "week.html", "--json").stdout)["title"] == "The shop"


def test_a_file_that_cannot_be_written_is_one_line(workspace: Workspace) -> None:
    result = workspace.run("report", *WEEK, "--html", "none/week.html")

    assert (result.exit_code, result.stdout) == (1, "")
    assert (
        result.stderr
        == "fireforget: none/week.html: No such file or directory: mend the path, or make what is missing\n"
    )


def test_a_period_without_events_has_a_report_that_says_so(workspace: Workspace) -> None:
    assert "No data" in workspace.run("report", "--period", "2020-01").stdout


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--week", "2026-03"], "--week takes an ISO week such as 2026-W47, not '2026-03'"),
        ([*WEEK, "--period", "2026-03"], "--week and --period exclude each other: give one of them."),
        ([*WEEK, "--from", "2026-03-01"], "--week and --from/--to exclude each other: give one of them."),
        (["--last", "month", "--period", "2026-03"], "--period and --last exclude each other: give one of them."),
        (["--last", "year"], "Invalid value for '--last': 'year' is not one of 'day', 'week', 'month'."),
        (
            ["--definition", "htp"],
            "there is no report definition 'htp', and no file without .toml: did you mean 'http'?",
        ),
        (
            ["--definition", "shop.toml"],
            "cannot read the report definition shop.toml: No such file or directory: mend the path",
        ),
        (["--send"], "the report has no recipients: write their addresses into recipients of [report]"),
        (["--to", "2026-03-01"], "--to alone is no period: give --from, too."),
        (["--text", "--json"], "--text and --json exclude each other: give one of them."),
        (["--period", "soon"], "'soon' is not a period"),
        (
            ["--from", "2026-03-04", "--to", "2026-03-01"],
            "--from is 2026-03-04 00:00:00+00:00, and has to be before --to",
        ),
    ],
)
def test_what_is_no_period_is_one_line(workspace: Workspace, options: list[str], line: str) -> None:
    result = workspace.run("report", *options)

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"fireforget: {line}")


def test_the_pipelines_own_counts_are_in_it(workspace: Workspace) -> None:
    with FireForget(workspace.settings) as application:
        assert application.emit("query", {"text": "tea"})

    (report,) = workspace.values("report")

    assert (report["health"]["accepted"], report["health"]["delivered"]) == (1, 1)
    assert report["health"]["queue_depth"] is not None


def test_a_machine_without_journals_has_no_counts(workspace: Workspace) -> None:
    (report,) = workspace.values("report")

    assert report["health"]["accepted"] is None
    assert report["health"]["queue_depth"] == 0


def test_a_queue_that_cannot_be_reached_does_not_spoil_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def depth(queue: SQLiteQueue) -> Depth:
        raise TransientError("no answer")

    monkeypatch.setattr(SQLiteQueue, "depth", depth)

    (report,) = workspace.values("report")

    assert report["health"]["queue_depth"] is None


def test_the_last_week_is_the_last_whole_one(workspace: Workspace) -> None:
    (report,) = workspace.values("report", "--last", "week")
    start, end = (datetime.fromisoformat(report["period"][side]) for side in ("start", "end"))

    assert start.astimezone(ZoneInfo("Europe/London")).weekday() == 0
    assert timedelta(0) <= datetime.now(UTC) - end < timedelta(days=7, hours=1)


def test_another_definition_can_be_had_for_once(workspace: Workspace) -> None:
    assert (
        "0 requests; there were none the week before." in workspace.run("report", *WEEK, "--definition", "http").stdout
    )


def test_the_definition_may_be_a_file(workspace: Workspace) -> None:
    (workspace.path / "own.toml").write_text(
        """
headline = { count = "all" }
measures = { all = { kind = "count", event = "*", nouns = ["thing", "things"] } }
"""
    )
    workspace.configure(f'{CONFIGURATION}\ndefinition = "own.toml"')

    assert "2 things; there were none the week before." in workspace.run("report", *WEEK).stdout


def test_it_is_mailed_to_the_recipients(workspace: Workspace) -> None:
    workspace.configure(f'{CONFIGURATION}\nrecipients = ["ada@example.org", "bob@example.org"]')

    result = workspace.run("report", *WEEK, "--send")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("fireforget: the report went to 2 recipients by file://")
    (mail,) = (workspace.path / ".fireforget" / "mail").glob("*.eml")
    assert b"Subject: The shop: Week 10, 2026, 2 queries\r\n" in mail.read_bytes()


def test_a_mail_that_cannot_be_sent_is_one_line(workspace: Workspace) -> None:
    workspace.configure(f'mailer = "smtp://127.0.0.1:9?tls=none"\n{CONFIGURATION}\nrecipients = ["ada@example.org"]')

    result = workspace.run("report", *WEEK, "--send", "--html", "week.html")

    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 2)
    assert "fireforget: 127.0.0.1:9 cannot be reached" in result.stderr
    assert (workspace.path / "week.html").exists()


def test_each_new_try_is_told_with_its_cause(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def scan(store: SQLiteStore, query: object) -> NoReturn:
        raise TransientError("the store https://me:s3cr3t@host is away")

    monkeypatch.setattr(SQLiteStore, "scan", scan)
    with caplog.at_level(logging.WARNING, "stamina"):
        result = workspace.run("report", *WEEK)

    told = [record.getMessage() for record in caplog.records if record.name == "stamina"]
    assert result.exit_code == 1
    assert told
    assert all("is away" in line and ": tried again in " in line and "s3cr3t" not in line for line in told)
