"""What the backend of AWS says before it has called anything."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fireforget import BackendNotFoundError, FireForget, Settings
from fireforget_aws import _backend, backend
from tests.cli import Workspace


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path, 'backend = "aws"')


def test_without_the_sdk_an_application_fails_as_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)

    with pytest.raises(BackendNotFoundError, match="pip install 'fireforget\\[aws\\]'"):
        FireForget(Settings(backend="aws"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: backend.queue("sqs://cv.fifo"),
        lambda: backend.dead_letters("sqs://cv.fifo"),
        lambda: backend.store("dynamodb://cv-analytics"),
        lambda: backend.mailer("ses://"),
    ],
)
def test_without_the_sdk_no_adapter_is_made(monkeypatch: pytest.MonkeyPatch, make: Callable[[], object]) -> None:
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)

    with pytest.raises(BackendNotFoundError, match="pip install 'fireforget\\[aws\\]'"):
        make()


@pytest.mark.parametrize("command", ["stats", "worker", "events", "dead-letters list", "provision --yes"])
def test_without_the_sdk_a_command_ends_by_one_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)

    ended = workspace.run(*command.split())

    assert ended.exit_code == 2
    assert ended.stderr.splitlines()[-1].endswith("the SDK of AWS is not installed: run pip install 'fireforget[aws]'")


def test_a_doctor_says_once_that_the_sdk_is_missing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)

    told = workspace.run("doctor").output

    assert told.count("pip install 'fireforget[aws]'") == 1
    assert "install what it needs where this runs" in told


@pytest.mark.parametrize(
    "line", ['queue = "sqs://cv.fifo?regoin=eu-west-2"', 'store = "dynamodb://cv-analytics?shards=0"']
)
def test_a_doctor_says_once_what_is_wrong_with_a_url(workspace: Workspace, line: str) -> None:
    workspace.configure(f'backend = "aws"\n{line}')

    ended = workspace.run("doctor")

    assert ended.exit_code == 1
    assert ended.output.count("wrong  ") == 1
