"""What an application writes, as type checkers see it. Nothing here is run: `make types` checks it.

A line with an ignore is wrong on purpose: the checkers refuse an ignore without an error.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, assert_type, cast

import msgspec
from django.core.handlers.asgi import ASGIHandler
from fastapi import FastAPI
from litestar import Litestar
from mangum import Mangum
from mangum.types import LambdaContext
from quart import Quart
from starlette.applications import Starlette

from fireforget import (
    Event,
    EventId,
    EventTypes,
    ExecutionContext,
    FireForget,
    Settings,
    current_context,
    event_type,
    load_settings,
    upcaster,
)
from fireforget.abc import Message
from fireforget.asgi import Middleware

Scope = MutableMapping[str, Any]


@event_type("search", version=2)
class Search(msgspec.Struct):
    text: str
    hits: int


@event_type("visit")
@dataclass
class Visit:
    page: str


@upcaster("search", version=1)
def add_hits(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "hits": 0}


assert_type(Search("a", 1), Search)  # a decorated class is still itself
assert_type(Visit("a").page, str)
assert_type(add_hits({}), dict[str, Any])

ff = FireForget()
assert_type(FireForget(Settings(name="shop"), types=EventTypes()).settings, Settings)
FireForget("fireforget.toml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
FireForget(queue="sqlite:///a.db")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Settings(nmae="shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(load_settings("fireforget.toml", {}), Settings)


def emitting() -> None:
    assert_type(ff.emit("query", {"text": "a"}), EventId | None)
    assert_type(ff.emit(Search("a", 1)), EventId | None)
    ff.emit("query", {}, {"subject": "a", "sessionid": None, "tenant": 7, "beta": True})
    ff.emit("query", {}, {"subject": 1.5})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    ff.emit()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrapping(application: Callable[[Scope, Any, Any], Awaitable[None]]) -> None:
    assert_type(ff.wrap(application), Middleware)
    ff.wrap(FastAPI())
    ff.wrap(Starlette())
    ff.wrap(Quart(__name__))
    ff.wrap(Litestar([]))
    ff.wrap(ASGIHandler())
    ff.wrap(ff.wrap(application))
    ff.wrap("app")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@ff.handler
def called(event: dict[str, Any], context: object) -> int:
    return len(event)


@ff.handler
async def called_asynchronously(event: dict[str, Any], context: object) -> int:
    return len(event)


def calling() -> None:
    assert_type(called({}, None), int)
    assert_type(called_asynchronously({}, None), int)
    assert_type(ff.handler(Mangum(FastAPI()))({}, cast("LambdaContext", None)), dict[str, Any])
    called("event", None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ff.handler("app.handler")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]


async def work() -> int:
    return 1


async def stream() -> AsyncIterator[int]:
    yield 1


def contexts() -> None:
    context = current_context()
    assert_type(context, ExecutionContext)
    assert_type(context.sessionid, str | None)
    assert_type(context.deadline, float | None)
    context.sessionid = "ada"
    context.correlationid = "ada"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    context.wait_until(work())
    context.wait_until(work(), start="after_response")
    context.wait_until(work)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    context.wait_until(stream())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    context.wait_until(work(), start="later")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with ff.context(sessionid="ada") as shared:
        assert_type(shared, ExecutionContext)
    ff.context("ada")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


@ff.before_emit
def without_bots(name: str, data: Any) -> Any:
    return None if data.get("bot") else data


@ff.on_delivered
def delivered(message: Message) -> None:
    assert_type(message.count, int)


@ff.on_dropped
def dropped(reason: str, count: int) -> None: ...


ff.on_error("mail me")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def running(event: Event) -> None:
    async with FireForget() as entered:
        assert_type(entered, FireForget)
    with FireForget() as entered:
        assert_type(entered, FireForget)
    assert_type(await ff.drain(1.0), int)
    assert_type(ff.drain_blocking(), int)
    assert_type(ff.stats().pending, int)
    assert_type(ff.stats().dropped, dict[str, int])
    assert_type(event.sessionid, str | None)
    assert_type(event.extensions, dict[str, str | int | bool])
    event.type = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
