"""Print docs/metrics.md from the table of metrics: `python -m scripts.print_metrics > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from crossfade.observe.calls import CallEnded, OwnRequest, Pulse, WorkEnded
from crossfade.observe.events import NOTED, Event
from crossfade.observe.fleet import FLEET
from crossfade.observe.metrics import METRICS, Label, Metric

OF_CALLS: Final[tuple[type[Event], ...]] = (CallEnded, OwnRequest, Pulse, WorkEnded)
VALUES_SHOWN: Final = 14
HEAD: Final = """# Metrics and events

Printed by `python -m scripts.print_metrics` from the tables that every exporter obeys
(`src/crossfade/observe/metrics.py`, `events.py`); how to use them: [observing.md](observing.md).

## Metrics

A process tells what it sees itself. Gauges of several processes add up as said under *across*; a counter begins at 0
with its process. The names in CloudWatch are in the namespace `crossfade`, with the labels in bold as dimensions.

| Prometheus | OpenTelemetry | CloudWatch | kind | unit | labels | what it tells |
|---|---|---|---|---|---|---|
"""
OF_FLEET: Final = """
What the control table tells of the whole migration, by [`crossfade exporter`](observing.md#the-whole-migration):

| Prometheus | kind | unit | labels | what it tells |
|---|---|---|---|---|
"""
LABELS: Final = """
## Labels

Any value that is not listed is told as `other`.

| label | OpenTelemetry | values | what it says |
|---|---|---|---|
"""
EVENTS: Final = """
## Events

An observer with `on_event(event)` gets each as a frozen object of this class; a function `(name, facts)` gets those of
the first table.

| event | class | fields | when |
|---|---|---|---|
"""
CALLS: Final = """
Of each call, for observers with `on_event`:

| event | class | fields | when |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(
        [
            *map(metric_row, METRICS),
            *buckets(),
            OF_FLEET,
            *map(fleet_row, FLEET),
            LABELS,
            *map(label_row, all_labels()),
            EVENTS,
            *map(event_row, NOTED.values()),
            CALLS,
            *map(event_row, OF_CALLS),
        ]
    )


def metric_row(metric: Metric) -> str:
    labels = ", ".join(f"**{each.name}**" if each in metric.dimensions else each.name for each in metric.labels)
    kind = f"{metric.kind}, across: {metric.across}" if metric.kind == "gauge" else metric.kind
    names = f"`{metric.prometheus_name}` | `{metric.otel_name}` | `{metric.cloudwatch_name}`"
    return f"| {names} | {kind} | {metric.unit} | {labels} | {metric.help} |\n"


def fleet_row(metric: Metric) -> str:
    labels = ", ".join(each.name for each in metric.labels)
    return f"| `{metric.prometheus_name}` | {metric.kind} | {metric.unit} | {labels} | {metric.help} |\n"


def buckets() -> Iterator[str]:
    yield "\nBoundaries of the histograms, in seconds:\n\n"
    for metric in METRICS:
        if metric.buckets:
            yield f"- `{metric.name}`: {', '.join(f'{boundary:g}' for boundary in metric.buckets)}\n"


def all_labels() -> list[Label]:
    return list(dict.fromkeys(label for metric in (*METRICS, *FLEET) for label in metric.labels))


def label_row(label: Label) -> str:
    shown = sorted(label.values - {""})
    values = ", ".join(f"`{value}`" for value in shown[:VALUES_SHOWN]) or "as configured"
    more = f" and {len(shown) - VALUES_SHOWN} more" if len(shown) > VALUES_SHOWN else ""
    return f"| {label.name} | `{label.otel_name}` | {values}{more} | {label.help} |\n"


def event_row(kind: type[Event]) -> str:
    fields = [name for name in kind.__dataclass_fields__ if name != "migration"]
    when = " ".join((kind.__doc__ or "").split())
    return f"| `{kind.name}` | `{kind.__name__}` | {', '.join(fields)} | {when} |\n"


if __name__ == "__main__":
    _ = sys.stdout.write(page())
