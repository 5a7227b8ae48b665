"""What a function logs: JSON, one object a line, in Lambda's own names."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import TYPE_CHECKING, Any

import pytest
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_log_utils import JsonFormatter, LogFormat

from fireforget._backends import Roles
from fireforget._clock import SystemClock
from fireforget._hooks import Hooks
from fireforget.errors import TransientError
from fireforget.local.memory import MemoryQueue
from fireforget.processing import Function
from fireforget_aws.handlers._lines import JsonLines, write_json_lines
from fireforget_aws.handlers.processor import ProcessorHandler
from tests.counterparts.invocations import Invoked, event_of, record
from tests.pipeline import Bench, broken, event, message, unused_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Sink(bootstrap.StandardLogSink):  # type: ignore[misc]
    """Where Lambda's own handlers write."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    def log(self, msg: str, frame_type: object = None) -> None:
        self.text.write(msg)

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.text.getvalue()
        assert text.endswith("\n")
        return [json.loads(line) for line in text[:-1].split("\n")]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], logging.Logger]]:
    """Takes away what pytest has set up, and whatever somebody has chosen; gives the root logger."""
    root, ours = logging.getLogger(), logging.getLogger("fireforget")
    levels = root.level, ours.level

    def take_away() -> logging.Logger:
        monkeypatch.setattr(root, "handlers", [])
        root.setLevel(logging.WARNING)
        ours.setLevel(logging.NOTSET)
        for name in ("AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"):
            monkeypatch.delenv(name, raising=False)
        return root

    yield take_away
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


def lambdas(bare: Callable[[], logging.Logger], form: LogFormat = LogFormat.TEXT) -> Sink:
    """What Lambda's runtime sets up."""
    bare()
    sink = Sink()
    bootstrap._setup_logging(form, "", sink)
    return sink


def own(name: str = "fireforget") -> logging.Logger:
    return logging.getLogger(name)


def test_lambdas_own_handler_writes_json(bare: Callable[[], logging.Logger]) -> None:
    sink = lambdas(bare)
    lines = JsonLines()
    write_json_lines(lines)
    lines.request_id = "request-1"
    own().info("%d messages\nprocessed", 3, extra={"stored": 7, "cold_start": True})
    logging.getLogger("theirs").warning("kept")
    logging.getLogger("theirs").info("not asked for")

    first, second = sink.lines
    assert first.pop("timestamp").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "message": "3 messages\nprocessed",
        "logger": "fireforget",
        "requestId": "request-1",
        "stored": 7,
        "cold_start": True,
    }
    assert (second["logger"], second["message"]) == ("theirs", "kept")


def test_the_names_are_those_of_lambdas_own_json() -> None:
    ours, theirs = JsonLines(), JsonFormatter()
    try:
        int("a mistake")
    except ValueError:
        known = logging.LogRecord("fireforget", logging.ERROR, "file.py", 1, "failed", None, sys.exc_info())
    known.stored, known.odd = 7, object()
    ours.request_id = known.aws_request_id = "request-1"

    ours_line, theirs_line = json.loads(ours.format(known)), json.loads(theirs.format(known))

    assert set(ours_line) == set(theirs_line) - {"location"}
    same = ("level", "message", "logger", "requestId", "errorType", "errorMessage", "stackTrace", "stored", "odd")
    assert [ours_line[name] for name in same] == [theirs_line[name] for name in same]


def test_where_lambdas_json_is_chosen_it_stays(
    bare: Callable[[], logging.Logger], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = lambdas(bare, LogFormat.JSON)
    monkeypatch.setenv("AWS_LAMBDA_LOG_FORMAT", "JSON")
    write_json_lines(JsonLines())
    own().info("processed", extra={"stored": 7})

    (line,) = sink.lines
    assert (line["message"], line["stored"]) == ("processed", 7)
    assert isinstance(logging.getLogger().handlers[0].formatter, JsonFormatter)


def test_a_level_that_is_set_counts(bare: Callable[[], logging.Logger], monkeypatch: pytest.MonkeyPatch) -> None:
    sink = lambdas(bare)
    monkeypatch.setenv("AWS_LAMBDA_LOG_LEVEL", "WARN")
    write_json_lines(JsonLines())
    own().info("not asked for")
    own().warning("asked for")

    assert [line["message"] for line in sink.lines] == ["asked for"]


def test_who_has_set_up_logging_keeps_it(bare: Callable[[], logging.Logger]) -> None:
    root = bare()
    theirs = logging.StreamHandler(io.StringIO())
    root.addHandler(theirs)
    write_json_lines(JsonLines())

    assert root.handlers == [theirs]
    assert theirs.formatter is None


def test_without_any_handler_it_is_the_error_output(
    bare: Callable[[], logging.Logger], capsys: pytest.CaptureFixture[str]
) -> None:
    bare()
    write_json_lines(JsonLines())
    own().warning("alone \ud800")

    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert json.loads(text)["message"] == "alone \ud800"


def test_each_invocation_says_what_became_of_it_and_nothing_of_the_events(bare: Callable[[], logging.Logger]) -> None:
    sink = lambdas(bare)
    bench = Bench()
    handler = ProcessorHandler(lambda: function_of(bench))
    secret = event(1, data={"query": "my password is hunter2"})
    first, second = Invoked(), Invoked()
    handler(event_of(record(message(secret, broken(2).replace("query", "hunter2")))), first)
    bench.store.failure = lambda record: TransientError("the table is busy")
    handler(event_of(record(message(secret))), second)
    handler.close()

    done = [line for line in sink.lines if "stored" in line]
    assert [(line["requestId"], line["level"], line["cold_start"]) for line in done] == [
        (first.aws_request_id, "INFO", True),
        (second.aws_request_id, "WARNING", False),
    ]
    counts = ("messages", "stored", "dead_lettered", "given_back")
    assert [[line[name] for name in counts] for line in done] == [[1, 1, 1, 0], [1, 0, 0, 1]]
    assert all(line["milliseconds"] >= 0 for line in done)
    assert done[1]["reasons"] == {"the store raised TransientError": 1}
    assert "hunter2" not in sink.text.getvalue()


def function_of(bench: Bench) -> Function:
    roles = Roles(MemoryQueue(unused_name()), bench.letters, bench.store)
    return Function(roles, bench.processor, 4, Hooks(), SystemClock())
