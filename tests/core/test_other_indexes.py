"""An index whose counterpart is another one: in order as on a plain table, or refused, whoever knows what of it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from crossfade import Index, Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage
from crossfade.mapping import convert, identity, number_to_text, rename, suffix
from crossfade.migration import Strategy
from tests.core.conftest import Bench

KEY: Final[dict[str, Any]] = {"p": "S", "c": "S"}
SIDES: Final[tuple[Side, Side]] = ("source", "target")
STRATEGIES: Final[tuple[Strategy, ...]] = ("dual-write", "copy-on-write")
PLACES: Final = [(strategy, stage) for strategy in STRATEGIES for stage in LADDERS[strategy]]
TEXTS: Final = ("al", "al!", "al#b", "al$x", "ala", "zed")  # a number behind them changes their order
_made: set[str] = set()  # cases whose tables are there; each test says of every item where it is

# The keys of both indexes, the mapping, and whether they are the same index.
INDEXES: Final[dict[str, tuple[str, str, list[Piece], bool]]] = {
    "the same": ("g | b", "g | b", [identity()], True),
    "under another name": ("g | b", "g | x", [rename("b", "x")], True),
    "sorted by a spread partition": ("g | p", "g | p", [suffix("p", 4, by="c")], False),
    "sorted by what is converted": ("g | n", "g | n", [convert("n", number_to_text)], False),
    "sorted by something else": ("g | b", "g | d", [identity()], False),
    "several, the same": ("g h | b d", "h g | b d", [identity()], True),
    "several, in another order": ("g h | b d", "g h | d b", [identity()], False),
    "several, one of the partition sorts": ("g h | b", "g | h b", [identity()], False),
    "several, the last is not there": ("g h | b d", "g h | b", [identity()], False),
    "several, one is converted": ("g h | b n", "g h | b n", [convert("n", number_to_text)], False),
}


def key_of(written: str, kinds: dict[str, Any]) -> Index:
    partition, sort = ({name: kinds.get(name, "S") for name in part.split()} for part in written.split(" | "))
    return Index(partition, sort)


def make(bench: Bench, table: Table, index: Index) -> None:
    schema = [{"AttributeName": name, "KeyType": role} for name, role in zip(table.key, ("HASH", "RANGE"), strict=True)]
    request: Request = {
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": kind} for name, kind in {**table.key, **index.kinds}.items()
        ],
        "KeySchema": schema,
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by_it",
                "KeySchema": [
                    *({"AttributeName": name, "KeyType": "HASH"} for name in index.partition),
                    *({"AttributeName": name, "KeyType": "RANGE"} for name in index.sort),
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    }
    _ = bench.client.create_table(**request)


def item(n: int) -> Item:
    text = TEXTS[n]
    return {
        "p": {"S": text}, "c": {"S": f"c{n % 3}"}, "g": {"S": "g"}, "h": {"S": "h"}, "b": {"S": TEXTS[n % 4]},
        "d": {"S": TEXTS[-1 - n]}, "n": {"N": str(8 + n)},
    }  # fmt: skip


@pytest.mark.parametrize(("strategy", "stage"), PLACES)
@pytest.mark.parametrize("view", SIDES)
@pytest.mark.parametrize("case", INDEXES)
def test_an_index_answers_in_its_own_order_or_not_at_all(
    bench: Bench, strategy: Strategy, stage: Stage, view: Side, case: str
) -> None:
    """By its partition alone, in pages of two: whether its key is declared or not."""
    declared = (list(INDEXES).index(case) + PLACES.index((strategy, stage))) % 2 == 0
    ours, theirs, pieces, is_same = INDEXES[case]
    kinds: dict[Side, dict[str, Any]] = {
        "source": {"n": "N"},
        "target": {"n": "S" if "convert" in pieces[0].describe() else "N"},
    }
    keys = {side: key_of(keyed, kinds[side]) for side, keyed in zip(SIDES, (ours, theirs), strict=True)}
    tables = {
        side: Table(f"{side}-other-{list(INDEXES).index(case)}", KEY, indexes={"by_it": keys[side]} if declared else {})
        for side in SIDES
    }
    if case not in _made:
        for side in SIDES:
            make(bench, tables[side], keys[side])
        _made.add(case)
    migration = Migration("t", tables["source"], tables["target"], pieces, strategy)
    pair = Pair(migration.source, migration.target, migration.compiled, view=view)
    row = LADDERS[strategy][stage]
    shown: list[Item] = []
    written: dict[str, list[Request]] = {tables[side].name: [] for side in SIDES}
    for n in range(len(TEXTS)):
        forms: dict[Side, Item] = {"source": item(n), "target": pair.mapping.forward(item(n))}
        shown.append(forms[view])
        in_target = n % 2 == 1 if row.merges else row.authority == "target"
        for side in SIDES:
            stamp: Item = {STAMP: {"S": "stamp"}} if side == "target" else {}
            key = {name: forms[side][name] for name in KEY}
            put: Request = {"PutRequest": {"Item": {**forms[side], **stamp}}}
            is_there = strategy == "dual-write" or in_target == (side == "target")
            written[tables[side].name].append(put if is_there else {"DeleteRequest": {"Key": key}})
    bench.client.batch_write_item(RequestItems=written)
    partition = keys[view].names.partition
    request: Request = {
        "TableName": tables[view].name,
        "IndexName": "by_it",
        "KeyConditionExpression": " AND ".join(f"{name} = :{name}" for name in partition),
        "ExpressionAttributeValues": {f":{name}": {"S": name} for name in partition},
        "Limit": 2,
    }
    asked_of_one = row.is_single and row.authority == view
    try:
        found = everything(bench, pair, strategy, stage, request)
    except NotPossibleInStage:
        if is_same or asked_of_one:
            raise
        return

    def place(image: Item) -> list[Any]:
        values = [image[name] for name in keys[view].names.sort]
        return [float(value["N"]) if "N" in value else value["S"].encode() for value in values]

    assert sorted(each["c"]["S"] + each["d"]["S"] for each in found) == sorted(
        each["c"]["S"] + each["d"]["S"] for each in shown
    )
    assert [place(each) for each in found] == sorted(map(place, shown))


def everything(bench: Bench, pair: Pair, strategy: Strategy, stage: Stage, request: Request) -> list[Item]:
    """All pages."""
    found: list[Item] = []
    while True:
        routine = route(pair, stage, 0, "Query", request, strategy=strategy)
        forward = Call(pair.view, "Query", request)
        reply: Reply = bench.send(forward) if routine is None else bench.run(routine, forward)
        found += reply["Items"]
        if "LastEvaluatedKey" not in reply:
            return found
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
