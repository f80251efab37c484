"""A token that the application chose: what it was sent with, and for how long it counts."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.stages import DUAL_WRITE, Stage
from tests.aws.conftest import World

UP = list(DUAL_WRITE)
STAGES = (Stage.OFF, Stage.DUALWRITE, Stage.LOCKSTEP_SOURCE, Stage.LIVE, Stage.COMPLETE)


def transaction(world: World, tags: list[str], step: str) -> dict[str, Any]:
    update = {
        "TableName": world.migration.source.name,
        "Key": world.key("c", "o"),
        "UpdateExpression": "ADD n :step, tags :tags",
        "ExpressionAttributeValues": {":step": {"N": step}, ":tags": {"SS": tags}},
    }
    put = {"TableName": world.migration.source.name, "Item": world.key("c", "p") | {"tags": {"SS": tags}}}
    return {"TransactItems": [{"Update": update}, {"Put": put}], "ClientRequestToken": "chosen"}


def n_of(client: Any, world: World) -> str:
    found = client.get_item(TableName=world.migration.source.name, Key=world.key("c", "o"), ConsistentRead=True)
    return str(found["Item"]["n"]["N"])


def expire_tokens(world: World) -> int:
    """Make the tokens that are kept as old as those that the table's TTL has not swept yet; how many there are."""
    kept = world.plain.scan(TableName=world.migration.control_table)["Items"]
    tokens = [item for item in kept if "#token#" in item["migration"]["S"]]
    for item in tokens:
        world.plain.put_item(TableName=world.migration.control_table, Item=item | {"expires": {"N": "1000000000"}})
    return len(tokens)


def to(world: World, stage: Stage) -> Any:
    client = world.boto3_client()
    _ = world.attach(client)
    world.walk(*UP[1 : UP.index(stage) + 1])
    return client


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_transaction_with_its_sets_in_another_order_is_the_same(world: World, stage: Stage) -> None:
    """Sets have no order: sent again like that, it is done already. A number in another form makes it another one."""
    client = to(world, stage)
    for tags in (["a", "b"], ["b", "a"]):
        client.transact_write_items(**transaction(world, tags, "1"))
    assert n_of(client, world) == "1"
    for tags, step in ((["a", "c"], "1"), (["a", "b"], "1.0")):
        with pytest.raises(client.exceptions.IdempotentParameterMismatchException) as refused:
            client.transact_write_items(**transaction(world, tags, step))
        assert refused.value.response["Error"]["Message"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_token_counts_for_ten_minutes(world: World, stage: Stage) -> None:
    """After that it is the token of another transaction, whether or not the control table's TTL has swept it."""
    client = to(world, stage)
    client.transact_write_items(**transaction(world, ["a"], "1"))
    assert expire_tokens(world) == 1
    client.transact_write_items(**transaction(world, ["b"], "2"))
    assert n_of(client, world) == "3"
    client.transact_write_items(**transaction(world, ["b"], "2"))
    assert n_of(client, world) == "3"
