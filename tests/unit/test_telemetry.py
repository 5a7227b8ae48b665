"""OpenTelemetry: what is measured, under which names."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fireforget import ExecutionContext, FireForget, Settings, _work
from fireforget._settings import DispatchSettings, JournalSettings
from fireforget._telemetry import (
    EVENTS,
    PROCESS_SPAN,
    PROCESSED,
    PUBLISH_SECONDS,
    PUBLISHED,
    SCOPE,
    TASKS,
    Telemetry,
)
from fireforget.abc import Message, Outcome
from fireforget.errors import TransientError
from tests.publishing import DELIVERED, Bench
from tests.waiting import wait_for

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Meters:
    """What an SDK has collected."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """The points of a metric, by their attributes."""
        data = self._reader.get_metrics_data()
        found = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if scope.scope.name == SCOPE and metric.name == name
        ]
        return {
            tuple(sorted((point.attributes or {}).items())): point
            for metric in found
            for point in metric.data.data_points
        }

    def sums(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """The sums of a counter, by their attributes."""
        return {attributes: point.value for attributes, point in self.points(name).items()}


@pytest.fixture
def meters(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meters]:
    meters = Meters()
    monkeypatch.setattr(metrics, "get_meter", meters.provider.get_meter)
    monkeypatch.setattr(_work, "_telemetry_of_work", Telemetry())
    yield meters
    meters.provider.shutdown()


def outcome(name: str, **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({"outcome": name, **more}.items()))


@pytest.mark.asyncio
async def test_what_became_of_events_and_messages_is_counted(meters: Meters, tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def judge(message: Message) -> Outcome:
        return Outcome("refused", "no") if '"n":3,' in message.body else DELIVERED

    bench.queue.outcome = judge
    bench.queue.failures.append(TransientError("down"))
    async with bench.running():
        for n in range(5):
            bench.emit(n)
        await bench.finish()

    assert meters.sums(EVENTS) == {outcome("delivered"): 4, outcome("dead_lettered"): 1}
    assert meters.sums(PUBLISHED) == {outcome("retry"): 1, outcome("refused"): 2, outcome("delivered"): 4}


@pytest.mark.asyncio
async def test_each_call_of_the_queue_is_timed(meters: Meters, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.queue.stuck = {"lane-000"}
    async with bench.running():
        bench.emit(0)
        await bench.settle()
        bench.clock.advance(2.5)
        bench.queue.stuck.clear()
        bench.queue.freed.set()
        await bench.settle()

    (point,) = meters.points(PUBLISH_SECONDS).values()
    assert (point.count, point.sum) == (1, 2.5)


def test_work_handed_over_is_counted_by_its_outcome(meters: Meters) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def fail() -> None:
        raise ConnectionError

    async def cancelled() -> None:
        raise asyncio.CancelledError

    context = ExecutionContext()
    for each in (work(), work(), fail(), cancelled()):
        context.wait_until(each)
    wait_for(lambda: sum(meters.sums(TASKS).values()) == 4)

    assert meters.sums(TASKS) == {outcome("done"): 2, outcome("failed"): 1, outcome("cancelled"): 1}


def test_the_embedded_worker_counts_what_it_has_processed(meters: Meters) -> None:
    settings = Settings(
        queue="memory://telemetry", store="memory://telemetry", journal=JournalSettings(durability="none")
    )
    with FireForget(settings) as ff:
        for n in range(7):
            ff.emit("query", {"n": n})

    assert sum(meters.sums(PROCESSED).values()) == 7
    assert meters.sums(EVENTS) == {outcome("delivered"): 7}


def test_dropped_events_are_counted_with_the_reason(meters: Meters, tmp_path: Path) -> None:
    journal = JournalSettings(
        directory=str(tmp_path), overflow="drop_oldest", max_bytes=4 * 1024 * 1024, segment_bytes=256 * 1024
    )
    ff = FireForget(
        Settings(
            queue="memory://dropped",
            drain_seconds=0.01,
            journal=journal,
            dispatch=DispatchSettings(linger_seconds=3600, pack_bytes=16 * 1024 * 1024),
        )
    )
    for n in range(8000):
        ff.emit("query", {"n": n, "text": "x" * 1000})
    wait_for(lambda: outcome("dropped", reason="overflow") in meters.sums(EVENTS))
    ff.close()

    assert meters.sums(EVENTS)[outcome("dropped", reason="overflow")] > 0


def test_a_span_is_linked_to_the_requests_whose_events_it_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)

    with Telemetry().span(PROCESS_SPAN, frozenset({PARENT, "not a trace"})):
        pass

    (span,) = exporter.get_finished_spans()
    assert span.name == PROCESS_SPAN
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [PARENT.split("-")[1]]


def test_without_an_sdk_nothing_is_measured_and_nothing_fails() -> None:
    telemetry = Telemetry()

    telemetry.add(EVENTS, 1, {"outcome": "delivered"})
    telemetry.record(PUBLISH_SECONDS, 0.1)
    with telemetry.span(PROCESS_SPAN):
        pass
