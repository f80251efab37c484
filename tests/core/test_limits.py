"""Requests that take what the service allows to the byte: what is added to them does not use up the caller's part."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import ITEM_BYTES_MAX, Item, size_bytes
from crossfade.core.multi.idempotency import digest_of
from crossfade.core.request.limits import (
    EXPRESSION_BYTES_MAX,
    OPERATORS_MAX,
    STAMP_BYTES,
    TRANSACTION_BYTES_MAX,
    is_allowed,
)
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage, Writes
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Ledger, Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import identity, rename
from tests.core.conftest import Bench

KEY: Final[dict[str, Any]] = {"pk": "S"}
CELLS: Final = [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
MAPPINGS: Final = {"identity": identity(), "rename": rename("label", "tag")}
ID: Final[Item] = {"pk": {"S": "x"}}
KB: Final = 1024


class Tables:
    """An item with the attribute `a` where the stage has it; callers speak of the source."""

    def __init__(self, bench: Bench, strategy: str, stage: Stage, mapping: str = "identity") -> None:
        self.bench, self.strategy, self.stage = bench, strategy, stage
        source = Table(bench.make_table("source", **KEY), key=KEY)
        target = Table(bench.make_table("target", **KEY), key=KEY)
        control = bench.make_table("control", migration="S", record="S")
        compiled = Migration("t", source, target, MAPPINGS[mapping], strategy).compiled  # type: ignore[arg-type]
        self.pair = Pair(source, target, compiled, ledger=Ledger(control, "t"))
        self.row = LADDERS[strategy][stage]
        bench.client.put_item(TableName=source.name, Item={**ID, "a": {"N": "0"}})
        if self.row.keeps_equal or (self.row.authority == "target" and not self.row.merges):
            bench.run(sync(self.pair, "source", ID))

    def do(self, operation: str, **request: Any) -> Reply:
        whole = request if operation == "TransactWriteItems" else {"TableName": self.pair.source.name, **request}
        self.bench.calls.clear()
        routine = route(self.pair, self.stage, 0, operation, whole, strategy=self.strategy)
        forward = Call("source", operation, whole)
        return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)

    def item(self) -> Item:
        found: Item = self.do("GetItem", Key=ID, ConsistentRead=True).get("Item", {})
        return found

    def held(self) -> list[Item]:
        tables = (self.pair.source.name, self.pair.target.name)
        return [item for name in tables for item in self.bench.client.scan(TableName=name)["Items"]]

    def expressions(self) -> Iterator[str]:
        """Of all requests that were sent."""
        for call in self.bench.calls:
            inner = [each for action in call.request.get("TransactItems", ()) for each in action.values()]
            for request in inner or [call.request]:
                yield from (request[name] for name in ("UpdateExpression", "ConditionExpression") if name in request)


def padded(expression: str, length: int) -> str:
    """Of that many bytes."""
    return expression.replace(" ", " " * (length - len(expression) + 1), 1)


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize(("strategy", "stage"), CELLS)
def test_an_update_may_have_all_that_an_expression_may_have(
    bench: Bench, strategy: str, stage: Stage, mapping: str
) -> None:
    """4,096 bytes, and the few less where a stamp would not fit any more; one byte more is the service's to refuse."""
    tables = Tables(bench, strategy, stage, mapping)
    for n, length in enumerate((4040, 4070, 4085, 4096), 1):
        update = padded("SET a = :v, b = :v", length)
        reply = tables.do(
            "UpdateItem",
            Key=ID,
            UpdateExpression=update,
            ExpressionAttributeValues={":v": {"N": str(n)}},
            ReturnValues="ALL_NEW",
        )
        assert all(map(is_allowed, tables.expressions()))
        assert reply["Attributes"] == {**ID, "a": {"N": str(n)}, "b": {"N": str(n)}}
        assert tables.item() == reply["Attributes"]
    with pytest.raises(ServiceRejected, match="Expression size has exceeded the maximum allowed size"):
        _ = tables.do(
            "UpdateItem",
            Key=ID,
            UpdateExpression=padded("SET a = :v", EXPRESSION_BYTES_MAX + 1),
            ExpressionAttributeValues={":v": {"N": "1"}},
        )


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "DeleteItem"])
@pytest.mark.parametrize("condition", ["operators", "bytes"])
@pytest.mark.parametrize(("strategy", "stage"), CELLS)
def test_a_condition_may_have_all_that_an_expression_may_have(
    bench: Bench, strategy: str, stage: Stage, condition: str, operation: str
) -> None:
    """150 comparisons and what joins them, or 4,096 bytes: no request that is sent has more."""
    tables = Tables(bench, strategy, stage)
    many = " OR ".join(["a = :zero"] * (OPERATORS_MAX // 2))
    asked: Request = {
        "ConditionExpression": many if condition == "operators" else padded("a = :zero", EXPRESSION_BYTES_MAX),
        "ExpressionAttributeValues": {":zero": {"N": "0"}},
    }
    given: dict[str, Request] = {
        "PutItem": {"Item": {**ID, "a": {"N": "1"}}},
        "UpdateItem": {"Key": ID, "UpdateExpression": "SET a = :one"},
        "DeleteItem": {"Key": ID, "ReturnValues": "ALL_OLD"},
    }
    if operation == "UpdateItem":
        asked["ExpressionAttributeValues"][":one"] = {"N": "1"}
    _ = tables.do(operation, **asked, **given[operation])
    assert all(map(is_allowed, tables.expressions()))
    assert tables.item() == ({} if operation == "DeleteItem" else {**ID, "a": {"N": "1"}})


@pytest.mark.parametrize("count", [180, 290])
@pytest.mark.parametrize(("strategy", "stage"), CELLS)
def test_an_update_may_change_many_attributes(bench: Bench, strategy: str, stage: Stage, count: int) -> None:
    """Also where what changes is written in an expression of ours."""
    tables = Tables(bench, strategy, stage, "rename")
    _ = tables.do(
        "UpdateItem",
        Key=ID,
        UpdateExpression="SET " + ", ".join(f"b{n} = :v" for n in range(count)),
        ConditionExpression="attribute_not_exists(label)",
        ExpressionAttributeValues={":v": {"N": "1"}},
    )
    assert all(map(is_allowed, tables.expressions()))
    assert len(tables.item()) == count + 2


def stamped(strategy: str, stage: Stage) -> bool:
    """Whether a put is at once to be held with a stamp."""
    row = LADDERS[strategy][stage]
    return row.stamps_source or row.authority == "target" or row.writes is Writes.LOCKSTEP


@pytest.mark.parametrize(("strategy", "stage"), [cell for cell in CELLS if stamped(*cell)])
def test_an_item_has_room_for_its_stamp_or_is_refused_with_the_reason(
    bench: Bench, strategy: str, stage: Stage
) -> None:
    """To the byte; nothing is written, and what is too large by itself is refused in the service's words alone."""
    tables = Tables(bench, strategy, stage)
    before = tables.held()
    fits = ITEM_BYTES_MAX - STAMP_BYTES - len("pkx") - len("t")
    for more, told in ((1, True), (STAMP_BYTES, True), (STAMP_BYTES + 1, False)):
        with pytest.raises(ServiceRejected, match="Item size has exceeded the maximum allowed size") as refusal:
            _ = tables.do("PutItem", Item={**ID, "t": {"S": "x" * (fits + more)}})
        assert ("_crossfade" in refusal.value.text and "nothing was written" in refusal.value.text) == told
        assert tables.held() == before
    _ = tables.do("PutItem", Item={**ID, "t": {"S": "x" * fits}})
    assert len(tables.item()["t"]["S"]) == fits


def test_the_reason_is_told_once(bench: Bench) -> None:
    """Of an item that is in the target already, and is written there alone."""
    tables = Tables(bench, "copy-on-write", Stage.DRAIN)
    _ = tables.do("PutItem", Item=ID)
    large = {**ID, "t": {"S": "x" * (ITEM_BYTES_MAX - STAMP_BYTES - len("pkxt") + 1)}}
    with pytest.raises(ServiceRejected, match="Item size has exceeded the maximum allowed size") as refusal:
        _ = tables.do("PutItem", Item=large, ReturnValues="ALL_OLD")
    assert refusal.value.text.count("nothing was written") == 1


TWO_SIDED: Final = [cell for cell in CELLS if LADDERS[cell[0]][cell[1]].writes is Writes.LOCKSTEP]


@pytest.mark.parametrize("count", [6, 10])
@pytest.mark.parametrize(("strategy", "stage"), TWO_SIDED)
def test_a_transaction_too_large_for_both_sides_is_refused_with_the_reason(
    bench: Bench, strategy: str, stage: Stage, count: int
) -> None:
    """2.2 and 3.8 MB, which one table would take; nothing is written."""
    tables = Tables(bench, strategy, stage)
    before = tables.held()
    puts = [
        {"Put": {"TableName": tables.pair.source.name, "Item": {"pk": {"S": str(n)}, "t": {"S": "x" * 380 * KB}}}}
        for n in range(count)
    ]
    with pytest.raises(NotPossibleInStage, match="4 MB; nothing was written"):
        _ = tables.do("TransactWriteItems", TransactItems=puts)
    assert tables.held() == before


ONE_SIDED: Final = [
    cell
    for cell in CELLS
    if LADDERS[cell[0]][cell[1]].writes is not Writes.LOCKSTEP and not LADDERS[cell[0]][cell[1]].merges
]
TRANSACTION_ITEMS: Final = 11  # of which none is too large by itself


def filling(table: str, left: int) -> Request:
    """Puts that leave so many bytes of what a transaction takes."""
    items: list[Item] = [{"pk": {"S": str(n)}, "t": {"S": ""}} for n in range(10, 10 + TRANSACTION_ITEMS)]
    each, more = divmod(TRANSACTION_BYTES_MAX - left - sum(map(size_bytes, items)), len(items))
    full = [{**item, "t": {"S": "x" * (each + (more if n == 0 else 0))}} for n, item in enumerate(items)]
    return {"TransactItems": [{"Put": {"TableName": table, "Item": item}} for item in full]}


@pytest.mark.parametrize("has_token", [False, True])
@pytest.mark.parametrize(("strategy", "stage"), ONE_SIDED)
def test_a_transaction_may_have_all_that_a_table_takes_or_is_refused_with_the_reason(
    bench: Bench, strategy: str, stage: Stage, *, has_token: bool
) -> None:
    """Without stamps nothing is in the way, not even the token's record; one byte too much is the service's to refuse,
    in its own words."""
    tables = Tables(bench, strategy, stage)
    source, before = tables.pair.source.name, tables.held()
    token = {"ClientRequestToken": source} if has_token else {}  # the engine remembers those of other tests
    with pytest.raises(ServiceRejected, match="4MB"):
        _ = tables.do("TransactWriteItems", **filling(source, -1), **token)
    if stamped(strategy, stage):
        with pytest.raises(NotPossibleInStage, match=r"_crossfade of each item, 42 bytes.*nothing was written"):
            _ = tables.do("TransactWriteItems", **filling(source, 0), **token)
        assert tables.held() == before
    left = TRANSACTION_ITEMS * STAMP_BYTES if stamped(strategy, stage) else 0
    if left and token:
        with pytest.raises(NotPossibleInStage, match="the record of its ClientRequestToken"):
            _ = tables.do("TransactWriteItems", **filling(source, left), **token)
        return
    for _ in range(2 if token else 1):
        _ = tables.do("TransactWriteItems", **filling(source, left), **token)
    assert tables.do("GetItem", Key={"pk": {"S": "20"}}, ConsistentRead=True)["Item"]["pk"] == {"S": "20"}


def test_a_token_that_was_kept_is_found_where_its_record_does_not_fit(bench: Bench) -> None:
    """The transaction was carried out in a stage where there was room; it is not carried out again."""
    tables = Tables(bench, "dual-write", Stage.OFF)
    full = filling(tables.pair.source.name, 0)
    token = {"ClientRequestToken": "chosen"}
    key = {"migration": {"S": "t#token#" + sha256(b"chosen").hexdigest()}, "record": {"S": "token"}}
    kept: Item = {**key, "digest": {"S": digest_of(full)}, "expires": {"N": "99999999999"}}
    assert tables.pair.ledger is not None
    bench.client.put_item(TableName=tables.pair.ledger.table, Item=kept)
    assert tables.do("TransactWriteItems", **full, **token) == {}
    assert "Item" not in tables.do("GetItem", Key={"pk": {"S": "20"}}, ConsistentRead=True)
