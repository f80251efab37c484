"""Cursors that an application has kept while one migration was completed and the next begun: they lead on, or they are
refused with the reason."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import pytest

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item
from crossfade.core.request.cursor import MARK
from crossfade.core.routing import route
from crossfade.core.stages import LADDERS, Side, Stage
from crossfade.errors import ServiceRejected
from crossfade.migration import Strategy
from tests.contract.placing import GIVEN
from tests.contract.shapes import KINDS, Shape
from tests.contract.tables import puts, write_all
from tests.core.test_pages_along_chains import CHAINS, Chain
from tests.core.test_pages_among_equals import ASKED, KEPT
from tests.sampling import one_in

VIEWS: Final[tuple[Side, Side]] = ("source", "target")


class Chained(Chain):
    """With all items in the first two tables, as the first migration has left them; the second has copied every second
    one where items are copied, and all where its target serves. `view`: of the first one's callers."""

    def __init__(self, mapping: str, strategy: Strategy, view: Side, stage: Stage) -> None:
        super().__init__(mapping, strategy, stage, 0)
        self.stage = stage
        kind, row = KINDS[mapping], LADDERS[strategy][stage]
        old, middle = self.items, [self.pair.mapping.forward(item) for item in self.items]
        new = [{**self.later.mapping.forward(item), **GIVEN} for item in middle]
        copied = new[::2] if row.merges else new if row.authority == "target" or row.keeps_equal else []
        names = self.pair.source.name, self.later.source.name, self.later.target.name
        self.bench.client.clear()
        write_all(self.bench.client, dict(zip(names, map(puts, (old, middle, copied)), strict=True)))
        self.pair = replace(self.pair, view=view)
        if view == "target":
            self.shape = Shape(kind.source, self.shape.token, "chains")
            self.items = middle

    def begun(self, stage: Stage, operation: str, request: Request) -> Reply:
        """A page by the first migration alone, in this stage of it."""
        bench: Any = self.bench
        bench.second = None
        pair = replace(self.pair, is_followed=False)
        routine = route(pair, stage, 0, operation, request, strategy=self.earlier)
        forward = Call(pair.view, operation, request)
        reply: Reply = bench.send(forward) if routine is None else bench.run(routine, forward)
        return reply

    def ask(self, stage: Stage, operation: str, request: Request) -> Reply:
        bench: Any = self.bench
        bench.second = self.later
        return super().ask(stage, operation, request)

    @property
    def what(self) -> list[str]:
        """What may be asked of the caller's table."""
        return [what for what in ASKED if what != "Query" or not self.shape.form.own_key]


class Alone(Chained):
    """The first migration is not attached any more."""

    def ask(self, stage: Stage, operation: str, request: Request) -> Reply:
        bench: Any = self.bench
        bench.second = None
        request = {**request, "TableName": self.later.source.name}
        routine = route(self.later, stage, 0, operation, request, strategy=self.strategy)
        forward = Call("source", operation, request)
        reply: Reply = bench.send(forward) if routine is None else bench.run(routine, forward)
        return reply


def marked_cursors(chain: Chained, stage: Stage) -> Iterator[tuple[str, Request, Reply, str]]:
    """What was asked of the first migration, its answer, and what the cursor's mark says."""
    for n, (what, limit) in enumerate(itertools.product(chain.what, (1, 3))):
        if n % 3 != list(LADDERS[chain.earlier]).index(stage) % 3:
            continue
        request = chain.request(ASKED[what], Limit=limit)
        try:
            reply = chain.begun(stage, what.split(" ", 1)[0], request)
        except ServiceRejected:  # who speaks of the target asks for a partition that no item of the source can have
            continue
        if MARK in reply.get("LastEvaluatedKey", {}):
            yield what, request, reply, reply["LastEvaluatedKey"][MARK]["L"][-1].get("S", "")


def leads_on(chain: Chained, what: str, request: Request, reply: Reply) -> None:
    operation, stages = what.split(" ", 1)[0], itertools.repeat(chain.stage)
    more = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
    given = [*reply["Items"], *chain.pages(stages, operation, more, KEPT["whole"])]
    assert chain.keys(given) == chain.keys(chain.wanted(ASKED[what])), what


CELLS: Final = [(*cell, view) for cell, view in itertools.product(CHAINS, VIEWS)]


@pytest.mark.parametrize(("mapping", "strategy", "view"), CELLS)
def test_a_cursor_of_the_first_migration_while_both_are_attached(mapping: str, strategy: Strategy, view: Side) -> None:
    """It leads on in whatever stage the second is: also one in the order of the table between them, which in the end is
    not the order that the second goes by."""
    marks: set[str] = set()
    for turn, stage in enumerate(LADDERS[strategy]):
        chain = Chained(mapping, strategy, view, stage)
        for earlier in one_in(2, LADDERS[chain.earlier], turn):
            for what, request, reply, mark in marked_cursors(chain, earlier):
                leads_on(chain, what, request, reply)
                marks.add(mark)
    assert marks >= {"source", "target"}


@pytest.mark.parametrize(("mapping", "strategy"), CHAINS)
def test_a_cursor_of_the_first_migration_while_the_second_alone_is_attached(mapping: str, strategy: Strategy) -> None:
    """One in the order of the table between them leads on; any other is refused with the reason."""
    marks: set[str] = set()
    for turn, (stage, view) in enumerate(itertools.product(LADDERS[strategy], VIEWS)):
        chain = Alone(mapping, strategy, view, stage)
        for earlier in one_in(2, LADDERS[chain.earlier], turn // 2):
            for what, request, reply, mark in marked_cursors(chain, earlier):
                marks.add(mark)
                if (view, mark) == ("target", "target"):
                    leads_on(chain, what, request, reply)
                else:
                    with pytest.raises(ServiceRejected, match="it was given to an application of orders"):
                        leads_on(chain, what, request, reply)
    assert marks >= {"source", "target"}


@pytest.mark.parametrize("begins", ["both", "second"])
@pytest.mark.parametrize(("mapping", "strategy"), CHAINS)
def test_pages_by_processes_with_and_without_the_first_migration(mapping: str, strategy: Strategy, begins: str) -> None:
    """While it is taken out of one process after the other, whose callers speak of the table between them."""
    for turn, stage in enumerate(LADDERS[strategy]):
        both, second = (kind(mapping, strategy, "target", stage) for kind in (Chained, Alone))
        second.bench, second.pair, second.later, second.shape = both.bench, both.pair, both.later, both.shape
        for what, limit in one_in(3, itertools.product(both.what, (1, 3)), turn):
            who = itertools.cycle((both, second) if begins == "both" else (second, both))
            operation, given = what.split(" ", 1)[0], list[Item]()
            request = both.request(ASKED[what], Limit=limit)
            for chain in itertools.islice(who, 100):
                reply = chain.ask(stage, operation, request)
                given += reply["Items"]
                if "LastEvaluatedKey" not in reply:
                    break
                request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}
            assert both.keys(given) == both.keys(both.wanted(ASKED[what])), (stage, what)
