"""`fireforget events`: which events it lists, and in which forms."""

import csv
import json
import sys
from pathlib import Path

import click
import pytest

from fireforget._event import decode_event
from tests.cli import Workspace
from tests.pipeline import NOON, event, uuid

PLUGIN = """
import msgspec
from fireforget import event_type, upcaster

@event_type("cli.query", version=2)
class Query(msgspec.Struct):
    text: str

@upcaster("cli.query", version=1)
def rename(data):
    return {"text": data["q"]}
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_json_lines_are_the_cloud_events_of_the_store(workspace: Workspace) -> None:
    events = [event(1, sessionid="s", extensions={"tenant": "a"}), event(2, data={"text": "Zoë \x9b 猫"})]
    workspace.store(*events)

    lines = workspace.run("events", "--json").stdout.splitlines()

    assert {(each := decode_event(line)).id: (each.sessionid, each.data, each.extensions) for line in lines} == {
        each.id: (each.sessionid, each.data, each.extensions) for each in events
    }
    assert all(line.isprintable() for line in lines)


def test_csv_has_a_row_for_each_event(workspace: Workspace) -> None:
    workspace.store(event(1, sessionid="=cmd|'/c calc'!A1", subject="a,b", data={"n": [1, '"']}))

    (row,) = csv.DictReader(workspace.run("events", "--csv").stdout.splitlines())

    assert row == {
        "time": "2026-03-04T12:00:00.000Z",
        "type": "query",
        "id": uuid(1),
        "sessionid": "'=cmd|'/c calc'!A1",
        "correlationid": uuid(1),
        "requestid": "",
        "source": "app",
        "subject": "a,b",
        "dataschema": "",
        "data": '{"n":[1,"\\""]}',
    }


def test_a_table_that_is_piped_has_whole_values_between_tabs(workspace: Workspace) -> None:
    workspace.store(event(1, correlationid=uuid(9), sessionid="session-1", data={"text": "a\tb" * 100}))

    head, row = workspace.run("events").stdout.splitlines()

    assert head.split("\t") == ["time", "type", "session", "correlation", "data"]
    assert row.split("\t")[:4] == ["2026-03-04T12:00:00.000Z", "query", "session-1", uuid(9)]
    assert json.loads(row.split("\t")[4]) == {"text": "a\tb" * 100}


def test_a_table_on_a_terminal_fits_its_width(workspace: Workspace) -> None:
    workspace.store(event(1, sessionid="session-1", data={"text": "\x1b[2J" + "x" * 500}))

    printed = workspace.run("events", FORCE_COLOR="1", TERM="xterm", COLUMNS="100").stdout
    head, row = click.unstyle(printed).splitlines()

    assert head.split() == ["time", "type", "session", "correlation", "data"]
    assert len(row) <= 100
    assert f"…{uuid(1)[-10:]}" in row
    assert '{"text":"\\u001b[2Jxxx' in row


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--type", "query"], {1, 2}),
        (["--type", "query", "--type", "click"], {1, 2, 3}),
        (["--session", "s2"], {2}),
        (["--correlation", uuid(7)], {4}),
        (["--limit", "1"], {1}),
    ],
)
def test_only_what_was_asked_for_is_listed(workspace: Workspace, options: list[str], expected: set[int]) -> None:
    workspace.store(
        event(1),
        event(2, sessionid="s2"),
        event(3, type="click"),
        event(4, type="page", correlationid=uuid(7)),
    )

    assert {each["data"]["n"] for each in workspace.values("events", *options)} == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "2026-03-04"], {4, 5}),
        (["--to", "2026-03-04"], {3, 4}),
        (["--from", "2026-03-04", "--to", "2026-03-04"], {4}),
        (["--from", "2026-03-04T12:00:00Z"], {4, 5}),
        (["--from", "2026-03-04T13:00:00+01:00"], {4, 5}),
        (["--from", "2026-03-04T12:00:01Z"], {5}),
        (["--to", "2026-03-04T12:00Z"], {3}),
    ],
)
def test_a_period_includes_its_days(workspace: Workspace, options: list[str], expected: set[int]) -> None:
    days = {day: NOON.replace(day=day) for day in (3, 4, 5)}
    workspace.store(*(event(day, id=uuid(day, time), time=time) for day, time in days.items()))

    assert {each["data"]["n"] for each in workspace.values("events", *options)} == expected


def test_what_has_no_offset_is_meant_in_the_time_zone_of_the_report(workspace: Workspace) -> None:
    workspace.configure('[report]\ntimezone = "Pacific/Auckland"')  # noon in UTC is one o'clock of the next day there
    workspace.store(event(1))

    assert workspace.values("events", "--to", "2026-03-04") == []
    assert len(workspace.values("events", "--from", "2026-03-05", "--to", "2026-03-05T01:01")) == 1


def test_the_store_may_be_empty(workspace: Workspace) -> None:
    assert workspace.values("events") == []
    assert workspace.run("events").stdout == "time\ttype\tsession\tcorrelation\tdata\n"


def test_older_versions_are_lifted_by_the_plugin(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [place for place in sys.path if place])  # as in a script, and undone
    (workspace.path / "shop_events.py").write_text(PLUGIN)
    workspace.configure('plugin = "shop_events"')
    schema = "urn:fireforget:cli.query:{}".format
    workspace.store(
        event(1, type="cli.query", dataschema=schema(1), data={"q": "tea"}),
        event(2, type="cli.query", dataschema=schema(2), data={"text": "milk"}),
        event(3, type="cli.query", dataschema=schema(3), data={"newer": 1}),
        event(4, type="cli.query", dataschema=schema(1), data={"wrong": 1}),
    )

    result = workspace.run("events", "--json")

    events = sorted(map(decode_event, result.stdout.splitlines()), key=lambda each: each.id)
    assert [(each.dataschema, each.data) for each in events] == [
        (schema(2), {"text": "tea"}),
        (schema(2), {"text": "milk"}),
        (schema(3), {"newer": 1}),
        (schema(1), {"wrong": 1}),
    ]
    assert result.exit_code == 0
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("fireforget: 2 of type 'cli.query' listed as stored: ")


def test_forms_exclude_each_other(workspace: Workspace) -> None:
    result = workspace.run("events", "--json", "--csv")

    assert result.exit_code == 2
    assert result.stderr == (
        "fireforget: --json and --csv exclude each other: give one of them. See 'fireforget events --help'.\n"
    )


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-13-01", "2026-03-04T25:00"])
def test_a_moment_has_to_be_one(workspace: Workspace, moment: str) -> None:
    result = workspace.run("events", "--from", moment)

    assert result.exit_code == 2
    assert "is neither a day nor a time: write it like 2026-11-22 or 2026-11-22T14:30Z" in result.stderr
    assert len(result.stderr.splitlines()) == 1
