"""What a later stage refuses is known in each stage that serves it: held against what the stages then do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Request
from crossfade.core.foresight import Foreseen, Foresight
from crossfade.core.mapping import Piece
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import CrossfadeError, NotPossibleInStage
from crossfade.mapping import convert, number_to_text, rename, suffix
from tests.core.conftest import Bench
from tests.migrations import make_anew

NOTHING = Call("source", "GetItem", {})  # nobody's call: what is run is of the background
Requests = list[tuple[str, Request]]
WAYS = [
    pytest.param(strategy, view, id=f"{strategy}-{view}")
    for strategy, view in itertools.product(LADDERS, ("source", "target"))
]


@dataclass
class Scene:
    """Two tables with some items, each with two indexes, and calls of one application."""

    pair: Pair
    requests: Requests


def key_condition(name: str, kind: str, value: str) -> Request:
    return {
        "KeyConditionExpression": "#k = :k",
        "ExpressionAttributeNames": {"#k": name},
        "ExpressionAttributeValues": {":k": {kind: value}},
    }


def scene(bench: Bench, view: Side, piece: Piece, sort: str = "N") -> Scene:
    """`by_pk` has the table's partition key, which `suffix` spreads; `by_note` an attribute that is renamed at most."""
    key: dict[str, Any] = {"pk": "S", "sk": "N"}
    target_key: dict[str, Any] = {"pk": "S", "sk": sort}
    source, target = (Table(bench.make_table("foresight", **each), key=each) for each in (key, target_key))
    for table in (source, target):
        keys = {"by_pk": "pk", "by_note": "note"}
        indexes = [
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name, attribute in keys.items()
        ]
        make_anew(bench.client, table.name, {"note": "S"}, GlobalSecondaryIndexes=indexes)
    compiled = Migration("t", source, target, piece).compiled
    pair = Pair(source, target, compiled, view=view, ledger=Ledger("crossfade", "t"))
    items = [{"pk": {"S": "p"}, "sk": {"N": str(n)}, "note": {"S": "x"}} for n in range(4)]
    for item in items:
        bench.client.put_item(TableName=source.name, Item=item)
        bench.client.put_item(TableName=target.name, Item=compiled.forward(item))
    shown = items[1] if view == "source" else compiled.forward(items[1])
    return Scene(pair, list(calls(pair, shown)))


def calls(pair: Pair, item: Request) -> Iterator[tuple[str, Request]]:
    name = pair.caller.name
    table: Request = {"TableName": name}
    partition = pair.caller.partition_key
    token = {part: item[part] for part in pair.caller.key_names}
    by_pk = table | {"IndexName": "by_pk", **key_condition("pk", "S", item["pk"]["S"])}
    by_note = table | {"IndexName": "by_note", **key_condition("note", "S", "x")}
    of_table = table | key_condition(partition, "S", item[partition]["S"])
    yield "Query", by_pk
    yield "Query", by_pk | {"ExclusiveStartKey": token}
    yield "Query", by_note
    yield "Query", of_table
    yield "Query", of_table | {"ConsistentRead": True}
    yield "Scan", table
    yield "Scan", table | {"IndexName": "by_note"}
    yield "ExecuteStatement", {"Statement": f'SELECT * FROM "{name}"'}  # noqa: S608 - a name of our own
    yield "GetItem", table | {"Key": token}
    yield "BatchGetItem", {"RequestItems": {name: {"Keys": [token]}}}
    yield "TransactGetItems", {"TransactItems": [{"Get": table | {"Key": token}}]}
    yield "PutItem", table | {"Item": item}


def refused(bench: Bench, pair: Pair, strategy: str, stage: Stage, operation: str, request: Request) -> bool:
    """What the stage really does."""
    try:
        routine = route(pair, stage, 0, operation, request, strategy=strategy)
        if routine is not None:
            _ = bench.run(routine, Call(pair.view, operation, request))
    except NotPossibleInStage:
        return True
    except CrossfadeError:
        pass
    return False


@pytest.mark.parametrize(("strategy", "view"), WAYS)
@pytest.mark.parametrize(
    ("piece", "sort"),
    [
        (suffix("pk", count=4, by="sk"), "N"),
        (convert("sk", number_to_text), "S"),
        (rename("note", "remark"), "N"),
    ],
    ids=["spread", "another order", "another name"],
)
def test_what_later_stages_refuse_is_known_before(
    bench: Bench, piece: Piece, sort: str, view: Side, strategy: str
) -> None:
    """In each stage that serves a call: in which of the next ones it is refused; once described, without a request."""
    at = scene(bench, view, piece, sort)
    foresight = Foresight(at.pair, strategy)
    stages = list(LADDERS[strategy])
    assert foresight.of(stages[0], *at.requests[0]) is None  # it takes what the index is like
    _ = bench.run(foresight.describe(), NOTHING)
    for operation, request in at.requests:
        truth = [stage for stage in stages if refused(bench, at.pair, strategy, stage, operation, request)]
        for stage in stages:
            sent = len(bench.calls)
            found = foresight.of(stage, operation, request)
            assert len(bench.calls) == sent
            later = tuple(each for each in truth if stages.index(each) > stages.index(stage))
            expected = () if stage in truth else later
            assert (found.stages if found else ()) == expected, (operation, request, stage)


def test_some_of_these_are_refused_in_complete(bench: Bench) -> None:
    """So the test above has something to find; a refusal says why and what to do, and no value of an item."""
    at = scene(bench, "source", suffix("pk", count=4, by="sk"))
    foresight = Foresight(at.pair, "dual-write")
    for _ in range(3):
        assert foresight.of(Stage.LIVE, *at.requests[0]) is None
    ((found, count),) = bench.run(foresight.describe(), NOTHING)
    assert count == 3
    assert not foresight.waits
    assert foresight.of(Stage.LIVE, *at.requests[0]) is found
    assert (found.operation, found.table, found.index) == ("Query", at.pair.source.name, "by_pk")
    assert found.stages == (Stage.RAMPDOWN, Stage.COMPLETE)
    assert "'pk' is stored in another form" in found.reason
    assert "'p'" not in found.reason
    assert f'Table("{at.pair.source.name}", ..., indexes={{"by_pk"' in found.next_step


def test_what_is_foreseen_of_partiql_does_not_read_as_if_it_had_failed(bench: Bench) -> None:
    """The call is served now: what is told of `shadow` names that stage, and not that nothing was read or written."""
    at = scene(bench, "source", suffix("pk", count=4, by="sk"))
    (statement,) = [each for each in at.requests if each[0] == "ExecuteStatement"]
    found = Foresight(at.pair, "dual-write").of(Stage.OFF, *statement)
    assert found is not None
    assert (
        found.reason
        == f"PartiQL on {at.pair.source.name}, which is being migrated, cannot be carried out in stage complete"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"KeyConditionExpression": 7},
        {"KeyConditionExpression": "#k = "},
        {"ExpressionAttributeNames": ["#k"]},
        {"ExpressionAttributeValues": None},
        {"IndexName": {}},
        {"ExclusiveStartKey": 3},
        {"TableName": None},
    ],
    ids=str,
)
def test_a_malformed_request_is_not_foreseen_and_does_not_hide_a_good_one(bench: Bench, wrong: Request) -> None:
    """It is the service's to refuse; what comes after it is thought about."""
    at = scene(bench, "source", suffix("pk", count=4, by="sk"))
    foresight = Foresight(at.pair, "dual-write")
    _ = bench.run(foresight.describe(), NOTHING)
    operation, request = at.requests[0]
    assert foresight.of(Stage.LIVE, operation, {**request, **wrong}) is None
    assert isinstance(foresight.of(Stage.LIVE, operation, request), Foreseen)


def test_a_form_is_thought_about_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its values."""
    at = scene(bench, "source", suffix("pk", count=4, by="sk"))
    foresight = Foresight(at.pair, "dual-write")
    _ = bench.run(foresight.describe(), NOTHING)
    operation, request = at.requests[0]
    first = foresight.of(Stage.LIVE, operation, request)

    def twice(*_: Any, **__: Any) -> None:
        raise AssertionError("once")

    monkeypatch.setattr("crossfade.core.foresight.route", twice)
    for value in ("q", "r"):
        assert foresight.of(Stage.LIVE, operation, request | key_condition("pk", "S", value)) is first
    assert first is not None


@pytest.mark.parametrize(("count", "later"), [(50, ()), (51, (Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET))])
def test_a_transaction_that_lockstep_has_no_room_for_is_known_before(
    bench: Bench, count: int, later: tuple[Stage, ...]
) -> None:
    """A small one before it hides nothing; each put is two there, whatever the tables hold."""
    pair = scene(bench, "source", rename("note", "remark")).pair
    puts = [
        {"Put": {"TableName": pair.source.name, "Item": {"pk": {"S": "p"}, "sk": {"N": str(n)}}}} for n in range(count)
    ]
    foresight = Foresight(pair, "dual-write")
    assert foresight.of(Stage.OFF, "TransactWriteItems", {"TransactItems": puts[:1]}) is None
    found = foresight.of(Stage.OFF, "TransactWriteItems", {"TransactItems": puts})
    assert (found.stages if found else ()) == later
    request = {"TransactItems": puts}
    assert [
        stage
        for stage in LADDERS["dual-write"]
        if refused(bench, pair, "dual-write", stage, "TransactWriteItems", request)
    ] == list(later)


@pytest.mark.parametrize(("strategy", "consistent", "move"), [
    ("dual-write", False, Stage.RAMPDOWN),
    ("dual-write", True, Stage.LOCKSTEP_TARGET),
    ("copy-on-write", False, Stage.RAMPDOWN),
    ("copy-on-write", True, Stage.RAMPDOWN),
])  # fmt: skip
def test_a_parallel_scan_should_not_span_the_move_where_the_order_changes(
    bench: Bench, strategy: str, consistent: bool, move: Stage
) -> None:
    """It is told in each stage before that, of a segment that begins; and of no other Scan."""
    pair = scene(bench, "source", suffix("pk", count=2, by="sk")).pair
    scan: Request = {"TableName": pair.source.name, "ConsistentRead": consistent}
    begins: Request = {**scan, "Segment": 0, "TotalSegments": 4}
    for stage in LADDERS[strategy]:
        foresight, before = Foresight(pair, strategy), not reached(strategy, stage, move)
        told = foresight.of(stage, "Scan", begins)
        assert (told is not None) == before, stage
        if told is not None:
            assert (told.stages, told.is_served) == ((move,), True)
        others: list[Request] = [scan, {**scan, "Segment": 0, "TotalSegments": 1}, {**begins, "ExclusiveStartKey": {}}]
        for other in others:
            assert foresight.of(stage, "Scan", other) is None


def reached(strategy: str, stage: Stage, move: Stage) -> bool:
    ladder = list(LADDERS[strategy])
    return ladder.index(stage) >= ladder.index(move)
