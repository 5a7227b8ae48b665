"""The libraries, each wired to record one event of eight fields, towards a sink or in the memory of the process."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.peers.sink import TEXT
from benchmarks.remote import Remote
from benchmarks.workload import EVENT, new_fireforget, settings
from tests.faults.http_queue import HttpQueue

MAPPING: Final = msgspec.structs.asdict(EVENT)

OURS: Final = "fireforget"
CREATE_TASK: Final = "asyncio.create_task"
OPENTELEMETRY: Final = "opentelemetry"
POSTHOG: Final = "posthog"


class Ground(msgspec.Struct, frozen=True):
    """What a library stands on.

    Args:
        sink: Where it sends to.
        directory: Where it may write.
        stack: Frees what it holds.
    """

    sink: Remote
    directory: Path
    stack: ExitStack


class Wired(msgspec.Struct, frozen=True):
    """A library that is ready.

    Args:
        statement: Records one event, which it constructs.
        names: What the statement refers to.
        flush: Has everything delivered that was recorded.
        delivered: How many events have arrived where the library sends them.
    """

    statement: str
    names: dict[str, Any]
    flush: Callable[[], Awaitable[object]]
    delivered: Callable[[], int]


class Library(msgspec.Struct, frozen=True):
    """One way to record an event.

    Args:
        name: What it is called.
        package: What it comes in; empty for the standard library.
        how: Where an event is when the call returns, and where it goes.
        wire: Makes it ready in a running loop.
    """

    name: str
    package: str
    how: str
    wire: Callable[[Ground], Wired]


def fireforget(ground: Ground) -> Wired:
    """Ours; the queue is the sink."""
    chosen = settings(ground.directory)
    ff = new_fireforget(chosen, HttpQueue(ground.sink.url))
    ground.stack.enter_context(ff)
    ground.stack.enter_context(ff.context(sessionid="visitor"))
    return Wired(f'emit("query", {MAPPING!r})', {"emit": ff.emit}, ff.drain, ground.sink.count)


def create_task(ground: Ground) -> Wired:
    """A bare task for each event, and a request in it."""
    import httpx

    client = httpx.AsyncClient()
    few = asyncio.Semaphore(10)  # the client's own pool becomes slow, and times out, where hundreds wait for it
    tasks = set[asyncio.Task[None]]()

    async def record(data: dict[str, Any]) -> None:
        async with few:
            await client.post(ground.sink.url, json=data)

    def track(data: dict[str, Any]) -> None:
        task = asyncio.create_task(record(data))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def flush() -> None:
        await asyncio.gather(*tasks)

    return Wired(f"track({MAPPING!r})", {"track": track}, flush, ground.sink.count)


def opentelemetry(ground: Ground) -> Wired:
    """OpenTelemetry's logger with its batch processor, called without the detour over `logging`."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=ground.sink.url)))
    ground.stack.callback(provider.shutdown)
    emit = partial(provider.get_logger("bench").emit, event_name="query")
    return Wired(
        f"emit(timestamp=time_ns(), attributes={MAPPING!r})",
        {"emit": emit, "time_ns": time.time_ns},
        partial(asyncio.to_thread, provider.force_flush),
        ground.sink.count,
    )


def posthog(ground: Ground) -> Wired:
    """PostHog's client."""
    from posthog import Posthog

    client = Posthog("key", host=ground.sink.url)
    ground.stack.callback(client.shutdown)
    statement = f'capture("query", distinct_id="visitor", properties={MAPPING!r})'
    return Wired(statement, {"capture": client.capture}, partial(asyncio.to_thread, client.flush), ground.sink.count)


def segment(ground: Ground) -> Wired:
    """Segment's client."""
    from segment.analytics.client import Client

    client = Client("key", host=ground.sink.url)
    ground.stack.callback(client.shutdown)
    statement = f'track("visitor", "query", {MAPPING!r})'
    return Wired(statement, {"track": client.track}, partial(asyncio.to_thread, client.flush), ground.sink.count)


def amplitude(ground: Ground) -> Wired:
    """Amplitude's client."""
    from amplitude import Amplitude, BaseEvent, Config

    client = Amplitude("key", Config(server_url=ground.sink.url))
    ground.stack.callback(client.shutdown)
    statement = f'track(BaseEvent("query", user_id="visitor", event_properties={MAPPING!r}))'
    names = {"track": client.track, "BaseEvent": BaseEvent}

    def flush() -> None:
        for future in client.flush():
            if future is not None:
                future.result()

    return Wired(statement, names, partial(asyncio.to_thread, flush), ground.sink.count)


def snowplow(ground: Ground) -> Wired:
    """Snowplow's tracker with its emitter of threads."""
    from snowplow_tracker import AsyncEmitter, SelfDescribing, SelfDescribingJson, Tracker

    tracker = Tracker(namespace="bench", emitters=AsyncEmitter(ground.sink.url), encode_base64=False)
    logging.getLogger("snowplow_tracker.emitters").setLevel(logging.WARNING)  # it prints a line for each request
    names = {"track": tracker.track, "SelfDescribing": SelfDescribing, "SelfDescribingJson": SelfDescribingJson}
    statement = f'track(SelfDescribing(SelfDescribingJson("iglu:bench/query/jsonschema/1-0-0", {MAPPING!r})))'
    return Wired(statement, names, partial(asyncio.to_thread, tracker.flush), ground.sink.count)


def taskiq(ground: Ground) -> Wired:  # noqa: ARG001 - it sends to nobody
    """A taskiq task with the broker in memory."""
    from taskiq import InMemoryBroker

    broker, counted = InMemoryBroker(), _Counted()

    async def record(data: dict[str, Any]) -> None:
        counted.take(data)

    names = {"kiq": broker.task(task_name="record")(record).kiq}
    return Wired(f"await kiq({MAPPING!r})", names, broker.wait_all, lambda: counted.taken)


def dramatiq(ground: Ground) -> Wired:
    """A dramatiq actor with the broker in memory and one worker thread."""
    from dramatiq import Worker, actor
    from dramatiq.brokers.stub import StubBroker

    broker, counted = StubBroker(), _Counted()
    record = actor(counted.take, actor_name="record", broker=broker)
    worker = Worker(broker, worker_threads=1)
    worker.start()
    ground.stack.callback(worker.stop)

    def flush() -> None:
        broker.join(record.queue_name)
        worker.join()

    return Wired(f"send({MAPPING!r})", {"send": record.send}, partial(asyncio.to_thread, flush), lambda: counted.taken)


def structlog(ground: Ground) -> Wired:
    """A structlog logger that writes JSON to a file."""
    import structlog as library

    path = ground.directory / "structlog.jsonl"
    file = ground.stack.enter_context(path.open("wb"))
    logger = library.wrap_logger(
        library.BytesLogger(file),
        processors=[
            library.processors.add_log_level,
            library.processors.TimeStamper(fmt="iso"),
            library.processors.JSONRenderer(lambda data, **_: msgspec.json.encode(data)),
        ],
        wrapper_class=library.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    ).bind()
    return Wired(f'info("query", **{MAPPING!r})', {"info": logger.info}, _nothing, partial(_in_file, path))


def queue_handler(ground: Ground) -> Wired:
    """A logger of the standard library with a queue, and a thread that writes JSON to a file."""
    from logging.handlers import QueueHandler, QueueListener
    from queue import SimpleQueue

    path = ground.directory / "queue_handler.jsonl"
    queue = SimpleQueue[Any]()
    file = logging.FileHandler(path)
    file.setFormatter(_JsonFormatter())
    listener = QueueListener(queue, file)
    listener.start()
    ground.stack.callback(file.close)
    ground.stack.callback(listener.stop)
    logger = logging.Logger("bench")  # noqa: LOG001 - one that belongs to no tree
    logger.addHandler(QueueHandler(queue))
    return Wired(f'info("query", extra={MAPPING!r})', {"info": logger.info}, _nothing, partial(_in_file, path))


class _JsonFormatter(logging.Formatter):
    """The fields of the event and the time."""

    def format(self, record: logging.LogRecord) -> str:
        data = {name: record.__dict__[name] for name in MAPPING}
        return msgspec.json.encode({"time": record.created, "event": record.msg, **data}).decode()


class _Counted:
    """Stands in for the work of a task: counts the events it was given."""

    def __init__(self) -> None:
        self._numbers = count()
        self.taken = 0

    def take(self, data: dict[str, Any]) -> None:  # noqa: ARG002
        self.taken += 1


async def _nothing() -> None:
    """Nothing can be flushed."""


def _in_file(path: Path) -> int:
    return path.read_bytes().count(TEXT)


LIBRARIES: Final = (
    Library(OURS, "fireforget", "in the journal, a file; then by HTTP", fireforget),
    Library(CREATE_TASK, "", "in memory; a request for each, by httpx", create_task),
    Library(OPENTELEMETRY, "opentelemetry-sdk", "in memory; then by HTTP", opentelemetry),
    Library(POSTHOG, "posthog", "in memory; then by HTTP", posthog),
    Library("segment", "segment-analytics-python", "in memory; then by HTTP", segment),
    Library("amplitude", "amplitude-analytics", "in memory; then by HTTP", amplitude),
    Library("snowplow, AsyncEmitter", "snowplow-tracker", "in memory; then by HTTP", snowplow),
    Library("taskiq, InMemoryBroker", "taskiq", "in memory; then to a task", taskiq),
    Library("dramatiq, StubBroker", "dramatiq", "in memory; then to a thread", dramatiq),
    Library("structlog", "structlog", "written to a file, without fsync", structlog),
    Library("logging.QueueHandler", "", "in memory; then to a file", queue_handler),
)
