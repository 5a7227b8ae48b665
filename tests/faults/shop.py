"""The application under test: plain ASGI, so that every server runs it."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import parse_qs

from fireforget import FireForget, current_context

ff = FireForget()


async def _later(number: int) -> None:
    ff.emit("later", {"n": number})


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """``/order`` accepts one event and tells its id, ``/orders`` accepts five, ``/quiet`` tells none, ``/work`` emits
    one more after its answer, ``/invented`` lies. What was not accepted is answered with 503.
    """
    assert scope["type"] == "http"
    query = parse_qs(scope["query_string"].decode())
    size = int(query.get("size", ["0"])[0])
    count = 5 if scope["path"] == "/orders" else 1
    if scope["path"] == "/work":
        current_context().wait_until(_later(count), start="after_response")
    ids: list[object] = [ff.emit("order", {"n": number, "pad": "x" * size}) for number in range(count)]
    if scope["path"] == "/invented":
        ids = ["01900000-0000-7000-8000-000000000000"]
    told = [str(id_) for id_ in ids if id_]
    status = 200 if len(told) == count else 503
    body = "" if scope["path"] == "/quiet" else " ".join([str(os.getpid()), *told])
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body.encode()})


app = ff.wrap(shop)
