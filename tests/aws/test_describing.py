"""What is asked about a table is answered by the one that serves, under the caller's name."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import NotPossibleInStage
from crossfade.core.read.passthrough import DESCRIBING, SETTING
from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World
from tests.aws.faults import Faults

SOURCE_SERVES = [Stage.OFF, Stage.DUALWRITE, Stage.SHADOW, Stage.LOCKSTEP_SOURCE]
ARN = ("ListTagsOfResource", "GetResourcePolicy", "TagResource", "UntagResource", "PutResourcePolicy")


STREAM: dict[str, Any] = {"StreamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s"}
MORE: dict[str, dict[str, Any]] = {
    "DisableKinesisStreamingDestination": STREAM,
    "EnableKinesisStreamingDestination": STREAM,
    "PutResourcePolicy": {"Policy": "{}"},
    "TagResource": {"Tags": [{"Key": "a", "Value": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateContinuousBackups": {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}},
    "UpdateContributorInsights": {"ContributorInsightsAction": "ENABLE"},
    "UpdateKinesisStreamingDestination": STREAM,
    "UpdateTimeToLive": {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": "total"}},
}


def walk_to(world: World, stage: Stage) -> None:
    for each in DUAL_WRITE:
        world.set_stage(each)
        if each is stage:
            return


def arn_of(world: World, table: str) -> str:
    described: Any = world.plain.describe_table(TableName=table)
    return str(described["Table"]["TableArn"])


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.LOCKSTEP_SOURCE, Stage.LIVE, Stage.COMPLETE])
def test_each_is_sent_about_the_table_that_serves_or_refused(world: World, stage: Stage) -> None:
    """Never about one that is not read any more."""
    client = world.boto3_client()
    faults = Faults(client)
    arn = arn_of(world, world.migration.source.name)
    _ = world.attach(client)
    walk_to(world, stage)
    for operation in sorted(DESCRIBING | SETTING):
        faults.sent.clear()
        look_at(world, client, faults, operation, stage, arn)


def look_at(world: World, client: Any, faults: Faults, operation: str, stage: Stage, arn: str) -> None:
    """At what becomes of one of them; `arn` is the source's."""
    source, target = world.migration.source.name, world.migration.target.name
    by_arn = operation in (*ARN, "DeleteResourcePolicy")
    named = {"ResourceArn": arn} if by_arn else {"TableName": source}
    request: dict[str, Any] = {**named, **MORE.get(operation, {})}
    serving = source if stage in SOURCE_SERVES else target
    if serving != source and operation in SETTING:
        with pytest.raises(NotPossibleInStage, match=f"{operation} of {source}: {target} serves by now") as refused:
            client._make_api_call(operation, request)
        assert target in refused.value.next_step
        assert not [sent for sent in faults.sent if sent.operation == operation]
        return
    try:
        answer: Any = client._make_api_call(operation, request)
    except client.exceptions.ClientError:  # the embedded engine does not have all of them
        answer = {}
    sent, *further = [each for each in faults.sent if each.operation == operation]
    assert not further or operation == "DescribeTable"  # whose indexes are those of the caller's own table
    told: Any = sent.body.get("ResourceArn" if by_arn else "TableName")
    assert told.endswith(serving), operation
    assert target not in str({**answer, "Table": None}) or serving == source, operation


def test_time_to_live_is_told_in_the_callers_names_when_its_table_is_gone(world: World) -> None:
    """The attribute is called as the caller calls it."""
    client = world.boto3_client()
    source, target = world.migration.source.name, world.migration.target.name
    specification = {"Enabled": True, "AttributeName": "total"}  # the source's `amount`
    world.plain.update_time_to_live(TableName=target, TimeToLiveSpecification=specification)
    _ = world.attach(client)
    walk_to(world, Stage.COMPLETE)
    described = world.plain.describe_table(TableName=source)["Table"]
    world.plain.delete_table(TableName=source)
    found = client.describe_time_to_live(TableName=source)["TimeToLiveDescription"]
    assert found["AttributeName"] == "amount"
    assert client.list_tags_of_resource(ResourceArn=described["TableArn"])["Tags"] == []
    world.plain.create_table(
        TableName=source,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
    )
