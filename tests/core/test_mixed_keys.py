"""A request with the old key of one item and the new key of another: refused in every stage, and nothing is written."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.sync.copy import copy_key
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import derive_key, rename, suffix, use_as_key
from tests.core.conftest import Bench
from tests.sampling import one_in

NAMESPACE: Final = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@dataclass(frozen=True)
class Way:
    """A mapping whose keys have other names or are other attributes; `held`: the target's are the items' own."""

    pieces: list[Any]
    source_key: dict[str, Any]
    target_key: dict[str, Any]
    strategies: tuple[str, ...] = ("dual-write", "copy-on-write")
    views: tuple[Side, ...] = ("source", "target")
    held: bool = False


WAYS: Final = {
    "use_as_key": Way([use_as_key("guid")], {"place": "S"}, {"guid": "S"}, ("copy-on-write",), ("target",), held=True),
    "use_as_key in a partition": Way(
        [use_as_key("guid")],
        {"part": "S", "place": "S"},
        {"part": "S", "guid": "S"},
        ("copy-on-write",),
        ("target",),
        held=True,
    ),
    "derive_key": Way(
        [derive_key("guid", by=("place",), namespace=NAMESPACE)], {"place": "S"}, {"guid": "S"}, ("copy-on-write",)
    ),
    "rename": Way([rename("place", "spot")], {"part": "S", "place": "S"}, {"part": "S", "spot": "S"}),
    "rename and suffix": Way(
        [suffix("part", count=1000, by="place"), rename("part", "shard")],
        {"part": "S", "place": "S"},
        {"shard": "S", "place": "S"},
    ),
}
KINDS: Final = (
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem put",
    "BatchWriteItem delete",
    "TransactWriteItems Put",
    "TransactWriteItems Update",
    "TransactWriteItems Delete",
    "TransactWriteItems ConditionCheck",
)
CHANGE: Final[Request] = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"N": "9"}}}
TOLD: Final = r"has another|is no key of one item|place make|its suffix should be"
EXISTS: Final[Request] = {"ConditionExpression": "attribute_not_exists(absent)"}


class Tables:
    """Two items, `a` and `b`, where the stage has them, and another table beside them."""

    def __init__(self, bench: Bench, way: Way, strategy: str, view: Side, copied: tuple[str, ...]) -> None:
        self.bench = bench
        self.strategy = strategy
        source = Table(bench.make_table("source", **way.source_key), key=way.source_key)
        target = Table(bench.make_table("target", **way.target_key), key=way.target_key)
        control = bench.make_table("control", migration="S", record="S")
        migration = Migration("t", source, target, way.pieces, strategy)  # type: ignore[arg-type]
        self.pair = Pair(source, target, migration.compiled, view=view, ledger=Ledger(control, "t"))
        self.way = way
        for name in ("a", "b"):
            item: Item = {"part": {"S": "p"}, "place": {"S": name}, "n": {"N": "5"}}
            if way.held:
                item["guid"] = {"S": f"guid-{name}"}
            bench.client.put_item(TableName=source.name, Item=item)
            if name in copied:
                _ = bench.run(copy_key(self.pair, self.pair.source_key(item)))

    def both(self, name: str) -> Item:
        """The key of an item with the attributes of both tables."""
        old: Item = {"part": {"S": "p"}, "place": {"S": name}}
        source = {each: old[each] for each in self.way.source_key}
        held: Item = {"guid": {"S": f"guid-{name}"}} if self.way.held else {}
        return {**source, **self.pair.mapping.forward_key({**source, **held})}

    def mixed(self, old: str, new: str) -> Item:
        target = {each: self.both(new)[each] for each in self.way.target_key if each not in self.way.source_key}
        return {**self.both(old), **target}

    def write(self, stage: Stage, kind: str, key: Item, **more: Any) -> Reply:
        operation, _, action = kind.partition(" ")
        name = self.pair.caller.name
        item = {**key, "n": {"N": "9"}}
        one: Request = {"TableName": name, **more}
        requests: dict[str, Callable[[], Request]] = {
            "PutItem": lambda: one | {"Item": item},
            "UpdateItem": lambda: one | {"Key": key} | CHANGE,
            "DeleteItem": lambda: one | {"Key": key},
            "put": lambda: {"RequestItems": {name: [{"PutRequest": {"Item": item}}]}},
            "delete": lambda: {"RequestItems": {name: [{"DeleteRequest": {"Key": key}}]}},
            "Put": lambda: {"TransactItems": [{"Put": one | {"Item": item}}]},
            "Update": lambda: {"TransactItems": [{"Update": one | {"Key": key} | CHANGE}]},
            "Delete": lambda: {"TransactItems": [{"Delete": one | {"Key": key}}]},
            "ConditionCheck": lambda: {"TransactItems": [{"ConditionCheck": one | {"Key": key} | EXISTS}]},
        }
        request = requests[action or operation]()
        routine = route(self.pair, stage, 0, operation, request, strategy=self.strategy)
        forward = Call(self.pair.view, operation, request)
        return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)

    def held(self) -> dict[str, list[Item]]:
        tables = (self.pair.source.name, self.pair.target.name)
        found = {name: self.bench.client.scan(TableName=name, ConsistentRead=True)["Items"] for name in tables}
        return {name: sorted(items, key=lambda item: repr(sorted(item.items()))) for name, items in found.items()}


def places(way: Way, strategy: str, stage: Stage) -> list[tuple[str, ...]]:
    """Which items may be in the target already."""
    if stage in (Stage.OFF, Stage.STAMP, Stage.DUALWRITE):
        return [()]
    if not LADDERS[strategy][stage].merges:
        return [("a", "b")]
    return [(), ("a",), ("b",), ("a", "b")] if way.held else [("a",)]


CASES: Final = [
    (name, strategy, stage, view, copied)
    for name, way in WAYS.items()
    for strategy, view in itertools.product(way.strategies, way.views)
    for stage in LADDERS[strategy]
    for copied in places(way, strategy, stage)
]


@pytest.mark.parametrize(("way", "strategy", "stage", "view", "copied"), CASES)
def test_keys_of_two_items_are_refused(
    bench: Bench, way: str, strategy: str, stage: Stage, view: Side, copied: tuple[str, ...]
) -> None:
    """Every write that names an item by both keys, with a condition and without; both tables stay as they were."""
    tables = Tables(bench, WAYS[way], strategy, view, copied)
    before = tables.held()
    number = CASES.index((way, strategy, stage, view, copied))
    for kind, (old, new) in one_in(5, itertools.product(KINDS, (("a", "b"), ("b", "a"), ("a", "new"))), number):
        if is_a_plain_put(WAYS[way], stage, kind):
            continue
        if new == "new" and stage is Stage.COMPLETE and WAYS[way].held:
            continue  # nobody is to be found by an old key any more
        for more in ({}, EXISTS) if kind in ("PutItem", "DeleteItem") else ({},):
            with pytest.raises(ServiceRejected, match=TOLD) as refusal:
                _ = tables.write(stage, kind, tables.mixed(old, new), **more)
            assert refusal.value.code == "ValidationException", kind
    assert tables.held() == before


def is_a_plain_put(way: Way, stage: Stage, kind: str) -> bool:
    """An item of the caller's own table, in which the other table's key is an attribute like any other: the mapping
    says whether it is one, where there is a counterpart; and in `complete` there is none."""
    if kind.rpartition(" ")[2].lower() not in ("putitem", "put"):
        return False
    return not way.held or stage is Stage.COMPLETE


@pytest.mark.parametrize(("way", "strategy", "stage", "view", "copied"), CASES)
def test_the_two_keys_of_one_item_are_taken(
    bench: Bench, way: str, strategy: str, stage: Stage, view: Side, copied: tuple[str, ...]
) -> None:
    """The same writes, of an item that is there and of one that is not."""
    tables = Tables(bench, WAYS[way], strategy, view, copied)
    number = CASES.index((way, strategy, stage, view, copied))
    for kind, name in one_in(5, itertools.product(KINDS, ("a", "new")), number):
        if not is_a_plain_put(WAYS[way], stage, kind):
            _ = tables.write(stage, kind, tables.both(name))
