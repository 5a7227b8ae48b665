"""Trials in a short form: an application under load is hurt, and the books balance. `make soak` is the long one."""

import dataclasses
import shlex
from contextlib import chdir
from pathlib import Path

import pytest

from fireforget import SettingsError
from fireforget.testing.faults import Plan, Trial
from fireforget.testing.faults.__main__ import main
from tests.faults.cases import CASES, SERVER, SHOP, Case, environment

SHORT = {
    "the application, durability power": 2,
    "application, worker or both": 4,
    "the application, on a nearly full disk": 2,
    "SIGKILL, SIGTERM and SIGSTOP of all": 4,
}
"""Some of the cases, and how often they are hurt here."""


@pytest.mark.parametrize("case", [case for case in CASES if case.name in SHORT], ids=lambda case: case.name)
def test_the_books_balance(case: Case, tmp_path: Path) -> None:
    try:
        balance = case.run(tmp_path, blows=SHORT[case.name], seed=8)
    except PermissionError as error:
        pytest.skip(str(error))

    assert balance.problems == []
    assert balance.accepted > 0
    assert balance.counts.accepted >= balance.accepted + balance.answered
    assert (balance.refused > 0) == (case.disk_kib is not None)


def test_an_application_that_keeps_events_in_memory_alone_is_found_out(tmp_path: Path) -> None:
    case = Case("in memory", variables={"journal_durability": "none", "dispatch_linger_seconds": 3600})

    balance = case.run(tmp_path, blows=1, seed=1)

    assert len(balance.missing) > 0
    assert len(balance.forgotten) > 0
    assert "accepted events are nowhere" in balance.problems[0]
    assert "requests have no event" in balance.problems[1]


def test_an_application_that_tells_of_events_that_it_never_accepted_is_found_out(tmp_path: Path) -> None:
    case = dataclasses.replace(CASES[0], paths=("/order", "/invented"))

    balance = case.run(tmp_path, blows=0, seed=1)

    assert set(balance.missing) == {"01900000-0000-7000-8000-000000000000"}
    assert len(balance.problems) == 1


def test_a_server_that_ends_by_itself_ends_the_trial_with_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [part.replace(SHOP, "nowhere:app") for part in SERVER]

    with pytest.raises(ChildProcessError, match='Could not import module "nowhere"'):
        Trial(command).run()


def test_a_worker_that_is_not_there_cannot_be_hurt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match="there is no worker to hurt"):
        Trial(SERVER, plan=Plan(victims=("app", "worker")))


def test_a_store_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    assert CASES[0].run(tmp_path, blows=0, seed=1).problems == []

    with pytest.raises(SettingsError, match="there are events already: name an empty `directory` and store"):
        CASES[0].run(tmp_path, blows=0, seed=1)


@pytest.mark.parametrize(("path", "code", "verdict"), [("/order", 0, "balance"), ("/invented", 1, "do not balance")])
def test_the_command_says_whether_the_books_balance(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], path: str, code: int, verdict: str
) -> None:
    with chdir(tmp_path), environment({"processing_lease_seconds": 1}):
        assert main(["--app", shlex.join(SERVER), "--path", path, "--blows", "1", "--seed", "3"]) == code

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seed 3"
    assert lines[1].startswith("blow 1 of 1: SIGKILL to app after ")
    assert lines[-1] == f"the books {verdict}"


def test_the_command_says_why_it_cannot_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with chdir(tmp_path), environment({}):
        assert main(["--app", "no-such-program {port}"]) == 2

    assert "the trial cannot be run: [Errno 2] No such file or directory: 'no-such-program'" in capsys.readouterr().err


def test_the_same_seed_deals_the_same_blows() -> None:
    plan = Plan(victims=("app", "worker", "both"), weapons=("kill", "term", "stop"), blows=50, seed=7)

    assert list(plan.deal()) == list(plan.deal())
    assert list(plan.deal()) != list(Plan(blows=50, seed=8).deal())
    assert {blow.victim for blow in plan.deal()} == set(plan.victims)
    assert {blow.weapon for blow in plan.deal()} == set(plan.weapons)


@pytest.mark.parametrize("wrong", [{"victims": ("queue",)}, {"weapons": ()}, {"paths": ()}, {"clients": 0}])
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Plan(**wrong)  # type: ignore[arg-type]
