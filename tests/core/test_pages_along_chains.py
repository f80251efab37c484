"""Pages along a chain of two migrations, the first of them complete, whose items share sort values: together they are
all items once, by whichever processes and cursors, whatever is deleted between two of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any, Final

import pytest

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.request.cursor import MARK
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.migration import Migration, Strategy
from tests.contract.placing import PLACES, Placed
from tests.contract.shapes import KINDS, Form, Shape, number, text
from tests.contract.tables import create, puts, write_all
from tests.contract.test_pages import PLACED_BY
from tests.core.test_pages_among_equals import ASKED, ITEMS, KEPT, PARTITIONS, SOME_LIMITS, Equals, ways
from tests.core.unordered import Unordered, UnorderedBench
from tests.sampling import one_in

CHAINS: Final[list[tuple[str, Strategy]]] = [
    (mapping, strategy) for mapping, kind in KINDS.items() if kind.is_chain for strategy in kind.strategies
]
_numbers = itertools.count(1)


class ChainBench(UnorderedBench):
    """What is asked of the table in the middle is the second migration's to answer, in its stage."""

    def __init__(self, strategy: Strategy) -> None:
        super().__init__()
        self.strategy = strategy
        self.second: Pair | None = None
        self.stage = Stage.OFF
        self.asked: list[Request] = []  # Queries of an index of the table in the middle, by the first migration
        self.before_again: Callable[[], None] | None = None  # what happens before one of them is asked for once more

    def send(self, effect: Call) -> Reply:
        pair, self.second = self.second, None  # what it sends itself is not for it
        try:
            if pair is None:
                return super().send(effect)
            if "IndexName" in effect.request:
                self._note(effect.request)
            routine = route(pair, self.stage, 0, effect.operation, effect.request, strategy=self.strategy)
            return super().send(effect) if routine is None else self.run(routine, replace(effect, place="source"))
        finally:
            self.second = pair

    @property
    def is_waiting(self) -> bool:
        return self.before_again is not None

    def _note(self, request: Request) -> None:
        happens, is_again = self.before_again, any(but_for_limit(each) == but_for_limit(request) for each in self.asked)
        self.asked.append(request)
        if happens is not None and is_again:
            self.before_again = None
            happens()


def but_for_limit(request: Request) -> Request:
    return {name: value for name, value in request.items() if name != "Limit"}


class Chain(Equals):
    """As its base, in the last two of three tables."""

    def __init__(self, mapping: str, strategy: Strategy, placed_by: Stage, turn: int) -> None:
        kind, self.strategy = KINDS[mapping], strategy
        self.view: Side = "source"
        self.bench = bench = ChainBench(strategy)
        token = f"chains-{next(_numbers)}"
        later, (earlier,) = kind.migration(token, strategy), kind.earlier_migrations(token)
        self.shape = Shape(kind.form("source"), token, "chains")
        tables: Unordered = bench.client
        forms: list[tuple[str, Form]] = [(later.source.name, kind.source), (later.target.name, kind.target)]
        for name, form in (*forms, (earlier.source.name, kind.form("source"))):
            create(tables, name, form)
        self.earlier: Strategy = earlier.strategy
        self.pair, self.later = replace(pair_of(earlier), is_followed=True), pair_of(later)
        bench.second = self.later
        self.items = [self.item(n, p) for n in range(ITEMS) for p in range(PARTITIONS)]
        middle = [self.pair.mapping.forward(item) for item in self.items]
        sources, targets = Placed(later, LADDERS[strategy][placed_by]).place(middle, "source", turn)
        write_all(tables, {later.source.name: puts(sources), later.target.name: puts(targets)})

    def ask(self, stage: Stage, operation: str, request: Request) -> Reply:
        bench: Any = self.bench
        bench.stage = stage
        routine = route(self.pair, Stage.COMPLETE, 0, operation, request, strategy=self.earlier)
        assert routine is not None
        return self.bench.run(routine, Call("target", operation, request))

    def put(self, source: list[Item], target: list[Item]) -> None:
        """Nothing but these, in the middle's form and in the last's."""
        self.bench.client.clear()
        names = self.later.source.name, self.later.target.name
        write_all(self.bench.client, dict(zip(names, (puts(source), puts(target)), strict=True)))

    def take_away(self, item: Item) -> None:
        """As a delete by another process does."""
        key = self.pair.mapping.forward_key({name: item[name] for name in self.pair.caller.key_names})
        for table in (self.later.source, self.later.target):
            _ = self.bench.client.perform("DeleteItem", {"TableName": table.name, "Key": key}, 0.0)

    def taken(self, stage: Stage, operation: str, request: Request, whole: Item) -> Item:
        """The cursor, or the whole one where it is refused with the reason."""
        try:
            _ = self.ask(stage, operation, request)
        except ServiceRejected as error:
            if "it lacks the attribute _crossfade" not in error.text:
                raise
            return whole
        cut: Item = request["ExclusiveStartKey"]
        return cut

    def delete(self, stage: Stage, item: Item) -> None:
        key = {name: item[name] for name in self.pair.caller.key_names}
        _ = self.ask(stage, "DeleteItem", {"TableName": self.pair.caller.name, "Key": key})


def pair_of(migration: Migration) -> Pair:
    return Pair(migration.source, migration.target, migration.compiled, indexes=migration.indexes)


@pytest.mark.parametrize(("mapping", "strategy"), CHAINS)
def test_pages_within_a_stage(mapping: str, strategy: Strategy) -> None:
    """In every stage of the later one, with items wherever they may be, by whole cursors and by cut ones."""
    for turn, stage in enumerate(LADDERS[strategy]):
        chain = Chain(mapping, strategy, stage, turn % PLACES)
        for (what, more), kept in one_in(3, itertools.product(ways(SOME_LIMITS), KEPT), turn):
            chain.check(what, itertools.repeat(stage), kept, **more)


@pytest.mark.parametrize(("mapping", "strategy"), CHAINS)
def test_pages_by_processes_of_two_neighbouring_stages(mapping: str, strategy: Strategy) -> None:
    """In turn, begun by either, with cursors as they were given."""
    for turn, (one, two) in enumerate(pairwise(LADDERS[strategy])):
        placed_by = PLACED_BY.get((one, two), one) if strategy == "copy-on-write" else Stage.SHADOW
        chain = Chain(mapping, strategy, placed_by, turn % PLACES)
        ways_on = ([one, two, two], [two, one, one])
        for stages, (what, more) in one_in(3, itertools.product(ways_on, ways((1, 2))), turn):
            chain.check(what, itertools.cycle(stages), "whole", **more)


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("what", [what for what in ASKED if "index" in what])
@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
@pytest.mark.parametrize("mapping", ["chain", "chain-key"])
def test_what_is_deleted_between_two_pages_is_no_loss_of_others(
    mapping: str, stage: Stage, what: str, kept: str
) -> None:
    """Every second page's last item is. A whole cursor goes on; one that is cut may be refused, with the reason."""
    for turn, limit in ((0, 1), (3, 2)):
        chain = Chain(mapping, "copy-on-write", stage, turn)
        asked, operation = ASKED[what], what.split(" ", 1)[0]
        request, given = chain.request(asked, Limit=limit), list[Item]()
        for n in itertools.count():
            reply = chain.ask(stage, operation, request)
            given += reply["Items"]
            if "LastEvaluatedKey" not in reply:
                break
            request = {**request, "ExclusiveStartKey": KEPT[kept](reply["LastEvaluatedKey"])}
            if n % 2 and reply["Items"]:
                chain.delete(stage, reply["Items"][-1])
                if kept == "cut":
                    request["ExclusiveStartKey"] = chain.taken(stage, operation, request, reply["LastEvaluatedKey"])
        assert chain.keys(given) == chain.keys(chain.wanted(asked))


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_a_cut_cursor_of_an_item_that_has_moved_in_the_index_leads_on(stage: Stage) -> None:
    """The source's entry, at its old place, is where the page ended, and so what the cursor tells."""
    chain = Chain("chain-key", "copy-on-write", stage, 0)
    for groups in itertools.permutations("abc"):
        middle = [
            chain.pair.mapping.forward({**chain.item(n, 0), "grp": text(group)}) for n, group in enumerate(groups)
        ]
        old = [{**item, "grp": text(f"old {group}")} for item, group in zip(middle, "cab", strict=True)]
        chain.put(old, [chain.later.mapping.forward(item) for item in middle])
        for kept, limit in itertools.product(KEPT, (1, 2)):
            request = chain.request(ASKED["Scan of a global index"], Limit=limit)
            given = chain.pages(itertools.repeat(stage), "Scan", request, KEPT[kept])
            assert chain.keys(given) == chain.keys([chain.item(n, 0) for n in range(len(groups))]), (groups, kept)


def test_where_no_later_migration_is_attached_nothing_is_asked_twice() -> None:
    """Nor are cursors marked."""
    chain = Chain("chain", "copy-on-write", Stage.OFF, 0)
    chain.pair = replace(chain.pair, is_followed=False)
    bench: Any = chain.bench
    request = chain.request(ASKED["Query of a local index"], Limit=2)
    chain.put([chain.pair.mapping.forward(item) for item in chain.items], [])
    bench.asked.clear()
    reply = chain.ask(Stage.OFF, "Query", request)
    assert MARK not in reply["LastEvaluatedKey"]
    asked = [each for each in bench.asked if "IndexName" in each]
    assert len(asked) == len({repr(each) for each in asked})


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.DRAIN])
def test_a_cursor_is_whole_also_where_each_partition_ended_within_the_page(stage: Stage) -> None:
    """So it leads on though its item, the only one with its sort value, is deleted then, and another has that value."""
    chain = Chain("chain", "copy-on-write", stage, 0)
    forward = chain.pair.mapping.forward
    by_partition = {repr(forward(item)["customer"]): item for item in chain.items}
    chain.items = [{**item, "score": number(n)} for n, item in enumerate(by_partition.values())]
    chain.put([forward(item) for item in chain.items], [])
    asked = ASKED["Query of a local index"]
    count = len(chain.wanted(asked))
    request = chain.request(asked, Limit=count - 1)
    reply = chain.ask(stage, "Query", request)
    last = reply["Items"][-1]
    chain.delete(stage, last)
    for n in range(ITEMS, 2 * ITEMS):
        new = {**chain.item(n, 0), "score": last["score"]}
        _ = chain.ask(stage, "PutItem", {"TableName": chain.pair.caller.name, "Item": new})
    request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
    given = [*reply["Items"], *chain.pages(itertools.repeat(stage), "Query", request, KEPT["whole"])]
    keys = chain.keys(given)
    assert len(keys) == len({*keys})
    assert {*keys} >= {*chain.keys(chain.wanted(asked))}


@pytest.mark.parametrize("turn", [0, 3])
def test_a_page_is_made_anew_where_it_has_changed_before_its_token_was_asked_for(turn: int) -> None:
    """What is deleted then is not shown, and nothing else is passed over or comes twice."""
    what, changed = "Query of a local index", 0
    for limit in range(2, ITEMS):
        chain = Chain("chain", "copy-on-write", Stage.DRAIN, turn)
        bench: Any = chain.bench
        request = chain.request(ASKED[what], Limit=limit)
        last = chain.ask(Stage.DRAIN, "Query", request)["Items"][-1]
        bench.asked.clear()
        bench.before_again = partial(chain.take_away, last)
        reply = chain.ask(Stage.DRAIN, "Query", request)
        if bench.is_waiting:
            continue  # the page ended where one of its table's did
        changed += 1
        chain.items = [item for item in chain.items if item["order_id"] != last["order_id"]]
        request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
        rest = chain.pages(itertools.repeat(Stage.DRAIN), "Query", request, KEPT["whole"])
        assert chain.keys([*reply["Items"], *rest]) == chain.keys(chain.wanted(ASKED[what]))
    assert changed


def test_a_page_that_changes_all_the_time_is_given_up_on() -> None:
    """With an error that an SDK retries."""
    chain = Chain("chain", "copy-on-write", Stage.DRAIN, 0)
    bench: Any = chain.bench
    every = [chain.pair.mapping.forward({**chain.item(n, 0), "score": number(1)}) for n in range(20)]
    items = [item for item in every if item["customer"] == every[0]["customer"]]
    request = chain.request(ASKED["Query of a local index"], Limit=3)
    chain.put(items, [])
    last = chain.ask(Stage.DRAIN, "Query", request)["Items"][-1]
    others = [item for item in items if item["order_id"] != last["order_id"]]

    def changes(there: list[Item], instead: list[Item]) -> None:
        chain.put(there, [])
        bench.before_again = partial(changes, instead, there)

    changes(items, others)
    with pytest.raises(ServiceRejected, match="provisioned throughput"):
        _ = chain.ask(Stage.DRAIN, "Query", request)
