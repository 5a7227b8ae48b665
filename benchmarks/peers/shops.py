"""Small applications that answer the same, and differ in what they do with the event of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.workload import EVENT, new_fireforget, settings
from fireforget import FireForget, current_context
from fireforget._settings import DispatchSettings
from tests.faults.http_queue import HttpQueue

if TYPE_CHECKING:
    from starlette.requests import Request

WORK_SECONDS: Final = 0.012
ANALYTICS_SECONDS: Final = 0.1

_PATIENCE: Final = 30.0
"""How long a request to the service may take on a busy machine."""

ANSWER: Final = {"answer": "Yes, for about four years."}
MAPPING: Final = msgspec.structs.asdict(EVENT)

NONE: Final = "no event"
OURS: Final = "fireforget"
OURS_AT_ONCE: Final = "fireforget, nothing deferred"
WORK: Final = "the work alone"
WORK_OURS: Final = "fireforget: an event and `wait_until`"


async def _nothing() -> None:
    """Nothing is pending."""


class Shop(msgspec.Struct, frozen=True):
    """An application and what it needs.

    Args:
        app: The application.
        flush: Has everything delivered that requests have left.
    """

    app: ASGIApp
    flush: Callable[[], Awaitable[object]] = _nothing


class Place(msgspec.Struct, frozen=True):
    """Where a shop is.

    Args:
        sink: URL that events go to.
        directory: Where it may write.
        stack: Frees what it holds.
    """

    sink: str
    directory: Path
    stack: ExitStack


def none(_place: Place) -> Shop:
    """Only the answer."""

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse(ANSWER)

    return Shop(_starlette(answer))


def fireforget(place: Place, **dispatch: Any) -> Shop:
    """The middleware, and one event into the journal."""
    ff = _started(place, **dispatch)

    async def answer(_request: Request) -> JSONResponse:
        ff.emit("query", {**MAPPING})
        return JSONResponse(ANSWER)

    return Shop(ff.wrap(_starlette(answer)), ff.drain)


def background_task(place: Place) -> Shop:
    """Starlette's own way: a request to the service, after the response."""
    post = _poster(place)

    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse(ANSWER, background=BackgroundTask(post))

    return Shop(_starlette(answer))


def posthog(place: Place) -> Shop:
    """PostHog's client."""
    from posthog import Posthog

    client = Posthog("key", host=place.sink)
    place.stack.callback(client.shutdown)

    async def answer(_request: Request) -> JSONResponse:
        client.capture("query", distinct_id="visitor", properties={**MAPPING})
        return JSONResponse(ANSWER)

    return Shop(_starlette(answer), partial(asyncio.to_thread, client.flush))


def opentelemetry(place: Place) -> Shop:
    """OpenTelemetry's ASGI middleware: the spans of each request."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=place.sink)))
    place.stack.callback(provider.shutdown)
    app: ASGIApp = OpenTelemetryMiddleware(none(place).app, tracer_provider=provider)
    return Shop(app, partial(asyncio.to_thread, provider.force_flush))


def awaited(place: Place) -> Shop:
    """The response waits for a request to the service."""
    post = _poster(place)

    async def answer(_request: Request) -> JSONResponse:
        await post()
        return JSONResponse(ANSWER)

    return Shop(_starlette(answer))


def work(_place: Place) -> Shop:
    """Twelve milliseconds of waiting for something, and the answer."""

    async def answer(_request: Request) -> JSONResponse:
        await asyncio.sleep(WORK_SECONDS)
        return JSONResponse(ANSWER)

    return Shop(_starlette(answer))


def work_fireforget(place: Place) -> Shop:
    """The same, an event, and a tenth of a second of analytics that nobody waits for."""
    ff = _started(place)

    async def answer(_request: Request) -> JSONResponse:
        await asyncio.sleep(WORK_SECONDS)
        ff.emit("query", {**MAPPING})
        current_context().wait_until(asyncio.sleep(ANALYTICS_SECONDS))
        return JSONResponse(ANSWER)

    return Shop(ff.wrap(_starlette(answer)), ff.drain)


def work_background_task(_place: Place) -> Shop:
    """The same with Starlette's background task."""

    async def answer(_request: Request) -> JSONResponse:
        await asyncio.sleep(WORK_SECONDS)
        return JSONResponse(ANSWER, background=BackgroundTask(asyncio.sleep, ANALYTICS_SECONDS))

    return Shop(_starlette(answer))


def work_awaited(_place: Place) -> Shop:
    """The response waits for the analytics."""

    async def answer(_request: Request) -> JSONResponse:
        await asyncio.sleep(WORK_SECONDS)
        await asyncio.sleep(ANALYTICS_SECONDS)
        return JSONResponse(ANSWER)

    return Shop(_starlette(answer))


def _starlette(answer: Callable[[Request], Awaitable[JSONResponse]]) -> Starlette:
    return Starlette(routes=[Route("/", answer)])


def _started(place: Place, **dispatch: Any) -> FireForget:
    """Ours, before the first request, with changes to ``[dispatch]``."""
    chosen = msgspec.structs.replace(settings(place.directory), dispatch=DispatchSettings(**dispatch))
    ff = new_fireforget(chosen, HttpQueue(place.sink))
    return place.stack.enter_context(ff)


def _poster(place: Place) -> Callable[[], Awaitable[object]]:
    """Sends one event to the service."""
    import httpx

    return partial(httpx.AsyncClient(timeout=_PATIENCE).post, place.sink, json=MAPPING)


Open = Callable[[Place], Shop]

SIMPLE: Final[dict[str, Open]] = {
    NONE: none,
    OURS: fireforget,
    "PostHog's client": posthog,
    "OpenTelemetry's ASGI middleware, spans": opentelemetry,
    "Starlette's `BackgroundTask`, a request each": background_task,
    "awaited, a request each": awaited,
}
SATURATED: Final[dict[str, Open]] = {**SIMPLE, OURS_AT_ONCE: partial(fireforget, defer_seconds=0.0)}
WORKING: Final[dict[str, Open]] = {
    WORK: work,
    WORK_OURS: work_fireforget,
    "Starlette's `BackgroundTask`": work_background_task,
    "awaited": work_awaited,
}


def opened(environment: dict[str, Any]) -> ASGIApp:
    """The shop that the environment names, until the end of the process."""
    place = Place(environment["SINK"], Path(environment["DIRECTORY"]), ExitStack())
    return {**SATURATED, **WORKING}[environment["SHOP"]](place).app
