"""What is wrong with the form of a transaction, told in every stage; nothing is written by it."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.core.effects import Call, Reply
from crossfade.core.request.cancellation import cancellation
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage
from crossfade.errors import ServiceRejected
from tests.core.conftest import Bench
from tests.core.test_writes import ITEM, KEY, SUFFIX, Twins

STAGES = [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]


def refusal(twins: Twins, stage: Stage, *actions: dict[str, Any]) -> ServiceRejected:
    table = {"TableName": twins.pair.source.name}
    items = [{kind: {**table, **given} for kind, given in action.items()} for action in actions]
    request = {"TransactItems": items}
    routine = route(twins.pair, stage, 0, "TransactWriteItems", request, strategy=twins.strategy)
    forward = Call("source", "TransactWriteItems", request)
    with pytest.raises(ServiceRejected) as refused:
        _ = twins.bench.send(forward) if routine is None else twins.bench.run(routine, forward)
    return refused.value


def update_of_a_key() -> tuple[dict[str, Any], dict[str, Any]]:
    """A check that holds, and an update that would change the key of another item."""
    check = {"ConditionCheck": {"Key": KEY, "ConditionExpression": "attribute_exists(pk)"}}
    other = {**KEY, "sk": {"S": "another"}}
    values = {":s": {"S": "s"}}
    return check, {"Update": {"Key": other, "UpdateExpression": "SET sk = :s", "ExpressionAttributeValues": values}}


@pytest.mark.parametrize(("strategy", "stage"), STAGES)
def test_a_key_is_not_updated(bench: Bench, strategy: str, stage: Stage) -> None:
    """The reasons say so, in every stage."""
    twins = Twins(bench, SUFFIX, strategy)
    _ = twins.do(stage, "PutItem", {"Item": ITEM})
    assert_is_told(refusal(twins, stage, *update_of_a_key()))


@pytest.mark.parametrize(("strategy", "stage"), STAGES)
def test_a_refusal_with_fewer_reasons_than_actions_is_a_refusal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, strategy: str, stage: Stage
) -> None:
    """Servers of the protocol are about that tell what is wrong with a form by one reason, for whichever action."""
    twins = Twins(bench, SUFFIX, strategy)
    _ = twins.do(stage, "PutItem", {"Item": ITEM})
    text = "One or more parameter values were invalid: Cannot update attribute sk. This attribute is part of the key"
    send = bench.send

    def tersely(effect: Call) -> Reply:
        if effect.operation == "TransactWriteItems":
            raise cancellation([{"Code": "ValidationError", "Message": text}])
        return send(effect)

    monkeypatch.setattr(bench, "send", tersely)
    assert_is_told(refusal(twins, stage, *update_of_a_key()))


def assert_is_told(found: ServiceRejected) -> None:
    assert found.code == "TransactionCanceledException"
    reasons = found.response["CancellationReasons"]
    assert "Cannot update attribute sk" in str(reasons)
    assert {reason["Code"] for reason in reasons} <= {"None", "ValidationError"}


@pytest.mark.parametrize(("strategy", "stage"), STAGES)
def test_an_item_may_be_in_a_transaction_once(bench: Bench, strategy: str, stage: Stage) -> None:
    """Wherever the item is: the caller's own table is asked for the words only, and need not have it."""
    twins = Twins(bench, SUFFIX, strategy)
    _ = twins.do(stage, "PutItem", {"Item": ITEM})
    check = {"ConditionCheck": {"Key": KEY, "ConditionExpression": "attribute_exists(pk)"}}
    found = refusal(twins, stage, check, {"Delete": {"Key": KEY}})
    assert (found.code, found.text) == (
        "ValidationException",
        "Transaction request cannot include multiple operations on one item",
    )
