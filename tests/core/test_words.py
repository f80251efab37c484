"""What is refused is refused in the words that a plain table has for it, whichever side serves, or evaluates it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Request
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import rename, suffix
from tests.core.conftest import Bench
from tests.migrations import make_anew

KEY: dict[str, Any] = {"pk": "S", "sk": "S"}
INDEX: dict[str, Any] = {
    "IndexName": "by_mood",
    "KeySchema": [{"AttributeName": "mood", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}
ITEM_KEY: Request = {"pk": {"S": "p"}, "sk": {"S": "1"}}


def calls(table: str) -> Iterator[tuple[str, Request]]:
    named: Request = {"TableName": table}
    for empty in ({"S": ""}, {"N": "1"}):
        item = {**ITEM_KEY, "mood": empty}
        values = {"ExpressionAttributeValues": {":m": empty}}
        yield "PutItem", named | {"Item": item}
        yield "UpdateItem", named | {"Key": ITEM_KEY, "UpdateExpression": "SET mood = :m"} | values
        yield "BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": item}}]}}
    where = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    for token in ({"pk": {"N": "1"}, "sk": {"S": "1"}}, {"pk": {"S": ""}, "sk": {"S": "1"}}, {"pk": {"S": "p"}}):
        yield "Query", named | where | {"ExclusiveStartKey": token}
    for wrong in ("amount =", "amount == amount", "(amount", "amount OR OR", "#undefined = amount"):
        yield "PutItem", named | {"Item": ITEM_KEY, "ConditionExpression": wrong}
        yield "DeleteItem", named | {"Key": ITEM_KEY, "ConditionExpression": wrong}
        yield "UpdateItem", named | {"Key": ITEM_KEY, "UpdateExpression": f"SET {wrong}"}
        yield "Query", named | where | {"FilterExpression": wrong}
        yield "GetItem", named | {"Key": ITEM_KEY, "ProjectionExpression": wrong}


def words(refusal: ServiceRejected, table: str) -> tuple[str, str]:
    return refusal.code, refusal.text.removeprefix("1 validation error detected: ").replace(table, "TABLE")


STAGES = [pytest.param(name, stage, id=f"{name}-{stage}") for name, rows in LADDERS.items() for stage in rows]


@pytest.mark.parametrize(("strategy", "stage"), STAGES)
def test_the_words_are_those_of_a_plain_table(bench: Bench, strategy: str, stage: Stage) -> None:
    """Empty keys of an index, tokens and expressions, with every read on the ramp where there is one."""
    source, target, plain = (bench.make_table(name, **KEY) for name in ("source", "target", "plain"))
    for table in (source, target, plain):
        make_anew(bench.client, table, {"mood": "S"}, GlobalSecondaryIndexes=[INDEX])
    pieces = [suffix("pk", count=2, by="sk"), rename("amount", "total")]
    migration = Migration("t", Table(source, key=KEY), Table(target, key=KEY), pieces)
    pair = Pair(migration.source, migration.target, migration.compiled, ledger=Ledger(plain, "t"))
    different: list[Any] = []
    for (operation, ours), (_, theirs) in zip(calls(source), calls(plain), strict=True):
        with pytest.raises(ServiceRejected) as expected:
            _ = bench.send(Call("source", operation, theirs))
        routine = route(pair, stage, 100, operation, ours, strategy=strategy)
        try:
            call = Call("source", operation, ours)
            _ = bench.send(call) if routine is None else bench.run(routine, call)
            different.append((operation, ours, "taken"))
        except ServiceRejected as refusal:
            if words(refusal, source) != words(expected.value, plain):
                different.append((operation, ours, refusal.text, expected.value.text))
    assert not different
