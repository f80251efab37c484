"""Copy-on-write, call by call on the embedded engine: what the simulator cannot see, and what rampdown finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.routing import route
from crossfade.core.stages import COPY_ON_WRITE, Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import convert, rename, text_to_number
from tests.core.conftest import Bench
from tests.migrations import make_anew

KEY: Item = {"pk": {"S": "shop"}, "sk": {"S": "one"}}
THERE: Item = {"id": {"S": "shop"}, "sk": {"S": "one"}}
ITEM: Item = {**KEY, "n": {"N": "5"}}
SIDES: Final[tuple[Side, Side]] = ("source", "target")


class Drain:
    """A pair of tables whose partition key has another name in the target, with an item in the source."""

    def __init__(self, bench: Bench, view: Side = "source", mapping: Sequence[Any] = ()) -> None:
        self.bench = bench
        key: dict[str, Any] = {"pk": "S", "sk": "S"}
        new: dict[str, Any] = {"id": "S", "sk": "S"}
        source = Table(bench.make_table("source", **key), key=key)
        target = Table(bench.make_table("target", **new), key=new)
        self.control = bench.make_table("control", migration="S", record="S")
        pieces = [rename("pk", "id"), *mapping]
        compiled = Migration(name="t", source=source, target=target, mapping=pieces).compiled
        self.pair = Pair(source, target, compiled, view=view, ledger=Ledger(self.control, "t"))
        self.put(source.name, ITEM)

    def put(self, table: str, item: Item) -> None:
        _ = self.bench.client.put_item(TableName=table, Item=item)

    def fleet_is_in(self, stage: Stage) -> None:
        self.put(self.control, {"migration": {"S": "t"}, "record": {"S": "state"}, "stage": {"S": stage.value}})

    def do(self, stage: Stage, operation: str, **request: Any) -> Reply:
        """The answer; what is left for later is done."""
        ours = "TransactItems" in request
        whole: Request = request if ours else {"TableName": self.pair.caller.name, **request}
        routine = route(self.pair, stage, 0, operation, whole, strategy="copy-on-write")
        assert routine is not None
        reply = self.bench.run(routine, Call(self.pair.view, operation, whole))
        self.do_what_waits()
        return reply

    def do_what_waits(self) -> None:
        waiting, self.bench.later = self.bench.later, []
        for later in waiting:
            self.bench.run(later.routine)

    def index_by_n(self, side: Side, projection: Request) -> None:
        """The index `by-n` of one side."""
        index = {
            "IndexName": "by-n",
            "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
            "Projection": projection,
        }
        make_anew(self.bench.client, self.pair.table(side).name, {"n": "N"}, GlobalSecondaryIndexes=[index])

    def held(self, side: Side) -> Item | None:
        """What one side holds under the key, without its stamp."""
        table = self.pair.table(side).name
        key = KEY if side == "source" else THERE
        found = self.bench.client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return self.pair.stored(side, found).item


def add_one(key: Item) -> dict[str, Any]:
    return {"Key": key, "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}


def test_an_update_of_an_item_that_only_the_source_has_copies_it_first(bench: Bench) -> None:
    """The source stays as it is, and the target has the new item."""
    drain = Drain(bench)
    reply = drain.do(Stage.DRAIN, "UpdateItem", **add_one(KEY), ReturnValues="ALL_NEW")
    assert reply["Attributes"] == {**KEY, "n": {"N": "6"}}
    assert drain.held("source") == ITEM
    assert drain.held("target") == {**THERE, "n": {"N": "6"}}


def test_a_source_written_meanwhile_is_read_again(bench: Bench) -> None:
    """Between the look at the source and the copy, a client in prepare adds one: both are counted."""
    drain = Drain(bench)
    meanwhile = Drain.do
    bench.before["TransactWriteItems", ""] = lambda: meanwhile(drain, Stage.PREPARE, "UpdateItem", **add_one(KEY))
    _ = drain.do(Stage.DRAIN, "UpdateItem", **add_one(KEY))
    assert drain.held("target") == {**THERE, "n": {"N": "7"}}


@pytest.mark.parametrize("view", SIDES)
@pytest.mark.parametrize("others", [Stage.STAMP, Stage.PREPARE])
def test_an_attribute_added_meanwhile_is_seen_and_kept_in_prepare(bench: Bench, view: Side, others: Stage) -> None:
    """Between the look at the source and the write, another client adds an attribute: the answer has it."""
    drain = Drain(bench, view)
    other = Pair(drain.pair.source, drain.pair.target, drain.pair.mapping)
    added: Request = {
        "TableName": other.source.name,
        "Key": KEY,
        "UpdateExpression": "SET more = :more",
        "ExpressionAttributeValues": {":more": {"S": "added"}},
    }

    def meanwhile() -> None:
        routine = route(other, others, 0, "UpdateItem", added, strategy="copy-on-write")
        assert routine is not None
        _ = bench.run(routine, Call("source", "UpdateItem", added))

    bench.before["TransactWriteItems", ""] = meanwhile
    key = KEY if view == "source" else THERE
    reply = drain.do(Stage.PREPARE, "UpdateItem", **add_one(key), ReturnValues="ALL_OLD")
    assert reply["Attributes"] == {**key, "n": {"N": "5"}, "more": {"S": "added"}}
    assert drain.held("source") == {**KEY, "n": {"N": "6"}, "more": {"S": "added"}}


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN, Stage.RAMPDOWN])
def test_a_delete_takes_both_sides(bench: Bench, stage: Stage) -> None:
    """Nothing is left to come back, wherever the item was."""
    drain = Drain(bench)
    drain.put(drain.pair.target.name, {**THERE, "n": {"N": "6"}})
    reply = drain.do(stage, "DeleteItem", Key=KEY, ReturnValues="ALL_OLD")
    assert reply["Attributes"] == {**KEY, "n": {"N": "6"}}
    assert (drain.held("source"), drain.held("target")) == (None, None)


def test_a_transaction_of_rampdown_with_a_delete_carries_out_its_other_actions_too(bench: Bench) -> None:
    """A put and an update of items that are not there, and a check, beside the delete that takes both sides."""
    drain = Drain(bench)
    drain.fleet_is_in(Stage.RAMPDOWN)
    new, other, checked = ({"pk": {"S": "shop"}, "sk": {"S": name}} for name in ("new", "other", "checked"))
    drain.put(drain.pair.source.name, checked)
    actions: list[Request] = [
        {"Delete": {"Key": KEY}},
        {"Put": {"Item": {**new, "n": {"N": "1"}}}},
        {"Update": add_one(other)},
        {"ConditionCheck": {"Key": checked, "ConditionExpression": "attribute_not_exists(pk)"}},
    ]
    items = [{kind: {"TableName": drain.pair.caller.name, **given} for kind, given in one.items()} for one in actions]
    _ = drain.do(Stage.RAMPDOWN, "TransactWriteItems", TransactItems=items)
    assert (drain.held("source"), drain.held("target")) == (None, None)
    for key in (new, other):
        assert drain.do(Stage.RAMPDOWN, "GetItem", Key=key)["Item"] == {**key, "n": {"N": "1"}}
    held = bench.client.get_item(TableName=drain.pair.source.name, Key=checked, ConsistentRead=True)
    assert held["Item"] == checked


def test_an_item_that_the_target_has_takes_one_request(bench: Bench) -> None:
    """And one that it has not takes two."""
    drain = Drain(bench)
    assert drain.do(Stage.DRAIN, "GetItem", Key=KEY)["Item"] == ITEM
    assert len(bench.calls) == 2
    _ = drain.do(Stage.DRAIN, "PutItem", Item=ITEM)
    bench.calls.clear()
    assert drain.do(Stage.DRAIN, "GetItem", Key=KEY)["Item"] == ITEM
    assert len(bench.calls) == 1


def test_what_rampdown_misses_is_told_and_copied_after_the_answer(bench: Bench) -> None:
    """The caller is told that there is no such item; then it is there."""
    drain = Drain(bench)
    drain.fleet_is_in(Stage.RAMPDOWN)
    assert "Item" not in drain.do(Stage.RAMPDOWN, "GetItem", Key=KEY)
    assert [(note.name, note.facts["key"], note.facts["outcome"]) for note in bench.notes] == [
        ("fallback", KEY, "copied")
    ]
    assert drain.held("target") == {**THERE, "n": {"N": "5"}}


def test_once_the_fleet_goes_to_complete_nothing_is_copied_any_more(bench: Bench) -> None:
    """What the source still has may have been deleted in the target alone."""
    drain = Drain(bench)
    drain.fleet_is_in(Stage.COMPLETE)
    assert "Item" not in drain.do(Stage.RAMPDOWN, "GetItem", Key=KEY)
    assert (drain.held("target"), bench.notes) == (None, [])


@pytest.mark.parametrize("stage", list(COPY_ON_WRITE))
def test_no_stage_shows_a_stamp_of_the_source(bench: Bench, stage: Stage) -> None:
    """Items carry one where a migration has been in prepare."""
    drain = Drain(bench)
    drain.put(drain.pair.source.name, {**ITEM, STAMP: {"S": "old"}})
    drain.fleet_is_in(stage)
    for operation in ("GetItem", "UpdateItem", "DeleteItem"):
        shows = {} if operation == "GetItem" else {"ReturnValues": "ALL_OLD"}
        assert STAMP not in str(drain.do(stage, operation, Key=KEY, **shows))


def test_an_application_that_speaks_the_new_key_may_pass_both(bench: Bench) -> None:
    """As code that was written for both tables does: each side takes its own."""
    drain = Drain(bench, view="target")
    both = {**THERE, "pk": {"S": "shop"}}
    assert drain.do(Stage.DRAIN, "GetItem", Key=both)["Item"] == {**THERE, "n": {"N": "5"}}
    reply = drain.do(Stage.DRAIN, "UpdateItem", **add_one(both), ReturnValues="ALL_NEW")
    assert reply["Attributes"] == {**THERE, "n": {"N": "6"}}
    found = drain.do(
        Stage.DRAIN,
        "Query",
        KeyConditionExpression="id = :i",
        ExpressionAttributeValues={":i": {"S": "shop"}},
    )
    assert found["Items"] == [{**THERE, "n": {"N": "6"}}]
    _ = drain.do(Stage.DRAIN, "DeleteItem", Key=both)
    assert (drain.held("source"), drain.held("target")) == (None, None)


def test_an_index_that_one_side_does_not_have_is_named(bench: Bench) -> None:
    """While items are in both tables, both indexes are needed; the other side's lack is told as the service would."""
    drain = Drain(bench)
    drain.index_by_n("source", {"ProjectionType": "ALL"})
    condition: dict[str, Any] = {"KeyConditionExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "5"}}}
    missing = rf"does not have the specified index: by-n \({drain.pair.target.name} has none"
    with pytest.raises(ServiceRejected, match=missing):
        _ = drain.do(Stage.DRAIN, "Scan", IndexName="by-n")
    with pytest.raises(ServiceRejected, match=missing):
        _ = drain.do(Stage.PREPARE, "Query", IndexName="by-n", **condition)


def test_an_item_whose_index_key_has_changed_is_found_at_its_new_place_alone(bench: Bench) -> None:
    """The source's entry stays where it was; an index of keys shows the target's item as the target's index does."""
    drain = Drain(bench)
    for side in SIDES:
        drain.index_by_n(side, {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["new"]})

    def found(n: int) -> list[Item]:
        values: Item = {":n": {"N": str(n)}}
        asked: Request = {"KeyConditionExpression": "n = :n", "ExpressionAttributeValues": values}
        items: list[Item] = drain.do(Stage.DRAIN, "Query", IndexName="by-n", **asked)["Items"]
        return items

    assert found(5) == [ITEM]
    added: Request = {"UpdateExpression": "SET #new = :x, kept = :x", "ExpressionAttributeNames": {"#new": "new"}}
    _ = drain.do(Stage.DRAIN, "UpdateItem", Key=KEY, **added, ExpressionAttributeValues={":x": {"S": "x"}})
    assert found(5) == [{**ITEM, "new": {"S": "x"}}]
    _ = drain.do(Stage.DRAIN, "UpdateItem", **add_one(KEY))
    assert (found(5), found(6)) == ([], [{**ITEM, "n": {"N": "6"}, "new": {"S": "x"}}])
    assert drain.held("source") == ITEM


def test_a_scan_shows_an_item_once_that_is_deleted_and_put_again_meanwhile(bench: Bench) -> None:
    """After the source has been looked at, and before the target: as a page of one table has each key once."""
    drain = Drain(bench)

    def put_again() -> None:
        _ = drain.do(Stage.DRAIN, "DeleteItem", Key=KEY)
        _ = drain.do(Stage.DRAIN, "PutItem", Item={**KEY, "n": {"N": "9"}})

    bench.before["Scan", drain.pair.target.name] = put_again
    assert drain.do(Stage.DRAIN, "Scan", ConsistentRead=True)["Items"] == [ITEM]
    assert drain.do(Stage.DRAIN, "Scan", ConsistentRead=True)["Items"] == [{**KEY, "n": {"N": "9"}}]


def test_a_scan_of_an_earlier_stage_says_that_the_source_is_gone(bench: Bench) -> None:
    """Begun in drain, gone on with in rampdown, and then the old table is deleted: it must be begun anew."""
    drain = Drain(bench)
    for n in range(4):
        drain.put(drain.pair.source.name, {**KEY, "sk": {"S": f"s{n}"}})
        drain.put(drain.pair.target.name, {**THERE, "sk": {"S": f"s{n}"}})
    first = drain.do(Stage.DRAIN, "Scan", Limit=1)
    second = drain.do(Stage.RAMPDOWN, "Scan", Limit=1, ExclusiveStartKey=first["LastEvaluatedKey"])
    bench.client.delete_table(TableName=drain.pair.source.name)
    with pytest.raises(ServiceRejected, match="begin the Scan anew"):
        _ = drain.do(Stage.COMPLETE, "Scan", Limit=1, ExclusiveStartKey=second["LastEvaluatedKey"])


def test_a_sort_key_in_another_form_is_refused_before_anything_is_read(bench: Bench) -> None:
    """The two tables keep it in different orders, so a Query cannot be merged."""
    key: dict[str, Any] = {"pk": "S", "sk": "S"}
    new: dict[str, Any] = {"pk": "S", "sk": "N"}
    source = Table(bench.make_table("source", **key), key=key)
    target = Table(bench.make_table("target", **new), key=new)
    migration = Migration(name="t", source=source, target=target, mapping=[convert("sk", text_to_number)])
    pair = Pair(source, target, migration.compiled)
    values: Item = {":p": {"S": "shop"}}
    asked: Request = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": values}
    for stage in (Stage.PREPARE, Stage.DRAIN):
        routine = route(pair, stage, 0, "Query", {"TableName": source.name, **asked}, strategy="copy-on-write")
        assert routine is not None
        with pytest.raises(NotPossibleInStage, match="different orders"):
            _ = bench.run(routine)
    assert not [call for call in bench.calls if call.request["TableName"] == target.name]
