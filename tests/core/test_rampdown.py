"""Rampdown, call by call on the engine: writes that find nothing in the target are followed by a look behind."""

from __future__ import annotations

import time
from typing import Any

import pytest

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.pages import page_fallback
from crossfade.core.stages import Side, Stage
from crossfade.errors import ServiceRejected
from crossfade.mapping import convert, text_to_number
from tests.core.conftest import Bench
from tests.core.test_copy_on_write import ITEM, KEY, THERE, Drain

IF_THERE = {"ConditionExpression": "attribute_exists(n)"}
SET_M: dict[str, Any] = {
    "Key": KEY,
    "UpdateExpression": "SET m = :m",
    "ExpressionAttributeValues": {":m": {"S": "new"}},
}


@pytest.fixture
def ramped(bench: Bench) -> Drain:
    """An item in the source alone, and the fleet in rampdown."""
    drain = Drain(bench)
    drain.fleet_is_in(Stage.RAMPDOWN)
    return drain


def told(drain: Drain) -> list[str]:
    """What was told of the item, hit by hit."""
    assert all(note.name == "fallback" and note.facts["key"] == KEY for note in drain.bench.notes)
    return [note.facts["outcome"] for note in drain.bench.notes]


def refused(drain: Drain, operation: str, **request: Any) -> ServiceRejected:
    with pytest.raises(ServiceRejected) as caught:
        _ = drain.do(Stage.RAMPDOWN, operation, **request)
    drain.do_what_waits()
    return caught.value


@pytest.mark.parametrize("returned", ["NONE", "ALL_OLD", "UPDATED_OLD"])
def test_an_update_that_made_a_new_item_beside_an_uncopied_one_is_told_of(ramped: Drain, returned: str) -> None:
    """The new one stays, and the answer is what was asked for and no more."""
    reply: Reply = ramped.do(Stage.RAMPDOWN, "UpdateItem", **SET_M, ReturnValues=returned)
    assert "Attributes" not in reply
    assert told(ramped) == ["there"]
    assert (ramped.held("source"), ramped.held("target")) == (ITEM, {**THERE, "m": {"S": "new"}})


def test_a_write_that_was_refused_since_there_was_no_item_finds_it_the_next_time(ramped: Drain) -> None:
    """Its condition did not hold; the item is copied after the answer, and then it does."""
    assert refused(ramped, "UpdateItem", **SET_M, **IF_THERE).code == "ConditionalCheckFailedException"
    assert told(ramped) == ["copied"]
    _ = ramped.do(Stage.RAMPDOWN, "UpdateItem", **SET_M, **IF_THERE)
    assert ramped.held("target") == {**THERE, "n": {"N": "5"}, "m": {"S": "new"}}
    assert told(ramped) == ["copied"]


def test_what_only_we_asked_for_is_not_shown(ramped: Drain) -> None:
    """The old item, of a write that found one: neither in an answer nor in a refusal, unless the caller asked."""
    ramped.put(ramped.pair.target.name, {**THERE, "n": {"N": "6"}})
    assert "Attributes" not in ramped.do(Stage.RAMPDOWN, "UpdateItem", **SET_M)
    condition = {"ConditionExpression": "attribute_not_exists(m)"}
    assert "Item" not in refused(ramped, "UpdateItem", **SET_M, **condition).response
    shown = refused(ramped, "UpdateItem", **SET_M, **condition, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert shown.response["Item"] == {**KEY, "n": {"N": "6"}, "m": {"S": "new"}}
    old = ramped.do(Stage.RAMPDOWN, "UpdateItem", **SET_M, ReturnValues="ALL_OLD")["Attributes"]
    assert old == {**KEY, "n": {"N": "6"}, "m": {"S": "new"}}
    assert told(ramped) == []


def test_a_put_counts_only_where_it_was_decided_upon_an_absence(ramped: Drain) -> None:
    """Without a condition what it replaces does not matter; "only if it is new" does."""
    _ = ramped.do(Stage.RAMPDOWN, "PutItem", Item={**ITEM, "n": {"N": "7"}})
    assert told(ramped) == []
    _ = ramped.bench.client.delete_item(TableName=ramped.pair.target.name, Key=THERE)
    _ = ramped.do(Stage.RAMPDOWN, "PutItem", Item=ITEM, ConditionExpression="attribute_not_exists(pk)")
    assert told(ramped) == ["there"]


def test_a_write_that_is_evaluated_here_looks_as_well(bench: Bench) -> None:
    """Where the forms differ: it has read the target before, and so knows that nothing was there."""
    drain = Drain(bench, mapping=[convert("n", text_to_number)])
    drain.put(drain.pair.source.name, {**KEY, "n": {"S": "5"}})
    drain.fleet_is_in(Stage.RAMPDOWN)
    change = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"S": "6"}}}
    _ = drain.do(Stage.RAMPDOWN, "UpdateItem", Key=KEY, **change)
    assert told(drain) == ["there"]
    _ = drain.do(Stage.RAMPDOWN, "UpdateItem", Key=KEY, **change)
    assert told(drain) == ["there"]


def test_in_complete_nobody_looks(bench: Bench) -> None:
    """A write costs what it costs, and what the source holds is nobody's."""
    drain = Drain(bench)
    drain.fleet_is_in(Stage.COMPLETE)
    _ = drain.do(Stage.COMPLETE, "UpdateItem", **SET_M)
    assert [call.operation for call in bench.calls] == ["UpdateItem"]
    assert told(drain) == []


def test_a_transaction_of_reads_looks_behind_each_that_found_nothing(ramped: Drain) -> None:
    """After the answer, as of a single read."""
    get = {"Get": {"TableName": ramped.pair.caller.name, "Key": KEY}}
    request = {"TransactItems": [get]}
    assert ramped.do(Stage.RAMPDOWN, "TransactGetItems", **request)["Responses"] == [{}]
    assert told(ramped) == ["copied"]
    assert ramped.do(Stage.RAMPDOWN, "TransactGetItems", **request)["Responses"] == [{"Item": ITEM}]


# --- transactions of writes -------------------------------------------------------------------------------------------


def transact(drain: Drain, **action: Request) -> Reply:
    ((kind, request),) = action.items()
    entry = {kind: {"TableName": drain.pair.caller.name, **request}}
    return drain.do(Stage.RAMPDOWN, "TransactWriteItems", TransactItems=[entry])


def cancelled(drain: Drain, **action: Request) -> Reply:
    """The reason."""
    with pytest.raises(ServiceRejected) as caught:
        _ = transact(drain, **action)
    drain.do_what_waits()
    reasons: list[Reply] = caught.value.response["CancellationReasons"]
    return reasons[0]


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("Update", {**SET_M, **IF_THERE}),
        ("Put", {"Item": ITEM, **IF_THERE}),
        ("ConditionCheck", {"Key": KEY, **IF_THERE}),
    ],
)
def test_a_transaction_that_was_refused_since_there_was_no_item_finds_it_the_next_time(
    ramped: Drain, kind: str, request_: Request
) -> None:
    """The item is copied after the answer; the same transaction again is carried out."""
    assert cancelled(ramped, **{kind: request_})["Code"] == "ConditionalCheckFailed"
    assert told(ramped) == ["copied"]
    _ = transact(ramped, **{kind: request_})
    assert told(ramped) == ["copied"]


def test_a_refusal_that_found_an_item_shows_it_to_who_asked_and_looks_nowhere(ramped: Drain) -> None:
    """The stored item that we ask for tells the two apart, and is taken out of the answer."""
    ramped.put(ramped.pair.target.name, {**THERE, "m": {"S": "old"}})
    ramped.bench.calls.clear()
    assert "Item" not in cancelled(ramped, Update={**SET_M, **IF_THERE})
    asking = {**SET_M, **IF_THERE, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    assert cancelled(ramped, Update=asking)["Item"] == {**KEY, "m": {"S": "old"}}
    assert told(ramped) == []
    assert {call.operation for call in ramped.bench.calls} == {"TransactWriteItems"}


def test_a_transaction_that_is_evaluated_here_looks_behind_what_it_has_read(bench: Bench) -> None:
    """It has read the target, and so knows where nothing was; a delete beside it takes both sides and does not mind."""
    drain = Drain(bench, mapping=[convert("n", text_to_number)])
    drain.put(drain.pair.source.name, {**KEY, "n": {"S": "5"}})
    drain.fleet_is_in(Stage.RAMPDOWN)
    change = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"S": "6"}}}
    _ = transact(drain, Update={"Key": KEY, **change})
    assert told(drain) == ["there"]
    _ = transact(drain, Delete={"Key": KEY})
    assert told(drain) == ["there"]


# --- queries ----------------------------------------------------------------------------------------------------------


def query(drain: Drain, **more: Any) -> Reply:
    """Of the shop's orders."""
    name = drain.pair.caller.partition_key
    asked = {"KeyConditionExpression": f"{name} = :p", "ExpressionAttributeValues": {":p": KEY["pk"]}}
    return drain.do(Stage.RAMPDOWN, "Query", **asked, **more)


@pytest.mark.parametrize("view", ["source", "target"])
def test_an_empty_page_is_looked_behind(bench: Bench, view: Side) -> None:
    """What the source has there is copied after the answer, and in the next one."""
    drain = Drain(bench, view=view)
    drain.fleet_is_in(Stage.RAMPDOWN)
    assert query(drain)["Count"] == 0
    assert told(drain) == ["copied"]
    assert query(drain)["Count"] == 1
    assert told(drain) == ["copied"]


def test_one_page_in_twenty_is_looked_behind(ramped: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's lot decides. What the page has shown is not looked up again."""
    other: Item = {"id": {"S": "shop"}, "sk": {"S": "two"}}
    ramped.put(ramped.pair.target.name, other)
    ramped.put(ramped.pair.source.name, {"pk": {"S": "shop"}, "sk": {"S": "two"}})
    monkeypatch.setattr(page_fallback, "PAGES_PERCENT", 0)
    assert query(ramped)["Count"] == 1
    assert told(ramped) == []
    monkeypatch.setattr(page_fallback, "PAGES_PERCENT", 100)
    ramped.bench.calls.clear()
    assert query(ramped, Limit=5)["Count"] == 1
    assert told(ramped) == ["copied"]
    behind, looked_up = ramped.bench.calls[1:3]
    assert (behind.operation, behind.request["Limit"]) == ("Query", 5)
    keys = looked_up.request["RequestItems"][ramped.pair.target.name]["Keys"]
    assert keys == [THERE]
    assert query(ramped)["Count"] == 2


def test_a_page_is_looked_behind_where_it_was_read(ramped: Drain, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the caller's own condition and token, whatever it lets show of the items: what lies before stays unseen."""
    monkeypatch.setattr(page_fallback, "PAGES_PERCENT", 100)
    ramped.put(ramped.pair.target.name, {"id": {"S": "shop"}, "sk": {"S": "two"}})
    assert query(ramped, ExclusiveStartKey={**KEY, "sk": {"S": "tea"}}, Select="COUNT")["Count"] == 1
    assert told(ramped) == []
    assert query(ramped, ExclusiveStartKey={**KEY, "sk": {"S": "a"}}, Select="COUNT")["Count"] == 1
    assert told(ramped) == ["copied"]


def test_a_page_over_an_unmappable_item_is_told_of_it(bench: Bench) -> None:
    """It cannot be copied, and somebody has to know."""
    drain = Drain(bench, mapping=[convert("n", text_to_number)])
    drain.put(drain.pair.source.name, {**KEY, "n": {"S": "five"}})
    drain.fleet_is_in(Stage.RAMPDOWN)
    assert query(drain)["Count"] == 0
    assert told(drain) == ["failed"]


def test_what_the_target_expires_is_neither_copied_nor_told_of(bench: Bench) -> None:
    """It would be copied again and again, and each time be a hit that keeps the last gate closed."""
    drain = Drain(bench)
    drain.put(drain.pair.source.name, {**ITEM, "expires": {"N": str(int(time.time()) - 60)}})
    drain.fleet_is_in(Stage.RAMPDOWN)
    specification = {"Enabled": True, "AttributeName": "expires"}
    bench.client.update_time_to_live(TableName=drain.pair.target.name, TimeToLiveSpecification=specification)
    assert "Item" not in drain.do(Stage.RAMPDOWN, "GetItem", Key=KEY)
    drain.do_what_waits()
    assert (drain.held("target"), told(drain)) == (None, [])
