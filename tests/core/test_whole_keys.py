"""A target key that is an attribute of its own: callers pass both keys, and each table takes its own, in all stages."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.routing import route
from crossfade.core.stages import COPY_ON_WRITE, Side, Stage
from crossfade.core.sync.copy import copy_key
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import derive_key, use_as_key
from tests.core.conftest import Bench

NAMESPACE = uuid.UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
PLACE: Item = {"publication": {"S": "times"}, "external_id": {"S": "a-1"}}
GUID: Item = {"guid": {"S": str(uuid.uuid5(NAMESPACE, "times#a-1"))}}
BOTH: Item = {**GUID, **PLACE}
SOURCE_KEY: dict[str, Any] = {"publication": "S", "external_id": "S"}
TARGET_KEY: dict[str, Any] = {"guid": "S"}


class Articles:
    """Both tables, an article in the source, and an application that speaks of the target, with both keys."""

    def __init__(self, bench: Bench, way: str) -> None:
        self.bench = bench
        source = Table(bench.make_table("source", **SOURCE_KEY), key=SOURCE_KEY)
        target = Table(bench.make_table("target", **TARGET_KEY), key=TARGET_KEY)
        self.control = bench.make_table("control", migration="S", record="S")
        piece = use_as_key("guid") if way == "held" else derive_key("guid", tuple(SOURCE_KEY), NAMESPACE)
        mapping = Migration("t", source, target, [piece], "copy-on-write").compiled
        self.pair = Pair(source, target, mapping, view="target", ledger=Ledger(self.control, "t"))
        self.old: Item = {**(BOTH if way == "held" else PLACE), "n": {"N": "5"}}  # as the source has it
        self.put(source.name, self.old)

    def put(self, table: str, item: Item) -> None:
        _ = self.bench.client.put_item(TableName=table, Item=item)

    def enter(self, stage: Stage) -> None:
        """The fleet, and what a backfill has done by then."""
        self.put(self.control, {"migration": {"S": "t"}, "record": {"S": "state"}, "stage": {"S": stage.value}})
        if stage in (Stage.RAMPDOWN, Stage.COMPLETE):
            _ = self.bench.run(copy_key(self.pair, BOTH if self.pair.mapping.target_key_extras else PLACE))

    def do(self, stage: Stage, operation: str, **request: Any) -> Reply:
        whole: Request = {"TableName": self.pair.caller.name, **request}
        return self.send(stage, operation, whole)

    def send(self, stage: Stage, operation: str, whole: Request) -> Reply:
        forward = Call(self.pair.view, operation, whole)
        routine = route(self.pair, stage, 0, operation, whole, strategy="copy-on-write")
        reply = self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        waiting, self.bench.later = self.bench.later, []
        for later in waiting:
            self.bench.run(later.routine)
        return reply

    def held(self, side: Side, key: Item | None = None) -> Item | None:
        """What one side holds under the key, without its stamp."""
        table = self.pair.table(side)
        own = key or {name: BOTH[name] for name in table.key_names}
        found = self.bench.client.get_item(TableName=table.name, Key=own, ConsistentRead=True).get("Item")
        return self.pair.stored(side, found).item


@pytest.fixture(params=["held", "derived"])
def articles(bench: Bench, request: pytest.FixtureRequest) -> Articles:
    return Articles(bench, str(request.param))


STAGES = list(COPY_ON_WRITE)
ADD: dict[str, Any] = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}


@pytest.mark.parametrize("stage", STAGES)
def test_reads_find_the_item_by_both_keys(articles: Articles, stage: Stage) -> None:
    """GetItem, BatchGetItem and TransactGetItems, as the new table would have it."""
    articles.enter(stage)
    wanted = {**BOTH, "n": {"N": "5"}}
    name = articles.pair.target.name
    assert articles.do(stage, "GetItem", Key=BOTH)["Item"] == wanted
    batch = articles.send(stage, "BatchGetItem", {"RequestItems": {name: {"Keys": [BOTH]}}})
    assert batch["Responses"] == {name: [wanted]}
    together = articles.send(stage, "TransactGetItems", {"TransactItems": [{"Get": {"TableName": name, "Key": BOTH}}]})
    assert together["Responses"] == [{"Item": wanted}]


@pytest.mark.parametrize("stage", STAGES)
def test_an_update_with_legacy_parameters_changes_the_one_item(articles: Articles, stage: Stage) -> None:
    """AttributeUpdates under Expected, wherever the item is."""
    articles.enter(stage)
    change = {"Key": BOTH, "AttributeUpdates": {"n": {"Action": "ADD", "Value": {"N": "1"}}}}
    expected = {"Expected": {"n": {"Value": {"N": "5"}, "Exists": True}}}
    reply = articles.do(stage, "UpdateItem", **change, **expected, ReturnValues="ALL_NEW")
    assert reply["Attributes"] == {**BOTH, "n": {"N": "6"}}
    assert articles.do(stage, "GetItem", Key=BOTH, ConsistentRead=True)["Item"] == {**BOTH, "n": {"N": "6"}}
    with pytest.raises(ServiceRejected, match="conditional request failed"):
        _ = articles.do(stage, "UpdateItem", **change, **expected)


@pytest.mark.parametrize("in_transaction", [False, True])
@pytest.mark.parametrize("stage", STAGES)
def test_an_update_makes_an_item_with_both_keys(articles: Articles, stage: Stage, in_transaction: bool) -> None:
    """So that each table can have it."""
    place: Item = {"publication": {"S": "times"}, "external_id": {"S": "new"}}
    both = {"guid": {"S": str(uuid.uuid5(NAMESPACE, "times#new"))}, **place}
    articles.enter(stage)
    if in_transaction:
        update = {"TableName": articles.pair.target.name, "Key": both, **ADD}
        _ = articles.send(stage, "TransactWriteItems", {"TransactItems": [{"Update": update}]})
    else:
        reply = articles.do(stage, "UpdateItem", Key=both, **ADD, ReturnValues="ALL_NEW")
        assert reply["Attributes"] == {**both, "n": {"N": "1"}}
    side: Side = "source" if stage in (Stage.OFF, Stage.STAMP, Stage.PREPARE) else "target"
    found = articles.held(side, place if side == "source" else {"guid": both["guid"]})
    assert found is not None
    assert articles.pair.image(side, articles.pair.stored(side, found)) == {**both, "n": {"N": "1"}}


@pytest.mark.parametrize("stage", STAGES)
def test_puts_and_deletes_of_every_kind_reach_the_item(articles: Articles, stage: Stage) -> None:
    """Alone, in a batch and in a transaction; what is deleted is gone from the tables in use."""
    articles.enter(stage)
    name = articles.pair.target.name
    item = {**BOTH, "n": {"N": "9"}}
    key: Request = {"Key": BOTH}
    _ = articles.do(stage, "PutItem", Item=item)
    assert articles.do(stage, "DeleteItem", **key, ReturnValues="ALL_OLD")["Attributes"] == item
    _ = articles.send(stage, "BatchWriteItem", {"RequestItems": {name: [{"PutRequest": {"Item": item}}]}})
    _ = articles.send(stage, "BatchWriteItem", {"RequestItems": {name: [{"DeleteRequest": key}]}})
    assert "Item" not in articles.do(stage, "GetItem", Key=BOTH, ConsistentRead=True)
    _ = articles.send(stage, "TransactWriteItems", {"TransactItems": [{"Put": {"TableName": name, "Item": item}}]})
    assert articles.do(stage, "GetItem", Key=BOTH, ConsistentRead=True)["Item"] == item
    _ = articles.send(stage, "TransactWriteItems", {"TransactItems": [{"Delete": {"TableName": name, **key}}]})
    assert articles.held("target") is None
    if stage is not Stage.COMPLETE:
        assert articles.held("source") is None


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_a_key_that_lacks_half_is_refused_while_both_tables_have_items(articles: Articles, stage: Stage) -> None:
    """With the attribute that is missing; nothing is written."""
    articles.enter(stage)
    for operation, rest in (("GetItem", {}), ("UpdateItem", ADD), ("DeleteItem", {})):
        with pytest.raises(ServiceRejected, match="publication is missing"):
            _ = articles.do(stage, operation, Key=GUID, **rest)
    assert (articles.held("source"), articles.held("target")) == (articles.old, None)


def test_a_key_that_lacks_half_may_read_but_not_write_in_rampdown(articles: Articles) -> None:
    """A write there deletes on both sides, or makes an item that has both keys."""
    articles.enter(Stage.RAMPDOWN)
    wanted = {**BOTH, "n": {"N": "5"}}
    name = articles.pair.target.name
    assert articles.do(Stage.RAMPDOWN, "GetItem", Key=GUID)["Item"] == wanted
    batch = articles.send(Stage.RAMPDOWN, "BatchGetItem", {"RequestItems": {name: {"Keys": [GUID]}}})
    assert batch["Responses"] == {name: [wanted]}
    get = {"TransactItems": [{"Get": {"TableName": name, "Key": GUID}}]}
    assert articles.send(Stage.RAMPDOWN, "TransactGetItems", get)["Responses"] == [{"Item": wanted}]
    with pytest.raises(ServiceRejected, match="publication is missing"):
        _ = articles.do(Stage.RAMPDOWN, "UpdateItem", Key=GUID, **ADD)
    with pytest.raises(ServiceRejected, match="publication is missing"):
        _ = articles.do(Stage.RAMPDOWN, "DeleteItem", Key=GUID)


def test_the_new_key_alone_will_do_in_complete(articles: Articles) -> None:
    """As on any table."""
    articles.enter(Stage.COMPLETE)
    assert articles.do(Stage.COMPLETE, "UpdateItem", Key=GUID, **ADD, ReturnValues="ALL_NEW")["Attributes"] == {
        **BOTH,
        "n": {"N": "6"},
    }
    _ = articles.do(Stage.COMPLETE, "DeleteItem", Key=GUID)
    assert articles.held("target") is None


@pytest.mark.parametrize("stage", STAGES)
def test_the_old_key_on_the_item_may_not_be_changed(articles: Articles, stage: Stage) -> None:
    """It is what leads to the other table."""
    articles.enter(stage)
    change = {"AttributeUpdates": {"publication": {"Action": "PUT", "Value": {"S": "post"}}}}
    with pytest.raises(ServiceRejected, match="part of the key"):
        _ = articles.do(stage, "UpdateItem", Key=BOTH, **change)


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.STAMP, Stage.PREPARE, Stage.DRAIN])
def test_an_item_with_another_guid_is_nobodys_answer(bench: Bench, stage: Stage) -> None:
    """Two names for one article are a mistake of the application's, which is told, and nothing is written."""
    articles = Articles(bench, "held")
    wrong = {**BOTH, "guid": {"S": "another"}}
    for operation, rest in (("GetItem", {}), ("UpdateItem", ADD)):
        with pytest.raises(ServiceRejected, match="has another 'guid'"):
            _ = articles.do(stage, operation, Key=wrong, **rest)
    assert (articles.held("source"), articles.held("target")) == (articles.old, None)


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.STAMP, Stage.PREPARE, Stage.DRAIN, Stage.RAMPDOWN])
def test_a_guid_that_does_not_follow_from_the_old_key_is_refused(bench: Bench, stage: Stage) -> None:
    """Where it is derived, there is but one."""
    articles = Articles(bench, "derived")
    wrong = {**BOTH, "guid": {"S": "another"}}
    with pytest.raises(ServiceRejected, match="publication, external_id make"):
        _ = articles.do(stage, "UpdateItem", Key=wrong, **ADD)
    with pytest.raises(ServiceRejected, match="publication, external_id make"):
        _ = articles.do(stage, "PutItem", Item=wrong)


@pytest.mark.parametrize("stage", STAGES)
def test_a_scan_finds_the_item(articles: Articles, stage: Stage) -> None:
    """With its token, which has both keys where the table that serves alone is not the caller's."""
    articles.enter(stage)
    found = articles.do(stage, "Scan", Limit=1)
    assert found["Items"] == [{**BOTH, "n": {"N": "5"}}]
    token = {name: value for name, value in found.get("LastEvaluatedKey", BOTH).items() if name != STAMP}
    assert token == (BOTH if stage not in (Stage.RAMPDOWN, Stage.COMPLETE) else GUID)
    assert articles.do(stage, "Scan", ExclusiveStartKey=found.get("LastEvaluatedKey", BOTH))["Items"] == []


def test_two_items_of_the_source_that_share_a_guid_are_not_taken_for_one(bench: Bench) -> None:
    """The second one is not covered by the first: a verify says that it is missing."""
    articles = Articles(bench, "held")
    pair = articles.pair
    articles.enter(Stage.RAMPDOWN)
    first, copy = pair.stored("source", articles.old), pair.stored("target", articles.held("target"))
    twin = pair.stored("source", {**articles.old, "external_id": {"S": "a-2"}})
    assert pair.is_covered(first, copy)
    assert not pair.is_covered(twin, copy)
