"""What stands around the tables: what is to be carried over, who follows their changes, what forbids a strategy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from crossfade.check import CheckReport, run_check
from crossfade.check.surroundings import SCALING
from crossfade.mapping import identity
from crossfade.migration import Migration, Strategy, Table
from tests.check.bench import KEY, Bench, codes, finding
from tests.conftest import Database, new_botocore_session
from tests.service import FakeService
from tests.service.answers import Answer, answered, refusal
from tests.service.requests import Received

ARN: Final = "arn:aws:dynamodb:us-east-1:123456789012:table/"
OUR_KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/ours"
ANYBODY: Final = "anybody"  # who may do everything
STREAM: Final = "arn:aws:kinesis:us-east-1:123456789012:stream/changes"


@dataclass
class Around:
    """A service that says more of the source than the engine knows; of the target it says what is given."""

    service: FakeService
    bench: Bench
    role: str = ANYBODY
    described: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])  # by table
    answers: dict[tuple[str, str], Mapping[str, Any]] = field(
        default_factory=dict[tuple[str, str], Mapping[str, Any]]
    )  # by operation and table

    def plan(self, received: Received) -> Answer | None:
        table = str(received.body.get("TableName") or received.body.get("ResourceArn") or "").rpartition("/")[2]
        if received.operation == "DescribeTable" and table in self.described:
            told: Any = self.bench.client.describe_table(TableName=table)["Table"]
            plain = json.loads(json.dumps(told, default=lambda value: value.timestamp()))
            return answered({"Table": {**plain, "TableArn": f"{ARN}{table}", **self.described[table]}})
        if (received.operation, table) in self.answers:
            return answered(self.answers[received.operation, table])
        if received.operation == "GetResourcePolicy" and self.role == ANYBODY:
            return refusal("PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn")
        return None

    def check(self, strategy: Strategy = "dual-write", scaling: tuple[Any, Any] = (None, None)) -> CheckReport:
        self.service.plan(self.plan)
        client = new_botocore_session().create_client("dynamodb", **self.service.client_options(self.role))
        migration = Migration("x", Table(self.bench.source, KEY), Table(self.bench.target, KEY), identity(), strategy)
        try:
            return run_check(client, client, migration, scaling=scaling)
        finally:
            client.close()


@pytest.fixture
def around(dynamodb: Database, tables: Bench) -> Iterator[Around]:
    tables.put({"total": {"N": "1"}})
    with FakeService.start(dynamodb.endpoint_url) as service:
        found = Around(service, tables)
        found.described = {tables.source: {}, tables.target: {}}
        yield found


def test_tables_with_nothing_around_them_need_nothing(around: Around) -> None:
    """But DAX, which cannot be seen, is asked about; and what the engine does not know costs nothing."""
    report = around.check()
    assert report.ok
    assert codes(report) == set()
    assert "DAX cannot be seen from here" in finding(report, "dax").what
    assert "dax" in {each["code"] for each in report.to_json()["findings"]}


CARRIED: Final[list[tuple[str, dict[str, Any], str]]] = [
    (
        "carry-encryption",
        {"SSEDescription": {"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": OUR_KEY}},
        f"encrypted by the KMS key {OUR_KEY}; target",
    ),
    ("carry-deletion-protection", {"DeletionProtectionEnabled": True}, "deletion protection; target"),
    (
        "carry-table-class",
        {"TableClassSummary": {"TableClass": "STANDARD_INFREQUENT_ACCESS"}},
        "table class STANDARD_INFREQUENT_ACCESS; target",
    ),
    (
        "carry-warm-throughput",
        {"WarmThroughput": {"ReadUnitsPerSecond": 12000, "WriteUnitsPerSecond": 40000, "Status": "ACTIVE"}},
        "warm throughput: 12,000 reads and 40,000 writes a second; target",
    ),
    (
        "carry-maximum",
        {"OnDemandThroughput": {"MaxReadRequestUnits": 500, "MaxWriteRequestUnits": -1}},
        "a maximum on demand: 500 reads and 0 writes a second; target",
    ),
    (
        "stream-consumers",
        {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}},
        "has a stream of its changes (NEW_IMAGE)",
    ),
]


@pytest.mark.parametrize(("code", "described", "said"), CARRIED, ids=[code for code, *_ in CARRIED])
def test_what_the_source_is_described_with_is_to_be_carried_over(
    around: Around, code: str, described: dict[str, Any], said: str
) -> None:
    """Once the target has the same, nothing is said of it, but of consumers."""
    around.described[around.bench.source] = described
    report = around.check()
    assert codes(report) == {code}
    assert said in finding(report, code).what
    assert finding(report, code).next_step
    around.described[around.bench.target] = described
    assert codes(around.check()) == ({code} if code == "stream-consumers" else set())


def asked(arn: str) -> list[tuple[str, str, dict[str, Any], str]]:
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": arn}]}
    recovery = {"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": 7}
    backups = {"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}
    return [
        ("carry-recovery", "DescribeContinuousBackups", {"ContinuousBackupsDescription": backups}, "over 7 days"),
        ("carry-tags", "ListTagsOfResource", {"Tags": [{"Key": "team", "Value": "shop"}]}, "has otherwise: team"),
        ("carry-resource-policy", "GetResourcePolicy", {"Policy": json.dumps(policy)}, "a resource policy of 1"),
        (
            "kinesis-consumers",
            "DescribeKinesisStreamingDestination",
            {"KinesisDataStreamDestinations": [{"StreamArn": STREAM, "DestinationStatus": "ACTIVE"}]},
            f"sends its changes to {STREAM}",
        ),
    ]


def test_what_other_calls_tell_of_the_source_is_to_be_carried_over(around: Around) -> None:
    """Backups, tags, policies, and who gets its changes; with the same around the target, consumers alone are left."""
    for place in (around.bench.source, around.bench.target):
        for _, operation, answer, _ in asked(f"{ARN}{place}"):
            around.answers[operation, place] = answer
        report = around.check()
        if place == around.bench.source:
            for code, _, _, said in asked(""):
                assert said in finding(report, code).what
        else:
            assert codes(report) == {"kinesis-consumers"}


@pytest.mark.parametrize(
    ("strategy", "moment"), [("dual-write", "complete"), ("copy-on-write", "drain"), ("freeze", "the switch")]
)
def test_consumers_are_told_how_long_the_source_has_every_write(
    around: Around, strategy: Strategy, moment: str
) -> None:
    """And that items have a stamp in the target, where they have one."""
    stream = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    around.described[around.bench.source] = stream
    step = finding(around.check(strategy), "stream-consumers").next_step
    assert f"before {moment}" in step
    assert ("_crossfade" in step) == (strategy != "freeze")


@pytest.mark.parametrize("place", ["source", "target"])
def test_strong_replicas_forbid_what_needs_transactions(around: Around, place: str) -> None:
    """An error, with the strategy that needs none."""
    replicas = [{"RegionName": name, "ReplicaStatus": "ACTIVE"} for name in ("us-east-1", "us-east-2", "us-west-2")]
    named: str = getattr(around.bench, place)
    around.described[named] = {"MultiRegionConsistency": "STRONG", "Replicas": replicas}
    for strategy in ("dual-write", "copy-on-write"):
        report = around.check(strategy)
        assert not report.ok
        assert f"{place} {named} is a global table" in finding(report, "strong-replicas").what
        assert 'strategy="freeze"' in finding(report, "strong-replicas").next_step
    assert "strong-replicas" not in codes(around.check("freeze"))


def test_replicas_are_told_with_those_that_the_target_lacks(around: Around) -> None:
    """Eventually consistent ones forbid nothing, where one Region writes."""
    around.described[around.bench.source] = {
        "Replicas": [{"RegionName": "eu-west-1", "ReplicaStatus": "ACTIVE"}],
        "MultiRegionConsistency": "EVENTUAL",
    }
    report = around.check()
    assert report.ok
    assert "write in one Region only" in finding(report, "replicas").next_step
    assert "add replicas to the target: eu-west-1" in finding(report, "replicas").next_step


def test_what_may_not_be_looked_at_is_said_with_the_right_that_it_takes(around: Around) -> None:
    """Of each table, and the rest of the check goes on."""
    around.role = "checker"
    around.service.role(around.role)
    for table in (around.bench.source, around.bench.target):
        around.service.allow(around.role, ["DescribeTable", "Scan"], table)
    report = around.check()
    said = [each.what for each in report.findings if each.code == "not-looked-at"]
    assert report.sampled_items == 1
    assert said == [
        f"{place} {table}: not looked at: needs dynamodb:DescribeKinesisStreamingDestination,"
        " dynamodb:DescribeContinuousBackups, dynamodb:GetResourcePolicy, dynamodb:ListTagsOfResource"
        for place, table in (("source", around.bench.source), ("target", around.bench.target))
    ]


def scaling_client(*answers: dict[str, Any] | str) -> Any:
    """A client of application-autoscaling that gives these answers, which its model allows; a text is an error."""
    client: Any = new_botocore_session().create_client(
        SCALING,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="none",  # noqa: S106
    )
    stubber: Any = Stubber(client)
    for answer in answers:
        if isinstance(answer, str):
            stubber.add_client_error("describe_scalable_targets", answer)
        else:
            stubber.add_response("describe_scalable_targets", answer)
    stubber.activate()
    return client


def test_what_scales_the_source_is_to_be_carried_over(around: Around) -> None:
    """Every dimension, on every page; and without the right to look, that is said."""
    targets = [
        {
            "ServiceNamespace": "dynamodb",
            "ResourceId": f"table/{around.bench.source}{part}",
            "ScalableDimension": f"dynamodb:{'index' if part else 'table'}:WriteCapacityUnits",
            "MinCapacity": 5,
            "MaxCapacity": 100,
            "RoleARN": "arn:aws:iam::123456789012:role/scaling",
            "CreationTime": 0,
        }
        for part in ("", "/index/by-status")
    ]
    first: dict[str, Any] = {"ScalableTargets": targets[:1], "NextToken": "more"}
    pages = (first, {"ScalableTargets": targets[1:]})
    report = around.check(scaling=(scaling_client(*pages), scaling_client({"ScalableTargets": []})))
    said = "scales by itself: WriteCapacityUnits, 5 to 100; WriteCapacityUnits of index by-status, 5 to 100; target"
    assert said in finding(report, "carry-auto-scaling").what
    report = around.check(scaling=(scaling_client("AccessDeniedException"), None))
    assert finding(report, "not-looked-at").what.endswith("needs application-autoscaling:DescribeScalableTargets")


def test_a_target_that_is_not_there_is_told_what_to_be_made_with(around: Around) -> None:
    """Without saying that it lacks anything."""
    around.bench.client.delete_table(TableName=around.bench.target)
    del around.described[around.bench.target]
    around.described[around.bench.source] = {"DeletionProtectionEnabled": True}
    report = around.check()
    assert "target" not in finding(report, "carry-deletion-protection").what
    assert finding(report, "no-table").severity == "error"
    with pytest.raises(ClientError):
        around.bench.client.describe_table(TableName=around.bench.target)
