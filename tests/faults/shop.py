"""The application under test: plain ASGI, so that every server runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from fireforget import FireForget, current_context

ff = FireForget()


def handlers() -> str:
    """Who handles which signal."""
    return " ".join(f"{number!r}: {signal.getsignal(number)!r}" for number in signal.valid_signals())


TOLD: Final[dict[str, Callable[[], str]]] = {"/handlers": handlers, "/pid": lambda: str(os.getpid())}


async def answer(send: Any, status: int, body: str) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body.encode()})


async def _later(number: int) -> None:
    ff.emit("later", {"n": number})


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """``/order`` accepts one event and tells its id, ``/orders`` accepts five, ``/quiet`` tells none, ``/work`` emits
    one more after its answer, ``/invented`` lies. What was not accepted is answered with 503.
    """
    assert scope["type"] == "http"
    if scope["path"] in TOLD:
        await answer(send, 200, TOLD[scope["path"]]())
        return
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
    await answer(send, status, "" if scope["path"] == "/quiet" else " ".join([str(os.getpid()), *told]))


app = ff.wrap(shop)


async def staged(scope: Any, receive: Any, send: Any) -> None:
    """The shop, with a lifespan that emits at its start and at its end."""
    if scope["type"] != "lifespan":
        await shop(scope, receive, send)
        return
    for stage in ("startup", "shutdown"):
        await receive()
        ff.emit(stage)
        await send({"type": f"lifespan.{stage}.complete"})


staged_app = ff.wrap(staged)
