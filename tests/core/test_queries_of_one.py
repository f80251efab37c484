"""A Query by the whole key is about one item at most, so it is answered where the two tables keep sort keys in
different orders, or where one has none: in every stage, for both views."""

from __future__ import annotations

from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import convert, number_to_text, rename, set_default, split
from tests.contract.tables import puts, write_all
from tests.core.conftest import Bench

Keys = dict[str, Any]
WAYS: Final[dict[str, tuple[list[Piece], Keys, Keys]]] = {
    "constant": ([rename("id", "pk"), set_default("sk", "META")], {"id": "S"}, {"pk": "S", "sk": "S"}),
    "split": ([split("id", into=("pk", "sk"))], {"id": "S"}, {"pk": "S", "sk": "S"}),
    "number to text": ([convert("n", number_to_text)], {"id": "S", "n": "N"}, {"id": "S", "n": "S"}),
}
VIEWS: Final[tuple[Side, ...]] = ("source", "target")
PLACES: Final = [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
IDS: Final = ("a#1", "a#2", "b#1")


class Tables:
    """Three items, where the stage has them, beside a plain table of the caller's form."""

    def __init__(self, bench: Bench, way: str, strategy: str, stage: Stage, view: Side) -> None:
        self.bench, self.strategy, self.stage = bench, strategy, stage
        pieces, old, new = WAYS[way]
        source = Table(bench.make_table("source", **old), key=old)
        target = Table(bench.make_table("target", **new), key=new)
        migration = Migration("t", source, target, pieces, strategy)  # type: ignore[arg-type]
        self.pair = Pair(source, target, migration.compiled, view=view)
        self.key = old if view == "source" else new
        self.plain = bench.make_table("plain", **self.key)
        row = LADDERS[strategy][stage]
        both, forward = row.keeps_equal, self.pair.mapping.forward
        items: list[Item] = [{"id": {"S": name}, "n": {"N": str(n)}, "v": {"S": name}} for n, name in enumerate(IDS)]
        sources = [item for n, item in enumerate(items) if both or (n % 2 if row.merges else row.authority == "source")]
        targets = [{**forward(item), STAMP: {"S": "stamp"}} for item in items if both or item not in sources]
        self.items = items if view == "source" else [forward(item) for item in items]
        names = source.name, target.name, self.plain
        write_all(bench.client, dict(zip(names, map(puts, (sources, targets, self.items)), strict=True)))

    def asking(self, item: Item, **more: Any) -> Request:
        names = list(self.key)
        return {
            "KeyConditionExpression": " AND ".join(f"#{n} = :{n}" for n in range(len(names))),
            "ExpressionAttributeNames": {f"#{n}": name for n, name in enumerate(names)},
            "ExpressionAttributeValues": {f":{n}": item[name] for n, name in enumerate(names)},
            **more,
        }

    def ours(self, request: Request) -> Reply | str:
        whole: Request = {"TableName": self.pair.caller.name, **request}
        forward = Call(self.pair.view, "Query", whole)
        try:
            routine = route(self.pair, self.stage, 0, "Query", whole, strategy=self.strategy)
            reply = self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        except ServiceRejected as error:
            return error.code
        items = [{name: value for name, value in item.items() if name != STAMP} for item in reply["Items"]]
        return shown({**reply, "Items": items})

    def theirs(self, request: Request) -> Reply | str:
        try:
            return shown(self.bench.send(Call("source", "Query", {"TableName": self.plain, **request})))
        except ServiceRejected as error:
            return error.code


def shown(reply: Reply) -> Reply:
    names = ("Items", "Count", "ScannedCount", "LastEvaluatedKey")
    return {name: reply[name] for name in names if name in reply}


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("strategy", "stage"), PLACES)
def test_it_is_answered_as_by_a_plain_table(bench: Bench, strategy: str, stage: Stage, way: str, view: Side) -> None:
    """With its tokens, and with tokens that are those of other items."""
    tables = Tables(bench, way, strategy, stage, view)
    keys = [{name: item[name] for name in tables.key} for item in tables.items]
    for item, key in zip(tables.items, keys, strict=True):
        ways: tuple[Request, ...] = (
            {},
            {"ConsistentRead": True},
            {"Limit": 1},
            {"ScanIndexForward": False, "ConsistentRead": True, "Limit": 2},
            {"FilterExpression": "v = :v"},
            *({"ExclusiveStartKey": start} for start in keys if len(key) > 1 or start != key),
        )
        for more in ways:
            request = tables.asking(item, **more)
            if "FilterExpression" in more:
                request["ExpressionAttributeValues"][":v"] = {"S": "a#1"}
            assert tables.ours(request) == tables.theirs(request), (key, more)
    first = next(iter(tables.key))
    absent = {**keys[0], first: {"S": f"z{keys[0][first]['S']}"}}
    assert tables.ours(tables.asking(absent)) == tables.theirs(tables.asking(absent))


@pytest.mark.parametrize("way", ["constant", "split"])
@pytest.mark.parametrize(("strategy", "stage"), [("dual-write", Stage.RAMPDOWN), ("copy-on-write", Stage.RAMPDOWN)])
def test_nothing_follows_the_one_item(bench: Bench, strategy: str, stage: Stage, way: str) -> None:
    """Its token, in a table without a sort key, is good for an empty page; the embedded engine would begin anew."""
    tables = Tables(bench, way, strategy, stage, "source")
    key: Item = {"id": {"S": "a#1"}}
    first = tables.ours(tables.asking(key, Limit=1))
    assert isinstance(first, dict)
    assert first["LastEvaluatedKey"] == key
    assert tables.ours(tables.asking(key, ExclusiveStartKey=key)) == {"Items": [], "Count": 0, "ScannedCount": 0}


@pytest.mark.parametrize(("strategy", "stage"), [("dual-write", Stage.RAMPDOWN), ("copy-on-write", Stage.DRAIN)])
def test_a_query_of_several_is_refused_still(bench: Bench, strategy: str, stage: Stage) -> None:
    """Their order is another one in the other table."""
    tables = Tables(bench, "number to text", strategy, stage, "source")
    values: Item = {":id": {"S": "a#1"}, ":n": {"N": "5"}}
    for condition in ("id = :id", "id = :id AND n <= :n"):
        used = {name: value for name, value in values.items() if name in condition.split()}
        with pytest.raises(NotPossibleInStage):
            _ = tables.ours({"KeyConditionExpression": condition, "ExpressionAttributeValues": used})
