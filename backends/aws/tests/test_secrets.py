"""What gives access stays out of every text: AWS itself quotes it, and so does the SDK."""

from __future__ import annotations

import json
import traceback
from contextlib import aclosing
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING

import pytest

from fireforget.abc import Message
from fireforget.errors import AdapterError
from fireforget_aws import backend
from tests.counterparts.answering import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

pytestmark = pytest.mark.anyio

KEY, SECRET, TOKEN, PASSWORD = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI", "IQoJb3JpZ2luX2Vj", "hunter2"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def access(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ACCESS_KEY_ID", KEY), ("SECRET_ACCESS_KEY", SECRET), ("SESSION_TOKEN", TOKEN)):
        monkeypatch.setenv(f"AWS_{name}", value)


def quoted_request(headers: Mapping[str, str]) -> tuple[int, str, str]:
    """What AWS says where the signature is another one than it has calculated: it quotes the whole request."""
    quoted = f"host:sqs\nx-amz-security-token:{headers['X-Amz-Security-Token']}\n\nhost;x-amz-security-token"
    text = f"The request signature we calculated does not match.\n\nThe Canonical String should have been\n'{quoted}'"
    return refusal("InvalidSignatureException", text)


def quoted_header(headers: Mapping[str, str]) -> tuple[int, str, str]:
    """What it says where the header that holds the signature lacks something."""
    text = f"Authorization header requires 'Signature' parameter. Authorization={headers['Authorization']}"
    return refusal("IncompleteSignature", text)


def refusal(code: str, text: str) -> tuple[int, str, str]:
    return 400, "application/x-amz-json-1.0", json.dumps({"__type": code, "message": text})


async def told() -> AsyncIterator[str]:
    """All that the adapters tell of themselves, and all that their calls raise."""
    mail = EmailMessage()
    mail["From"] = mail["To"] = "somebody@example.org"
    queue, store, mailer = backend.queue("sqs://q.fifo"), backend.store("dynamodb://shop"), backend.mailer("ses://")
    dead_letters = backend.dead_letters("sqs://q.fifo")
    async with aclosing(queue), aclosing(store), aclosing(mailer), aclosing(dead_letters):
        yield f"{queue.identity} {queue!r} {store!r} {mailer!r} {dead_letters!r}"
        message = Message("id", "key", "{}")
        for call in (
            partial(queue.publish, [message]),
            partial(queue.receive, 1, wait=0, lease=30),
            partial(store.claim, "key", 30, holder="me"),
            partial(mailer.send, mail),
            partial(dead_letters.put, message, "reason"),
        ):
            with pytest.raises(AdapterError) as caught:
                await call()
            yield "".join([repr(caught.value), *traceback.format_exception(caught.value)])


@pytest.mark.parametrize("answer", [quoted_request, quoted_header])
async def test_what_aws_quotes_is_left_out(answer: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(answer) as place:  # type: ignore[arg-type]
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{place}")
        texts = [text async for text in told()]
    assert not [text for text in texts if KEY in text or SECRET in text or TOKEN in text]
    assert "ignature" in texts[1]


@pytest.mark.parametrize("end", ["127.0.0.1:1", "no where/", "127.0.0.1:port"])
@pytest.mark.parametrize("begin", ["", "http://", "https://"])
async def test_a_password_in_the_endpoint_is_left_out(begin: str, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{begin}user:{PASSWORD}@{end}")
    texts = [text async for text in told()]
    assert not [text for text in texts if PASSWORD in text]
    assert all("mend AWS_ENDPOINT_URL" in text for text in texts[1:])


async def test_the_password_of_a_proxy_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(quoted_request) as place:  # which knows no CONNECT
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sqs.invalid")
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@{place}")
        texts = [text async for text in told()]
    assert not [text for text in texts if PASSWORD in text]
    assert "proxy" in texts[1]
