"""Every metric and span name, and the one place that talks to OpenTelemetry.

The OpenTelemetry API is loaded at the first measurement, in the background thread: an application without an SDK pays
for no-op calls there and for nothing in its requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.metrics import Counter, Histogram, Meter
    from opentelemetry.trace import Span, Tracer

SCOPE: Final = "fireforget"

EVENTS: Final = "fireforget.events"
"""Counter, {event}: what became of events; attributes ``outcome`` and ``reason``."""
PUBLISHED: Final = "fireforget.publish.messages"
"""Counter, {message}: messages published; attribute ``outcome``."""
PUBLISH_SECONDS: Final = "fireforget.publish.duration"
"""Histogram, s: one call of ``Queue.publish``."""
PROCESSED: Final = "fireforget.process.events"
"""Counter, {event}: events processed; attribute ``outcome``."""
PROCESS_SECONDS: Final = "fireforget.process.duration"
"""Histogram, s: one batch of deliveries through the processor."""
TASKS: Final = "fireforget.wait_until.tasks"
"""Counter, {task}: work handed to ``wait_until``; attribute ``outcome``."""

PROCESS_SPAN: Final = "fireforget process"

_UNITS: Final = {
    EVENTS: "{event}",
    PUBLISHED: "{message}",
    PUBLISH_SECONDS: "s",
    PROCESSED: "{event}",
    PROCESS_SECONDS: "s",
    TASKS: "{task}",
}


class Telemetry:
    """Counters, histograms and spans by the names above."""

    def __init__(self) -> None:
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._tracer: Tracer | None = None

    def add(self, name: str, amount: int, attributes: Mapping[str, str] | None = None) -> None:
        """Add to a counter."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = _meter().create_counter(name, unit=_UNITS[name])
        counter.add(amount, attributes)

    def knows(self, name: str) -> bool:
        """Has this counter been added to? Then OpenTelemetry is loaded, and adding to it is quick in any thread."""
        return name in self._counters

    def record(self, name: str, seconds: float, attributes: Mapping[str, str] | None = None) -> None:
        """Record one value of a histogram."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = _meter().create_histogram(name, unit=_UNITS[name])
        histogram.record(seconds, attributes)

    def span(self, name: str, traceparents: frozenset[str] = frozenset()) -> AbstractContextManager[Span]:
        """Start a span that is linked to the requests whose events it carries."""
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if self._tracer is None:
            self._tracer = trace.get_tracer(SCOPE)
        propagator = TraceContextTextMapPropagator()
        contexts = (
            trace.get_current_span(propagator.extract({"traceparent": parent})).get_span_context()
            for parent in sorted(traceparents)
        )
        links = [trace.Link(context) for context in contexts if context.is_valid]
        return self._tracer.start_as_current_span(name, links=links)


def _meter() -> Meter:
    from opentelemetry import metrics

    return metrics.get_meter(SCOPE)
