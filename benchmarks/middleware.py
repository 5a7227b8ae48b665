"""The middleware around a trivial Starlette application, called in process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.queues import NullQueue
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows
from benchmarks.workload import new_fireforget, receive, scope, send, settings
from fireforget._settings import HttpSettings

if TYPE_CHECKING:
    from starlette.middleware.base import RequestResponseEndpoint
    from starlette.requests import Request
    from starlette.types import ASGIApp

ROUNDS: Final = 200
REQUESTS: Final = 40

NONE: Final = "no middleware"
SILENT: Final = "fireforget, no event"
EVENTFUL: Final = "fireforget, one `http.request` event a request"
BASE: Final = "a `BaseHTTPMiddleware` that does nothing"

_METHOD: Final = f"""
`await app(scope, receive, send)` for a Starlette application with one route that answers with a small JSON object.
`receive` and `send` return at once. Each request has a scope of its own, made before, with the seven headers of a
browser. The event goes into the file journal, with the background thread alive, which publishes it to a queue that
accepts at once. Bursts of {REQUESTS} requests, after a quarter as many to warm the caches; what is left of
their events is waited for between the bursts.
"""


def run() -> Section:
    """Measure."""
    rounds = asyncio.run(_rounds())
    base = ratio(rounds[BASE], rounds[NONE])
    return Section(
        title="Middleware",
        method=_METHOD,
        tables=[Table(TIMES, time_rows(rounds, [(name, NONE) for name in (NONE, SILENT, EVENTFUL, BASE)]))],
        goals=[
            ratio_goal("a request through the middleware ÷ without it", "≤", 1.1, ratio(rounds[SILENT], rounds[NONE])),
            ratio_goal(
                f"the same with an event (`BaseHTTPMiddleware`: {base.median:.1f})",
                "≤",
                1.6,
                ratio(rounds[EVENTFUL], rounds[NONE]),
            ),
        ],
    )


async def _rounds() -> Rounds:
    app = Starlette(routes=[Route("/", _answer)])
    with tempfile.TemporaryDirectory() as directory:
        silent = settings(Path(directory))
        eventful = msgspec.structs.replace(silent, http=HttpSettings(events=True))
        async with new_fireforget(silent, NullQueue()) as quiet, new_fireforget(eventful, NullQueue()) as emitting:
            return await interleave(
                [
                    Case(NONE, partial(serve, app, REQUESTS)),
                    Case(SILENT, partial(serve, quiet.wrap(app), REQUESTS)),
                    Case(EVENTFUL, partial(serve, emitting.wrap(app), REQUESTS), emitting.drain),
                    Case(BASE, partial(serve, _Nothing(app), REQUESTS // 4)),
                ],
                ROUNDS,
            )


class _Nothing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


async def _answer(_request: Request) -> Response:
    return JSONResponse({"answer": "Yes, for about four years."})


async def serve(app: ASGIApp, requests: int) -> float:
    """Call an application as a server does, one request after the other; the seconds for each."""
    scopes = [scope() for _ in range(requests)]
    for _ in range(requests // 4):
        await app(scope(), receive, send)
    began = time.perf_counter()
    for each in scopes:
        await app(each, receive, send)
    return (time.perf_counter() - began) / requests
