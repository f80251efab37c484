"""Metrics and traces of OpenTelemetry, as its SDK keeps them in memory."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import Stage
from crossfade.observe.metrics import CALL_BUCKETS
from tests.aws.conftest import World, wait_for

_ = pytest.importorskip("opentelemetry.sdk")


@dataclass(frozen=True, slots=True)
class Told:
    """What the SDK was told."""

    observer: Any
    spans: Any
    reader: Any
    tracer: Any

    def finished(self, name: str) -> list[Any]:
        return [span for span in self.spans.get_finished_spans() if span.name == name]

    def points(self, name: str) -> list[Any]:
        data = self.reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        metrics = [metric for scope in scopes for metric in scope.metrics if metric.name == name]
        return [point for metric in metrics for point in metric.data.data_points]


@pytest.fixture
def told() -> Iterator[Told]:
    traces: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    meters: Any = importlib.import_module("opentelemetry.sdk.metrics")
    readers: Any = importlib.import_module("opentelemetry.sdk.metrics.export")
    from crossfade.observe.otel import OtelObserver

    spans, reader, provider = memory.InMemorySpanExporter(), readers.InMemoryMetricReader(), traces.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(spans))
    meter_provider = meters.MeterProvider(metric_readers=[reader])
    yield Told(OtelObserver(meter_provider, provider), spans, reader, provider.get_tracer("application"))
    meter_provider.shutdown()


@pytest.mark.parametrize("background", ["beside", "inline"])
def test_a_call_is_one_span_and_its_mirror_and_comparison_are_linked_to_it(
    world: World, told: Told, background: Any
) -> None:
    """Within the application's span, with the names of the semantic conventions; the others are traces of their own."""
    world.set_stage(Stage.SHADOW)
    table = world.migration.source.name
    client = world.boto3_client()
    router = world.attach(client, background=background, observer=told.observer)
    with told.tracer.start_as_current_span("application") as parent:
        client.put_item(TableName=table, Item=world.key("c", "o"))
        wait_for(lambda: router.pending == 0, "the mirror")
        _ = client.get_item(TableName=table, Key=world.key("c", "o"))
    wait_for(lambda: bool(told.finished(f"compare {table}")), "the comparison")
    for operation, work in (("PutItem", "mirror"), ("GetItem", "compare")):
        [call], [later] = told.finished(f"{operation} {table}"), told.finished(f"{work} {table}")
        assert call.parent.span_id == parent.get_span_context().span_id
        assert call.kind.name == "CLIENT"
        assert call.start_time < call.end_time
        assert call.attributes == {
            "db.system.name": "aws.dynamodb",
            "db.operation.name": operation,
            "db.collection.name": table,
            "crossfade.migration": world.migration.name,
            "crossfade.stage": "shadow",
            "crossfade.side": "source",
        }
        assert later.parent is None
        assert [link.context.span_id for link in later.links] == [call.context.span_id]
        assert later.start_time <= later.end_time


def test_a_call_that_fails_is_a_span_with_an_error(world: World, told: Told) -> None:
    """By DynamoDB's code."""
    table = world.migration.source.name
    client = world.boto3_client()
    _ = world.attach(client, observer=told.observer)
    condition = "attribute_exists(customer)"
    with pytest.raises(ClientError):
        client.put_item(TableName=table, Item=world.key("c", "o"), ConditionExpression=condition)
    [span] = told.finished(f"PutItem {table}")
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["error.type"] == "ConditionalCheckFailedException"


def test_durations_have_our_boundaries_and_the_conventions_names(world: World, told: Told) -> None:
    """In seconds: OpenTelemetry's own boundaries would put all calls into the first bucket."""
    table = world.migration.source.name
    client = world.boto3_client()
    _ = world.attach(client, observer=told.observer)
    client.put_item(TableName=table, Item=world.key("c", "o"))
    [point] = told.points("db.client.operation.duration")
    assert point.count == 1
    assert tuple(point.explicit_bounds) == CALL_BUCKETS
    assert point.attributes == {
        "db.system.name": "aws.dynamodb",
        "db.operation.name": "PutItem",
        "db.collection.name": table,
        "crossfade.migration": world.migration.name,
        "crossfade.stage": "off",
    }
    [calls] = told.points("crossfade.calls")
    assert (calls.value, calls.attributes["crossfade.side"]) == (1, "source")


def test_without_an_sdk_nothing_happens(world: World) -> None:
    """The API alone, and no provider: calls are answered, and nothing is counted as an error."""
    from crossfade.observe.otel import OtelObserver

    client = world.boto3_client()
    router = world.attach(client, observer=OtelObserver())
    client.put_item(TableName=world.migration.source.name, Item=world.key("c", "o"))
    assert "observer_error" not in router.counts()
