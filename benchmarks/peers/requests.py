"""What a request costs in process, with an event of each kind."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.measure import Case, Rounds, interleave, ratio
from benchmarks.middleware import serve
from benchmarks.peers.shops import NONE, OURS, SIMPLE, Place
from benchmarks.peers.sink import remote_sink
from benchmarks.report import TIMES, Section, Table, ratio_goal, time_rows

ROUNDS: Final = 20
REQUESTS: Final = 60

_METHOD: Final = f"""
`await app(scope, receive, send)` for a Starlette application with one route that answers with a small JSON object,
without a server. `receive` and `send` return at once. Bursts of {REQUESTS} requests, one after the other, after a
quarter as many to warm the caches; whatever they leave is flushed after each burst, and that is not counted. Events go
by HTTP to a service in another process. OpenTelemetry's middleware records spans, not the event.
"""


def run(rounds: int = ROUNDS) -> Section:
    """Measure."""
    found = asyncio.run(_rounds(rounds))
    posthog = next(name for name in SIMPLE if name.startswith("PostHog"))
    spans = next(name for name in SIMPLE if name.startswith("OpenTelemetry"))
    return Section(
        title="One request",
        method=_METHOD,
        tables=[Table(TIMES, time_rows(found, [(name, NONE) for name in SIMPLE]))],
        goals=[
            ratio_goal(f"a request with ours ÷ with {name}", "<", 1.0, ratio(found[OURS], found[name]))
            for name in (posthog, spans)
        ],
    )


async def _rounds(rounds: int) -> Rounds:
    with tempfile.TemporaryDirectory() as directory, remote_sink() as sink, ExitStack() as stack:
        place = Place(sink.url, Path(directory), stack)
        shops = {name: open_(place) for name, open_ in SIMPLE.items()}
        cases = [Case(name, partial(serve, shop.app, REQUESTS), shop.flush) for name, shop in shops.items()]
        return await interleave(cases, rounds)
