"""What passes from a stage to its neighbour: tokens of transactions and of pages. And what a busy table says of calls
that only crossfade makes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.request.cancellation import cancellation
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import ServiceRejected
from crossfade.mapping import convert, number_to_text, suffix
from tests.core.conftest import Bench

KEY: Item = {"pk": {"S": "shop"}, "sk": {"S": "one"}}
ITEMS: Final = 9
STRATEGIES: Final = tuple(LADDERS)
THROTTLED: Final = {"Code": "ThrottlingError", "Message": "slow down"}
FINE: Final = {"Code": "None"}


class Two:
    """A source and a target that spreads its partitions and keeps `n` in another form."""

    def __init__(self, bench: Bench, strategy: str, view: Side = "source") -> None:
        self.bench = bench
        self.strategy = strategy
        key: dict[str, Any] = {"pk": "S", "sk": "S"}
        source = Table(bench.make_table("source", **key), key=key)
        target = Table(bench.make_table("target", **key), key=key)
        pieces = [suffix("pk", count=3, by="sk"), convert("n", number_to_text)]
        compiled = Migration(name="t", source=source, target=target, mapping=pieces).compiled
        ledger = Ledger(bench.make_table("control", migration="S", record="S"), "t")
        self.pair = Pair(source, target, compiled, view=view, ledger=ledger)

    def put_everywhere(self, count: int = ITEMS) -> set[str]:
        for n in range(count):
            item: Item = {"pk": {"S": f"p{n}"}, "sk": {"S": f"s{n}"}, "n": {"N": str(n)}}
            _ = self.bench.client.put_item(TableName=self.pair.source.name, Item=item)
            there = self.pair.mapping.forward(item)
            _ = self.bench.client.put_item(TableName=self.pair.target.name, Item=there)
        return {f"p{n}" for n in range(count)}

    def do(self, stage: Stage, operation: str, **request: Any) -> Reply:
        several = "TransactItems" in request or "RequestItems" in request
        whole: Request = request if several else {"TableName": self.pair.caller.name, **request}
        routine = route(self.pair, stage, 0, operation, whole, strategy=self.strategy)
        forward = Call(self.pair.view, operation, whole)
        reply = self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        waiting, self.bench.later = self.bench.later, []
        for later in waiting:
            self.bench.run(later.routine)
        return reply

    def add_one(self, stage: Stage, **more: Any) -> Reply:
        key = KEY if self.pair.view == "source" else self.pair.mapping.forward_key(KEY)
        update: Request = {"TableName": self.pair.caller.name, "Key": key, "UpdateExpression": "ADD m :one"}
        update["ExpressionAttributeValues"] = {":one": {"N": "1"}}
        return self.do(stage, "TransactWriteItems", TransactItems=[{"Update": update}], **more)


@pytest.mark.parametrize(
    ("strategy", "first", "then"),
    [
        ("dual-write", Stage.OFF, Stage.DUALWRITE),
        ("dual-write", Stage.DUALWRITE, Stage.OFF),
        ("dual-write", Stage.RAMPDOWN, Stage.COMPLETE),
        ("copy-on-write", Stage.OFF, Stage.STAMP),
        ("copy-on-write", Stage.STAMP, Stage.OFF),
        ("copy-on-write", Stage.STAMP, Stage.PREPARE),
        ("copy-on-write", Stage.PREPARE, Stage.STAMP),
        ("copy-on-write", Stage.RAMPDOWN, Stage.COMPLETE),
    ],
)
def test_a_transaction_sent_again_in_the_next_stage_writes_once(
    bench: Bench, strategy: str, first: Stage, then: Stage
) -> None:
    """With the application's own token, also where one of the two stages leaves requests alone."""
    views: tuple[Side, ...] = ("source", "target") if then is Stage.COMPLETE else ("source",)
    for view in views:
        two = Two(bench, strategy, view)
        _ = two.add_one(first, ClientRequestToken="again")
        _ = two.add_one(then, ClientRequestToken="again")
        key = KEY if view == "source" else two.pair.mapping.forward_key(KEY)
        assert two.do(then, "GetItem", Key=key, ConsistentRead=True)["Item"]["m"] == {"N": "1"}


def test_a_transaction_without_a_token_of_its_own_is_left_alone_in_off(bench: Bench) -> None:
    """Nothing is added to it."""
    two = Two(bench, "dual-write")
    _ = two.add_one(Stage.OFF)
    (sent,) = bench.calls
    assert len(sent.request["TransactItems"]) == 1


def parts(strategy: str, left: Stage, right: Stage) -> bool:
    """Whether a strongly consistent walk must be begun anew, since the order of another table is the fresh one."""
    if strategy == "copy-on-write":
        return (left, right) == (Stage.RAMPDOWN, Stage.DRAIN)
    return {left, right} == {Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("consistent", [False, True])
def test_a_walk_goes_on_where_a_process_of_the_neighbouring_stage_has_begun_it(
    bench: Bench, strategy: str, consistent: bool
) -> None:
    """Two stages are live at once, and pages may come from either: nothing is skipped, and nothing given twice."""
    two = Two(bench, strategy)
    wanted = two.put_everywhere()
    stages = list(LADDERS[strategy])
    for left, right in [*pairwise(stages), *zip(stages[1:], stages, strict=False)]:
        for first in range(1, ITEMS):
            reply = two.do(left, "Scan", Limit=first, ConsistentRead=consistent)
            seen = [item["pk"]["S"] for item in reply["Items"]]
            while "LastEvaluatedKey" in reply:
                is_fresh = consistent and not parts(strategy, left, right)
                token = reply["LastEvaluatedKey"]
                reply = two.do(right, "Scan", Limit=4, ConsistentRead=is_fresh, ExclusiveStartKey=token)
                seen += [item["pk"]["S"] for item in reply["Items"]]
            assert sorted(seen) == sorted(wanted), f"{left} to {right}, {first} items first"


@pytest.mark.parametrize("operation", ["GetItem", "Query"])
def test_behind_the_target_the_source_is_asked_for_what_it_has_now(bench: Bench, operation: str) -> None:
    """What it had a second ago may be an item that the target had had for weeks, and that is deleted since."""
    two = Two(bench, "copy-on-write")
    where: dict[str, Any] = {"Key": KEY}
    if operation == "Query":
        where = {"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": KEY["pk"]}}
    _ = two.do(Stage.DRAIN, operation, **where)
    asked = [call for call in bench.calls if call.request["TableName"] == two.pair.source.name]
    assert asked
    assert all(call.request["ConsistentRead"] for call in asked)


def test_a_token_that_is_in_use_is_told_as_such(bench: Bench) -> None:
    """The conflict is about crossfade's own action, which the reasons of the caller's actions cannot tell."""
    for reason, code in (
        ({"Code": "TransactionConflict"}, "TransactionInProgressException"),
        (THROTTLED, "ThrottlingException"),
    ):
        two = Two(bench, "dual-write")
        bench.before["TransactWriteItems", ""] = refusing(FINE, reason)
        with pytest.raises(ServiceRejected) as refused:
            _ = two.add_one(Stage.DUALWRITE, ClientRequestToken="t")
        assert refused.value.code == code


def test_a_transaction_is_not_refused_because_of_what_it_has_written_itself(bench: Bench) -> None:
    """Its first sending, given up on, lands just before the second one looks: that it was carried out is the answer."""
    two = Two(bench, "dual-write")
    item: Item = {**KEY, "n": {"N": "1"}}
    create = {"TableName": two.pair.source.name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    request: dict[str, Any] = {"TransactItems": [{"Put": create}], "ClientRequestToken": "t"}
    bench.before["TransactGetItems", ""] = lambda: two.do(Stage.LOCKSTEP_SOURCE, "TransactWriteItems", **request)
    _ = two.do(Stage.LOCKSTEP_SOURCE, "TransactWriteItems", **request)
    assert two.do(Stage.LOCKSTEP_SOURCE, "GetItem", Key=KEY)["Item"] == item
    with pytest.raises(ServiceRejected, match="ConditionalCheckFailed"):
        _ = two.do(Stage.LOCKSTEP_SOURCE, "TransactWriteItems", **{**request, "ClientRequestToken": "another"})


def test_a_throttled_look_is_not_told_as_reasons_of_the_callers_actions(bench: Bench) -> None:
    """What is looked at before a transaction is twice as much as its actions."""
    two = Two(bench, "dual-write")
    bench.before["TransactGetItems", ""] = refusing(FINE, THROTTLED)
    with pytest.raises(ServiceRejected) as refused:
        _ = two.add_one(Stage.LOCKSTEP_SOURCE)
    assert refused.value.code == "ThrottlingException"
    assert "CancellationReasons" not in refused.value.response


def test_reads_of_two_tables_are_refused_with_one_reason_each(bench: Bench) -> None:
    """Whichever of the two was busy."""
    two = Two(bench, "copy-on-write")
    bench.before["TransactGetItems", ""] = refusing(FINE, FINE, FINE, THROTTLED)
    gets = [{"Get": {"TableName": two.pair.source.name, "Key": {**KEY, "sk": {"S": sk}}}} for sk in ("one", "two")]
    with pytest.raises(ServiceRejected) as refused:
        _ = two.do(Stage.DRAIN, "TransactGetItems", TransactItems=gets)
    assert refused.value.response["CancellationReasons"] == [FINE, THROTTLED]


def refusing(*reasons: Reply) -> Any:
    def refuse() -> None:
        raise cancellation(reasons)

    return refuse
