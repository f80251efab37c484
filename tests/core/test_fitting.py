"""Batches that are written one after the other: what one of the tables refuses is told before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage, Writes
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected, UnknownOutcome
from crossfade.mapping import rename
from tests.core.conftest import Bench
from tests.migrations import make_anew

KEY: Final[dict[str, Any]] = {"pk": "S", "sk": "S"}
ONE_BY_ONE: Final = [
    (strategy, stage)
    for strategy, rows in LADDERS.items()
    for stage, row in rows.items()
    if row.writes in (Writes.LOCKSTEP, Writes.PREPARED, Writes.DRAINED, Writes.DELETING)
]
VIEWS: Final[tuple[Side, Side]] = ("source", "target")


class Tables:
    """Both tables are empty; an attribute has another name in the target, and is a key of an index on one side."""

    def __init__(self, bench: Bench, view: Side, indexed: Side) -> None:
        self.bench = bench
        source = Table(bench.make_table("source", **KEY), key=KEY)
        target = Table(bench.make_table("target", **KEY), key=KEY)
        mapping = Migration("t", source, target, [rename("label", "tag")]).compiled
        self.pair = Pair(source, target, mapping, view=view)
        self.name = {"source": "label", "target": "tag"}[view]
        of_index = {"source": "label", "target": "tag"}[indexed]
        index = {
            "IndexName": "by_it",
            "KeySchema": [{"AttributeName": of_index, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
        make_anew(bench.client, self.pair.table(indexed).name, {of_index: "S"}, GlobalSecondaryIndexes=[index])

    def write(self, strategy: str, stage: Stage, *bad: Item) -> Reply:
        good = [{"pk": {"S": "good"}, "sk": {"S": str(n)}, self.name: {"S": "x"}} for n in range(3)]
        entries: list[Request] = [{"PutRequest": {"Item": item}} for item in (*good, *bad)]
        entries.append({"DeleteRequest": {"Key": {"pk": {"S": "gone"}, "sk": {"S": "0"}}}})
        request: Request = {"RequestItems": {self.pair.caller.name: entries}}
        routine = route(self.pair, stage, 0, "BatchWriteItem", request, strategy=strategy)
        assert routine is not None
        return self.bench.run(routine, Call(self.pair.view, "BatchWriteItem", request))

    def held(self) -> list[Item]:
        tables = (self.pair.source.name, self.pair.target.name)
        return [item for name in tables for item in self.bench.client.scan(TableName=name)["Items"]]

    def descriptions(self) -> list[str]:
        return [call.request["TableName"] for call in self.bench.calls if call.operation == "DescribeTable"]


def item(**more: Any) -> Item:
    return {"pk": {"S": "bad"}, "sk": {"S": "1"}, **more}


BAD: Final[dict[str, tuple[Any, str]]] = {
    "empty": ({"S": ""}, "cannot contain an empty string value. IndexName: by_it, IndexKey: "),
    "another type": ({"N": "3"}, "Expected: S Actual: N IndexName: by_it"),
    "too long": ({"S": "x" * 2049}, "Size of hashkey has exceeded the maximum size limit of2048 bytes"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("indexed", VIEWS)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("strategy", "stage"), ONE_BY_ONE)
def test_an_index_key_of_either_table_is_looked_at_first(
    bench: Bench, strategy: str, stage: Stage, view: Side, indexed: Side, bad: tuple[Any, str]
) -> None:
    """In the service's words where it is the caller's table; else with the table that would not take it."""
    tables = Tables(bench, view, indexed)
    value, words = bad
    if LADDERS[strategy][stage].writes is Writes.DELETING and view == "target" != indexed:
        _ = tables.write(strategy, stage, item(**{tables.name: value}))  # the source gets nothing new
        return
    with pytest.raises(ServiceRejected) as refusal:
        _ = tables.write(strategy, stage, item(**{tables.name: value}))
    assert refusal.value.code == "ValidationException"
    assert words in refusal.value.text
    other = tables.pair.table(indexed).name
    assert (other in refusal.value.text) == (indexed != view)
    assert tables.held() == []


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("strategy", "stage"), ONE_BY_ONE)
def test_the_sizes_of_key_and_item_are_looked_at_first(bench: Bench, strategy: str, stage: Stage, view: Side) -> None:
    """A sort key has half of what a partition key has; an item has its stamp as well."""
    tables = Tables(bench, view, view)
    for bad, words in (
        (item(sk={"S": "x" * 1025}), "Aggregated size of all range keys has exceeded the size limit of 1024 bytes"),
        (item(t={"S": "x" * (400 * 1024 - 20)}), "Item size has exceeded the maximum allowed size: in "),
        (item(t={"S": "x" * (400 * 1024)}), "Item size has exceeded the maximum allowed size"),
    ):
        with pytest.raises(ServiceRejected) as refusal:
            _ = tables.write(strategy, stage, bad)
        assert words in refusal.value.text
        assert tables.held() == []


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET])
def test_every_item_of_a_batch_is_mapped_before_the_first_is_written(bench: Bench, stage: Stage) -> None:
    """One that cannot be is an error with the piece and the attribute, and nothing was written."""
    tables = Tables(bench, "source", "source")
    with pytest.raises(ServiceRejected, match="rename: label -> tag: attribute 'tag' is already there"):
        _ = tables.write("dual-write", stage, item(label={"S": "x"}, tag={"S": "y"}))
    assert tables.held() == []


def test_what_stands_in_the_way_behind_the_first_item_of_a_batch_is_told_as_a_part(bench: Bench) -> None:
    """What the target holds under a later key has no counterpart: the items before it are written by then."""
    tables = Tables(bench, "source", "source")
    odd = item(label={"S": "x"}, tag={"S": "y"})
    _ = bench.client.put_item(TableName=tables.pair.target.name, Item=odd)
    with pytest.raises(UnknownOutcome, match="refused after a part of the batch was written: rename: label -> tag"):
        _ = tables.write("dual-write", Stage.LOCKSTEP_TARGET, item(label={"S": "x"}))
    assert len(tables.held()) == 7


def test_each_table_is_described_once(bench: Bench) -> None:
    """However many batches follow."""
    tables = Tables(bench, "source", "target")
    for _ in range(2):
        _ = tables.write("dual-write", Stage.LOCKSTEP_SOURCE)
    assert sorted(tables.descriptions()) == sorted((tables.pair.source.name, tables.pair.target.name))


def test_where_a_description_is_not_allowed_batches_are_written_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for once; what the service refuses is then refused when its turn comes."""
    tables = Tables(bench, "source", "target")
    send = bench.send

    def without_rights(effect: Call) -> Reply:
        if effect.operation == "DescribeTable":
            bench.calls.append(effect)
            raise ServiceRejected("AccessDeniedException", "not authorized to perform: dynamodb:DescribeTable")
        return send(effect)

    monkeypatch.setattr(bench, "send", without_rights)
    for _ in range(2):
        _ = tables.write("dual-write", Stage.LOCKSTEP_SOURCE)
    assert len(tables.held()) == 6
    assert len(tables.descriptions()) == 2


def test_what_is_known_of_the_tables_is_known_in_every_stage(bench: Bench) -> None:
    """A pair that is made for one stage shares it."""
    tables = Tables(bench, "source", "target")
    assert replace(tables.pair, stamps_source=True).index_keys is tables.pair.index_keys
