"""Events as lines in CloudWatch's embedded metric format, which Lambda, ECS and the agent collect without a call.

    attach(client, migration, observer=CloudWatchObserver())

Values are added up in the process and written every `seconds`, one line for each set of dimensions; of what a histogram
has seen in that time a line holds a hundred values, drawn evenly. A process that is frozen between two calls
(`background="inline"`) may never come back: there `seconds=0` writes with each event.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.observe.events import Event, Left
from crossfade.observe.measuring import Change, measured
from crossfade.observe.metrics import Kind, Metric, Unit

NAMESPACE: Final = "crossfade"
FLUSH_SECONDS: Final = 10.0
VALUES_MAX: Final = 100  # of one metric in a line
UNITS: Final = {Unit.SECONDS: "Seconds", Unit.YES_OR_NO: "None"}  # all else is a count
Place = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Sample:
    """A hundred of the values that came, evenly: of twice as many every second one is kept, and so on."""

    values: list[float] = field(default_factory=list[float])
    step: int = 1
    seen: int = 0

    def add(self, value: float) -> None:
        if self.seen % self.step == 0:
            if len(self.values) == VALUES_MAX:
                self.values, self.step = self.values[::2], self.step * 2
            if self.seen % self.step == 0:
                self.values.append(value)
        self.seen += 1


class CloudWatchObserver:
    """`write`: what takes a line, such as a logger's `info`; by default it goes to stdout."""

    def __init__(
        self,
        write: Callable[[str], object] | None = None,
        *,
        namespace: str = NAMESPACE,
        seconds: float = FLUSH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._write = write or print_line
        self._namespace = namespace
        self._seconds = seconds
        self._clock = clock
        self._wall = wall
        self._lock = threading.RLock()  # what a line is written by may itself make a call
        self._written_at = clock()
        self._places: dict[tuple[Metric, tuple[str, ...]], Place] = {}
        self._sums: dict[Place, dict[Metric, float | Sample]] = {}

    def on_event(self, event: Event) -> None:
        with self._lock:
            for change in measured(event):
                self._add(change)
            if isinstance(event, Left) or self._clock() - self._written_at >= self._seconds:
                self.flush()

    def flush(self) -> None:
        """Write what has come together."""
        with self._lock:
            sums, self._sums, self._written_at = self._sums, {}, self._clock()
        for place, values in sums.items():
            _ = self._write(json.dumps(self._line(place, values), separators=(",", ":")))

    def _add(self, change: Change) -> None:
        metric, value, labels = change
        place = self._places.get((metric, labels))
        if place is None:
            place = self._places[metric, labels] = place_of(metric, labels)
        sums = self._sums.setdefault(place, {})
        if metric.kind is Kind.HISTOGRAM:
            sample = sums.setdefault(metric, Sample())
            assert isinstance(sample, Sample)  # noqa: S101 - what a histogram has
            sample.add(value)
        elif metric.kind is Kind.GAUGE:
            sums[metric] = value
        else:
            sums[metric] = float(sums.get(metric, 0.0)) + value  # type: ignore[arg-type]

    def _line(self, place: Place, values: dict[Metric, float | Sample]) -> dict[str, Any]:
        told = [{"Name": metric.cloudwatch_name, "Unit": UNITS.get(metric.unit, "Count")} for metric in values]
        directive = {"Namespace": self._namespace, "Dimensions": [[name for name, _ in place]], "Metrics": told}
        line: dict[str, Any] = {
            "_aws": {"Timestamp": int(self._wall() * 1000), "CloudWatchMetrics": [directive]},
            **dict(place),
        }
        for metric, value in values.items():
            line[metric.cloudwatch_name] = value.values if isinstance(value, Sample) else value
        return line


def place_of(metric: Metric, labels: tuple[str, ...]) -> Place:
    """Return the dimensions of a metric, with their values."""
    named = zip(metric.labels, labels, strict=True)
    return tuple((label.name, value) for label, value in named if label in metric.dimensions)


def print_line(line: str) -> None:
    print(line, flush=True)
