"""Events as metrics of Prometheus, on the application's own registry.

    attach(client, migration, observer=PrometheusObserver())

With several migrations in a process give all of them the same observer: a registry takes each metric once. Where
prometheus_client runs in its mode for several processes, gauges are added up as the table of metrics says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import prometheus_client

from crossfade.observe.events import Event
from crossfade.observe.measuring import measured
from crossfade.observe.metrics import METRICS, Kind, Metric

CHANGED_BY: Final = {Kind.COUNTER: "inc", Kind.GAUGE: "set", Kind.HISTOGRAM: "observe"}
ACROSS: Final = {"sum": "livesum", "max": "livemax", "min": "livemin"}


class PrometheusObserver:
    """`registry`: prometheus_client's own, unless said."""

    def __init__(self, registry: prometheus_client.CollectorRegistry = prometheus_client.REGISTRY) -> None:
        self._families = {metric: family_of(metric, registry) for metric in METRICS}
        self._changes: dict[tuple[Metric, tuple[str, ...]], Callable[[float], object]] = {}

    def on_event(self, event: Event) -> None:
        for metric, value, labels in measured(event):
            change = self._changes.get((metric, labels))
            if change is None:
                series = self._families[metric].labels(*labels)
                change = self._changes[metric, labels] = getattr(series, CHANGED_BY[metric.kind])
            _ = change(value)


def family_of(metric: Metric, registry: prometheus_client.CollectorRegistry) -> Any:
    """Return the metric as prometheus_client has it, registered."""
    name, labels = metric.prometheus_name, [label.name for label in metric.labels]
    if metric.kind is Kind.COUNTER:
        return prometheus_client.Counter(name, metric.help, labels, registry=registry)
    if metric.kind is Kind.HISTOGRAM:
        return prometheus_client.Histogram(name, metric.help, labels, registry=registry, buckets=metric.buckets)
    mode: Any = ACROSS[metric.across]
    return prometheus_client.Gauge(name, metric.help, labels, registry=registry, multiprocess_mode=mode)
