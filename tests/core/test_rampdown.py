"""Rampdown, call by call on DynamoDB Local: writes that find nothing in the target are followed by a look behind."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.effects import Reply
from crossfade.core.stages import Stage
from crossfade.errors import Rejected
from crossfade.mapping import convert, text_to_number
from tests.core.conftest import Bench
from tests.core.test_draining import ITEM, KEY, THERE, Drain

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


def refused(drain: Drain, operation: str, **request: Any) -> Rejected:
    with pytest.raises(Rejected) as caught:
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
