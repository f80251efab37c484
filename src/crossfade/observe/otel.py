"""Events as metrics and traces of OpenTelemetry.

    attach(client, migration, observer=OtelObserver())

Names are those of the semantic conventions for database clients where these have one, boundaries of histograms are
ours. A call of the application is a span, within the span that is current where it is made. What it leaves for later, a
mirror or a comparison, is a trace of its own, linked to that span: it may come long after, and several calls may have
one. Without an SDK the API does nothing.

https://opentelemetry.io/docs/specs/semconv/database/dynamodb/
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from opentelemetry import metrics, trace
from opentelemetry.context import Context

from crossfade.observe.calls import CallEnded, RoutedCall, WorkEnded
from crossfade.observe.events import Event
from crossfade.observe.measuring import measured
from crossfade.observe.metrics import ERROR, METRICS, MIGRATION, OPERATION, SIDE, STAGE, TABLE, Kind, Metric

SCOPE: Final = "crossfade"
SYSTEM: Final = {"db.system.name": "aws.dynamodb"}
OF_SPANS: Final = (MIGRATION, OPERATION, TABLE, STAGE, SIDE)
NANOSECONDS: Final = 1e9


class OtelObserver:
    """The providers are the global ones, unless said. `traces` False: no spans."""

    def __init__(
        self,
        meter_provider: metrics.MeterProvider | None = None,
        tracer_provider: trace.TracerProvider | None = None,
        *,
        traces: bool = True,
    ) -> None:
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._traces = traces
        self._lock = threading.Lock()
        self._ended: WeakKeyDictionary[RoutedCall, trace.SpanContext] = WeakKeyDictionary()
        self._work: WeakKeyDictionary[RoutedCall, list[Work]] = WeakKeyDictionary()  # of calls that have not ended
        self._attributes: dict[tuple[Metric, tuple[str, ...]], dict[str, str]] = {}
        self._sums: dict[Metric, dict[tuple[str, ...], float]] = {metric: {} for metric in METRICS}
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._histograms = {metric: instrument_of(metric, meter, self._observed) for metric in METRICS}

    def on_event(self, event: Event) -> None:
        for metric, value, labels in measured(event):
            record = self._histograms[metric]
            if record is not None:
                record(value, self._attributes_of(metric, labels))
                continue
            with self._lock:
                sums = self._sums[metric]
                sums[labels] = value + (sums.get(labels, 0) if metric.kind is Kind.COUNTER else 0)
        if self._traces and isinstance(event, CallEnded):
            self._trace(event)
        elif self._traces and isinstance(event, WorkEnded) and event.call is not None:
            self._trace_work(event.call, Work.of(event))

    def _attributes_of(self, metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
        found = self._attributes.get((metric, labels))
        if found is None:
            found = self._attributes[metric, labels] = attributes_of(metric, labels)
        return found

    def _observed(self, metric: Metric) -> list[metrics.Observation]:
        """Return what has come together, when the SDK asks: that takes less of each call than to tell it each time."""
        with self._lock:
            sums = dict(self._sums[metric])
        return [metrics.Observation(value, self._attributes_of(metric, labels)) for labels, value in sums.items()]

    def _trace(self, event: CallEnded) -> None:
        """The span is made at the end, when all is known of it; where it was called is current still."""
        call = event.call
        told = (call.migration, call.operation, call.table, event.stage, event.side)
        named = {label.otel_name: value for label, value in zip(OF_SPANS, told, strict=True)}
        span = self._tracer.start_span(
            f"{call.operation} {call.table}",
            kind=trace.SpanKind.CLIENT,
            attributes=SYSTEM | named,
            start_time=call.at_ns,
        )
        end(span, event.error)
        with self._lock:
            self._ended[call] = span.get_span_context()
            waiting = self._work.pop(call, [])
        for work in waiting:
            self._link(call, span.get_span_context(), work)

    def _trace_work(self, call: RoutedCall, work: Work) -> None:
        with self._lock:
            ended = self._ended.get(call)
            if ended is None:
                self._work.setdefault(call, []).append(work)
        if ended is not None:
            self._link(call, ended, work)

    def _link(self, call: RoutedCall, of_call: trace.SpanContext, work: Work) -> None:
        if not of_call.trace_flags.sampled:
            return
        span = self._tracer.start_span(
            f"{work.kind} {call.table}",
            context=Context(),
            links=[trace.Link(of_call)],
            attributes={MIGRATION.otel_name: call.migration, "crossfade.pauses": work.pauses},
            start_time=work.ended_ns - int(work.seconds * NANOSECONDS),
        )
        end(span, work.error, work.ended_ns)


@dataclass(frozen=True, slots=True)
class Work:
    """What is kept of a mirror or a comparison until its call has ended; not the call itself, which would then stay."""

    kind: str
    error: str
    seconds: float
    pauses: int
    ended_ns: int

    @classmethod
    def of(cls, event: WorkEnded) -> Work:
        error = "" if event.outcome == "done" else event.outcome
        return cls(event.kind, error, event.seconds, event.pauses, time.time_ns())


def end(span: trace.Span, error: str, at_ns: int | None = None) -> None:
    if error:
        span.set_attribute(ERROR.otel_name, error)
        span.set_status(trace.StatusCode.ERROR)
    span.end(at_ns)


def instrument_of(
    metric: Metric, meter: metrics.Meter, observed: Callable[[Metric], list[metrics.Observation]]
) -> Callable[[float, dict[str, str]], None] | None:
    """Register a metric. Return what takes a value of a histogram; None for others, whose values are `observed`."""
    how = {"unit": metric.unit.value, "description": metric.help}
    if metric.kind is Kind.HISTOGRAM:
        buckets = list(metric.buckets)
        histogram = meter.create_histogram(metric.otel_name, **how, explicit_bucket_boundaries_advisory=buckets)
        return histogram.record
    create = meter.create_observable_counter if metric.kind is Kind.COUNTER else meter.create_observable_gauge
    _ = create(metric.otel_name, [lambda _: observed(metric)], **how)
    return None


def attributes_of(metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
    """Return the labels by OpenTelemetry's names; none that is empty."""
    named = {label.otel_name: value for label, value in zip(metric.labels, labels, strict=True) if value}
    return SYSTEM | named if OPERATION in metric.labels else named
