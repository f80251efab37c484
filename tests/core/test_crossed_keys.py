"""Two items in both tables, and writes with the old key of the one and the new key of the other, in every stage of both
strategies: refused with the reason and nothing is written, or what a plain table with the caller's key would do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Effect, Reply, Request, Sleep
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import DatabaseError, NotPossibleInStage, ServiceRejected
from crossfade.mapping import derive_key, rename, suffix, use_as_key
from tests.core.conftest import Bench
from tests.sampling import one_in

NAMESPACE: Final = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
COPYING: Final = ("copy-on-write",)
BOTH: Final = ("dual-write", *COPYING)
VIEWS: Final[tuple[Side, ...]] = ("source", "target")


@dataclass(frozen=True)
class Rekeying:
    """A mapping with another key. `holds`: the items have a `guid` of their own."""

    pieces: list[Any]
    source_key: dict[str, Any]
    target_key: dict[str, Any]
    strategies: tuple[str, ...] = BOTH
    views: tuple[Side, ...] = VIEWS
    holds: bool = False


REKEYINGS: Final = {
    "an own sort key": Rekeying(
        [use_as_key("guid")], {"place": "S"}, {"place": "S", "guid": "S"}, COPYING, ("target",), holds=True
    ),
    "an own partition key": Rekeying(
        [use_as_key("guid")], {"place": "S"}, {"guid": "S", "place": "S"}, COPYING, ("target",), holds=True
    ),
    "an own key": Rekeying([use_as_key("guid")], {"place": "S"}, {"guid": "S"}, COPYING, ("target",), holds=True),
    "a derived key": Rekeying(
        [derive_key("guid", by=("place",), namespace=NAMESPACE)], {"place": "S"}, {"guid": "S"}, COPYING
    ),
    "a renamed key": Rekeying([rename("place", "spot")], {"part": "S", "place": "S"}, {"part": "S", "spot": "S"}),
    "a suffixed key": Rekeying(
        [suffix("part", count=1000, by="place"), rename("part", "shard")],
        {"part": "S", "place": "S"},
        {"shard": "S", "place": "S"},
    ),
}
CROSSINGS: Final = (("a", "b"), ("b", "a"), ("a", "new"), ("new", "a"))
SET_N: Final[Request] = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"N": "9"}}}
HOLDS: Final[Request] = {"ConditionExpression": "attribute_not_exists(absent)"}
ABSENT_N: Final[Request] = {"ConditionExpression": "attribute_not_exists(n)"}
REQUESTS_MAX: Final = 16  # of one write, its tries included: who was merely told "no" does not try 104 times
SECONDS_MAX: Final = 600.0  # by then the background work has given up or is at an end


class Watch(Bench):
    """A bench whose background work comes to an end."""

    def perform(self, effect: Effect[Any], forward: Call | None) -> Any:
        assert not isinstance(effect, Sleep) or self.now < SECONDS_MAX, "it is tried for ever"
        return super().perform(effect, forward)


class Crossing:
    """Both tables with `a` and `b`, as the stage has them, and a plain table with the caller's key."""

    def __init__(self, bench: Bench, rekeying: Rekeying, strategy: str, stage: Stage, view: Side) -> None:
        self.client, self.rekeying, self.strategy, self.stage = bench.client, rekeying, strategy, stage
        self.row = LADDERS[strategy][stage]
        source, target = (
            Table(bench.make_table(name, **key), key=key)
            for name, key in (("source", rekeying.source_key), ("target", rekeying.target_key))
        )
        self.plain = bench.make_table("plain", **(rekeying.source_key if view == "source" else rekeying.target_key))
        self.control = bench.make_table("control", migration="S", record="S")
        migration = Migration("t", source, target, rekeying.pieces, strategy)  # type: ignore[arg-type]
        self.pair = Pair(source, target, migration.compiled, view=view, ledger=Ledger(self.control, "t"))
        state = {"migration": {"S": "t"}, "record": {"S": "state"}, "stage": {"S": stage.value}}
        bench.client.put_item(TableName=self.control, Item=state)

    def original(self, name: str) -> Item:
        held: Item = {"guid": {"S": f"guid-{name}"}} if self.rekeying.holds else {}
        return {"part": {"S": "p"}, "place": {"S": name}, **held}

    def both(self, name: str) -> Item:
        """The attributes of both keys of one item."""
        old = self.original(name)
        new = self.pair.mapping.forward(old)
        return {each: {**old, **new}[each] for each in (*self.rekeying.source_key, *self.rekeying.target_key)}

    def crossed(self, old: str, new: str) -> Item:
        there = {
            each: self.both(new)[each] for each in self.rekeying.target_key if each not in self.rekeying.source_key
        }
        return {**self.both(old), **there}

    def image(self, name: str) -> Item:
        item = {**self.original(name), "n": {"N": "5"}}
        return item if self.pair.view == "source" else self.pair.mapping.forward(item)

    def fill(self, copied: Sequence[str]) -> None:
        wanted: dict[str, list[Item]] = {self.pair.source.name: [], self.pair.target.name: [], self.plain: []}
        for name in ("a", "b"):
            item = {**self.original(name), "n": {"N": "5"}}
            wanted[self.pair.source.name].append(item)
            wanted[self.plain].append(self.image(name))
            if name in copied:
                stamped = {**self.pair.mapping.forward(item), STAMP: {"S": f"stamp of {name}"}}
                wanted[self.pair.target.name].append(stamped)
        for table, items in wanted.items():
            names = list(self.rekeying.source_key if table == self.pair.source.name else self.rekeying.target_key)
            if table == self.plain:
                names = list(self.pair.caller.key_names)
            for item in self.scan(table):
                if item not in items:
                    self.client.delete_item(TableName=table, Key={each: item[each] for each in names})
            for item in items:
                self.client.put_item(TableName=table, Item=item)

    def scan(self, table: str) -> list[Item]:
        items: list[Item] = self.client.scan(TableName=table, ConsistentRead=True)["Items"]
        return items

    def held(self) -> dict[Side, list[Item]]:
        sides: tuple[Side, Side] = ("source", "target")
        return {side: sorted(self.scan(self.pair.table(side).name), key=shown) for side in sides}

    def asked(self, kind: str, key: Item, *, plainly: bool) -> tuple[str, Request]:
        """The request; of a plain table, which takes its own key alone."""
        operation, _, action = kind.partition(" ")
        table = self.plain if plainly else self.pair.caller.name
        own = {name: key[name] for name in self.pair.caller.key_names} if plainly else key
        put: Request = {"Item": {**key, "n": {"N": "9"}}}
        third: Request = {"Item": {**self.image("c")}}
        beside: Request = {name: self.both("a")[name] for name in (self.pair.caller.key_names if plainly else key)}
        twice: Request = {"Item": {**self.crossed("x", "new"), "n": {"N": "1"}}}
        twice_more: Request = {"Item": {**self.crossed("x", "newer"), "n": {"N": "2"}}}
        name: Request = {"TableName": table}
        if operation == "BatchWriteItem":
            entries: dict[str, list[Request]] = {
                "put": [{"PutRequest": put}],
                "delete": [{"DeleteRequest": {"Key": own}}],
                "put, third": [{"PutRequest": third}, {"PutRequest": put}],
                "put, delete": [{"DeleteRequest": {"Key": beside}}, {"PutRequest": put}],
                "put, put": [{"PutRequest": twice}, {"PutRequest": twice_more}],
            }
            return operation, {"RequestItems": {table: entries[action]}}
        if operation == "TransactWriteItems":
            actions: dict[str, list[Request]] = {
                "Put": [{"Put": name | put}],
                "Update": [{"Update": name | {"Key": own} | SET_N}],
                "Delete": [{"Delete": name | {"Key": own}}],
                "ConditionCheck": [{"ConditionCheck": name | {"Key": own} | HOLDS}],
                "Put, third": [{"Put": name | third}, {"Put": name | put}],
                "Update, third": [{"Put": name | third}, {"Update": name | {"Key": own} | SET_N | HOLDS}],
                "Put, Delete": [{"Delete": name | {"Key": beside}}, {"Put": name | put}],
                "Delete, Update": [{"Update": name | {"Key": beside} | SET_N}, {"Delete": name | {"Key": own}}],
                "Put, Put": [{"Put": name | twice}, {"Put": name | twice_more}],
            }
            return operation, {"TransactItems": actions[action]}
        rest: dict[str, Request] = {
            "PutItem": put,
            "PutItem if": put | HOLDS,
            "PutItem if absent": put | ABSENT_N,
            "PutItem old": put | {"ReturnValues": "ALL_OLD"},
            "UpdateItem": {"Key": own} | SET_N,
            "UpdateItem if": {"Key": own} | SET_N | HOLDS | {"ReturnValues": "ALL_NEW"},
            "UpdateItem bare": {"Key": own},
            "DeleteItem": {"Key": own},
            "DeleteItem if": {"Key": own} | HOLDS,
            "DeleteItem old": {"Key": own} | {"ReturnValues": "ALL_OLD"},
        }
        return operation, name | rest[kind]


KINDS: Final = (
    "PutItem",
    "PutItem if",
    "PutItem if absent",
    "PutItem old",
    "UpdateItem",
    "UpdateItem if",
    "UpdateItem bare",
    "DeleteItem",
    "DeleteItem if",
    "DeleteItem old",
    "BatchWriteItem put",
    "BatchWriteItem delete",
    "BatchWriteItem put, third",
    "BatchWriteItem put, delete",
    "BatchWriteItem put, put",
    "TransactWriteItems Put",
    "TransactWriteItems Update",
    "TransactWriteItems Delete",
    "TransactWriteItems ConditionCheck",
    "TransactWriteItems Put, third",
    "TransactWriteItems Update, third",
    "TransactWriteItems Put, Delete",
    "TransactWriteItems Delete, Update",
    "TransactWriteItems Put, Put",
)


def shown(item: Item) -> str:
    return repr(sorted((name, value) for name, value in item.items() if name != STAMP))


def unstamped(items: Sequence[Item]) -> list[Item]:
    return sorted(({n: v for n, v in item.items() if n != STAMP} for item in items), key=shown)


def copies(strategy: str, stage: Stage) -> list[tuple[str, ...]]:
    """Which items may be in the target."""
    row = LADDERS[strategy][stage]
    if row.keeps_equal or row.authority == "target":
        return [(), ("a",), ("b",), ("a", "b")] if row.merges else [("a", "b")]
    return [()]


CASES: Final = [
    (name, strategy, stage, view, copied)
    for name, rekeying in REKEYINGS.items()
    for strategy, view in itertools.product(rekeying.strategies, rekeying.views)
    for stage in LADDERS[strategy]
    for copied in copies(strategy, stage)
]


def runs(case: tuple[str, str, Stage, Side, tuple[str, ...]]) -> Iterator[tuple[str, str, str]]:
    """What is tried of a case, each run another part of it."""
    name, strategy, stage, _, copied = case
    row, rekeying = LADDERS[strategy][stage], REKEYINGS[name]
    for kind, (old, new) in one_in(7, itertools.product(KINDS, CROSSINGS), CASES.index(case)):
        puts = kind.startswith("PutItem") or "put" in kind or "Put" in kind
        if name == "an own key" and (old, new) == ("new", "a") and "a" not in copied and not row.is_final:
            continue  # that the source has the same guid under another old key is seen by no single request
        if puts and not rekeying.holds:
            continue  # the other table's key is an attribute of what is put like any other: the mapping takes it or not
        yield kind, old, new


@pytest.mark.parametrize(("name", "strategy", "stage", "view", "copied"), CASES)
def test_a_write_across_two_items(
    bench: Bench, name: str, strategy: str, stage: Stage, view: Side, copied: tuple[str, ...]
) -> None:
    """No item but the named one is touched in either table, and each table stays the other's image."""
    tables = Crossing(bench, REKEYINGS[name], strategy, stage, view)
    wrong: list[str] = []
    for kind, old, new in runs((name, strategy, stage, view, copied)):
        tables.fill(copied)
        said = judged(tables, kind, old, new)
        if said:
            wrong.append(f"{kind}, old key of {old}, new key of {new}: {said}")
    assert not wrong, "\n".join(wrong)


def judged(tables: Crossing, kind: str, old: str, new: str) -> str:
    """What is wrong with what became of one write; nothing where all is well."""
    watch = Watch(tables.client)
    key = tables.crossed(old, new)
    before = tables.held()
    operation, request = tables.asked(kind, key, plainly=False)
    refusal: DatabaseError | NotPossibleInStage | None = None
    reply: Reply = {}
    try:
        routine = route(tables.pair, tables.stage, 0, operation, request, strategy=tables.strategy)
        forward = Call(tables.pair.view, operation, request)
        reply = watch.send(forward) if routine is None else watch.run(routine, forward)
    except (DatabaseError, NotPossibleInStage) as error:
        refusal = error
    if len(watch.calls) > REQUESTS_MAX:
        return f"{len(watch.calls)} requests: {refusal}"
    for later in watch.later:
        try:
            watch.run(later.routine)
        except AssertionError as error:
            return f"{later.kind}: {error}"
    after = tables.held()
    if refusal is not None:
        if before != after:
            return f"refused ({refusal}), and written: {after}"
        return "" if is_told(refusal) else f"refused as {refusal!r}"
    return compared(tables, kind, key, before, after, reply)


def is_told(refusal: DatabaseError | NotPossibleInStage) -> bool:
    """Whether the reason is the caller's to mend, and no race."""
    if isinstance(refusal, NotPossibleInStage):
        return True
    if not isinstance(refusal, ServiceRejected):
        return False
    if refusal.code == "TransactionCanceledException":
        return "TransactionConflict" not in refusal.text
    return refusal.code in ("ValidationException", "ConditionalCheckFailedException")


def compared(
    tables: Crossing, kind: str, key: Item, before: dict[Side, list[Item]], after: dict[Side, list[Item]], reply: Reply
) -> str:
    """Whether what was answered is what a plain table with the caller's key does."""
    pair, row = tables.pair, tables.row
    operation, request = tables.asked(kind, key, plainly=True)
    try:
        answer = Bench(tables.client).send(Call(pair.view, operation, request))
    except ServiceRejected as error:
        return f"taken, where a plain table says {error}"
    if reply.get("Attributes", {}) != {**answer.get("Attributes", {}), **(key if "ALL_NEW" in str(request) else {})}:
        return f"answered {reply.get('Attributes')}, where a plain table answers {answer.get('Attributes')}"
    callers = pair.caller.key_names
    made = {name: value for name, value in key.items() if name not in callers}
    made_anew = kind.partition(" ")[0] == "UpdateItem" or "Update" in kind  # has the attributes of both keys
    plain = unstamped(
        [
            {**made, **item} if made_anew and tables.rekeying.holds and is_under(item, key, callers) else item
            for item in tables.scan(tables.plain)
        ]
    )
    if (seen := unstamped(seen_by_caller(tables, after))) != plain:
        return f"the caller sees {seen}, where a plain table has {plain}"
    if row.keeps_equal:
        images = unstamped([pair.mapping.forward(item) for item in after["source"]])
        if images != unstamped(after["target"]):
            return f"source {after['source']} and target {after['target']} are not images of each other"
    touched = [item for side in VIEWS for item in before[side] if item not in after[side]]
    named = {shown(tables.image(each)) for each in "ab" if is_of(tables, kind, key, each)}
    for item in touched:
        side: Side = "source" if item in before["source"] else "target"
        image = (
            item
            if side == pair.view
            else (pair.mapping.backward(item) if side == "target" else pair.mapping.forward(item))
        )
        if shown(image) not in named:
            return f"{item} was touched, which nobody named"
    return ""


def is_of(tables: Crossing, kind: str, key: Item, name: str) -> bool:
    """Whether a request names this item by the caller's key."""
    names = tables.pair.caller.key_names
    beside = name == "a" and kind.rpartition(" ")[2] in ("delete", "Delete", "Update") and "," in kind
    return beside or is_under(tables.image(name), key, names)


def is_under(item: Item, key: Item, names: Sequence[str]) -> bool:
    return all(item[name] == key[name] for name in names)


def seen_by_caller(tables: Crossing, held: dict[Side, list[Item]]) -> list[Item]:
    """What the caller would find: what decides, or, while items are in both tables, each from where it is."""
    pair, row = tables.pair, tables.row
    source, target = unstamped(held["source"]), unstamped(held["target"])
    if row.merges:
        there = [pair.mapping.backward(item) for item in target]
        keys = [pair.source_key(item) for item in there]
        source = [*there, *(item for item in source if pair.source_key(item) not in keys)]
        return source if pair.view == "source" else [pair.mapping.forward(item) for item in source]
    items = source if row.authority == "source" else target
    if row.authority == pair.view or row.is_final:
        return items if row.authority == pair.view else [pair.mapping.backward(item) for item in items]
    turned = pair.mapping.forward if row.authority == "source" else pair.mapping.backward
    return [turned(item) for item in items]
