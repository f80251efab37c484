"""Whatever shape comes in: the service's own refusal, in any stage and view, and never an exception of ours."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crossfade import Migration, Table, attach
from crossfade.control.records import PARTITION_KEY, SORT_KEY
from crossfade.core.effects import Request
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.mapping import rename, suffix
from tests.aws.conftest import World, wait_for
from tests.aws.malformed import deformed, requests
from tests.conftest import Database
from tests.migrations import make_anew, make_table, put_in_stage
from tests.sampling import one_in

KEY: dict[str, Any] = {"customer": "S", "order": "S"}
INDEX: dict[str, Any] = {
    "IndexName": "by_mood",
    "KeySchema": [{"AttributeName": "mood", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
SAMPLED = 59  # one of so many in each stage, others in another one: all of them would take minutes
HOSTILE = ("\\ud800", "{'L': [{'L'")  # what not every encoder can write
HOSTILE_SAMPLED = 17
REFUSALS = (
    "ValidationException",
    "SerializationException",
    "ConditionalCheckFailedException",
    "TransactionCanceledException",
    "IdempotentParameterMismatchException",
)
# Words about shape, which the service alone has: these must be the very same.
OF_SHAPE = ("Supplied AttributeValue", "Member must not be null")
# Where the embedded engine is not what DynamoDB is: what it takes, and a null that it does not take for an absence. And
# botocore writes a map without members as a list, where a list belongs.
OF_ENGINE = (
    "{'L': {}}",
    "BOOL': 'true'",
    "ClientRequestToken",
    "AttributeUpdates.mood.Action None",
    "Put.ConditionExpression None",
    "Put.ConditionExpression gone",
)

PLACES = [
    pytest.param(strategy, stage, view, number, id=f"{strategy}-{stage}-{view}")
    for number, (strategy, stage, view) in enumerate(
        (strategy, stage, view) for strategy, rows in LADDERS.items() for stage in rows for view in ("source", "target")
    )
]


def told(client: Any, operation: str, request: Request, table: str) -> tuple[str, str]:
    """What a caller sees: the kind of outcome, and the words."""
    if request.get("ClientRequestToken") == "t":
        request = {**request, "ClientRequestToken": uuid.uuid4().hex}
    try:
        _ = client._make_api_call(operation, request)
    except ClientError as error:
        response: Any = error.response
        found: dict[str, str] = response["Error"]
        return found["Code"], found["Message"].replace(table, "TABLE")
    except Exception as error:  # noqa: BLE001 - botocore's own, which a plain table gives as well
        return type(error).__name__, str(error).replace(table, "TABLE")
    return "answered", ""


def pairs(table: str, plain: str, key: Request, item: Request) -> Iterator[tuple[str, str, Request, Request]]:
    """Each request for the table that is being migrated and for a plain one."""
    both = zip(requests(table, key, item), requests(plain, key, item), strict=True)
    for (operation, ours), (_, theirs) in both:
        for (what, one), (_, other) in zip(deformed(ours), deformed(theirs), strict=True):
            yield operation, what, one, other


@pytest.mark.parametrize(("strategy", "stage", "view", "number"), PLACES)
def test_a_request_of_another_shape_is_refused_as_a_plain_table_refuses_it(
    dynamodb: Database, strategy: Any, stage: Stage, view: Side, number: int
) -> None:
    """By a client that does not validate parameters."""
    unique = uuid.uuid4().hex[:8]
    migration = Migration(
        f"m-{unique}",
        Table(f"source-{unique}", key=KEY),
        Table(f"target-{unique}", key=KEY),
        [suffix("customer", count=4, by="order"), rename("amount", "total")],
        strategy,
        control_table=f"control-{unique}",
    )
    config = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    plain, client = dynamodb.client(config), dynamodb.client(config)
    for table in (migration.source, migration.target, Table(f"plain-{unique}", key=KEY)):
        make_table(plain, table)
        make_anew(plain, table.name, {"mood": "S"}, GlobalSecondaryIndexes=[INDEX])
    make_table(plain, Table(migration.control_table, key={PARTITION_KEY: "S", SORT_KEY: "S"}))
    put_in_stage(plain, migration, stage)
    router = attach(client, migration, view=view, landing_seconds=1.0, lease_seconds=60.0)
    own_key: Request = {"customer": {"S": "c"}, "order": {"S": "1"}}
    key = own_key if view == "source" else migration.compiled.forward_key(own_key)
    name = (migration.source if view == "source" else migration.target).name
    every = list(pairs(name, f"plain-{unique}", key, {**key, "mood": {"S": "good"}, "n": {"N": "1"}}))
    hostile = [each for each in every if any(text in each[1] for text in HOSTILE)]
    different: list[Any] = []
    for operation, what, one, other in [*one_in(SAMPLED, every, 2 * number), *one_in(HOSTILE_SAMPLED, hostile, number)]:
        ours = told(client, operation, one, name)
        theirs = told(plain, operation, other, f"plain-{unique}")
        if any(text in what for text in OF_ENGINE):
            assert ours[0] in (*REFUSALS, "answered")
        elif "its item is deleted" in ours[1]:  # a cursor without its mark
            assert "_crossfade" in ours[1]
        elif not is_same(ours, theirs):
            different.append((operation, what, ours, theirs))
    wait_for(lambda: router.pending == 0, "every operation to end, whatever came of it")
    assert router.detach(10.0)
    assert router.counts().get("mirror_lost", 0) == 0
    assert not different


# Where in its text the embedded engine was when it stopped.
place = re.compile(" at line .*")


def is_same(ours: tuple[str, str], theirs: tuple[str, str]) -> bool:
    """The same kind of outcome; about a shape in the same words."""
    if theirs[0] not in REFUSALS:
        return ours[0] == theirs[0]
    if theirs[0] == "SerializationException" or any(text in theirs[1] for text in OF_SHAPE):
        return [place.sub("", text) for text in ours] == [place.sub("", text) for text in theirs]
    return ours[0] in REFUSALS


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET])
def test_of_two_tables_in_lockstep_none_is_written_alone(world: World, stage: Stage) -> None:
    """By a batch whose entry is a put and a delete at once, which the embedded engine takes."""
    client = world.boto3_client(config=Config(parameter_validation=False))
    _ = world.attach(client)
    ladder = list(LADDERS["dual-write"])
    world.walk(*ladder[1 : ladder.index(stage) + 1])
    key = world.key("c", "o")
    entry = {"PutRequest": {"Item": key}, "DeleteRequest": {"Key": world.key("c", "p")}}
    with pytest.raises(client.exceptions.ClientError, match="ValidationException"):
        client.batch_write_item(RequestItems={world.migration.source.name: [entry]})
    for table in (world.migration.source.name, world.migration.target.name):
        assert world.plain.scan(TableName=table)["Items"] == []
