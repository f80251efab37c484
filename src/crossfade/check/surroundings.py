"""What stands around a table beside its items: consumers, rights, settings, scaling. Asked by reading calls alone.

A call that is not allowed, or that what answers does not know, costs its answer and nothing else: `unseen` has what
would be needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.check.asking import code_of

# There is nothing of the kind, or no such operation: an emulator knows few of them.
NOTHING_THERE: Final = frozenset(
    {"PolicyNotFoundException", "ResourceNotFoundException", "TableNotFoundException", "UnknownOperationException"}
)
DENIED: Final = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
PAGES_MAX: Final = 20  # of tags, of which a table has 50 at most, and of scalable targets
SCALING: Final = "application-autoscaling"


@dataclass(slots=True)
class Surroundings:
    """What was found around one table. `unseen`: what could not be looked at, each with what that would take."""

    description: Mapping[str, Any]  # the `Table` of DescribeTable
    kinesis: tuple[str, ...] = ()  # ARNs of the streams that get its changes
    recovery_days: int | None = None  # of point-in-time recovery; None: it is off
    policy: str = ""  # the resource policy, as it is written
    tags: dict[str, str] = field(default_factory=dict[str, str])
    scaling: dict[str, str] = field(default_factory=dict[str, str])  # what is scaled -> "5 to 100"
    unseen: list[str] = field(default_factory=list[str])

    def looked_at(self, action: str) -> bool:
        """Whether there is an answer to an action, such as dynamodb:ListTagsOfResource."""
        return not any(each.startswith(action) for each in self.unseen)


def look_around(client: Any, table: str, description: Mapping[str, Any], client_scaling: Any = None) -> Surroundings:
    """`client`: a DynamoDB client; `client_scaling`: one of application-autoscaling, without which scaling is not
    looked at. Never raises for what the service answers."""
    around = Surroundings(description)
    arn = str(description.get("TableArn", ""))
    _ask(around, "dynamodb:DescribeKinesisStreamingDestination", lambda: _kinesis(around, client, table))
    _ask(around, "dynamodb:DescribeContinuousBackups", lambda: _recovery(around, client, table))
    if arn:
        _ask(around, "dynamodb:GetResourcePolicy", lambda: _policy(around, client, arn))
        _ask(around, "dynamodb:ListTagsOfResource", lambda: _tags(around, client, arn))
    if client_scaling is not None:
        _ask(around, f"{SCALING}:DescribeScalableTargets", lambda: _scaling(around, client_scaling, table))
    return around


def _ask(around: Surroundings, action: str, ask: Callable[[], None]) -> None:
    try:
        ask()
    except ClientError as error:
        code = code_of(error)
        if code not in NOTHING_THERE:
            around.unseen.append(action if code in DENIED else f"{action} (answered {code})")
    except BotoCoreError as error:
        around.unseen.append(f"{action} ({type(error).__name__})")


def _kinesis(around: Surroundings, client: Any, table: str) -> None:
    found = client.describe_kinesis_streaming_destination(TableName=table)
    around.kinesis = tuple(
        each["StreamArn"]
        for each in found.get("KinesisDataStreamDestinations", ())
        if each.get("DestinationStatus") in ("ACTIVE", "ENABLING", "UPDATING")
    )


def _recovery(around: Surroundings, client: Any, table: str) -> None:
    found = client.describe_continuous_backups(TableName=table).get("ContinuousBackupsDescription", {})
    recovery = found.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        around.recovery_days = recovery.get("RecoveryPeriodInDays", 35)


def _policy(around: Surroundings, client: Any, arn: str) -> None:
    around.policy = client.get_resource_policy(ResourceArn=arn).get("Policy", "")


def _tags(around: Surroundings, client: Any, arn: str) -> None:
    request = {"ResourceArn": arn}
    for _ in range(PAGES_MAX):
        found = client.list_tags_of_resource(**request)
        around.tags |= {each["Key"]: each["Value"] for each in found.get("Tags", ())}
        if not found.get("NextToken"):
            return
        request["NextToken"] = found["NextToken"]


def _scaling(around: Surroundings, client: Any, table: str) -> None:
    of_table = f"table/{table}"
    names = [of_table, *(f"{of_table}/index/{index['IndexName']}" for index in _global_indexes(around.description))]
    request: dict[str, Any] = {"ServiceNamespace": "dynamodb", "ResourceIds": names}
    for _ in range(PAGES_MAX):
        found = client.describe_scalable_targets(**request)
        for each in found.get("ScalableTargets", ()):
            index = each["ResourceId"].removeprefix(of_table).removeprefix("/index/")
            dimension = each["ScalableDimension"].rpartition(":")[2]
            what = f"{dimension} of index {index}" if index else dimension
            around.scaling[what] = f"{each.get('MinCapacity')} to {each.get('MaxCapacity')}"
        if not found.get("NextToken"):
            return
        request["NextToken"] = found["NextToken"]


def _global_indexes(description: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(description.get("GlobalSecondaryIndexes", ()))
