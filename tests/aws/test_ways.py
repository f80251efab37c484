"""What is known of a request by its stage alone, held against the routines themselves."""

from __future__ import annotations

from typing import Any, cast

import pytest

from crossfade import Migration, Table
from crossfade.aws.passage import SINGLE_ITEM, Passages, Way
from crossfade.control.agent import Agent, Ticket
from crossfade.core.effects import Forward, Later, Request
from crossfade.core.pair import Pair
from crossfade.core.routing import route
from crossfade.core.stages import Side, Stage
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.scope import TicketScope
from crossfade.mapping import suffix

KEY: dict[str, Any] = {"pk": "S", "sk": "S"}
MIGRATION = Migration(
    name="m", source=Table("orders", key=KEY), target=Table("orders-v2", key=KEY), mapping=[suffix("pk", by="sk")]
)
ITEM_KEY = {"pk": {"S": "p"}, "sk": {"S": "s"}}


class Tickets:
    """An agent in a stage."""

    def __init__(self, stage: Stage, ramp_percent: int) -> None:
        self._stage = stage
        self._ramp_percent = ramp_percent

    def begin(self, strict: bool, _now: float) -> Ticket:
        return Ticket(self._stage, 1, self._ramp_percent, 1, strict)

    def may_send(self, _ticket: Ticket, _now: float) -> None:
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
@pytest.mark.parametrize("stage", list(Stage))
def test_what_is_left_alone_or_followed_is_what_routing_says(stage: Stage, view: Side, ramp_percent: int) -> None:
    """Alone: there is no routine. Followed: it forwards the request untouched, answers with the answer, and leaves
    nothing but work for later."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled, view=view)
    agent, later = cast("Agent", Tickets(stage, ramp_percent)), list[Later]()
    passages = Passages(pair, agent, lambda work, _: later.append(work), lambda: 0.0)
    local = LocalEffects(lambda _name, _facts: None)
    for operation in SINGLE_ITEM:
        for request in requests(operation, pair.caller.name):
            ticket, way = passages.begin(operation, request, 0.0)
            routine = route(pair, stage, ramp_percent, operation, request)
            assert (routine is None) == (way is Way.ALONE)
            if way is not Way.FOLLOWED or routine is None:
                continue
            scope = TicketScope(agent, ticket, lambda work, _: later.append(work), lambda: 0.0)
            assert local.begin(routine, scope) == Forward(None)
            with pytest.raises(StopIteration) as ended:
                _ = local.go_on(routine, scope, {"answer": 1})
            assert ended.value.value == {"answer": 1}
    following = stage in (Stage.DUALWRITE, Stage.SHADOW) or (stage is Stage.LOCKSTEP_SOURCE and not ramp_percent)
    assert bool(later) == (view == "source" and following)
    for work in later:
        work.routine.close()


def test_a_request_on_another_table_is_asked_about() -> None:
    """By another name, or by an ARN: nothing is known."""
    pair = Pair(MIGRATION.source, MIGRATION.target, MIGRATION.compiled)
    passages = Passages(pair, cast("Agent", Tickets(Stage.OFF, 0)), lambda _work, _ticket: None, lambda: 0.0)
    for name in ("orders-v2", "arn:aws:dynamodb:us-east-1:000000000000:table/orders"):
        assert passages.begin("GetItem", {"TableName": name, "Key": ITEM_KEY}, 0.0)[1] is Way.OPEN
