"""Plans, held against the routines themselves."""

from __future__ import annotations

from typing import Any, cast

import pytest

from crossfade import Migration, Table
from crossfade.aws.operation import Operations
from crossfade.control.agent import Agent
from crossfade.control.open_tickets import Ticket
from crossfade.core.effects import Forward, Later, Request
from crossfade.core.plan import PASS_THROUGH, REPLY_THEN_MIRROR, SINGLE_ITEM, Plan, Run, Translate
from crossfade.core.request.wellformed import fault_in
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import TicketScope
from crossfade.mapping import suffix

KEY: dict[str, Any] = {"pk": "S", "sk": "S"}
MIGRATION = Migration(
    name="m", source=Table("orders", key=KEY), target=Table("orders-v2", key=KEY), mapping=[suffix("pk", by="sk")]
)
ARN = "arn:aws:dynamodb:us-east-1:000000000000:table"
ITEM_KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


class Tickets:
    """An agent in a stage."""

    def __init__(self, stage: Stage, ramp_percent: int) -> None:
        self._stage = stage
        self._ramp_percent = ramp_percent

    @property
    def reading(self) -> Ticket:
        return self.begin(False)

    def begin(self, strict: bool) -> Ticket:
        return Ticket(self._stage, 1, self._ramp_percent, 1, strict)

    def release(self, _ticket: Ticket) -> None:
        """It is over."""

    def may_send(self, _ticket: Ticket, *, writes: bool = True) -> None:
        """It may."""


def requests(operation: str, name: str) -> list[Request]:
    """Among them those that a routine could treat in another way."""
    request: Request = {"TableName": name}
    request |= {"Item": {**ITEM_KEY, "n": {"N": "1"}}} if operation == "PutItem" else {"Key": ITEM_KEY}
    if operation == "GetItem":
        return [request, request | {"ConsistentRead": True}, request | {"ProjectionExpression": "n"}]
    condition = {"ConditionExpression": "attribute_exists(pk)", "ReturnValues": "ALL_OLD"}
    return [request, request | condition, request | {"Key": {}} | {"Item": {}}]


@pytest.mark.parametrize("ramp_percent", [0, 30])
@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize(
    ("strategy", "stage"), [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
)
def test_what_passes_or_is_mirrored_behind_its_reply_is_what_routing_says(
    strategy: str, stage: Stage, view: Side, ramp_percent: int
) -> None:
    """Alone: there is no routine. Followed: it forwards the request untouched, answers with the answer, and leaves
    nothing but work for later."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled, view=view)
    agent, later = cast("Agent", Tickets(stage, ramp_percent)), list[Later]()
    operations = Operations(pair, agent, lambda work, _: later.append(work), lambda: 0.0, strategy)
    local = LocalEffects(lambda _name, _facts: None)
    for operation in SINGLE_ITEM:
        for request in requests(operation, pair.caller.name):
            ticket, plan = operations.begin(operation, request)
            routine = route(pair, stage, ramp_percent, operation, request, strategy=strategy)
            assert (routine is None) == (plan is PASS_THROUGH)
            assert ticket is not None or plan is PASS_THROUGH
            if plan is not REPLY_THEN_MIRROR or routine is None or ticket is None:
                continue
            scope = TicketScope(agent, ticket, lambda work, _: later.append(work))
            assert local.begin(routine, scope) == Forward(None)
            with pytest.raises(StopIteration) as ended:
                _ = local.go_on(routine, scope, {"answer": 1})
            assert ended.value.value == {"answer": 1}
    following = stage in (Stage.DUALWRITE, Stage.SHADOW) or (stage is Stage.LOCKSTEP_SOURCE and not ramp_percent)
    assert bool(later) == (view == "source" and following)
    for work in later:
        work.routine.close()


PLAIN: dict[str, list[Request]] = {
    "GetItem": [{"Key": ITEM_KEY}, {"Key": ITEM_KEY, "ConsistentRead": True}],
    "PutItem": [
        {"Item": {**ITEM_KEY, "n": {"B": b"1"}}},
        {"Item": ITEM_KEY, "ConditionExpression": "attribute_not_exists(pk)"},
        {"Item": {**ITEM_KEY, "_crossfade": {"S": "of the caller"}}},
    ],
    "UpdateItem": [
        {"Key": ITEM_KEY},
        {
            "Key": ITEM_KEY,
            "UpdateExpression": "ADD #n :n",
            "ConditionExpression": "#n < :n",
            "ExpressionAttributeNames": {"#n": "n"},
            "ExpressionAttributeValues": {":n": {"N": "1"}},
        },
        {"Key": ITEM_KEY, "UpdateExpression": "SET a = b REMOVE c"},
    ],
    "DeleteItem": [{"Key": ITEM_KEY}, {"Key": ITEM_KEY, "ConditionExpression": "attribute_exists(sk)"}],
}
# What needs the routine: the value of a key in a condition, answers that show something, and what is wrong.
OTHER: dict[str, list[Request]] = {
    "GetItem": [
        {"Key": ITEM_KEY, "ProjectionExpression": "n"},
        {"Key": ITEM_KEY, "ReturnConsumedCapacity": "TOTAL"},
        {"Key": {"pk": {"S": "p"}}},
        {"Key": {**ITEM_KEY, "more": {"S": "x"}}},
        {"Key": {"pk": {"S": ""}, "sk": {"S": "s"}}},
        {"Key": {"pk": {"N": "1"}, "sk": {"S": "s"}}},
        {"Key": {"pk": {"S": "p" * 3000}, "sk": {"S": "s"}}},
    ],
    "PutItem": [
        {"Item": {"pk": {"S": "p"}}},
        {"Item": ITEM_KEY, "ReturnValues": "ALL_OLD"},
        {"Item": ITEM_KEY, "ExpressionAttributeNames": {"#unused": "n"}},
        {"Item": ITEM_KEY, "Expected": {"n": {"Exists": False}}},
    ],
    "UpdateItem": [
        {"Key": ITEM_KEY, "UpdateExpression": ""},
        {"Key": ITEM_KEY, "UpdateExpression": "REMOVE n"},
        {"Key": ITEM_KEY, "UpdateExpression": "SET n = pk"},
    ],
    "DeleteItem": [
        {
            "Key": ITEM_KEY,
            "ConditionExpression": "begins_with(pk, :p)",
            "ExpressionAttributeValues": {":p": {"S": "p"}},
        },
        {"Key": ITEM_KEY, "ExpressionAttributeValues": {":p": {"S": "p"}}},
    ],
}


@pytest.mark.parametrize("operation", SINGLE_ITEM)
def test_what_is_translated_goes_as_the_routine_would_send_it(operation: str) -> None:
    """The same request; and the same answer of an item."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    agent = cast("Agent", Tickets(Stage.COMPLETE, 0))
    operations = Operations(pair, agent, lambda _work, _ticket: None, lambda: 0.0)
    local = LocalEffects(lambda _name, _facts: None, new_stamp=lambda: "stamp")
    for given in PLAIN[operation]:
        request = {"TableName": "orders", **given}
        ticket, plan = operations.begin(operation, request)
        assert plan == Translate("target")
        assert ticket is not None
        there = operations.planner.fast_path.request(operation, request, lambda: "stamp")
        routine = route(pair, Stage.COMPLETE, 0, operation, request)
        assert routine is not None
        scope = TicketScope(agent, ticket, lambda _work, _ticket: None)
        assert local.begin(routine, scope) == Forward(there)
        held = pair.mapping.forward(ITEM_KEY | {"n": {"N": "1"}}) | {"_crossfade": {"S": "stamp"}}
        reply = {"Item": held} if operation == "GetItem" else {}
        with pytest.raises(StopIteration) as ended:
            _ = local.go_on(routine, scope, dict(reply))
        assert operations.planner.fast_path.turn(reply)
        assert ended.value.value == reply


@pytest.mark.parametrize("operation", SINGLE_ITEM)
def test_what_is_not_plain_is_not_translated(operation: str) -> None:
    """The routine is asked."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    operations = Operations(pair, cast("Agent", Tickets(Stage.COMPLETE, 0)), lambda _work, _ticket: None, lambda: 0.0)
    for given in OTHER[operation]:
        assert (
            operations.planner.fast_path.request(operation, {"TableName": "orders", **given}, lambda: "stamp") is None
        )


def test_a_reply_that_cannot_be_translated_is_for_the_routine_to_refuse() -> None:
    """An item that the mapping has not made."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    operations = Operations(pair, cast("Agent", Tickets(Stage.COMPLETE, 0)), lambda _work, _ticket: None, lambda: 0.0)
    reply: Request = {"Item": {"pk": {"S": "no suffix"}, "sk": {"S": "s"}}}
    assert not operations.planner.fast_path.turn(reply)
    assert reply == {"Item": {"pk": {"S": "no suffix"}, "sk": {"S": "s"}}}


@pytest.mark.parametrize(
    ("name", "plans"),
    [
        ("orders", REPLY_THEN_MIRROR),
        ("orders-v2", PASS_THROUGH),
        (f"{ARN}/orders", None),
        (f"{ARN}/orders-v2", PASS_THROUGH),
    ],
)
def test_the_stage_alone_tells_nothing_of_another_name(name: str, plans: Plan | None) -> None:
    """By an ARN, the caller's table takes its routine; reads of the other table pass."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    operations = Operations(pair, cast("Agent", Tickets(Stage.SHADOW, 0)), lambda _work, _ticket: None, lambda: 0.0)
    _, plan = operations.begin("GetItem", {"TableName": name, "Key": ITEM_KEY})
    assert isinstance(plan, Run) if plans is None else plan is plans
    assert str(plan) in ("pass through", "reply, then mirror", "run the routine of GetItem in shadow")


ON_SEVERAL: dict[str, Request] = {
    "Query": {
        "TableName": "orders",
        "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": {"S": "p"}},
    },
    "Scan": {"TableName": "orders"},
    "BatchGetItem": {"RequestItems": {"orders": {"Keys": [ITEM_KEY]}}},
    "BatchWriteItem": {"RequestItems": {"orders": [{"PutRequest": {"Item": ITEM_KEY}}]}},
    "TransactGetItems": {"TransactItems": [{"Get": {"TableName": "orders", "Key": ITEM_KEY}}]},
    "TransactWriteItems": {"TransactItems": [{"Put": {"TableName": "orders", "Item": ITEM_KEY}}]},
}


def untold(*_: Any) -> None:
    """What later stages refuse is routed in thought, which is not counted here."""


@pytest.mark.parametrize("ramp_percent", [0, 30])
@pytest.mark.parametrize(
    ("strategy", "stage"), [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
)
def test_a_request_is_looked_at_once_routed_once_and_copied_once(
    strategy: str, stage: Stage, ramp_percent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shape is looked at, its routine is found; it is copied for a routine alone, which keeps the copy."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    agent = cast("Agent", Tickets(stage, ramp_percent))
    operations = Operations(pair, agent, lambda _work, _ticket: None, lambda: 0.0, strategy)
    _ = operations.begin("GetItem", {"TableName": "orders", "Key": ITEM_KEY})  # what the stage alone tells is kept
    monkeypatch.setattr(operations, "_tell_foreseen", untold)
    looked_at, routed, copies = list[str](), list[str](), list[Request]()

    def looking(operation: str, request: Request) -> Any:
        looked_at.append(operation)
        return fault_in(operation, request)

    def counted(pair: Pair, stage: Stage, ramp: int, operation: str, request: Request, **more: Any) -> Any:
        routed.append(operation)
        return route(pair, stage, ramp, operation, request, **more)

    def own(request: Request) -> Request:
        copies.append(dict(request))
        return copies[-1]

    monkeypatch.setattr("crossfade.core.plan.fault_in", looking)
    monkeypatch.setattr("crossfade.core.plan.route", counted)
    singles = {operation: requests(operation, "orders")[1] for operation in SINGLE_ITEM}
    for operation, request in (singles | ON_SEVERAL).items():
        for seen in (looked_at, routed, copies):
            seen.clear()
        ticket, plan = operations.begin(operation, request, own)
        assert len(looked_at) <= 1
        assert len(routed) <= 1
        assert len(copies) == isinstance(plan, Run)
        if isinstance(plan, Run):
            assert ticket is not None
            running = operations.run(ticket, plan)
            assert running.own() is plan.request is copies[0]
            running.routine.close()
