"""What else is in the target, under keys that no item of the source can have, is not there for who names the source:
in Scans, Queries of indexes and their pages, in every stage in which the target has a part."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import convert, prepend, rename, set_default, text_to_number
from crossfade.migration import Strategy
from tests.contract.tables import puts, write_all
from tests.core.conftest import Bench

CONSTANT: Final[list[Piece]] = [rename("id", "pk"), set_default("sk", "META")]
PREFIXED: Final[list[Piece]] = [convert("id", prepend("ORDER#")), rename("id", "pk"), set_default("sk", "META")]
MAPPINGS: Final = {"constant": CONSTANT, "prefixed": PREFIXED}
PLACES: Final[list[tuple[Strategy, Stage]]] = [
    (strategy, stage)  # type: ignore[misc]
    for strategy, rows in LADDERS.items()
    for stage, row in rows.items()
    if row.authority == "target"
]
COUNT: Final = 7
_numbers = itertools.count(1)


def made(bench: Bench, name: str, key: tuple[str, ...]) -> str:
    """A table with a global index by `g` and `n`."""
    table = f"{name}-strangers-{next(_numbers)}"
    roles = ("HASH", "RANGE")
    request: Request = {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": part, "KeyType": role} for part, role in zip(key, roles, strict=False)],
        "AttributeDefinitions": [
            {"AttributeName": part, "AttributeType": "N" if part == "n" else "S"} for part in (*key, "g", "n")
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_g",
                "KeySchema": [
                    {"AttributeName": part, "KeyType": role} for part, role in zip(("g", "n"), roles, strict=True)
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }
    _ = bench.client.create_table(**request)
    return table


class Shop:
    """Items of a table whose key has one attribute, in the target beside others; callers name the source."""

    def __init__(self, bench: Bench, pieces: list[Piece], strategy: Strategy, stage: Stage) -> None:
        self.bench, self.strategy, self.stage = bench, strategy, stage
        indexes: dict[str, Any] = {"by_g": {"g": "S", "n": "N"}}
        source = Table(made(bench, "source", ("id",)), key={"id": "S"}, indexes=indexes)
        target = Table(made(bench, "target", ("pk", "sk")), key={"pk": "S", "sk": "S"}, indexes=indexes)
        self.pair = Pair(source, target, Migration("t", source, target, pieces, strategy).compiled)
        items: list[Item] = [{"id": {"S": str(n)}, "g": {"S": "g"}, "n": {"N": str(n)}} for n in range(COUNT)]
        row = LADDERS[strategy][stage]
        sources = [item for n, item in enumerate(items) if row.keeps_equal or (row.merges and n % 2)]
        targets = [self.pair.mapping.forward(item) for n, item in enumerate(items) if not (row.merges and n % 2)]
        foreign = [
            {**item, **self.pair.mapping.forward_key({"id": item["id"]}), "sk": {"S": sort}}
            for item, sort in itertools.product(items, ("A", "METB"))
        ]
        foreign += [{**item, "pk": {"S": f"USER#{item['id']['S']}"}, "sk": {"S": "PROFILE"}} for item in items]
        strange = [{name: value for name, value in item.items() if name != "id"} for item in foreign]
        write_all(bench.client, {source.name: puts(sources), target.name: puts([*targets, *strange])})

    def pages(self, operation: str, **request: Any) -> list[Reply]:
        found: list[Reply] = []
        token: Item | None = None
        while not found or token:
            assert len(found) < 30, "the pages do not end"
            whole = {"TableName": self.pair.source.name, **request}
            whole |= {"ExclusiveStartKey": token} if token else {}
            routine = route(self.pair, self.stage, 0, operation, whole, strategy=self.strategy)
            assert routine is not None
            found.append(self.bench.run(routine, Call("source", operation, whole)))
            token = found[-1].get("LastEvaluatedKey")
            assert token is None or {"id"} <= token.keys() <= {"id", "g", "n", STAMP}
        return found


def numbers(pages: list[Reply]) -> list[str]:
    return [item["n"]["N"] for page in pages for item in page["Items"]]


WANTED: Final = [str(n) for n in range(COUNT)]
BY_G: Final[Request] = {
    "IndexName": "by_g",
    "KeyConditionExpression": "g = :g",
    "ExpressionAttributeValues": {":g": {"S": "g"}},
}


@pytest.mark.parametrize("limit", [None, 1, 3, 5])
@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(("strategy", "stage"), PLACES)
def test_pages_have_the_items_of_the_source_alone(
    bench: Bench, strategy: Strategy, stage: Stage, mapping: str, limit: int | None
) -> None:
    """Each once, whatever lies between them; a Query of an index has as many a page as it is asked for."""
    shop = Shop(bench, MAPPINGS[mapping], strategy, stage)
    limited = {} if limit is None else {"Limit": limit}
    assert sorted(numbers(shop.pages("Scan", **limited))) == WANTED
    assert sorted(numbers(shop.pages("Scan", ConsistentRead=True, **limited))) == WANTED
    assert sorted(numbers(shop.pages("Scan", IndexName="by_g", **limited))) == WANTED
    for backwards in (False, True):
        pages = shop.pages("Query", **BY_G, ScanIndexForward=not backwards, **limited)
        assert numbers(pages) == (WANTED[::-1] if backwards else WANTED)
        if limit is not None:
            assert [page["ScannedCount"] for page in pages[: COUNT // limit]] == [limit] * (COUNT // limit)


@pytest.mark.parametrize("stage", [Stage.RAMPDOWN, Stage.DRAIN])
def test_an_item_that_the_mapping_does_not_take_is_no_stranger(bench: Bench, stage: Stage) -> None:
    """Its key is one of the source's: that something is wrong with it is told."""
    pieces = [*CONSTANT, convert("size", text_to_number)]
    shop = Shop(bench, pieces, "copy-on-write", stage)
    broken: Item = {"pk": {"S": "9"}, "sk": {"S": "META"}, "g": {"S": "g"}, "n": {"N": "9"}, "size": {"S": "large"}}
    bench.client.put_item(TableName=shop.pair.target.name, Item=broken)
    for operation, request in (("Scan", {}), ("Scan", {"IndexName": "by_g"}), ("Query", BY_G)):
        with pytest.raises(ServiceRejected, match="size"):
            _ = shop.pages(operation, **request)
