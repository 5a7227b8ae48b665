"""Credentials that are not there yet, or expire: what mends them mends the process that runs."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from fireforget.abc import Message
from fireforget.errors import AdapterError
from fireforget_aws import backend
from fireforget_aws.queue import SQSQueue
from tests.counterparts.answering import answering

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.anyio

KIND = "application/x-amz-json-1.0"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def credentials(account: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The only place where credentials may be: a file that is not there. SQS accepts those of `NEW`."""
    path = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with answering(queue_of) as place:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{place}")
        yield path


def queue_of(headers: Mapping[str, str]) -> tuple[int, str, str]:
    """A queue that takes one message from who has the new key."""
    if "Credential=NEW/" not in headers["Authorization"]:
        return 400, KIND, json.dumps({"__type": "ExpiredTokenException", "message": "it is expired"})
    if headers["X-Amz-Target"].endswith("GetQueueUrl"):
        return 200, KIND, json.dumps({"QueueUrl": "http://sqs/q"})
    return 200, KIND, json.dumps({"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": ""}]})


def write(path: Path, key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


async def statuses(queue: SQSQueue) -> list[str]:
    return [outcome.status for outcome in await queue.publish([Message("id", "key", "{}")])]


async def test_credentials_that_come_late_are_found(credentials: Path) -> None:
    async with aclosing(backend.queue("sqs://q.fifo")) as queue:
        assert isinstance(queue, SQSQueue)
        with pytest.raises(AdapterError, match="mend the credentials"):
            await statuses(queue)
        write(credentials, "NEW")
        assert await statuses(queue) == ["delivered"]


async def test_credentials_that_were_renewed_are_read_again(credentials: Path) -> None:
    write(credentials, "OLD")
    async with aclosing(backend.queue("sqs://q.fifo")) as queue:
        assert isinstance(queue, SQSQueue)
        failures = await asyncio.gather(*(statuses(queue) for _ in range(8)), return_exceptions=True)
        assert all("it is expired; those of a role" in str(failure) for failure in failures)
        assert not queue._opened, "a client that is of no use is freed when its last call has ended"
        write(credentials, "NEW")
        assert await statuses(queue) == ["delivered"]
