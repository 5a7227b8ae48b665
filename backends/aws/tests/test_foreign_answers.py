"""A proxy, or a portal, answers in place of AWS, and with success."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from fireforget.abc import Message, Query
from fireforget.errors import TransientError
from fireforget.testing.events import event, records
from fireforget_aws import backend
from tests.counterparts.answering import answering

pytestmark = pytest.mark.anyio

PAGE = (200, "text/html; charset=utf-8", "<html>Accept our terms</html>")
EMPTY = (200, "application/x-amz-json-1.0", "{}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def nobody_else(account: None) -> None:
    """Credentials and region of nobody's."""


async def test_a_page_says_nothing_of_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    queue, store = backend.queue("sqs://q.fifo"), backend.store("dynamodb://shop")
    with answering(lambda _: PAGE) as place:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{place}")
        async with aclosing(queue), aclosing(store):
            for call in (
                queue.publish([Message("id", "key", "{}")]),
                queue.receive(1, wait=0, lease=30),
                queue.depth(),
                store.put(records(event())),
                store.claim("key", 30, holder="me"),
                anext(store.scan(Query())),
            ):
                with pytest.raises(TransientError, match="something else answers"):
                    await call


async def test_an_empty_answer_is_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    store = backend.store("dynamodb://shop")
    store._recorded["2025-06-15"] = 1  # type: ignore[attr-defined]
    with answering(lambda _: EMPTY) as place:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{place}")
        async with aclosing(store):
            with pytest.raises(TransientError, match="does not say"):
                await store.put(records(event()))
