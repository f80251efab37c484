"""A write that is evaluated here, while an application that leaves no stamps adds to the item: nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage, other_side
from crossfade.core.tables.guards import GUARDED_MAX
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import convert, move, number_to_text, rename
from tests.core.conftest import Bench

# The stages in which one table alone is written, or first, and applications that speak of the other.
PLACES: Final[list[tuple[Stage, Side]]] = [
    (Stage.OFF, "target"),
    (Stage.DUALWRITE, "target"),
    (Stage.SHADOW, "target"),
    (Stage.LOCKSTEP_SOURCE, "target"),
    (Stage.COMPLETE, "source"),
]
MORE: Final[Item] = {"more": {"S": "added"}}


class Pairs:
    """An item in both tables, of which one holds a number as a text, and a nested value at the root."""

    def __init__(self, bench: Bench, stage: Stage, view: Side) -> None:
        self.bench, self.stage, self.view = bench, stage, view
        source = Table(bench.make_table("source", pk="S"), key={"pk": "S"})
        target = Table(bench.make_table("target", id="S"), key={"id": "S"})
        mapping = [rename("pk", "id"), convert("n", number_to_text), move("detail.status", "status")]
        compiled = Migration(name="t", source=source, target=target, mapping=mapping).compiled
        control = bench.make_table("control", migration="S", record="S")
        self.pair = Pair(source, target, compiled, view=view, ledger=Ledger(control, "t"))
        self.written: Side = other_side(view)  # the table that decides: the one that the caller does not speak of
        self.put({})

    def put(self, more: Item) -> None:
        """The item with two attributes and these, as the caller sees them, in both tables."""
        key = "pk" if self.view == "source" else "id"
        image: Item = {key: {"S": "one"}, "n": {"N": "1"} if self.view == "source" else {"S": "1"}, **more}
        back = self.pair.mapping.backward(image) if self.view == "target" else image
        for table, item in ((self.pair.source, back), (self.pair.target, self.pair.mapping.forward(back))):
            _ = self.bench.client.put_item(TableName=table.name, Item=item)

    @property
    def key(self) -> Item:
        return {self.pair.caller.partition_key: {"S": "one"}}

    def add(self, attributes: Item) -> Callable[[], object]:
        """Somebody adds attributes to the table that decides, and leaves no stamp."""
        table = self.pair.table(self.written)
        sets = ", ".join(f"#{name} = :{name}" for name in attributes)
        return lambda: self.bench.client.update_item(
            TableName=table.name,
            Key={table.partition_key: {"S": "one"}},
            UpdateExpression=f"SET {sets}",
            ExpressionAttributeNames={f"#{name}": name for name in attributes},
            ExpressionAttributeValues={f":{name}": value for name, value in attributes.items()},
        )

    def meanwhile(self, happens: Callable[[], object]) -> None:
        """Just before the write of a single item, or the transaction, is carried out."""
        table = self.pair.table(self.written).name
        for operation in ("UpdateItem", "PutItem", "DeleteItem"):
            self.bench.before[operation, table] = happens
        self.bench.before["TransactWriteItems", ""] = happens

    def do(self, operation: str, **request: Any) -> Reply:
        whole: Request = request if "TransactItems" in request else {"TableName": self.pair.caller.name, **request}
        routine = route(self.pair, self.stage, 0, operation, whole)
        assert routine is not None
        return self.bench.run(routine, Call("source", operation, whole))

    def held(self) -> Item:
        """What the table that decides holds, as the caller sees it."""
        table = self.pair.table(self.written)
        key: Item = {table.partition_key: {"S": "one"}}
        found = self.bench.client.get_item(TableName=table.name, Key=key, ConsistentRead=True).get("Item")
        image = self.pair.image(self.written, self.pair.stored(self.written, found))
        assert image is not None
        return image


def name_of(place: tuple[Stage, Side]) -> str:
    return f"{place[0]}-{place[1]}"


@pytest.fixture(params=PLACES, ids=name_of)
def pairs(request: pytest.FixtureRequest, bench: Bench) -> Pairs:
    return Pairs(bench, *request.param)


def note(text: str, **more: Any) -> Request:
    return {"UpdateExpression": "SET note = :note", "ExpressionAttributeValues": {":note": {"S": text}}, **more}


def absent(name: str) -> Request:
    return {"ConditionExpression": "attribute_not_exists(#name)", "ExpressionAttributeNames": {"#name": name}}


def test_an_attribute_that_somebody_adds_meanwhile_stays(pairs: Pairs) -> None:
    before = pairs.held()
    pairs.meanwhile(pairs.add(MORE))
    _ = pairs.do("UpdateItem", Key=pairs.key, **note("mine"))
    assert pairs.held() == {**before, "note": {"S": "mine"}, **MORE}


def test_the_same_in_a_transaction(pairs: Pairs) -> None:
    before = pairs.held()
    pairs.meanwhile(pairs.add(MORE))
    update = {"TableName": pairs.pair.caller.name, "Key": pairs.key, **note("mine")}
    _ = pairs.do("TransactWriteItems", TransactItems=[{"Update": update}])
    assert pairs.held() == {**before, "note": {"S": "mine"}, **MORE}


# In lockstep the answer cannot tell: that of a transaction is made of what was read.
TELLING: Final = pytest.mark.parametrize(
    "pairs", [place for place in PLACES if place[0] is not Stage.LOCKSTEP_SOURCE], ids=name_of, indirect=True
)


@TELLING
@pytest.mark.parametrize("shows", ["ALL_OLD", "ALL_NEW"])
def test_the_answer_has_what_the_write_has_found(pairs: Pairs, shows: str) -> None:
    before = pairs.held()
    pairs.meanwhile(pairs.add(MORE))
    reply = pairs.do("UpdateItem", Key=pairs.key, **note("mine"), ReturnValues=shows)
    assert reply["Attributes"] == {**before, **MORE, **({"note": {"S": "mine"}} if shows == "ALL_NEW" else {})}


@TELLING
@pytest.mark.parametrize("operation", ["PutItem", "DeleteItem"])
def test_an_item_that_goes_is_shown_as_it_was_then(pairs: Pairs, operation: str) -> None:
    before = pairs.held()
    pairs.meanwhile(pairs.add(MORE))
    given = {"Item": pairs.key} if operation == "PutItem" else {"Key": pairs.key}
    condition: Request = {
        "ConditionExpression": "begins_with(#key, :one)",
        "ExpressionAttributeNames": {"#key": pairs.pair.caller.partition_key},
        "ExpressionAttributeValues": {":one": {"S": "o"}},
    }
    reply = pairs.do(operation, **given, **condition, ReturnValues="ALL_OLD")
    assert reply["Attributes"] == {**before, **MORE}


@pytest.mark.parametrize("name", ["free", "status", "detail"])
def test_what_must_not_be_there_is_not_there_when_the_write_is_carried_out(pairs: Pairs, name: str) -> None:
    """Also where the other table holds it elsewhere."""
    if name == "status" and pairs.view == "source":
        pytest.skip("to this caller it is a part of `detail`")
    there: Item = {"free": {"S": "taken"}}
    if name != "free":
        nested: Item = {"detail": {"M": {"status": {"S": "taken"}, "kind": {"S": "order"}}}}
        there = nested if pairs.written == "source" else {"status": {"S": "taken"}, "detail": {"M": {}}}
    pairs.meanwhile(pairs.add(there))
    with pytest.raises(ServiceRejected) as refused:
        _ = pairs.do("UpdateItem", Key=pairs.key, **absent(name), **note("mine"))
    assert refused.value.code == "ConditionalCheckFailedException"
    assert "note" not in pairs.held()


def test_a_check_in_a_transaction_is_of_the_moment_of_the_transaction(pairs: Pairs) -> None:
    pairs.meanwhile(pairs.add({"free": {"S": "taken"}}))
    check = {"TableName": pairs.pair.caller.name, "Key": pairs.key, **absent("free")}
    with pytest.raises(ServiceRejected) as refused:
        _ = pairs.do("TransactWriteItems", TransactItems=[{"ConditionCheck": check}])
    assert refused.value.code == "TransactionCanceledException"


def test_of_many_attributes_those_that_matter_are_in_the_lock(pairs: Pairs) -> None:
    """`z` is behind the others that a lock has room for; two applications add one to it."""
    pairs.put({**{f"a{n:03}": {"N": "0"} for n in range(2 * GUARDED_MAX)}, "z": {"N": "1"}})
    pairs.meanwhile(pairs.add({"z": {"N": "5"}}))
    _ = pairs.do(
        "UpdateItem", Key=pairs.key, UpdateExpression="ADD z :one", ExpressionAttributeValues={":one": {"N": "1"}}
    )
    assert pairs.held()["z"] == {"N": "6"}


def test_an_update_that_changes_nothing_writes_nothing_but_its_stamp(pairs: Pairs) -> None:
    before = pairs.held()
    reply = pairs.do("UpdateItem", Key=pairs.key, UpdateExpression="REMOVE nothing", ReturnValues="ALL_NEW")
    assert reply["Attributes"] == before == pairs.held()
