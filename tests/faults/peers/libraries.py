"""The libraries, each wired as its own documentation begins, towards a sink."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Wired:
    """A library that is ready.

    Args:
        track: Records one event that carries a mark.
        wrap: What the application is wrapped with.
    """

    track: Callable[[str], object]
    wrap: Callable[[App], App] = lambda app: app


def fireforget(sink: str) -> Wired:
    """Ours; the queue is the sink, in place of the embedded one."""
    from fireforget import FireForget
    from tests.faults.http_queue import HttpQueue

    ff = FireForget(queue=HttpQueue(sink))
    return Wired(lambda mark: ff.emit("order", {"mark": mark}), ff.wrap)


def create_task(sink: str) -> Wired:
    """A bare task: 100 ms of work for the analytics, then one request."""
    import httpx

    client = httpx.AsyncClient()
    tasks = set[asyncio.Task[None]]()

    async def record(mark: str) -> None:
        await asyncio.sleep(0.1)
        await client.post(sink, json={"mark": mark})

    def track(mark: str) -> None:
        task = asyncio.create_task(record(mark))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return Wired(track)


def posthog(sink: str) -> Wired:
    """PostHog's client: a thread that sends batches."""
    from posthog import Posthog

    client = Posthog("key", host=sink)
    return Wired(lambda mark: client.capture("order", distinct_id="visitor", properties={"mark": mark}))


def segment(sink: str) -> Wired:
    """Segment's client: a thread that sends batches."""
    from segment.analytics.client import Client

    client = Client("key", host=sink)
    return Wired(lambda mark: client.track("visitor", "order", {"mark": mark}))


def amplitude(sink: str) -> Wired:
    """Amplitude's client: a thread that sends batches."""
    from amplitude import Amplitude, BaseEvent, Config

    client = Amplitude("key", Config(server_url=sink))
    return Wired(lambda mark: client.track(BaseEvent("order", user_id="visitor", event_properties={"mark": mark})))


def snowplow(sink: str) -> Wired:
    """Snowplow's tracker: every tenth event sends ten of them, in the request itself."""
    from snowplow_tracker import Snowplow, StructuredEvent

    tracker = Snowplow.create_tracker(namespace="shop", endpoint=sink)
    return Wired(lambda mark: tracker.track(StructuredEvent(category="shop", action="order", label=mark)))


def snowplow_async(sink: str) -> Wired:
    """Snowplow's tracker with its emitter of threads."""
    from snowplow_tracker import AsyncEmitter, StructuredEvent, Tracker

    tracker = Tracker(namespace="shop", emitters=AsyncEmitter(sink))
    return Wired(lambda mark: tracker.track(StructuredEvent(category="shop", action="order", label=mark)))


def opentelemetry(sink: str) -> Wired:
    """OpenTelemetry's logger with its batch processor: a thread that sends batches."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=f"{sink}/v1/logs")))
    logger = logging.getLogger("shop")
    logger.addHandler(LoggingHandler(logger_provider=provider))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return Wired(lambda mark: logger.info("order", extra={"mark": mark}))


@dataclass(frozen=True)
class Library:
    """One way to record an event.

    Args:
        name: What it is called.
        package: What it comes in; empty for the standard library.
        how: How it sends, in a few words.
        wire: Makes it ready in a process.
    """

    name: str
    package: str
    how: str
    wire: Callable[[str], Wired]


LIBRARIES: Final = (
    Library("fireforget", "fireforget", "journal, then a thread", fireforget),
    Library("asyncio.create_task", "", "100 ms of work, then a request", create_task),
    Library("posthog", "posthog", "a thread that sends batches", posthog),
    Library("segment", "segment-analytics-python", "a thread that sends batches", segment),
    Library("amplitude", "amplitude-analytics", "a thread that sends batches", amplitude),
    Library("opentelemetry", "opentelemetry-sdk", "a thread that sends batches", opentelemetry),
    Library("snowplow", "snowplow-tracker", "every tenth event sends ten, and its request waits", snowplow),
    Library("snowplow, AsyncEmitter", "snowplow-tracker", "every tenth event hands ten to a thread", snowplow_async),
)
