"""Beside us on the same client: OpenTelemetry's and AWS X-Ray's instrumentation of botocore.

Both wrap botocore from outside. Answers must be the same as without them, in every stage, and each call of the
application must be one span about the table that the application named.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws import conftest as aws
from tests.aws.conftest import World

world = aws.world


@dataclass(frozen=True, slots=True)
class Traces:
    """What was traced: all spans that have ended."""

    exporter: Any
    tracer: Any

    def calls(self, parent: Any) -> list[tuple[str, bool]]:
        """The spans right beneath one of ours: what was called, and whether it failed."""
        spans = self.exporter.get_finished_spans()
        beneath = [span for span in spans if span.parent and span.parent.span_id == parent.get_span_context().span_id]
        return [(span.name, not span.status.is_ok and span.status.status_code.name == "ERROR") for span in beneath]


@pytest.fixture
def traces() -> Iterator[Traces]:
    """botocore instrumented by OpenTelemetry, for one test."""
    _ = pytest.importorskip("opentelemetry.instrumentation.botocore")
    _ = pytest.importorskip("opentelemetry.sdk")
    instrumentation: Any = importlib.import_module("opentelemetry.instrumentation.botocore")
    sdk: Any = importlib.import_module("opentelemetry.sdk.trace")
    export: Any = importlib.import_module("opentelemetry.sdk.trace.export")
    memory: Any = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    provider, exporter = sdk.TracerProvider(), memory.InMemorySpanExporter()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.BotocoreInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield Traces(exporter, provider.get_tracer("application"))
    instrumentor.uninstrument()


@pytest.mark.parametrize("stage", DUAL_WRITE)
def test_opentelemetry_sees_each_call_and_changes_no_answer(world: World, traces: Traces, stage: Stage) -> None:
    """A span for the put, the get and the refused put; the last one as an error."""
    client = world.boto3_client()
    _ = world.attach(client)
    world.set_stage(stage)
    name, key = world.migration.source.name, world.key("c", "o")
    with traces.tracer.start_as_current_span("application") as parent:
        client.put_item(TableName=name, Item={**key, "amount": {"N": "7"}})
        got = client.get_item(TableName=name, Key=key, ConsistentRead=True)
        with pytest.raises(ClientError, match="ConditionalCheckFailedException"):
            client.put_item(TableName=name, Item=key, ConditionExpression="attribute_not_exists(customer)")
    assert got["Item"] == {**key, "amount": {"N": "7"}}
    assert traces.calls(parent) == [
        ("DynamoDB.PutItem", False),
        ("DynamoDB.GetItem", False),
        ("DynamoDB.PutItem", True),
    ]


@pytest.mark.usefixtures("traces")
def test_opentelemetry_may_come_after_us(world: World) -> None:
    """Instrumented, not instrumented and instrumented again under a client that stays attached."""
    instrumentation: Any = importlib.import_module("opentelemetry.instrumentation.botocore")
    client = world.boto3_client()
    _ = world.attach(client)
    world.set_stage(Stage.LIVE)
    instrumentor = instrumentation.BotocoreInstrumentor()
    for n in range(3):
        if n == 1:
            instrumentor.uninstrument()
        client.put_item(TableName=world.migration.source.name, Item=world.key("c", f"o{n}"))
        assert world.target_item("c", f"o{n}") is not None
        if n == 1:
            instrumentor.instrument()


XRAY = """
import json, logging, sys
from aws_xray_sdk.core import patch, xray_recorder

logging.getLogger("aws_xray_sdk").setLevel(logging.CRITICAL)  # it has a word for each call outside of a segment
segments = []
class Emitter:
    def send_entity(self, entity):
        segments.append(json.loads(entity.serialize()))
    def set_daemon_address(self, address):
        pass

xray_recorder.configure(service="application", sampling=False, context_missing="IGNORE_ERROR", emitter=Emitter())
patch(["botocore"])

import botocore.session
from crossfade import Migration, Table, attach
from crossfade.mapping import rename, suffix

name, endpoint = sys.argv[1:]
migration = Migration(
    name=f"orders-{name}",
    source=Table(f"orders-{name}", key={"customer": "S", "order": "S"}),
    target=Table(f"orders-v2-{name}", key={"customer": "S", "order": "S"}),
    mapping=[suffix("customer", count=4, by="order"), rename("amount", "total")],
    control_table=f"control-{name}",
)
client = botocore.session.Session().create_client(
    "dynamodb", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
)
with attach(client, migration, landing_seconds=2.0):
    key = {"customer": {"S": "c"}, "order": {"S": "o"}}
    xray_recorder.begin_segment("application")
    client.put_item(TableName=migration.source.name, Item={**key, "amount": {"N": "7"}})
    got = client.get_item(TableName=migration.source.name, Key=key, ConsistentRead=True)["Item"]
    xray_recorder.end_segment()
calls = [
    [call["aws"]["operation"], call["aws"].get("table_name")]
    for segment in segments for call in segment.get("subsegments", ())
]
print(json.dumps({"got": got, "calls": calls}))
"""


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.SHADOW, Stage.LOCKSTEP_SOURCE, Stage.LIVE, Stage.COMPLETE])
def test_xray_sees_each_call_and_changes_no_answer(world: World, tmp_path: Path, stage: Stage) -> None:
    """In a process of its own, since X-Ray patches botocore for good: a subsegment for the put and one for the get."""
    _ = pytest.importorskip("aws_xray_sdk")
    world.set_stage(stage)
    program = tmp_path / "program.py"
    _ = program.write_text(XRAY)
    unique = world.migration.name.removeprefix("orders-")
    command = [sys.executable, str(program), unique, world.database.endpoint_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["got"] == {**world.key("c", "o"), "amount": {"N": "7"}}
    assert [operation for operation, _ in said["calls"]] == ["PutItem", "GetItem"]
