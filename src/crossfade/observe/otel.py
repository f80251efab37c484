"""Events as metrics and traces of OpenTelemetry.

    attach(client, migration, observer=OtelObserver())

Names are those of the semantic conventions for database clients where these have one, boundaries of histograms are
ours. A call of the application is a span, within the span that is current where it is made. What it leaves for later, a
mirror or a comparison, is a trace of its own, linked to that span: it may come long after, and several calls may have
one. Without an SDK the API does nothing.

https://opentelemetry.io/docs/specs/semconv/database/dynamodb/
"""

from __future__ import annotations

import time
from typing import Any, Final
from weakref import WeakKeyDictionary

from opentelemetry import metrics, trace
from opentelemetry.context import Context

from crossfade.observe.calls import CallBegan, CallEnded, RoutedCall, WorkEnded
from crossfade.observe.events import Event
from crossfade.observe.measuring import measured
from crossfade.observe.metrics import ERROR, METRICS, MIGRATION, OPERATION, SIDE, STAGE, TABLE, Kind, Metric

SCOPE: Final = "crossfade"
SYSTEM: Final = {"db.system.name": "aws.dynamodb"}
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
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        self._instruments = {metric: instrument_of(metric, meter) for metric in METRICS}
        self._attributes: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
        self._traces = traces
        self._spans: WeakKeyDictionary[RoutedCall, trace.Span] = WeakKeyDictionary()

    def on_event(self, event: Event) -> None:
        for metric, value, labels in measured(event):
            attributes = self._attributes.get((metric.name, labels))
            if attributes is None:
                attributes = self._attributes[metric.name, labels] = attributes_of(metric, labels)
            self._instruments[metric](value, attributes)
        if self._traces:
            self._trace(event)

    def _trace(self, event: Event) -> None:
        if isinstance(event, CallBegan):
            self._begin(event.call, event.at_ns)
        elif isinstance(event, (CallEnded, WorkEnded)) and event.call is not None:
            span = self._spans.get(event.call)
            if span is None:
                return
            if isinstance(event, WorkEnded):
                self._trace_work(event, event.call, span.get_span_context())
                return
            span.set_attributes({STAGE.otel_name: event.stage, SIDE.otel_name: event.side})
            end(span, event.error)

    def _begin(self, call: RoutedCall, at_ns: int) -> None:
        told = {MIGRATION: call.migration, OPERATION: call.operation, TABLE: call.table}
        self._spans[call] = self._tracer.start_span(
            f"{call.operation} {call.table}",
            kind=trace.SpanKind.CLIENT,
            attributes=SYSTEM | {label.otel_name: value for label, value in told.items()},
            start_time=at_ns,
        )

    def _trace_work(self, event: WorkEnded, call: RoutedCall, of_call: trace.SpanContext) -> None:
        if not of_call.trace_flags.sampled:
            return
        span = self._tracer.start_span(
            f"{event.kind} {call.table}",
            context=Context(),
            links=[trace.Link(of_call)],
            attributes={MIGRATION.otel_name: event.migration, "crossfade.pauses": event.pauses},
            start_time=time.time_ns() - int(event.seconds * NANOSECONDS),
        )
        end(span, "" if event.outcome == "done" else event.outcome)


def end(span: trace.Span, error: str) -> None:
    if error:
        span.set_attribute(ERROR.otel_name, error)
        span.set_status(trace.StatusCode.ERROR)
    span.end()


def instrument_of(metric: Metric, meter: metrics.Meter) -> Any:
    """Return the function that takes a value and its attributes."""
    how = {"unit": metric.unit.value, "description": metric.help}
    if metric.kind is Kind.COUNTER:
        return meter.create_counter(metric.otel_name, **how).add
    if metric.kind is Kind.GAUGE:
        return meter.create_gauge(metric.otel_name, **how).set
    buckets = list(metric.buckets)
    return meter.create_histogram(metric.otel_name, **how, explicit_bucket_boundaries_advisory=buckets).record


def attributes_of(metric: Metric, labels: tuple[str, ...]) -> dict[str, str]:
    """Return the labels by OpenTelemetry's names; none that is empty."""
    named = {label.otel_name: value for label, value in zip(metric.labels, labels, strict=True) if value}
    return SYSTEM | named if OPERATION in metric.labels else named
