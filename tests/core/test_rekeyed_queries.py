"""Which index answers a Query by the key of the caller's own table, and what no index answers: refused, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP, Piece
from crossfade.core.routing import route
from crossfade.core.stages import COPY_ON_WRITE, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import derive_key, use_as_key
from tests.core.conftest import Bench

OLD_KEY: dict[str, Any] = {"publication": "S", "external_id": "S"}
DERIVED = derive_key("guid", tuple(OLD_KEY), "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
HELD = use_as_key("guid")
TIMES: dict[str, Any] = {
    "KeyConditionExpression": "publication = :p",
    "ExpressionAttributeValues": {":p": {"S": "times"}},
}
BY_GUID: dict[str, Any] = {"KeyConditionExpression": "guid = :g", "ExpressionAttributeValues": {":g": {"S": "g1"}}}
STAGES = list(COPY_ON_WRITE)
TARGET_USED = STAGES[2:]


class Press:
    """Two tables, the target with an index or none; articles 1 and 2 in the source, 2 and 3 in the target, where 2 is
    newer."""

    def __init__(
        self,
        bench: Bench,
        *,
        piece: Piece = DERIVED,
        view: Side = "source",
        target_key: Mapping[str, Any] | None = None,
        index: Request | None = None,
        of: Side = "target",
    ) -> None:
        self.bench = bench
        key: dict[str, Any] = dict(target_key or {"guid": "S"})
        source = Table(self._table("source", OLD_KEY, index if of == "source" else None), key=OLD_KEY)
        target = Table(self._table("target", key, index if of == "target" else None), key=key)
        mapping = Migration("t", source, target, [piece], "copy-on-write").compiled
        self.pair = Pair(source, target, mapping, view=view)
        self.put("source", self.article(1), self.article(2, n="0"))
        self.put("target", self.article(2), self.article(3))

    def _table(self, name: str, key: dict[str, Any], index: Request | None) -> str:
        if index is None:
            return self.bench.make_table(name, **key)
        table = f"{self.bench.make_table(name, **key)}-indexed"
        names = {*key, *(part["AttributeName"] for part in index["KeySchema"])}
        kind = "LocalSecondaryIndexes" if index["IndexName"].startswith("local") else "GlobalSecondaryIndexes"
        request: Request = {
            "TableName": table,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": each, "AttributeType": "S"} for each in sorted(names)],
            "KeySchema": schema(*key),
            kind: [index],
        }
        _ = self.bench.client.create_table(**request)
        return table

    def article(self, number: int, n: str = "1") -> Item:
        """As the source has it."""
        item: Item = {"publication": {"S": "times"}, "external_id": {"S": f"a{number}"}, "n": {"N": n}}
        return item | {"guid": {"S": f"g{number}"}} if self.pair.mapping.target_key_extras else item

    def put(self, side: Side, *articles: Item) -> None:
        for article in articles:
            item = article if side == "source" else {**self.pair.mapping.forward(article), STAMP: {"S": "stamp"}}
            _ = self.bench.client.put_item(TableName=self.pair.table(side).name, Item=item)

    def do(self, stage: Stage, operation: str, **request: Any) -> Reply:
        whole: Request = {"TableName": self.pair.caller.name, **request}
        routine = route(self.pair, stage, 0, operation, whole, strategy="copy-on-write")
        forward = Call(self.pair.view, operation, whole)
        return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)

    def shown(self, *numbers: int) -> list[Item]:
        """These articles as the caller sees them."""
        articles = [self.article(number) for number in numbers]
        return articles if self.pair.view == "source" else [self.pair.mapping.forward(each) for each in articles]


def schema(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def by(*names: str, name: str = "by_them", holds: str = "ALL") -> Request:
    return {"IndexName": name, "KeySchema": schema(*names), "Projection": {"ProjectionType": holds}}


@pytest.mark.parametrize("holds", ["ALL", "KEYS_ONLY"])
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_an_index_by_the_old_key_answers_whatever_it_holds(bench: Bench, stage: Stage, holds: str) -> None:
    """Items whole, in the order of the source, the target's where it has one; tokens of the source's shape."""
    press = Press(bench, index=by(*OLD_KEY, holds=holds))
    first = press.do(stage, "Query", **TIMES, Limit=2)
    assert first["Items"] == press.shown(1, 2)
    assert first["LastEvaluatedKey"] == {name: press.article(2)[name] for name in OLD_KEY}
    rest = press.do(stage, "Query", **TIMES, ExclusiveStartKey=first["LastEvaluatedKey"])
    assert (rest["Items"], rest["Count"], rest["ScannedCount"]) == (press.shown(3), 1, 1)
    assert "LastEvaluatedKey" not in rest
    back = press.do(stage, "Query", **TIMES, ScanIndexForward=False, FilterExpression="n <> :p")
    assert back["Items"] == press.shown(3, 2, 1)


@pytest.mark.parametrize("holds", ["ALL", "KEYS_ONLY"])
@pytest.mark.parametrize("stage", [Stage.RAMPDOWN, Stage.COMPLETE])
def test_once_the_target_serves_its_index_answers_alone(bench: Bench, stage: Stage, holds: str) -> None:
    """Whatever is left in the source."""
    press = Press(bench, index=by(*OLD_KEY, holds=holds))
    assert press.do(stage, "Query", **TIMES)["Items"] == press.shown(2, 3)
    start = {name: press.article(2)[name] for name in OLD_KEY}
    assert press.do(stage, "Query", **TIMES, ExclusiveStartKey=start)["Items"] == press.shown(3)


@pytest.mark.parametrize("stage", TARGET_USED)
def test_without_an_index_a_query_is_refused_and_a_scan_is_not(bench: Bench, stage: Stage) -> None:
    """The refusal says which index to make; once it is there, it is found."""
    press = Press(bench, index=by("external_id"))
    with pytest.raises(NotPossibleInStage, match=r"has no index by publication, external_id") as caught:
        _ = press.do(stage, "Query", **TIMES)
    assert "partition key publication, sort key external_id, all attributes projected" in caught.value.next_step
    found = press.do(stage, "Scan")["Items"]
    numbers = (1, 2, 3) if COPY_ON_WRITE[stage].merges else (2, 3)
    assert sorted(found, key=lambda item: item["external_id"]["S"]) == press.shown(*numbers)


@pytest.mark.parametrize("stage", TARGET_USED)
def test_a_strongly_consistent_query_is_refused_where_a_global_index_would_answer(bench: Bench, stage: Stage) -> None:
    """Rather than to lie about what has just been written."""
    press = Press(bench, index=by(*OLD_KEY))
    with pytest.raises(NotPossibleInStage, match="global index by_them, which is eventually consistent"):
        _ = press.do(stage, "Query", **TIMES, ConsistentRead=True)
    assert len(press.do(stage, "Scan", ConsistentRead=True)["Items"]) in (2, 3)


@pytest.mark.parametrize("stage", STAGES)
def test_a_local_index_answers_strongly_consistent(bench: Bench, stage: Stage) -> None:
    """Where the target keeps the partition and only the sort key is another."""
    key = {"publication": "S", "guid": "S"}
    press = Press(bench, target_key=key, index=by(*OLD_KEY, name="local", holds="KEYS_ONLY"))
    found = press.do(stage, "Query", **TIMES, ConsistentRead=True)
    row = COPY_ON_WRITE[stage]
    wanted = press.shown(1, 2, 3) if row.merges else press.shown(2, 3)
    assert found["Items"] == (wanted if stage in TARGET_USED else [press.article(1), press.article(2, n="0")])


@pytest.mark.parametrize("stage", TARGET_USED)
def test_no_index_is_needed_where_one_partition_leads_to_the_other(bench: Bench, stage: Stage) -> None:
    """The guid follows from the publication alone, and the sort key is the same."""
    piece = derive_key("guid", ("publication",), "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    press = Press(bench, piece=piece, target_key={"guid": "S", "external_id": "S"})
    found = press.do(stage, "Query", **TIMES, ConsistentRead=True)["Items"]
    assert found == (press.shown(1, 2, 3) if COPY_ON_WRITE[stage].merges else press.shown(2, 3))


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.STAMP, Stage.PREPARE, Stage.DRAIN])
def test_a_query_by_the_guid_needs_an_index_of_the_source(bench: Bench, stage: Stage) -> None:
    """Of those that speak of the target, by its key: the source may have an index by the guid that it holds."""
    without = Press(bench, piece=HELD, view="target")
    with pytest.raises(NotPossibleInStage, match="has no index by guid") as caught:
        _ = without.do(stage, "Query", **BY_GUID)
    assert f"a global index of {without.pair.source.name}, partition key guid" in caught.value.next_step
    press = Press(bench, piece=HELD, view="target", index=by("guid"), of="source")
    assert press.do(stage, "Query", **BY_GUID, Limit=1)["Items"] == press.shown(1)
    start = {name: press.shown(1)[0][name] for name in press.pair.callers_names}
    assert press.do(stage, "Query", **BY_GUID, ExclusiveStartKey=start)["Items"] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_query_by_a_guid_that_the_source_does_not_store(bench: Bench, stage: Stage) -> None:
    """Is refused until the target serves, index or none."""
    press = Press(bench, view="target")
    (two,) = press.shown(2)
    request = {**BY_GUID, "ExpressionAttributeValues": {":g": two["guid"]}}
    if stage in (Stage.RAMPDOWN, Stage.COMPLETE):
        assert press.do(stage, "Query", **request)["Items"] == [two]
        return
    with pytest.raises(NotPossibleInStage, match="cannot be asked by 'guid', which it does not store"):
        _ = press.do(stage, "Query", **request)


@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("change", ["copied", "deleted"])
def test_what_happens_between_the_source_and_the_look_at_the_target(bench: Bench, view: Side, change: str) -> None:
    """An item that is copied and changed meanwhile is the target's, one that is deleted is gone."""
    press = Press(bench, view=view, index=by(*OLD_KEY))
    one: Request = {"TableName": press.pair.source.name, "Key": {name: press.article(1)[name] for name in OLD_KEY}}

    def meanwhile() -> None:
        if change == "copied":
            press.put("target", press.article(1, n="7"))
        else:
            _ = bench.client.delete_item(**one)

    asked: dict[str, Any] = {**TIMES, **({"IndexName": "by_them"} if view == "target" else {})}
    for operation, request in (("Query", asked), ("Scan", {})):
        bench.before["BatchGetItem", ""] = meanwhile
        found = press.do(Stage.DRAIN, operation, **request)["Items"]
        assert sorted(item["n"]["N"] for item in found) == (["1", "1", "7"] if change == "copied" else ["1", "1"])


def test_two_articles_of_one_guid_are_told_and_not_taken_for_one(bench: Bench) -> None:
    """The second is neither shown as the first nor left out."""
    press = Press(bench, piece=HELD, view="target")
    press.put("source", {**press.article(9), "guid": {"S": "g3"}})
    with pytest.raises(ServiceRejected, match="has another 'external_id'"):
        _ = press.do(Stage.DRAIN, "Scan")


def wrong_tokens(press: Press) -> dict[str, Item]:
    key = {name: press.article(1)[name] for name in OLD_KEY}
    return {
        "invalid": {"publication": key["publication"]},
        "cannot be restarted|outside query boundaries": {**key, "publication": {"S": "post"}},
        "does not match the range key predicate": {**key, "external_id": {"S": "z"}},
    }


@pytest.mark.parametrize("stage", TARGET_USED)
def test_tokens_that_do_not_fit_are_refused(bench: Bench, stage: Stage) -> None:
    """In the words of DynamoDB, whichever table is asked."""
    press = Press(bench, index=by(*OLD_KEY))
    request: Request = {
        "KeyConditionExpression": "publication = :p AND external_id < :e",
        "ExpressionAttributeValues": {":p": {"S": "times"}, ":e": {"S": "b"}},
    }
    for words, token in wrong_tokens(press).items():
        with pytest.raises(ServiceRejected, match=words):
            _ = press.do(stage, "Query", **request, ExclusiveStartKey=token)
