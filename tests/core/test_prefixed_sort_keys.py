"""A constant text before the sort key keeps its order: Queries are those of one plain table, in every stage, by either
view, whatever else is in the target's partitions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.aws.own_calls import call
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.core.pages.prefixes import successor
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import convert, join, prepend, rename, set_default, suffix
from crossfade.migration import Strategy
from tests.contract.tables import puts, write_all
from tests.core.conftest import Bench
from tests.sampling import one_in

JOINED: Final[list[Piece]] = [
    set_default("kind", "ORDER"),
    join(("kind", "order"), into="sk"),
    rename("customer", "pk"),
]
PREPENDED: Final[list[Piece]] = [convert("order", prepend("ORDER#")), rename("order", "sk"), rename("customer", "pk")]
TWICE: Final[list[Piece]] = [
    convert("order", prepend("#")),
    set_default("a", "OR"),
    set_default("b", "DER"),
    join(("a", "b", "order"), into="sk", separator="-"),
    rename("customer", "pk"),
]
SPREAD: Final[list[Piece]] = [suffix("customer", 3, by="order"), *JOINED]
ORDERS: Final = ("a", "b", "b!", "b#1", "ba", "c", "é", "\U0001f600", "\U0010ffff")
FOREIGN: Final = ("A", "ORDER", "ORDER#", "ORDER!z", "ORDER$", "ORDER$a", "PROFILE", "OR", "é")
STRATEGIES: Final[tuple[Strategy, ...]] = ("dual-write", "copy-on-write")
PLACES: Final = [(strategy, stage) for strategy in STRATEGIES for stage in LADDERS[strategy]]
_numbers = itertools.count(1)


def made(bench: Bench, name: str, key: dict[str, str]) -> str:
    """A table with a local index by `n`."""
    table = f"{name}-prefixed-{next(_numbers)}"
    schema = [{"AttributeName": each, "KeyType": role} for each, role in zip(key, ("HASH", "RANGE"), strict=True)]
    by_n = [schema[0], {"AttributeName": "n", "KeyType": "RANGE"}]
    request: Request = {
        "TableName": table,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": schema,
        "AttributeDefinitions": [
            {"AttributeName": each, "AttributeType": kind} for each, kind in {**key, "n": "N"}.items()
        ],
        "LocalSecondaryIndexes": [
            {"IndexName": "by_n", "KeySchema": by_n, "Projection": {"ProjectionType": "ALL"}},
        ],
    }
    _ = bench.client.create_table(**request)
    return table


class Shop:
    """Orders of one customer, where the stage has them, and beside a plain table of the caller's form."""

    def __init__(self, bench: Bench, pieces: list[Piece], strategy: Strategy, stage: Stage, view: Side) -> None:
        self.bench, self.strategy, self.stage = bench, strategy, stage
        self.view: Side = view
        keys: dict[Side, Any] = {"source": {"customer": "S", "order": "S"}, "target": {"pk": "S", "sk": "S"}}
        partition = {side: next(iter(key)) for side, key in keys.items()}
        tables = {
            side: Table(made(bench, side, key), key=key, indexes={"by_n": {partition[side]: "S", "n": "N"}})
            for side, key in keys.items()
        }
        migration = Migration("t", tables["source"], tables["target"], pieces, strategy)
        self.pair = Pair(migration.source, migration.target, migration.compiled, view=view)
        self.plain = made(bench, "plain", keys[view])
        self.sort = "order" if view == "source" else "sk"
        self.partition = partition[view]
        row = LADDERS[strategy][stage]
        plain, sources, targets = list[Item](), list[Item](), list[Item]()
        for n, order in enumerate(ORDERS):
            item: Item = {"customer": {"S": "c"}, "order": {"S": order}, "n": {"N": str(n)}}
            plain.append(item if view == "source" else self.pair.mapping.forward(item))
            in_both = strategy == "dual-write"
            in_target = n % 2 == 1 if row.merges else row.authority == "target"
            if in_both or not in_target:
                sources.append(item)
            if in_both or in_target:
                stored = self.pair.mapping.forward(item)
                targets.append({**stored, STAMP: {"S": "stamp"}})
        names = self.plain, tables["source"].name, tables["target"].name
        write_all(bench.client, dict(zip(names, map(puts, (plain, sources, targets)), strict=True)))

    def foreign(self, partitions: tuple[str, ...]) -> None:
        """What else a customer has in the target."""
        held = [
            {"pk": {"S": partition}, "sk": {"S": sort}, "n": {"N": "4"}}
            for partition, sort in itertools.product(partitions, FOREIGN)
        ]
        write_all(self.bench.client, {self.pair.target.name: puts(held)})

    def ours(self, request: Request) -> Reply | tuple[str, str]:
        whole: Request = {"TableName": self.pair.caller.name, **request}
        forward = Call(self.view, "Query", whole)
        try:
            routine = route(self.pair, self.stage, 0, "Query", whole, strategy=self.strategy)
            return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        except ServiceRejected as error:
            return error.code, error.text

    def theirs(self, request: Request) -> Reply | tuple[str, str]:
        try:
            return call(self.bench.client, "Query", {"TableName": self.plain, **request})
        except ServiceRejected as error:
            return error.code, error.text

    def pages(self, request: Request, *, ours: bool) -> list[Any]:
        """What each page shows, and its token."""
        found: list[Any] = []
        while len(found) < 30:
            reply = self.ours(request) if ours else self.theirs(request)
            if isinstance(reply, tuple):
                return [*found, reply]
            token = {name: value for name, value in reply.get("LastEvaluatedKey", {}).items() if name != STAMP}
            items = [{name: value for name, value in item.items() if name != STAMP} for item in reply["Items"]]
            found.append((items, reply["Count"], reply["ScannedCount"], token))
            if not token:
                return found
            request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
        raise AssertionError("the pages do not end")

    def conditions(self) -> Iterator[Request]:
        values = list(ORDERS)
        if self.view == "target":
            values = ["A", "ORDER", "ORDER!", "ORDER$", "Z", *(f"ORDER#{order}" for order in ("", *ORDERS))]
        yield self.asking("")
        operators = ("#s = :a", "#s < :a", "#s <= :a", "#s > :a", "#s >= :a", "begins_with(#s, :a)")
        first = PLACES.index((self.strategy, self.stage))  # each is asked in one stage of either strategy, and more
        for value, operator in one_in(7, itertools.product(values, operators), first):
            yield self.asking(f" AND {operator}", value)
        for low, high in one_in(11, itertools.combinations(sorted(values, key=str.encode), 2), first):
            yield self.asking(" AND #s BETWEEN :a AND :b", low, high)

    def asking(self, condition: str, *operands: str) -> Request:
        partition = self.pair.caller.partition_key
        values: Item = {
            ":p": {"S": "c"},
            **{name: {"S": value} for name, value in zip((":a", ":b"), operands, strict=False)},
        }
        request: Request = {
            "KeyConditionExpression": f"#p = :p{condition}",
            "ExpressionAttributeNames": {"#p": partition, **({"#s": self.sort} if condition else {})},
            "ExpressionAttributeValues": values,
        }
        return request


@pytest.mark.parametrize(("strategy", "stage"), PLACES)
@pytest.mark.parametrize("view", ["source", "target"])
def test_every_condition_in_every_stage(bench: Bench, strategy: Strategy, stage: Stage, view: Side) -> None:
    """Both ways, in pages of four; beside other items of the same partition of the target."""
    shop = Shop(bench, JOINED, strategy, stage, view)
    if view == "source":
        shop.foreign(("c",))
    for n, request in enumerate(shop.conditions()):
        asked = {**request, "ScanIndexForward": n % 2 == 0, "ConsistentRead": n % 3 == 0, "Limit": 4}
        assert shop.pages(asked, ours=True) == shop.pages(asked, ours=False), asked


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN, Stage.COMPLETE])
@pytest.mark.parametrize("pieces", [PREPENDED, TWICE, SPREAD], ids=["prepended", "twice", "spread"])
@pytest.mark.parametrize("index", [None, "by_n"])
def test_every_way_to_say_it(bench: Bench, pieces: list[Piece], stage: Stage, index: str | None) -> None:
    """Of the table, and of a local index, which a spread table has spread alike."""
    shop = Shop(bench, pieces, "copy-on-write", stage, "source")
    shop.foreign(("c", "c#0", "c#1", "c#2"))
    for n, request in enumerate(shop.conditions() if index is None else [shop.asking("")]):
        for backwards in one_in(2, (True, False), n) if index is None else (True, False):
            asked = {
                **request,
                "ScanIndexForward": backwards,
                "Limit": 2 + n % 3,
                **({"IndexName": index} if index else {}),
            }
            assert shop.pages(asked, ours=True) == shop.pages(asked, ours=False), asked


@pytest.mark.parametrize(
    ("strategy", "stage"), [place for place in PLACES if place[1] in (Stage.DRAIN, Stage.COMPLETE)]
)
@pytest.mark.parametrize(
    ("condition", "values"),
    [
        ("= :a", {":a": {"N": "1"}}),
        ("< :a", {":a": {"N": "1"}}),
        ("> :a", {":a": {"S": ""}}),
        ("< :a", {":a": {"S": ""}}),
        ("BETWEEN :a AND :b", {":a": {"S": "b"}, ":b": {"S": "a"}}),
        ("BETWEEN :a AND :b", {":a": {"S": "b"}, ":b": {"N": "1"}}),
    ],
)
def test_what_a_plain_table_refuses(
    bench: Bench, strategy: Strategy, stage: Stage, condition: str, values: dict[str, Any]
) -> None:
    """In its words."""
    shop = Shop(bench, JOINED, strategy, stage, "source")
    request: Request = {
        "KeyConditionExpression": f"customer = :p AND #s {condition}",
        "ExpressionAttributeNames": {"#s": "order"},
        "ExpressionAttributeValues": {":p": {"S": "c"}, **values},
    }
    assert shop.pages(request, ours=True) == shop.pages(request, ours=False)


@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("backwards", [True, False])
@pytest.mark.parametrize(("strategy", "stage"), [("dual-write", Stage.SHADOW), *PLACES[-3:]])
def test_tokens_that_are_made_up(
    bench: Bench, strategy: Strategy, stage: Stage, view: Side, *, backwards: bool
) -> None:
    """They are places in the order, of an item or not, within the condition or not."""
    shop = Shop(bench, JOINED, strategy, stage, view)
    before = "" if view == "source" else "ORDER#"
    starts = ["a", "aa", "b#1", "z"] if view == "source" else ["A", "ORDER", "ORDER$", "Z", "ORDER#b", "ORDER#zz"]
    for request in (shop.asking(""), shop.asking(" AND #s <= :a", f"{before}b#1")):
        for start in starts:
            token = {shop.pair.caller.partition_key: {"S": "c"}, shop.sort: {"S": start}}
            asked = {**request, "ScanIndexForward": not backwards, "ExclusiveStartKey": token}
            assert shop.pages(asked, ours=True) == shop.pages(asked, ours=False), asked


@pytest.mark.parametrize(
    ("text", "following"),
    [("ORDER#", "ORDER$"), ("a\U0010ffff", "b"), ("\ud7ff", "\ue000"), ("\U0010ffff", ""), ("", "")],
)
def test_the_first_text_behind_all_that_begin_so(text: str, following: str) -> None:
    """As UTF-8 orders them."""
    assert successor(text) == following
