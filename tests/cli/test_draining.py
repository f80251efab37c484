"""A whole copy-on-write migration by commands, beside an application that must see one plain table all the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from crossfade import Router, attach
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from crossfade.migration import load
from tests.cli.conftest import ITEMS, Shell, order

PARTS = ("customer", "order_id")
STAGES = ("stamp", "prepare", "drain", "rampdown", "complete")


@dataclass
class Twins:
    """The same calls to the table that is being migrated, through the router, and to a plain one."""

    client: Any  # attached
    plain: Any
    names: dict[Any, str] = field(default_factory=dict[Any, str])

    def both(self, operation: str, request: Callable[[str], dict[str, Any]]) -> tuple[Any, Any]:
        """Both outcomes."""
        ours, plain = (outcome(client, operation, request(name)) for client, name in self.names.items())
        return ours, plain

    def same(self, operation: str, **request: Any) -> Any:
        """One call that names its table, whose answers must be equal; the answer."""
        ours, plain = self.both(operation, lambda name: {"TableName": name, **request})
        assert ours == plain, (operation, request)
        return ours


def outcome(client: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        reply = getattr(client, operation)(**request)
    except ClientError as error:
        told: Any = error.response
        return told["Error"]["Code"], told.get("Item"), told.get("CancellationReasons")
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


@pytest.fixture
def twins(draining: Shell, dynamodb: Any) -> Iterator[Twins]:
    """An application with the router, and a plain table beside it with the same orders."""
    plain_name = f"plain-{draining.mark}"
    description = draining.client.describe_table(TableName=draining.tables["source"])["Table"]
    _ = draining.client.create_table(
        TableName=plain_name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=description["KeySchema"],
        AttributeDefinitions=description["AttributeDefinitions"],
    )
    for number in range(ITEMS):
        _ = draining.client.put_item(TableName=plain_name, Item=order(number))
    client = dynamodb.client()
    router: Router = attach(client, load(draining.file), poll_seconds=0.05, landing_seconds=2.0)
    yield Twins(client, draining.client, {client: draining.tables["source"], draining.client: plain_name})
    _ = router.detach(5.0)


def key(number: int) -> Item:
    return {part: order(number)[part] for part in PARTS}


def everything_once(twins: Twins, first: int) -> None:
    """Each kind of call, on orders from `first` on that no earlier stage has touched, and on some that it has."""
    one = {":one": {"N": "1"}}
    _ = twins.same("get_item", Key=key(first), ConsistentRead=True)
    _ = twins.same("get_item", Key=key(first), ProjectionExpression="total, nothing", ConsistentRead=True)
    for _round in range(2):  # in the source at first, in the target then
        _ = twins.same("update_item", Key=key(first), UpdateExpression="ADD n :one", ExpressionAttributeValues=one,
                       ReturnValues="ALL_NEW")  # fmt: skip
    _ = twins.same("update_item", Key=key(first), UpdateExpression="SET total = :t REMOVE n",
                   ReturnValues="UPDATED_OLD", ConditionExpression="n = :n",
                   ExpressionAttributeValues={":t": {"S": "7"}, ":n": {"N": "2"}})  # fmt: skip
    _ = twins.same("put_item", Item=order(first), ConditionExpression="attribute_not_exists(customer)",
                   ReturnValuesOnConditionCheckFailure="ALL_OLD")  # fmt: skip
    _ = twins.same("put_item", Item={**order(first + 1), "put": {"BOOL": True}}, ReturnValues="ALL_OLD")
    _ = twins.same("put_item", Item={**order(first + 2), "put": {"BOOL": True}})
    _ = twins.same("delete_item", Key=key(first + 3), ReturnValues="ALL_OLD")
    _ = twins.same("delete_item", Key=key(first + 3), ConditionExpression="attribute_exists(customer)")
    _ = twins.same("delete_item", Key=key(first + 4))
    _ = twins.same("put_item", Item=order(first + 1000), ConditionExpression="attribute_not_exists(customer)")
    batch = [
        {"PutRequest": {"Item": {**order(first + 5), "b": {"S": "x"}}}},
        {"DeleteRequest": {"Key": key(first + 6)}},
    ]
    ours, plain = twins.both("batch_write_item", lambda name: {"RequestItems": {name: batch}})
    assert ours == plain
    transaction: Callable[[str], dict[str, Any]] = lambda name: {  # noqa: E731
        "TransactItems": [
            {"Update": {"TableName": name, "Key": key(first + 7), "UpdateExpression": "ADD n :one",
                        "ExpressionAttributeValues": one}},
            {"Delete": {"TableName": name, "Key": key(first + 8)}},
            {"Put": {"TableName": name, "Item": order(first + 2000)}},
            {"ConditionCheck": {"TableName": name, "Key": key(first),
                                "ConditionExpression": "attribute_exists(total)"}},
        ]
    }  # fmt: skip
    ours, plain = twins.both("transact_write_items", transaction)
    assert ours == plain
    ours, plain = twins.both("transact_write_items", transaction)  # again: there is nothing to delete
    assert ours == plain
    gets = [key(first + n) for n in range(9)]
    ours, plain = twins.both(
        "transact_get_items", lambda name: {"TransactItems": [{"Get": {"TableName": name, "Key": k}} for k in gets]}
    )
    assert ours == plain
    ours, plain = (
        {canonical(item) for items in answer["Responses"].values() for item in items}
        for answer in twins.both("batch_get_item", lambda name: {"RequestItems": {name: {"Keys": gets}}})
    )
    assert ours == plain


def all_alike(twins: Twins) -> None:
    """Queries page by page, both ways, and scans."""
    for customer in range(3):
        for forward in (True, False):
            token: dict[str, Any] = {}
            while True:
                page = twins.same(
                    "query", KeyConditionExpression="customer = :c", Limit=7, ScanIndexForward=forward,
                    ConsistentRead=True,
                    ExpressionAttributeValues={":c": {"S": f"customer-{customer}"}, ":m": {"S": "2"}},
                    FilterExpression="total > :m", **token,
                )  # fmt: skip
                if "LastEvaluatedKey" not in page:
                    break
                token = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert scanned(twins.client, twins.names[twins.client]) == scanned(twins.plain, twins.names[twins.plain])


def scanned(client: Any, table: str) -> list[Any]:
    """Every item of a scan in pages of seven, none twice."""
    found: list[Item] = []
    request: dict[str, Any] = {"TableName": table, "Limit": 7, "ConsistentRead": True}
    while True:
        page = client.scan(**request)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
    return sorted(json.dumps(item, sort_keys=True) for item in found)


def test_an_application_sees_one_plain_table_all_the_way(draining: Shell, twins: Twins) -> None:
    """Every kind of call in every stage, up, down and up again, with the jobs in between."""
    everything_once(twins, 0)
    all_alike(twins)
    _ = draining("advance", "--to", "stamp", "--execute")
    everything_once(twins, 54)
    all_alike(twins)
    _ = draining("advance", "--to", "prepare", "--execute")
    everything_once(twins, 9)
    all_alike(twins)
    assert draining.scan(draining.tables["target"]) == []
    _ = draining("rollback", "--to", "off", "--execute")
    all_alike(twins)  # no stamp is shown
    _ = draining("advance", "--to", "drain", "--execute")
    everything_once(twins, 18)
    all_alike(twins)
    _ = draining("rollback", "--to", "prepare", "--execute")
    everything_once(twins, 27)
    all_alike(twins)
    refused = draining("rollback", "--to", "off", "--execute", status=1)
    assert "holds items that below prepare nobody would look at" in refused.output
    _ = draining("advance", "--to", "drain", "--execute")
    assert "no backfill has begun" in draining("advance", "--to", "rampdown", "--execute", status=1).output
    moved = draining.lines("backfill", "--segments", "2", "--workers", "2", "--execute")[-1]
    source = len(draining.scan(draining.tables["source"]))
    assert (moved["status"], moved["items"] + moved["changed"], moved["failed"]) == ("complete", source, 0)
    everything_once(twins, 36)
    assert draining.lines("verify", "--segments", "2")[-1]["status"] == "clean"
    _ = draining("advance", "--to", "rampdown", "--execute")
    everything_once(twins, 45)
    all_alike(twins)
    _ = draining("verify", "--segments", "2")
    refused = draining("complete", "--execute", "--confirm", draining.mark, status=1)
    assert "nothing was found in the source alone since rampdown was entered" in refused.output
    _ = draining("complete", "--execute", "--confirm", draining.mark, "--quiet-days", "0")
    all_alike(twins)
    _ = twins.same(
        "update_item", Key=key(0), UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"S": "b"}}
    )
    all_alike(twins)
    assert all(STAMP in item for item in draining.scan(draining.tables["target"]))


def test_the_backfill_writes_each_item_once(draining: Shell) -> None:
    """What is there already is left alone, and so is what the source holds."""
    _ = draining("advance", "--to", "drain", "--execute")
    before = draining.scan(draining.tables["source"])
    first = draining.lines("backfill", "--segments", "1", "--workers", "1", "--execute")[-1]
    stamps = {item[STAMP]["S"] for item in draining.scan(draining.tables["target"])}
    again = draining.lines("backfill", "--again", "--segments", "1", "--workers", "1", "--execute")[-1]
    assert (first["items"], first["changed"], again["items"], again["changed"]) == (ITEMS, 0, 0, ITEMS)
    assert {item[STAMP]["S"] for item in draining.scan(draining.tables["target"])} == stamps
    assert draining.scan(draining.tables["source"]) == before


def test_what_the_target_lacks_is_found_and_copied(draining: Shell) -> None:
    """An item deleted behind crossfade's back: verify says that it is missing, and repairs it."""
    _ = draining("advance", "--to", "drain", "--execute")
    _ = draining("backfill", "--segments", "1", "--workers", "1", "--execute")
    lost = draining.scan(draining.tables["target"])[0]
    _ = draining.client.delete_item(TableName=draining.tables["target"], Key={part: lost[part] for part in PARTS})
    found = draining.lines("verify", "--segments", "1", "--repair", "--execute")[-1]
    assert (found["missing"], found["repaired"], found["mismatched"], found["extra"]) == (1, 1, 0, 0)
    assert draining.lines("verify", "--segments", "1")[-1]["status"] == "clean"
    assert len(draining.scan(draining.tables["target"])) == ITEMS


def test_a_target_that_holds_items_is_refused(draining: Shell) -> None:
    """They would be taken for newer than the source's; not even --force passes that."""
    _ = draining.client.put_item(TableName=draining.tables["target"], Item=order(0))
    refused = draining("advance", "--to", "prepare", "--execute", status=1)
    assert "which would be taken for newer" in refused.output
    _ = draining("advance", "--force", "--why", "no", "--execute", status=1)


def test_stages_and_jobs_of_the_other_strategy_are_refused(draining: Shell) -> None:
    """With what to do instead."""
    assert "copy-on-write has no stage shadow" in draining("advance", "--to", "shadow", "--execute", status=1).output
    assert "advance --to drain" in draining("backfill", "--execute", status=2).output
    _ = draining("advance", "--to", "prepare", "--execute")
    assert "advance --to drain" in draining("verify", status=2).output
