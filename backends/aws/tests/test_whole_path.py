"""From a client's request to the table, with all that goes wrong on the way: processes die, and so do answers."""

import asyncio
from contextlib import chdir
from pathlib import Path

import pytest

from fireforget.testing.faults import Plan, Trial
from tests.counterparts import sqs
from tests.counterparts.aws import Counterpart
from tests.counterparts.bad_line import BLOWS, bad_line
from tests.counterparts.tables import new_table
from tests.faults.cases import SERVER, WORKER, environment


def test_the_books_balance_though_answers_lie(
    ministack: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = asyncio.run(new_table(ministack))
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    with sqs.queues(ministack) as name, bad_line(ministack.url, seed=7) as line:
        given = {
            "queue": f"sqs://{name}",
            "store": f"dynamodb://{table}?shards=3",
            "directory": tmp_path,
            "processing_embedded": False,
            "processing_lease_seconds": 2,
            "processing_wait_seconds": 1,
            "dispatch_max_backoff_seconds": 0.5,
        }
        over_it = ("env", f"AWS_ENDPOINT_URL={line.url}")
        plan = Plan(
            blows=3,
            victims=("app", "worker", "both"),
            weapons=("kill", "stop"),
            paths=("/order", "/orders", "/quiet", "/work"),
            most_answers=200,
            patience_seconds=90,
            seed=8,
        )

        with chdir(tmp_path), environment(given):
            balance = Trial((*over_it, *SERVER), (*over_it, *WORKER), plan).run()

    assert balance.problems == []
    assert balance.accepted > 0
    assert not set(BLOWS) - set(line.told), "everything was done to it"
