"""What an index shows is decided by the caller's own, whatever that of the other table holds, and whoever is asked."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError, NotPossibleInStage, ServiceRejected
from crossfade.mapping import Piece, convert, custom, identity, move, rename, set_default, suffix, text_to_number
from crossfade.migration import Strategy
from tests.core.conftest import Bench
from tests.migrations import make_anew

KEYS: Final = {"ProjectionType": "KEYS_ONLY"}
ALL: Final = {"ProjectionType": "ALL"}
SOME: Final = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["a"]}
_numbers = itertools.count(1)


class Denying(Bench):
    """Whose role may not describe tables; or who finds some gone."""

    def __init__(self, client: Any, code: str = "AccessDeniedException", table: str = "") -> None:
        super().__init__(client)
        self.code = code
        self.table = table

    def send(self, effect: Call) -> Reply:
        if effect.operation == "DescribeTable" and self.table in effect.request["TableName"]:
            self.calls.append(effect)
            raise ServiceRejected(self.code, f"not authorized to perform dynamodb:DescribeTable on {self.table}")
        return super().send(effect)


def tables_with(
    bench: Bench,
    pieces: list[Piece],
    held: Mapping[Side, Any],
    strategy: Strategy = "dual-write",
    view: Side = "source",
) -> Pair:
    """Two tables with a local and a global index each; None for a table without."""
    key: dict[str, Any] = {"p": "S", "c": "S"}
    indexes: dict[str, Any] = {"local": {"p": "S", "b": "S"}, "global": {"g": "S", "b": "S"}}
    tables: dict[Side, Table] = {}
    sides: tuple[Side, Side] = ("source", "target")
    for side in sides:
        tables[side] = Table(bench.make_table(f"{side}{next(_numbers)}", **key), key=key, indexes=indexes)
        made = {
            name: {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": part, "KeyType": role} for part, role in zip(of, ("HASH", "RANGE"), strict=True)
                ],
                "Projection": held[side],
            }
            for name, of in indexes.items()
        }
        if held[side] is not None:
            make_anew(
                bench.client,
                tables[side].name,
                {"b": "S", "g": "S"},
                LocalSecondaryIndexes=[made["local"]],
                GlobalSecondaryIndexes=[made["global"]],
            )
    migration = Migration("t", tables["source"], tables["target"], pieces, strategy)
    return Pair(migration.source, migration.target, migration.compiled, view=view)


def item(n: int) -> Item:
    return {
        name: {"S": value}
        for name, value in {"p": "x", "c": f"c{n}", "b": f"b{n}", "g": "y", "a": "7", "d": "d"}.items()
    }


def put(bench: Bench, pair: Pair, count: int = 3) -> None:
    """As the source has them, and as the target has them."""
    for n in range(count):
        bench.client.put_item(TableName=pair.source.name, Item=item(n))
        bench.client.put_item(TableName=pair.target.name, Item=pair.mapping.forward(item(n)))


def asked(pair: Pair, index: str, operation: str = "Query", **more: Any) -> Request:
    request: Request = {"TableName": pair.caller.name, "IndexName": index, **more}
    if operation == "Query":
        name, value = ("p", "x") if index == "local" else ("g", "y")
        condition = {name: {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": value}]}}
        legacy = "AttributesToGet" in more
        request |= {"KeyConditions": condition} if legacy else {}
        values = {":p": {"S": value}}
        modern = {"KeyConditionExpression": f"{name} = :p", "ExpressionAttributeValues": values}
        request |= {} if legacy else modern
    return request


def ask(
    bench: Bench, pair: Pair, stage: Stage, request: Request, operation: str = "Query", strategy: str = "dual-write"
) -> Reply:
    routine = route(pair, stage, 0, operation, request, strategy=strategy)
    assert routine is not None
    return bench.run(routine, Call(pair.view, operation, request))


SERVED: Final = [("dual-write", Stage.COMPLETE), ("copy-on-write", Stage.DRAIN), ("copy-on-write", Stage.COMPLETE)]
OTHERS: Final = [KEYS, SOME, ALL]
KEPT: Final = {"c", "p", "b", "g", "a", "d"}
OPAQUE: Final = custom(
    lambda whole: {**whole, "n": whole["d"]}, lambda whole: {name: held for name, held in whole.items() if name != "n"}
)
MAPPINGS: Final[dict[str, list[Piece]]] = {
    "identity": [identity()],
    "suffix": [suffix("p", count=3, by="c")],
    "another form": [rename("d", "dd"), convert("a", text_to_number), set_default("kind", "K")],
}


def shown(reply: Reply) -> list[set[str]]:
    return [set(each) for each in reply["Items"]]


@pytest.mark.parametrize("theirs", OTHERS, ids=["keys", "some", "all"])
@pytest.mark.parametrize("own", OTHERS, ids=["keys", "some", "all"])
@pytest.mark.parametrize("pieces", MAPPINGS.values(), ids=list(MAPPINGS))
@pytest.mark.parametrize("view", ["source", "target"])
def test_the_callers_own_index_decides(bench: Bench, pieces: list[Piece], own: Any, theirs: Any, view: Side) -> None:
    """Of each pair of projections: what it shows, refuses and fetches. A mapping is given no part of an item."""
    held: dict[Side, Any] = {"source": own, "target": theirs} if view == "source" else {"source": theirs, "target": own}
    pair = tables_with(bench, pieces, held, view=view)
    put(bench, pair)
    stage = Stage.COMPLETE if view == "source" else Stage.OFF
    whole = set(item(0)) if view == "source" else set(pair.mapping.forward(item(0)))
    parts = {"KEYS_ONLY": set[str](), "INCLUDE": {"a"}, "ALL": whole}[own["ProjectionType"]]
    spread = pieces is MAPPINGS["suffix"]
    for index in ("local",) if spread else ("local", "global"):
        keys = {"p", "c", "b"} | ({"g"} if index == "global" else set[str]())
        for operation in ("Scan",) if spread and view == "target" else ("Query", "Scan"):
            request = asked(pair, index, operation)
            assert shown(ask(bench, pair, stage, request, operation)) == [keys | parts] * 3
            everything = asked(pair, index, operation, Select="ALL_ATTRIBUTES")
            if index == "global" and own is not ALL:
                with pytest.raises(ServiceRejected, match="Select type ALL_ATTRIBUTES is not supported for global"):
                    _ = ask(bench, pair, stage, everything, operation)
            else:
                assert shown(ask(bench, pair, stage, everything, operation)) == [whole] * 3
            last = asked(pair, index, operation, AttributesToGet=["a", "d"])
            if index == "global" and own is not ALL:
                with pytest.raises(ServiceRejected, match="Global secondary index global does not project"):
                    _ = ask(bench, pair, stage, last, operation)
            else:
                assert shown(ask(bench, pair, stage, last, operation)) == [{"a", "d"} & whole] * 3


@pytest.mark.parametrize("theirs", OTHERS, ids=["keys", "some", "all"])
def test_an_index_by_what_a_function_makes_is_refused(bench: Bench, theirs: Any) -> None:
    """Of no entry it is known that the other table has it too."""
    pair = tables_with(bench, [OPAQUE], {"source": SOME, "target": theirs})
    put(bench, pair)
    with pytest.raises(NotPossibleInStage, match="stored in another form"):
        _ = ask(bench, pair, Stage.COMPLETE, {"TableName": pair.source.name, "IndexName": "global"}, "Scan")


@pytest.mark.parametrize(("strategy", "stage"), SERVED)
def test_a_query_is_not_filtered_by_what_its_index_lacks(bench: Bench, strategy: Strategy, stage: Stage) -> None:
    """In DynamoDB's words, though the target's index holds it; a Scan finds nothing by it."""
    pair = tables_with(bench, [identity()], {"source": KEYS, "target": ALL}, strategy)
    put(bench, pair)
    for index in ("local", "global"):
        request = asked(pair, index, FilterExpression="attribute_exists(d)")
        with pytest.raises(
            ServiceRejected, match=rf"index {index} does not project one or more filter attributes: \[d\]$"
        ):
            _ = ask(bench, pair, stage, request, strategy=strategy)
        found = ask(
            bench, pair, stage, asked(pair, index, "Scan", FilterExpression="attribute_exists(d)"), "Scan", strategy
        )
        assert (found["Count"], found["ScannedCount"]) == (0, 3)


@pytest.mark.parametrize("gone", ["the table", "its index"])
def test_once_the_callers_table_is_left_the_other_decides(bench: Bench, gone: str) -> None:
    """What serves is all that is known then; it is asked for once."""
    pair = tables_with(
        bench, MAPPINGS["another form"], {"source": KEYS if gone == "the table" else None, "target": SOME}
    )
    put(bench, pair)
    if gone == "the table":
        bench.client.delete_table(TableName=pair.source.name)
    bench.calls.clear()
    for _ in range(2):
        assert shown(ask(bench, pair, Stage.COMPLETE, asked(pair, "global"))) == [{"p", "c", "b", "g", "a"}] * 3
    assert [call.operation for call in bench.calls].count("DescribeTable") == 2


@pytest.mark.parametrize("operation", ["Query", "Scan"])
@pytest.mark.parametrize("pieces", [MAPPINGS["identity"], MAPPINGS["suffix"]], ids=["identity", "suffix"])
def test_a_denied_description_is_told(bench: Bench, pieces: list[Piece], operation: str) -> None:
    """With the permission to give, and before anything is read. In complete the old table need not be asked."""
    denied = Denying(bench.client)
    pair = tables_with(bench, pieces, {"source": SOME, "target": ALL})
    put(bench, pair)
    request = asked(pair, "local", operation, ConsistentRead=True)
    with pytest.raises(ServiceRejected, match="allow dynamodb:DescribeTable on") as refused:
        _ = ask(denied, pair, Stage.LOCKSTEP_TARGET, request, operation)
    assert pair.source.name in refused.value.text
    assert refused.value.code == "AccessDeniedException"
    assert {call.operation for call in denied.calls if call.operation != operation} == {"DescribeTable"}
    denied.table = pair.source.name
    assert shown(ask(denied, pair, Stage.COMPLETE, request, operation)) == [set(item(0))] * 3


def test_an_outage_of_the_description_does_not_decide(bench: Bench) -> None:
    """That the old table could not be described just now says nothing of it."""
    pair = tables_with(bench, [identity()], {"source": KEYS, "target": ALL})
    put(bench, pair)
    throttled = Denying(bench.client, "ThrottlingException", pair.source.name)
    with pytest.raises(CrossfadeError, match="ThrottlingException"):
        _ = ask(throttled, pair, Stage.COMPLETE, asked(pair, "global"))
    assert shown(ask(bench, pair, Stage.COMPLETE, asked(pair, "global"))) == [{"p", "c", "b", "g"}] * 3


@pytest.mark.parametrize("side", ["source", "target"])
def test_an_index_that_is_made_later_is_found(bench: Bench, side: Side) -> None:
    """Until then the request is refused by the name of the table that lacks it."""
    held: dict[Side, Any] = {"source": ALL, "target": ALL, side: None}
    pair = tables_with(bench, [identity()], held)
    put(bench, pair)
    request = asked(pair, "global")
    stage = Stage.DRAIN
    with pytest.raises(ServiceRejected, match="The table does not have the specified index: global"):
        _ = ask(bench, pair, stage, request, strategy="copy-on-write")
    bench.client.update_table(
        TableName=pair.table(side).name,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("p", "c", "b", "g")],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "global",
                    "KeySchema": [
                        {"AttributeName": "g", "KeyType": "HASH"},
                        {"AttributeName": "b", "KeyType": "RANGE"},
                    ],
                    "Projection": ALL,
                }
            }
        ],
    )
    assert ask(bench, pair, stage, request, strategy="copy-on-write")["Count"] == 3


@pytest.mark.parametrize("pieces", [MAPPINGS["identity"], MAPPINGS["suffix"]], ids=["identity", "suffix"])
def test_an_item_that_leaves_its_place_meanwhile_is_left_out(bench: Bench, pieces: list[Piece]) -> None:
    """Between its entry and itself: neither shown at a place where it is not, nor the end of the page."""
    pair = tables_with(bench, pieces, {"source": ALL, "target": KEYS})
    put(bench, pair)
    moved = {**pair.mapping.forward(item(1)), "b": {"S": "z"}}
    name = "BatchGetItem"

    def moves() -> None:
        bench.client.put_item(TableName=pair.target.name, Item=moved)

    bench.before[name, ""] = moves
    reply = ask(bench, pair, Stage.COMPLETE, asked(pair, "local"))
    assert [each["c"]["S"] for each in reply["Items"]] == ["c0", "c2"]


def test_where_parts_of_an_attribute_go() -> None:
    """By their roots, both ways."""
    mapping = Migration(
        "t",
        Table("old", key={"p": "S"}),
        Table("new", key={"p": "S"}),
        [move("m.inner", "inner"), rename("a", "b"), convert("n", text_to_number)],
    ).compiled
    assert mapping.roots(frozenset({"m", "a", "n", "z"})) == {"m", "inner", "b", "n", "z"}
    assert mapping.roots(frozenset({"inner", "b", "n"}), back=True) == {"m", "a", "n"}


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_description_has_the_callers_own_indexes(bench: Bench, is_gone: bool) -> None:
    """Or, once the caller's table is gone, the other's in the caller's names."""
    pair = tables_with(bench, [rename("b", "bb")], {"source": KEYS, "target": None})
    keys = [{"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "bb", "KeyType": "RANGE"}]
    index = {"IndexName": "global-2", "KeySchema": keys, "Projection": ALL}
    make_anew(bench.client, pair.target.name, {"bb": "S", "g": "S"}, GlobalSecondaryIndexes=[index])
    pair = Pair(pair.source, pair.target, pair.mapping, indexes={"global": "global-2"})
    if is_gone:
        bench.client.delete_table(TableName=pair.source.name)
    told = ask(bench, pair, Stage.COMPLETE, {"TableName": pair.source.name}, "DescribeTable")["Table"]
    (found,) = told["GlobalSecondaryIndexes"]
    assert told["TableName"] == pair.source.name
    assert (found["IndexName"], found["Projection"]) == ("global", ALL if is_gone else KEYS)
    assert [part["AttributeName"] for part in found["KeySchema"]] == ["g", "b"]
    assert {"p", "c", "g", "b"} == {each["AttributeName"] for each in told["AttributeDefinitions"]}
