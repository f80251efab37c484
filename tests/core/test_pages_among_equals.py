"""Pages of Scans and Queries of indexes whose items share sort values, whatever the order among equals: together they
are all items once. By cursors as they were given, and by ones of which only the key attributes were kept."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import pytest

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from crossfade.core.pages import scan, unmarked
from crossfade.core.request.cursor import MARK
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.migration import Strategy
from tests.contract.placing import PLACES, Placed
from tests.contract.shapes import KINDS, Shape, View, number
from tests.contract.tables import create, puts, write_all
from tests.contract.test_pages import PLACED_BY
from tests.core.unordered import Unordered, UnorderedBench
from tests.sampling import one_in

ITEMS: Final = 7
PARTITIONS: Final = 2
LIMITS: Final = (1, 2, 4, ITEMS)
SOME_LIMITS: Final = (1, 3)
PAGES_MAX: Final = 200
KEPT: Final[dict[str, Callable[[Item], Item]]] = {
    "whole": lambda token: token,
    "cut": lambda token: {name: value for name, value in token.items() if name != STAMP},
}
_numbers = itertools.count(1)

ASKED: Final[dict[str, dict[str, Any]]] = {
    "Scan": {},
    "Scan of a global index": {"index": "group_index"},
    "Scan of a local index": {"index": "score_index"},
    "Scan of an index that sorts by nothing": {"index": "note_index"},
    "Query": {"KeyConditionExpression": "{p} = :p0"},
    "Query of a global index": {"index": "group_index", "KeyConditionExpression": "grp = :g0"},
    "Query of a range of a global index": {
        "index": "group_index",
        "KeyConditionExpression": "grp = :g0 AND score BETWEEN :one AND :two",
    },
    "Query of an index that sorts by nothing": {"index": "note_index", "KeyConditionExpression": "{note} = :noted"},
    "Query of a local index": {"index": "score_index", "KeyConditionExpression": "{p} = :p0"},
    "Query of a range of a local index": {
        "index": "score_index",
        "KeyConditionExpression": "{p} = :p0 AND score <= :one",
    },
    "Query of one place of a local index": {
        "index": "score_index",
        "KeyConditionExpression": "{p} = :p0 AND score = :one",
    },
}


class Equals:
    """Items with three sort values, and one note, in two tables of a stage."""

    def __init__(self, mapping: str, view: View, strategy: Strategy, placed_by: Stage, turn: int) -> None:
        kind, self.strategy = KINDS[mapping], strategy
        self.view: View = view
        self.bench = UnorderedBench()
        token = f"equals-{next(_numbers)}"
        migration = kind.migration(token, strategy)
        self.shape = Shape(kind.form(view), token, "equals")
        tables: Unordered = self.bench.client
        create(tables, migration.source.name, kind.source)
        create(tables, migration.target.name, kind.target)
        self.pair = Pair(
            migration.source, migration.target, migration.compiled, view=view, indexes=dict(kind.index_names)
        )
        self.items = [self.item(n, p) for n in range(ITEMS) for p in range(PARTITIONS)]
        sources, targets = Placed(migration, LADDERS[strategy][placed_by]).place(self.items, view, turn)
        write_all(tables, {migration.source.name: puts(sources), migration.target.name: puts(targets)})

    def item(self, n: int, p: int) -> Item:
        item = self.shape.rich(n, p)
        return {**item, "grp": self.shape.group(0), "score": number(n % 3), self.shape.form.note: self.shape.noted(1)}

    def ask(self, stage: Stage, operation: str, request: Request) -> Reply:
        routine = route(self.pair, stage, 0, operation, request, strategy=self.strategy)
        forward = Call(self.view, operation, request)
        return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)

    def request(self, asked: dict[str, Any], **more: Any) -> Request:
        given = {name: value for name, value in asked.items() if name != "index"}
        if "index" in asked:
            given["IndexName"] = getattr(self.shape.form, asked["index"])
        return self.shape.request(**given, **more)

    def pages(
        self, stages: Iterator[Stage], operation: str, request: Request, kept: Callable[[Item], Item]
    ) -> list[Item]:
        given: list[Item] = []
        for stage in itertools.islice(stages, PAGES_MAX):
            reply = self.ask(stage, operation, request)
            given += reply["Items"]
            if "LastEvaluatedKey" not in reply:
                return given
            request = {**request, "ExclusiveStartKey": kept(reply["LastEvaluatedKey"])}
        raise AssertionError(f"the pages do not end: {len(given)} items")

    def wanted(self, asked: dict[str, Any]) -> list[Item]:
        condition: str = asked.get("KeyConditionExpression", "")
        items = self.items
        if "{p}" in condition:
            items = [item for item in items if item[self.shape.form.partition] == self.shape.partition()]
        scores = {"BETWEEN": ("1", "2"), "<=": ("0", "1"), "score =": ("1",)}
        for words, held in scores.items():
            if words in condition:
                items = [item for item in items if item["score"]["N"] in held]
        return items

    def keys(self, items: list[Item]) -> list[str]:
        names = self.pair.caller.key_names
        return sorted(repr(canonical({name: item[name] for name in names})) for item in items)

    def check(self, what: str, stages: Iterator[Stage], kept: str, **more: Any) -> None:
        asked, operation = ASKED[what], what.split(" ", 1)[0]
        given = self.pages(stages, operation, self.request(asked, **more), KEPT[kept])
        assert self.keys(given) == self.keys(self.wanted(asked)), f"{what} {kept} {more}"
        if operation == "Query" and "score_index" in asked.values():
            scores = [int(item["score"]["N"]) for item in given]
            assert scores == sorted(scores, reverse=not more.get("ScanIndexForward", True)), f"{what} {more}"

    def check_refused(self, what: str, stages: Sequence[Stage], **more: Any) -> None:
        """A page that goes on in the second stage is refused, with the reason; without ConsistentRead it is not."""
        operation = what.split(" ", 1)[0]
        request = {**self.request(ASKED[what], **more), "ConsistentRead": True}
        last: Item | None = self.ask(stages[0], operation, request).get("LastEvaluatedKey")
        if last is None or MARK not in last:
            return  # one of the table itself, whose order is that of its sort key
        following = {**request, "ExclusiveStartKey": last}
        with pytest.raises(ServiceRejected, match=r"strongly consistent .* begin the .* anew"):
            _ = self.ask(stages[1], operation, following)
        _ = self.ask(stages[1], operation, {**following, "ConsistentRead": False})


def cells() -> Iterator[tuple[str, View, Strategy]]:
    for mapping in ("identity", "suffix", "reshape", "rekeyed"):
        for view, strategy in itertools.product(KINDS[mapping].views, KINDS[mapping].strategies):
            yield mapping, view, strategy


def ways(limits: Sequence[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    for what, limit in itertools.product(ASKED, limits):
        for forward in (True, False) if what.startswith("Query") else (True,):
            yield what, {"Limit": limit} if forward else {"Limit": limit, "ScanIndexForward": False}


def is_refused_consistent(mapping: str, what: str) -> bool:
    """By DynamoDB, or where a target whose key is an attribute of its own has a global index for it."""
    return "global" in what or "nothing" in what or (mapping == "rekeyed" and what != "Scan")


def goes_on_elsewhere(strategy: Strategy, stages: Sequence[Stage]) -> bool:
    """Whether a strongly consistent walk would go on in the order of a table that gets what is written a moment
    later."""
    begun, following = stages[0], stages[1]
    if strategy == "dual-write":
        return {begun, following} == {Stage.LOCKSTEP_SOURCE, Stage.LOCKSTEP_TARGET}
    return (begun, following) == (Stage.RAMPDOWN, Stage.DRAIN)


@pytest.mark.parametrize(("mapping", "view", "strategy"), list(cells()))
def test_pages_within_a_stage(mapping: str, view: View, strategy: Strategy) -> None:
    """In every stage, of any size, in both directions, with items wherever they may be."""
    first = list(cells()).index((mapping, view, strategy))
    for turn, stage in enumerate(LADDERS[strategy]):
        equals = Equals(mapping, view, strategy, stage, turn % PLACES)
        for (what, more), kept in one_in(7, itertools.product(ways(LIMITS), KEPT), first + turn):
            equals.check(what, itertools.repeat(stage), kept, **more)
        for (what, more), kept in one_in(5, itertools.product(ways(SOME_LIMITS), KEPT), first + turn):
            if not is_refused_consistent(mapping, what):
                equals.check(what, itertools.repeat(stage), kept, **more, ConsistentRead=True)


@pytest.mark.parametrize(("mapping", "view", "strategy"), list(cells()))
def test_pages_by_processes_of_two_neighbouring_stages(mapping: str, view: View, strategy: Strategy) -> None:
    """In turn, begun by either, with cursors as they were given."""
    first = list(cells()).index((mapping, view, strategy))
    for turn, (one, two) in enumerate(pairwise(LADDERS[strategy])):
        equals = Equals(mapping, view, strategy, PLACED_BY.get((one, two), one), turn % PLACES)
        if equals.strategy == "dual-write":
            equals = Equals(mapping, view, strategy, Stage.SHADOW, turn)  # both sides are equal
        ways_on = ([one, two, two], [two, one, one])
        for stages, (what, more) in one_in(5, itertools.product(ways_on, ways(SOME_LIMITS)), first + turn):
            equals.check(what, itertools.cycle(stages), "whole", **more)
            if is_refused_consistent(mapping, what):
                continue
            if goes_on_elsewhere(strategy, stages):
                equals.check_refused(what, stages, **more)
            else:
                equals.check(what, itertools.cycle(stages), "whole", **more, ConsistentRead=True)


@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("strategy", ["dual-write", "copy-on-write"])
def test_an_index_that_is_keyed_by_the_spread_partition_may_be_global(strategy: Strategy, view: View) -> None:
    """It is read shard by shard like a local one."""
    for turn, stage in enumerate(LADDERS[strategy]):
        equals = Equals("suffix", view, strategy, stage, turn % PLACES)
        tables: Unordered = equals.bench.client
        for each in tables.described.values():
            local = each["Table"].pop("LocalSecondaryIndexes")
            each["Table"]["GlobalSecondaryIndexes"] += local
        for (what, more), kept in itertools.product(ways(SOME_LIMITS), KEPT):
            if "local" in what:
                equals.check(what, itertools.repeat(stage), kept, **more)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize(
    "what", [what for what in ASKED if what not in ("Query", "Query of one place of a local index")]
)
def test_pages_end_where_what_follows_is_all_given(monkeypatch: pytest.MonkeyPatch, what: str, kept: str) -> None:
    """Of copied items the target's entries are passed over, and after so many of them a page ends with nothing; where
    cursors lose their marks, it does not end before there is something to show."""
    monkeypatch.setattr(unmarked, "DROPPED_MAX", 2)
    monkeypatch.setattr(scan, "READ_MIN", 1)
    for turn in range(PLACES):
        equals = Equals("suffix", "source", "copy-on-write", Stage.DRAIN, turn)
        for limit in SOME_LIMITS:
            equals.check(what, itertools.repeat(Stage.DRAIN), kept, Limit=limit)


def test_a_page_of_nothing_says_by_its_mark_where_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its key is that of an earlier place, which by itself leads on as well."""
    monkeypatch.setattr(unmarked, "DROPPED_MAX", 2)
    monkeypatch.setattr(unmarked, "DROPPED_UNMARKED_MAX", 4)
    monkeypatch.setattr(scan, "READ_MIN", 1)
    equals = Equals("suffix", "source", "copy-on-write", Stage.DRAIN, 0)
    copies = [equals.pair.mapping.forward(item) for item in equals.items]
    names = equals.pair.source.name, equals.pair.target.name
    write_all(equals.bench.client, dict(zip(names, (puts(equals.items), puts(copies)), strict=True)))
    request = equals.request(ASKED["Query of a global index"], Limit=2 * ITEMS * PARTITIONS)
    reply = equals.ask(Stage.DRAIN, "Query", request)
    empty = 0
    while (token := reply.get("LastEvaluatedKey")) is not None and empty < 2:
        empty += not reply["Items"]
        reply = equals.ask(Stage.DRAIN, "Query", {**request, "ExclusiveStartKey": token})
    assert empty == 2
    assert token is not None
    with pytest.raises(ServiceRejected, match="4 items that earlier pages have given follow"):
        _ = equals.ask(Stage.DRAIN, "Query", {**request, "ExclusiveStartKey": KEPT["cut"](token)})


@pytest.mark.parametrize(
    "what", ["Scan", "Scan of a global index", "Query of a global index", "Query of a local index"]
)
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_a_cut_cursor_whose_item_is_gone_is_refused_with_the_reason(stage: Stage, what: str) -> None:
    """Nothing tells any more in which table its page ended; as it was given, it does."""
    for limit in range(1, ITEMS):
        equals = Equals("suffix", "source", "copy-on-write", stage, limit % PLACES)
        asked, operation = ASKED[what], what.split(" ", 1)[0]
        request = equals.request(asked, Limit=limit)
        reply = equals.ask(stage, operation, request)
        token = reply["LastEvaluatedKey"]
        key = {name: token[name] for name in equals.pair.caller.key_names}
        _ = equals.ask(stage, "DeleteItem", {"TableName": equals.pair.caller.name, "Key": key})
        with pytest.raises(ServiceRejected, match="it lacks the attribute _crossfade"):
            _ = equals.ask(stage, operation, {**request, "ExclusiveStartKey": KEPT["cut"](token)})
        rest = equals.pages(itertools.repeat(stage), operation, {**request, "ExclusiveStartKey": token}, KEPT["whole"])
        assert equals.keys([*reply["Items"], *rest]) == equals.keys(equals.wanted(asked))


def test_where_nothing_else_has_the_sort_value_a_cut_cursor_is_good_though_its_item_is_gone() -> None:
    """It is all the same then."""
    equals = Equals("suffix", "source", "copy-on-write", Stage.DRAIN, 0)
    for n, item in enumerate(equals.items):
        update = {"UpdateExpression": "SET score = :n", "ExpressionAttributeValues": {":n": number(100 + n)}}
        key = {name: item[name] for name in equals.pair.caller.key_names}
        _ = equals.ask(Stage.DRAIN, "UpdateItem", {"TableName": equals.pair.caller.name, "Key": key, **update})
        item["score"] = number(100 + n)
    for what in ("Query of a global index", "Query of a local index"):
        request = equals.request(ASKED[what], Limit=1)
        reply = equals.ask(Stage.DRAIN, "Query", request)
        (item,) = reply["Items"]
        key = {name: item[name] for name in equals.pair.caller.key_names}
        _ = equals.ask(Stage.DRAIN, "DeleteItem", {"TableName": equals.pair.caller.name, "Key": key})
        request = {**request, "ExclusiveStartKey": KEPT["cut"](reply["LastEvaluatedKey"])}
        rest = equals.pages(itertools.repeat(Stage.DRAIN), "Query", request, KEPT["cut"])
        equals.items.remove(item)
        assert equals.keys(rest) == equals.keys(equals.wanted(ASKED[what]))
