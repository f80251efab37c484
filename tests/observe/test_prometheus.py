"""Metrics of Prometheus, on a registry of the application."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.stages import Stage
from crossfade.observe.metrics import METRICS
from tests.aws.conftest import World, wait_for
from tests.observe.test_metrics import EVENTS

prometheus_client: Any = pytest.importorskip("prometheus_client")


def value(registry: Any, name: str, **labels: str) -> float:
    found: float | None = registry.get_sample_value(name, labels)
    return found or 0.0


def test_routed_calls_are_on_the_applications_registry(world: World) -> None:
    """By side, operation, stage and error; the mirror, the comparison and the units as well."""
    from crossfade.observe.prometheus import PrometheusObserver

    registry = prometheus_client.CollectorRegistry()
    name, table = world.migration.name, world.migration.source.name
    world.set_stage(Stage.SHADOW)
    client = world.boto3_client()
    router = world.attach(client, observer=PrometheusObserver(registry))
    for order in ("o1", "o2"):
        client.put_item(TableName=table, Item=world.key("c", order))
    wait_for(lambda: router.pending == 0, "the mirrors")
    _ = client.get_item(TableName=table, Key=world.key("c", "o1"))
    wait_for(lambda: value(registry, "crossfade_comparisons_total", migration=name, outcome="matching") == 1, "it")
    puts = {"migration": name, "operation": "PutItem", "stage": "shadow", "error": ""}
    assert value(registry, "crossfade_calls_total", **puts, side="source") == 2
    assert value(registry, "crossfade_call_duration_seconds_count", **puts, table=table) == 2
    assert value(registry, "crossfade_mirrors_total", migration=name, outcome="done") == 2
    assert value(registry, "crossfade_mirror_delay_seconds_count", migration=name) == 2
    consumed = {side: units_of(registry, side) for side in ("source", "target", "control")}
    assert all(consumed.values()), consumed
    wait_for(lambda: value(registry, "crossfade_stage", migration=name, stage="shadow") == 1, "a pulse")
    assert value(registry, "crossfade_lease", migration=name) == 1


def units_of(registry: Any, side: str) -> float:
    families = [each for each in registry.collect() if each.name == "crossfade_units"]
    return sum(
        float(sample.value)
        for family in families
        for sample in family.samples
        if sample.labels["side"] == side and sample.name.endswith("_total")
    )


def test_what_is_scraped_has_the_names_and_helps_of_the_table() -> None:
    """Every row of the table is there, and reads back by Prometheus' own parser."""
    from crossfade.observe.prometheus import PrometheusObserver

    parser: Any = pytest.importorskip("prometheus_client.parser")
    registry = prometheus_client.CollectorRegistry()
    observer = PrometheusObserver(registry)
    for event in EVENTS:
        observer.on_event(event)
    text = prometheus_client.generate_latest(registry).decode("utf-8")
    helps = {each.name: each.documentation for each in parser.text_string_to_metric_families(text)}
    for metric in METRICS:
        assert helps[metric.prometheus_name.removesuffix("_total")] == metric.help
