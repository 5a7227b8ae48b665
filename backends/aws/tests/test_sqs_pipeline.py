"""From `emit` through SQS to the store, in real time and without a test's own adapters."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from fireforget import FireForget
from fireforget._clock import SystemClock
from fireforget._hooks import Hooks
from fireforget._schema import EventTypes
from fireforget._settings import Settings
from fireforget.abc import DeadLetters, Queue
from fireforget.processing import Worker, make_processor
from fireforget_aws import backend
from tests.counterparts import sqs
from tests.counterparts.aws import Counterpart
from tests.pipeline import TestedStore

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def worker_of(queue: Queue, store: TestedStore, dead: DeadLetters) -> Worker:
    return Worker(queue, make_processor(store, dead, Settings(), EventTypes(), Hooks(), SystemClock()))


@pytest.fixture(params=[".fifo", ""], ids=["fifo", "standard"])
def url(ministack: Counterpart, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.url)
    with sqs.queues(ministack, request.param) as name:
        yield f"sqs://{name}"


async def test_events_arrive_in_the_store(url: str, tmp_path: Path) -> None:
    settings = Settings(queue=url, store="memory://pipeline", directory=str(tmp_path), drain_seconds=30)
    with FireForget(settings) as ff:
        ids = [ff.emit("query", {"n": n, "text": "žluťoučký 🐎"}) for n in range(200)]
        assert None not in ids
    store, dead, queue = TestedStore(), backend.dead_letters(url), backend.queue(url)
    worker = worker_of(queue, store, dead)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        with anyio.fail_after(30):
            while len(store.ids) < len(ids):  # noqa: ASYNC110 - it waits for a server
                await anyio.sleep(0.05)
        await worker.stop()
    assert sorted(store.ids) == sorted(map(str, ids))
    assert len(store.calls) < len(ids) / 4, "events travel in packs"
    assert (await queue.depth()).visible == (await queue.depth()).in_flight == 0
    assert [letter async for letter in dead.list()] == []
    await queue.aclose()
    await dead.aclose()


async def test_a_message_that_is_not_ours_dies_with_a_reason(ministack: Counterpart, url: str) -> None:
    client, name = sqs.client(ministack), url.removeprefix("sqs://")
    address = client.get_queue_url(QueueName=name)["QueueUrl"]
    fifo = {"MessageGroupId": "theirs", "MessageDeduplicationId": "1"} if name.endswith(".fifo") else {}
    client.send_message(QueueUrl=address, MessageBody="hello", **fifo)
    dead, queue = backend.dead_letters(url), backend.queue(url)
    worker = worker_of(queue, TestedStore(), dead)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        with anyio.fail_after(30):
            while not (letters := [letter async for letter in dead.list()]):  # noqa: ASYNC110 - the same
                await anyio.sleep(0.05)
        await worker.stop()
    (letter,) = letters
    assert letter.message.body == "hello"
    assert letter.reason
    await queue.aclose()
    await dead.aclose()
