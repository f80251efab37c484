"""The table of metrics: names that every system takes, labels of few values, and the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossfade.observe.calls import CallEnded, OwnRequest, Pulse, RoutedCall, WorkEnded
from crossfade.observe.events import NOTED, Event, event_of
from crossfade.observe.measuring import measured
from crossfade.observe.metrics import METRICS, OTHER, Kind, Label
from scripts.print_metrics import page

ROOT = Path(__file__).parents[2]
STRANGE = "nobody has heard of this"
CALL = RoutedCall("orders", STRANGE, "orders", 0)
# One event of each kind that is measured, with values that nobody expects.
EVENTS: tuple[Event, ...] = (
    CallEnded(
        migration="orders", call=CALL, stage="off", side="source", seconds=1.0, seconds_added=0.1, error=STRANGE
    ),
    CallEnded(
        migration="orders", call=CALL, stage="off", side="source", seconds=1.0, seconds_added=0.1,
        error="ThrottlingException",
    ),
    OwnRequest(
        migration="orders", operation=STRANGE, side="both", seconds=1.0, error="TransactionConflictException",
        units=(("source", 1.0), ("target", 2.0)),
    ),
    WorkEnded(
        migration="orders", kind="mirror", outcome="failed", seconds_waited=1.0, seconds=1.0, pauses=2, call=CALL
    ),
    Pulse(
        migration="orders", client="a", strategy="dual-write", stage="off", epoch=1, holds_lease=True, pending=0,
        mirrors_waiting=0, oldest_mirror_seconds=0.0,
    ),
    event_of("orders", "compare", {"outcome": STRANGE}),
    event_of("orders", "fallback", {"key": "k", "outcome": STRANGE, "reason": "", "at": 0}),
    event_of("orders", "mirror_lost", {"key": "k", "error": "", "reason": ""}),
    event_of("orders", "joined", {"client": "a", "stage": "off"}),
)  # fmt: skip


def test_the_page_is_printed_from_the_table() -> None:
    """docs/metrics.md is what the script prints."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == page()


def test_every_metric_is_measured_and_every_label_is_bounded() -> None:
    """Whatever an event says, a label has one of the values that the table lists, or is configured."""
    seen = set[str]()
    for event in EVENTS:
        for metric, value, labels in measured(event):
            seen.add(metric.name)
            assert value >= 0
            for label, said in zip(metric.labels, labels, strict=True):
                assert not label.values or said in label.values | {OTHER}, (metric.name, label.name)
    assert seen == {metric.name for metric in METRICS}


@pytest.mark.parametrize("name", sorted(NOTED))
def test_every_noted_event_is_counted_somewhere(name: str) -> None:
    """Under its name, or in a metric of its own."""
    event = object.__new__(NOTED[name])
    for field, value in (("migration", "orders"), ("outcome", "copied")):
        if hasattr(type(event), field):
            object.__setattr__(event, field, value)
    assert len(list(measured(event))) == 1


def test_names_are_what_each_system_takes() -> None:
    """Prometheus' rules for names, counters and units; no name twice anywhere."""
    for names in zip(*((each.otel_name, each.prometheus_name, each.cloudwatch_name) for each in METRICS), strict=True):
        assert len(set(names)) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"crossfade_[a-z_]+", metric.prometheus_name)
        assert metric.prometheus_name.endswith("_total") == (metric.kind is Kind.COUNTER)
        assert metric.help[0].isupper()
        assert not metric.help.endswith(".")
        assert set(metric.dimensions) <= set(metric.labels)
        assert metric.labels[0].name == "migration"
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.buckets) == sorted(metric.buckets)


def test_a_label_with_known_values_takes_no_other() -> None:
    """Nor does one whose values are configured refuse any."""
    assert Label("side", "", frozenset({"source"})).bounded("elsewhere") == OTHER
    assert Label("table", "").bounded("elsewhere") == "elsewhere"
