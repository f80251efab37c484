"""Writes in every stage answer, and leave the item, as one plain table would."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Forward, Reply, Request
from crossfade.core.items import Item, same_item
from crossfade.core.mapping import Piece
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage
from crossfade.core.sync.compare import compare_key
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Ledger, Pair, key_name
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import convert, move, suffix, text_to_number
from tests.core.conftest import Bench
from tests.core.wording import without_preamble

SUFFIX: list[Piece] = [suffix("pk", count=4, by="sk")]
RESHAPE: list[Piece] = [*SUFFIX, move("detail.state", "state"), convert("price", text_to_number)]
KEY: Item = {"pk": {"S": "shop"}, "sk": {"S": "one"}}
ITEM: Item = {
    **KEY,
    "n": {"N": "5"},
    "price": {"S": "12"},
    "detail": {"M": {"state": {"S": "open"}, "rest": {"L": [{"N": "1"}]}}},
    "tags": {"SS": ["a", "b"]},
}
ONE: Item = {":one": {"N": "1"}}


def update(text: str, values: Item | None = None, **more: Any) -> tuple[str, Request]:
    request: Request = {"Key": KEY, "UpdateExpression": text, **more}
    if values:
        request["ExpressionAttributeValues"] = values
    return "UpdateItem", request


# One table sees these one after the other; so do the two tables in each stage.
SCRIPT: list[tuple[str, Request]] = [
    ("PutItem", {"Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("PutItem", {"Item": ITEM, "ConditionExpression": "attribute_not_exists(pk)"}),
    ("PutItem", {"Item": {**ITEM, "n": {"N": "6"}}, "ReturnValues": "ALL_OLD"}),
    update("ADD n :one", ONE, ReturnValues="UPDATED_NEW"),
    update("ADD n :one", ONE, ReturnValues="UPDATED_OLD"),
    update("SET detail.state = :s REMOVE tags", {":s": {"S": "shut"}}, ReturnValues="ALL_NEW"),
    update("SET log_ = list_append(if_not_exists(log_, :e), :t)", {":e": {"L": []}, ":t": {"L": [{"S": "x"}]}}),
    update("SET price = :p", {":p": {"S": "13"}, ":q": {"S": "12"}}, ConditionExpression="price = :q"),
    update("SET price = :p", {":p": {"S": "13"}, ":q": {"S": "13"}},
           ConditionExpression="(price = :q AND attribute_not_exists(n))"),
    update("SET price = :p", {":p": {"S": "13"}, ":q": {"S": "13"}},
           ConditionExpression=" (price = :q) OR (n = price)"),
    update("SET price = :p", {":p": {"S": "14"}, ":q": {"S": "12"}}, ConditionExpression="price = :q",
           ReturnValuesOnConditionCheckFailure="ALL_OLD"),
    update("SET copied = pk", ReturnValues="ALL_NEW"),
    update("SET n = n + :one, sk = :s", {**ONE, ":s": {"S": "two"}}),
    update("ADD price :one", ONE),
    update("SET missing.deep = :one", ONE),
    update("SET n = nothing + :one", ONE),
    update("SET n n"),
    ("UpdateItem", {"Key": KEY}),
    ("UpdateItem", {"Key": KEY, "ReturnValues": "ALL_NEW"}),
    ("DeleteItem", {"Key": KEY, "ConditionExpression": "n > :m", "ExpressionAttributeValues": {":m": {"N": "100"}}}),
    ("DeleteItem", {"Key": KEY, "ConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "shop"}},
                    "ReturnValues": "ALL_OLD"}),
    ("DeleteItem", {"Key": KEY, "ReturnValues": "ALL_OLD"}),
    ("DeleteItem", {"Key": KEY, "ConditionExpression": "attribute_exists(pk)"}),
    update("ADD n :one", ONE, ReturnValues="ALL_OLD"),
    update("ADD n :one", ONE, ReturnValues="ALL_NEW"),
    ("UpdateItem", {"Key": {"pk": {"S": "shop"}}}),
    ("PutItem", {"Item": {"pk": {"S": "shop"}, "sk": {"S": ""}}}),
    ("PutItem", {"Item": {"pk": {"S": "shop"}}}),
    ("DeleteItem", {"Key": {"pk": {"N": "1"}, "sk": {"S": "one"}}}),
]  # fmt: skip


class Twins:
    """A migrating pair of tables, and a plain table beside it that sees the same requests."""

    def __init__(self, bench: Bench, mapping: list[Piece], strategy: str = "dual-write") -> None:
        self.bench = bench
        self.strategy = strategy
        key: dict[str, Any] = {"pk": "S", "sk": "S"}
        self.plain = bench.make_table("plain", **key)
        source = Table(bench.make_table("source", **key), key=key)
        target = Table(bench.make_table("target", **key), key=key)
        ledger = Ledger(bench.make_table("control", migration="S", record="S"), "t")
        compiled = Migration(name="t", source=source, target=target, mapping=mapping).compiled
        self.pair = Pair(source, target, compiled, ledger=ledger)

    def do(self, stage: Stage, operation: str, request: Request) -> Reply:
        """The router's answer, its mirrors done."""
        request = {**request, "TableName": self.pair.source.name}
        routine = route(self.pair, stage, 0, operation, request, strategy=self.strategy)
        forward = Call("source", operation, request)
        try:
            reply = self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        finally:
            waiting, self.bench.later = self.bench.later, []
            for later in waiting:
                self.bench.run(later.routine)
        return without_metadata(reply)

    def do_plainly(self, operation: str, request: Request) -> Reply:
        return without_metadata(self.bench.send(Call("source", operation, {**request, "TableName": self.plain})))

    def item(self, table: str, key: Item) -> Item | None:
        found: Item | None = self.bench.client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
        return found

    def assert_equal(self, stage: Stage) -> None:
        """The serving side holds what the plain table holds; so does the other where it is kept."""
        plain = self.item(self.plain, KEY)
        row = LADDERS[self.strategy][stage]
        sides = {"source", "target"} if row.keeps_equal else {row.authority}
        if row.merges:
            there = self.item(self.pair.target.name, self.pair.mapping.forward_key(KEY))
            sides = {"source"} if there is None else {"target"}
        if "source" in sides:
            assert same(self.pair.stored("source", self.item(self.pair.source.name, KEY)).item, plain)
        if "target" in sides:
            stored = self.pair.stored("target", self.item(self.pair.target.name, self.pair.mapping.forward_key(KEY)))
            assert same(self.pair.image("target", stored), plain)
            assert stored.item is None or stored.stamp is not None


def same(left: Item | None, right: Item | None) -> bool:
    return left is right if left is None or right is None else same_item(left, right)


def without_metadata(reply: Reply) -> Reply:
    return {name: value for name, value in reply.items() if name != "ResponseMetadata"}


def outcome(attempt: Any) -> Any:
    """The answer, or the error with the item it shows."""
    try:
        return attempt()
    except ServiceRejected as error:
        return (error.code, without_preamble(error.text), error.response.get("Item"))


@pytest.mark.parametrize("mapping", [SUFFIX, RESHAPE], ids=["suffix", "reshape"])
@pytest.mark.parametrize(
    ("strategy", "stage"), [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
)
def test_every_write_is_as_on_one_table(bench: Bench, strategy: str, stage: Stage, mapping: list[Piece]) -> None:
    """Answers, returned values, errors with their items, and what is stored, through every kind of write."""
    twins = Twins(bench, mapping, strategy)
    for operation, request in SCRIPT:
        expected = outcome(lambda: twins.do_plainly(operation, request))  # noqa: B023
        assert outcome(lambda: twins.do(stage, operation, request)) == expected, (operation, request)  # noqa: B023
        twins.assert_equal(stage)


def test_the_caller_is_passed_through_untouched_while_the_source_decides_alone(bench: Bench) -> None:
    """In dualwrite the first effect is the caller's own request; what follows it is in the background."""
    twins = Twins(bench, SUFFIX)
    routine = route(twins.pair, Stage.DUALWRITE, 0, "PutItem", {"TableName": twins.pair.source.name, "Item": ITEM})
    assert routine is not None
    assert isinstance(next(routine), Forward)


def test_lockstep_survives_a_delete_that_is_mirrored_between_its_reads(bench: Bench) -> None:
    """An absence carries no stamp: without the guard on existence the deleted item would come back in the target."""
    twins = Twins(bench, SUFFIX)
    source = twins.pair.source.name
    bench.before = {
        ("GetItem", source): lambda: bench.client.put_item(
            TableName=source, Item=ITEM
        ),  # the target has been read, and had nothing
        ("TransactWriteItems", ""): lambda: bench.client.delete_item(
            TableName=source, Key=KEY
        ),  # deleted again, and mirrored: the target still has nothing
    }
    _ = twins.do(Stage.LOCKSTEP_SOURCE, *update("ADD n :one", ONE))
    twins_source = twins.item(source, KEY)
    assert twins_source is not None
    assert twins_source["n"] == {"N": "1"}
    assert bench.run(compare_key(twins.pair, KEY)) is None


def test_hazard_02_a_stalled_mirror_cannot_put_its_old_image_over_a_newer_one(bench: Bench) -> None:
    """The mirror has read both sides and stalls; the fleet goes on to live and writes the target; the mirror wakes."""
    twins = Twins(bench, SUFFIX)
    bench.client.put_item(TableName=twins.pair.source.name, Item=ITEM)
    mirror = sync(twins.pair, "source", KEY)
    effect: Any = next(mirror)
    while not (isinstance(effect, Call) and effect.operation == "PutItem"):
        effect = mirror.send(bench.perform(effect, None))
    stalled = effect
    _ = bench.run(sync(twins.pair, "source", KEY))
    _ = twins.do(Stage.LIVE, *update("SET n = :n", {":n": {"N": "77"}}))
    with pytest.raises(ServiceRejected, match="ConditionalCheckFailed"):
        _ = bench.perform(stalled, None)
    mirror.close()
    stored = twins.item(twins.pair.target.name, twins.pair.mapping.forward_key(KEY))
    assert stored is not None
    assert stored["n"] == {"N": "77"}


def test_hazard_06_a_write_with_an_unknown_outcome_is_not_made_twice(bench: Bench) -> None:
    """Live, a mapping that reshapes: the answer is lost, the stamp tells that the write was made."""
    twins = Twins(bench, RESHAPE)
    _ = twins.do(Stage.LIVE, "PutItem", {"Item": ITEM})
    bench.lose_reply_to = "PutItem"
    _ = twins.do(Stage.LIVE, *update("ADD n :one", ONE))
    stored = twins.item(twins.pair.target.name, twins.pair.mapping.forward_key(KEY))
    assert stored is not None
    assert stored["n"] == {"N": "6"}


def test_hazard_06_a_lockstep_transaction_is_asked_again_with_its_token(bench: Bench) -> None:
    """The reply to the transaction is lost: the same token goes out again, and the counter moves once."""
    twins = Twins(bench, SUFFIX)
    _ = twins.do(Stage.LOCKSTEP_SOURCE, "PutItem", {"Item": ITEM})
    bench.lose_reply_to = "TransactWriteItems"
    _ = twins.do(Stage.LOCKSTEP_SOURCE, *update("ADD n :one", ONE))
    tokens = [call.request["ClientRequestToken"] for call in bench.calls if call.operation == "TransactWriteItems"]
    assert tokens[-1] == tokens[-2]
    stored = twins.item(twins.pair.source.name, KEY)
    assert stored is not None
    assert stored["n"] == {"N": "6"}
    assert bench.run(compare_key(twins.pair, KEY)) is None


def test_hazard_10_a_write_with_an_unknown_outcome_is_mirrored_now_and_once_it_cannot_land(bench: Bench) -> None:
    """The caller sees the timeout; nobody forgets the key."""
    twins = Twins(bench, SUFFIX)
    bench.lose_reply_to = "PutItem"
    request: Request = {"TableName": twins.pair.source.name, "Item": ITEM}
    routine = route(twins.pair, Stage.DUALWRITE, 0, "PutItem", request)
    assert routine is not None
    with pytest.raises(Exception, match="lost"):
        _ = bench.run(routine, Call("source", "PutItem", request))
    assert [later.delay_seconds for later in bench.later] == [0.0, twins.pair.landing_seconds]
    bench.run(bench.later[0].routine)
    assert bench.run(compare_key(twins.pair, KEY)) is None


def test_hazard_13_the_target_gets_its_own_key(bench: Bench) -> None:
    """A delete by the old key in a later stage removes the item under its new key."""
    twins = Twins(bench, SUFFIX)
    _ = twins.do(Stage.DUALWRITE, "PutItem", {"Item": ITEM})
    _ = twins.do(Stage.LIVE, "DeleteItem", {"Key": KEY})
    assert twins.item(twins.pair.target.name, twins.pair.mapping.forward_key(KEY)) is None
    assert twins.item(twins.pair.source.name, KEY) is None


@pytest.mark.parametrize("stage", [Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.LIVE, Stage.COMPLETE])
def test_an_update_that_only_removes_makes_no_item(bench: Bench, stage: Stage) -> None:
    """The stamp that goes with every write must not bring an item about that the caller's update would not."""
    twins = Twins(bench, SUFFIX)
    assert twins.do(stage, *update("REMOVE tags")) == {}
    assert twins.item(twins.pair.target.name, twins.pair.mapping.forward_key(KEY)) is None


@pytest.mark.parametrize("operation", ["ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"])
def test_partiql_is_refused_before_anything_is_written(bench: Bench, operation: str) -> None:
    """A statement over the table passes where one table is enough, and is refused by name where it would be wrong."""
    twins = Twins(bench, SUFFIX)
    name = twins.pair.source.name
    statement: Request = {"Statement": f"INSERT INTO \"{name}\" VALUE {{'pk': 'a', 'sk': 'b'}}"}
    requests: dict[str, Request] = {
        "ExecuteStatement": statement,
        "BatchExecuteStatement": {"Statements": [statement]},
        "ExecuteTransaction": {"TransactStatements": [statement]},
    }
    assert route(twins.pair, Stage.OFF, 0, operation, requests[operation]) is None
    for stage in (Stage.DUALWRITE, Stage.LOCKSTEP_SOURCE, Stage.LIVE, Stage.COMPLETE):
        with pytest.raises(NotPossibleInStage, match=name):
            _ = route(twins.pair, stage, 0, operation, requests[operation])


def test_the_target_is_not_written_past_crossfade(bench: Bench) -> None:
    """A write straight to the target would carry no stamp and no mirror: refused until the migration is complete."""
    twins = Twins(bench, SUFFIX)
    request: Request = {"TableName": twins.pair.target.name, "Item": ITEM}
    with pytest.raises(NotPossibleInStage, match="nothing was written"):
        _ = route(twins.pair, Stage.SHADOW, 0, "PutItem", request)
    assert route(twins.pair, Stage.COMPLETE, 0, "PutItem", request) is None


def test_a_key_has_one_name_in_every_process() -> None:
    """Mirrors are coalesced by it and the ramp is drawn from it, so it may not depend on order or on a hash seed."""
    one: Item = {"pk": {"S": "a"}, "sk": {"N": "1.50"}}
    other: Item = {"sk": {"N": "1.5"}, "pk": {"S": "a"}}
    assert key_name(one) == key_name(other) == "[('pk', ('S', 'a')), ('sk', ('N', Decimal('1.5')))]"
