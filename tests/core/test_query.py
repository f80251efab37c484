"""A Query of the spread-out target answers as a Query of the plain source does."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from crossfade import Migration, Table
from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import AttributeValue, Item, size_bytes
from crossfade.core.pages.builder import PAGE_BYTES_MAX
from crossfade.core.pages.lanes import rank_by
from crossfade.core.routing import route
from crossfade.core.stages import Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage, ServiceRejected
from crossfade.mapping import convert, move, number_to_text, rename, suffix
from tests.core.conftest import Bench

SORT_VALUES: dict[str, list[AttributeValue]] = {
    "S": [{"S": text} for text in ("a", "aa", "ab", "b", "é", "z", "ä1", "€", "\U0001f600", "\uff41", "c" * 40)],
    "N": [{"N": text} for text in ("-12", "-1.5", "0", "1", "1.5", "2", "10", "100", "1e20", "0.001", "-1e-20")],
    "B": [{"B": raw} for raw in (b"\x00", b"\x00\x01", b"\x7f", b"\x80", b"\xff", b"\xff\x00", b"a", b"ab", b"b")],
}


class Twins:
    """One set of items in a plain source and, mapped, in a target of four suffixes."""

    def __init__(self, bench: Bench, kind: Any, extra: int = 0) -> None:
        self.bench = bench
        source = Table(bench.make_table("source", pk="S", sk=kind), key={"pk": "S", "sk": kind})
        target = Table(bench.make_table("target", owner="S", sk=kind), key={"owner": "S", "sk": kind})
        pieces = [suffix("pk", count=4, by="sk"), rename("pk", "owner"), move("detail.state", "state")]
        migration = Migration(name="twins", source=source, target=target, mapping=pieces)
        self.pair = Pair(source, target, migration.compiled)
        values = SORT_VALUES[kind] + [{"S": f"m{n:04d}"} for n in range(extra)]
        for n, value in enumerate(values):
            item: Item = {"pk": {"S": "hot"}, "sk": value, "n": {"N": str(n % 5)}, "filler": {"S": "x" * (n % 7 * 900)}}
            item["detail"] = {"M": {"state": {"S": "open" if n % 2 else "shut"}, "else": {"BOOL": True}}}
            self.put(item)
            self.put({**item, "pk": {"S": "other"}})

    def put(self, item: Item) -> None:
        self.bench.client.put_item(TableName=self.pair.source.name, Item=item)
        stored = {**self.pair.mapping.forward(item), "_crossfade": {"S": "s"}}
        self.bench.client.put_item(TableName=self.pair.target.name, Item=stored)

    def ask(self, stage: Stage, request: Request) -> Reply:
        request = {**request, "TableName": self.pair.source.name}
        routine = route(self.pair, stage, 0, "Query", request)
        forward = Call("source", "Query", request)
        reply = self.bench.send(forward) if routine is None else self.bench.run(routine, forward)
        return {name: value for name, value in reply.items() if name != "ResponseMetadata"}

    def both(self, request: Request) -> tuple[Reply, Reply]:
        return self.ask(Stage.OFF, request), self.ask(Stage.LIVE, request)


def where(sort: str = "", **values: Any) -> Request:
    request: Request = {"KeyConditionExpression": "pk = :p" + (f" AND {sort}" if sort else "")}
    request["ExpressionAttributeValues"] = {":p": {"S": "hot"}, **{f":{name}": value for name, value in values.items()}}
    return request


def random_query(choice: random.Random, kind: str) -> Request:
    """Any of what a Query can ask for, apart from indexes."""
    low, high = sorted(
        (choice.choice(SORT_VALUES[kind]) for _ in range(2)), key=lambda value: rank_by(("sk",))({"sk": value})
    )
    forms = ["", "sk = :a", "sk < :a", "sk <= :a", "sk > :a", "sk >= :a", "sk BETWEEN :a AND :b"]
    form = choice.choice([*forms, "begins_with(sk, :a)"] if kind != "N" else forms)
    operands = {"a": low, "b": high} if ":b" in form else {"a": low} if form else {}
    request = where(form, **operands)
    if choice.random() < 0.5:
        request["ScanIndexForward"] = choice.random() < 0.4
    if choice.random() < 0.7:
        request["Limit"] = choice.randint(1, 7)
    if choice.random() < 0.5:
        request["FilterExpression"] = choice.choice(["n < :two", "detail.#s = :open", "NOT contains(filler, :x)"])
        request["ExpressionAttributeNames"] = {"#s": "state"} if "#s" in request["FilterExpression"] else {}
        used = {":two": {"N": "2"}, ":open": {"S": "open"}, ":x": {"S": "xx"}}
        values = {name: value for name, value in used.items() if name in request["FilterExpression"]}
        request["ExpressionAttributeValues"] |= values
        if not request["ExpressionAttributeNames"]:
            del request["ExpressionAttributeNames"]
    match choice.randint(0, 3):
        case 0:
            request["Select"] = "COUNT"
        case 1:
            request["ProjectionExpression"] = "n, sk, detail.else"
            request["ExpressionAttributeNames"] = {**request.get("ExpressionAttributeNames", {}), "#e": "else"}
            request["ProjectionExpression"] = "n, sk, detail.#e"
        case _:
            pass
    return request


@pytest.mark.parametrize("kind", ["S", "N", "B"])
def test_hazard_18_every_form_of_query_pages_alike(bench: Bench, kind: str) -> None:
    """Conditions, both directions, limits, filters, counts and projections: page by page the same, tokens included.

    Only the last token may be missing on one side: "the only way to know when you have reached the end of the result
    set is when LastEvaluatedKey is empty". Then nothing follows it.
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
    """
    twins = Twins(bench, kind)
    choice = random.Random(f"pages-{kind}")
    for _ in range(120):
        request = random_query(choice, kind)
        tokens: tuple[Item | None, Item | None] = (None, None)
        for _page in range(50):
            plain, spread = twins.both(request)
            tokens = plain.pop("LastEvaluatedKey", None), spread.pop("LastEvaluatedKey", None)
            assert spread == plain, request
            if None in tokens:
                break
            assert tokens[0] == tokens[1], request
            request = {**request, "ExclusiveStartKey": tokens[0]}
        for token in filter(None, tokens):
            for rest in twins.both({**request, "ExclusiveStartKey": token}):
                assert (rest["ScannedCount"], rest.get("LastEvaluatedKey")) == (0, None), request


def test_hazard_18_a_page_ends_at_one_megabyte(bench: Bench) -> None:
    """Without a limit, pages of large items end there, and a token goes on from there in either stage."""
    twins = Twins(bench, "S")
    for n in range(30):
        twins.put({"pk": {"S": "hot"}, "sk": {"S": f"q{n:03d}"}, "filler": {"S": "y" * 90_000}})
    plain, *others = (
        pages(twins, first, second) for first in (Stage.OFF, Stage.LIVE) for second in (Stage.OFF, Stage.LIVE)
    )
    everything = [item for page in plain for item in page]
    assert len(everything) == len(SORT_VALUES["S"]) + 30
    for found in (plain, *others):
        assert [item for page in found for item in page] == everything
        assert len(found) > 1
        # The item that fills the page may be the last of it or the first of the next.
        assert all(sum(map(size_bytes, page[:-1])) <= PAGE_BYTES_MAX for page in found)
        assert all(sum(map(size_bytes, page)) > PAGE_BYTES_MAX - 100_000 for page in found[:-1])


def pages(twins: Twins, first: Stage, second: Stage) -> list[list[Item]]:
    """The pages of one Query, which two stages take turns to answer."""
    request, found = where(), list[list[Item]]()
    for stage in itertools.cycle((first, second)):
        reply = twins.ask(stage, request)
        found.append(reply["Items"])
        if "LastEvaluatedKey" not in reply:
            break
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
    return found


def test_hazard_19_a_token_is_good_across_stages(bench: Bench) -> None:
    """Pages of one Query answered in different stages give every item once, in order."""
    twins = Twins(bench, "S")
    request, seen = where(), list[Item]()
    request["Limit"] = 2
    stages = [Stage.SHADOW, Stage.LIVE, Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET, Stage.OFF, Stage.COMPLETE] * 3
    for stage in stages:
        reply = twins.ask(stage, request)
        seen += reply["Items"]
        if "LastEvaluatedKey" not in reply:
            break
        request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
    assert seen == twins.ask(Stage.OFF, where())["Items"]


def test_a_token_of_another_partition_is_refused_as_by_dynamodb(bench: Bench) -> None:
    """The error is of the kind that DynamoDB gives, in every stage."""
    twins = Twins(bench, "S")
    request = {**where(), "ExclusiveStartKey": {"pk": {"S": "other"}, "sk": {"S": "a"}}}
    for stage in (Stage.OFF, Stage.LIVE):
        with pytest.raises(ServiceRejected, match="The provided starting key") as error:
            _ = twins.ask(stage, request)
        assert error.value.code == "ValidationException"


def test_hazard_18_consumed_capacity_is_summed_under_the_callers_table(bench: Bench) -> None:
    """The fan-out reads several partitions; the caller sees one sum under the table that was asked."""
    twins = Twins(bench, "S")
    reply = twins.ask(Stage.LIVE, {**where(), "ReturnConsumedCapacity": "TOTAL"})
    assert reply["ConsumedCapacity"]["TableName"] == twins.pair.source.name
    assert reply["ConsumedCapacity"]["CapacityUnits"] >= 2.0  # four partitions, half a unit each at the least


def test_a_sort_key_in_another_form_is_refused_when_the_source_is_gone(bench: Bench) -> None:
    """A converted sort key has another order, so the target alone cannot answer in the source's."""
    source = Table("numbered", key={"pk": "S", "sk": "N"})
    target = Table("worded", key={"pk": "S", "sk": "S"})
    mapping = [convert("sk", number_to_text)]
    migration = Migration(name="words", source=source, target=target, mapping=mapping)
    pair = Pair(source, target, migration.compiled)
    routine = route(pair, Stage.COMPLETE, 0, "Query", {**where(), "TableName": "numbered"})
    assert routine is not None
    with pytest.raises(NotPossibleInStage, match="another form, and so in another order"):
        _ = bench.run(routine)


def test_the_page_is_compared_after_the_answer(bench: Bench) -> None:
    """In shadow the source answers untouched, and the comparison with the target is left for later."""
    twins = Twins(bench, "S")
    _ = twins.ask(Stage.SHADOW, where())
    assert [later.kind for later in bench.later] == ["compare"]
    calls_by_then = len(bench.calls)
    bench.run(bench.later[0].routine)
    assert len(bench.calls) > calls_by_then
    assert [note.facts["outcome"] for note in bench.notes] == ["matching"]


def test_a_difference_on_a_page_is_told_by_key(bench: Bench) -> None:
    """A damaged target item is found from a Query that nobody asked about that item."""
    twins = Twins(bench, "S")
    key = twins.pair.mapping.forward_key({"pk": {"S": "hot"}, "sk": {"S": "ab"}})
    bench.client.update_item(
        TableName=twins.pair.target.name,
        Key=key,
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "99"}},
    )
    _ = twins.ask(Stage.SHADOW, where())
    bench.run(bench.later[0].routine)
    (note,) = bench.notes
    assert note.facts["outcome"] == "mismatched"
    assert note.facts["difference"].source_key == {"pk": {"S": "hot"}, "sk": {"S": "ab"}}


def test_a_range_the_wrong_way_round_is_refused_in_dynamodbs_words(bench: Bench) -> None:
    """BETWEEN with its bounds exchanged has the same error in every stage."""
    twins = Twins(bench, "S")
    request = where("sk BETWEEN :a AND :b", a={"S": "z"}, b={"S": "a"})
    with pytest.raises(ServiceRejected) as plain:
        _ = twins.ask(Stage.OFF, request)
    with pytest.raises(ServiceRejected) as spread:
        _ = twins.ask(Stage.LIVE, request)
    assert (spread.value.code, spread.value.text) == (plain.value.code, plain.value.text)
