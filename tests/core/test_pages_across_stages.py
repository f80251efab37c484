"""Pages that are begun in one stage of copy-on-write and go on in others, while items are copied: none is skipped that
was there throughout, none given twice."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from crossfade.core.effects import Call, Reply, Request
from crossfade.core.items import Item, canonical
from crossfade.core.mapping import STAMP
from crossfade.core.request.cursor import mark_of, said_by
from crossfade.core.routing import route
from crossfade.core.stages import COPY_ON_WRITE, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from tests.contract.placing import Placed, bare
from tests.contract.shapes import KINDS, Kind, Shape, View, number
from tests.contract.tables import create, empty, everything, puts, write_all
from tests.core.conftest import Bench

PARTITIONS: Final = 3
ITEMS: Final = 6  # of each; items of different partitions are at one place in every index
ROUNDS: Final = 1
UP: Final = (Stage.OFF, Stage.STAMP, Stage.PREPARE, Stage.DRAIN, Stage.RAMPDOWN, Stage.COMPLETE)
_numbers = itertools.count(1)

ASKED: Final[dict[str, dict[str, Any]]] = {
    "Scan": {},
    "Scan of a global index": {"index": "group_index"},
    "Scan of a local index": {"index": "score_index"},
    "Query": {"KeyConditionExpression": "{p} = :p0"},
    "Query backwards": {"KeyConditionExpression": "{p} = :p0", "ScanIndexForward": False},
    "Query of a global index": {"index": "group_index", "KeyConditionExpression": "grp = :g1"},
    "Query of a global index, backwards": {
        "index": "group_index",
        "KeyConditionExpression": "grp = :g1",
        "ScanIndexForward": False,
    },
    "Query of a range of a global index": {
        "index": "group_index",
        "KeyConditionExpression": "grp = :g1 AND score BETWEEN :low AND :high",
    },
    "Query of a global index of keys that sorts by nothing": {
        "index": "note_index",
        "KeyConditionExpression": "{note} = :noted",
    },
    "Query of a local index": {"index": "score_index", "KeyConditionExpression": "{p} = :p0", "ConsistentRead": True},
}


class Moving:
    """Two tables with their indexes, in a stage that moves."""

    def __init__(self, bench: Bench, kind: Kind, view: View) -> None:
        self.bench = bench
        self.view: View = view
        token = f"pages-{next(_numbers)}"
        self.migration = kind.migration(token, "copy-on-write")
        self.shape = Shape(kind.form(view), token, "pages")
        create(bench.client, self.migration.source.name, kind.source)
        create(bench.client, self.migration.target.name, kind.target)
        migration = self.migration
        self.pair = Pair(
            migration.source, migration.target, migration.compiled, view=view, indexes=dict(kind.index_names)
        )
        self.items = [self.item(n, p) for n in range(1, ITEMS + 1) for p in range(PARTITIONS)]
        self.stage = Stage.OFF

    def item(self, n: int, p: int) -> Item:
        """As the caller has it."""
        return self.shape.rich(n, p)

    def begin(self, stage: Stage) -> None:
        """Every item where it may be in that stage."""
        self.stage = stage
        for table in (self.migration.source, self.migration.target):
            empty(self.bench.client, table.name, table.key_names)
        sources, targets = Placed(self.migration, COPY_ON_WRITE[stage]).place(self.items, self.view)
        names = self.migration.source.name, self.migration.target.name
        write_all(self.bench.client, dict(zip(names, (puts(sources), puts(targets)), strict=True)))

    def move(self, choice: random.Random) -> None:
        """Perhaps one stage up or down; in rampdown nothing is in the source alone."""
        at = UP.index(self.stage)
        lowest = 0 if COPY_ON_WRITE[self.stage].authority == "source" else UP.index(Stage.PREPARE)
        to = UP[min(len(UP) - 1, max(lowest, at + choice.choice((-1, 0, 0, 1, 1))))]
        if self.stage is Stage.COMPLETE:
            return
        if (self.stage, to) == (Stage.DRAIN, Stage.RAMPDOWN):
            there = {self._key(self.pair.mapping.backward(bare(it))) for it in self._all("target")}
            left = [item for item in self._all("source") if self._key(item) not in there]
            copies = [{**self.pair.mapping.forward(item), STAMP: {"S": "copied"}} for item in left]
            write_all(self.bench.client, {self.migration.target.name: puts(copies)})
        self.stage = to

    def touch(self, choice: random.Random) -> None:
        """Somebody writes an item, which in drain copies it; its places stay as they are."""
        item = choice.choice(self.items)
        key = {name: item[name] for name in self.pair.callers_names}
        values: Item = {":flag": {"BOOL": choice.random() < 0.5}}
        request: Request = {"Key": key, "UpdateExpression": "SET flag = :flag", "ExpressionAttributeValues": values}
        _ = self.do("UpdateItem", {**request, "TableName": self.pair.caller.name})

    def do(self, operation: str, request: Request) -> Reply:
        routine = route(self.pair, self.stage, 0, operation, request, strategy="copy-on-write")
        forward = Call(self.view, operation, request)
        return self.bench.send(forward) if routine is None else self.bench.run(routine, forward)

    def pages(self, operation: str, asked: dict[str, Any], choice: random.Random) -> Iterator[list[Item]]:
        more = {name: value for name, value in asked.items() if name != "index"}
        if "index" in asked:
            more["IndexName"] = getattr(self.shape.form, asked["index"])
        request = self.shape.request(**more)
        while True:
            limit = choice.randint(1, 4)
            if self.stage is Stage.DRAIN and is_of_rampdown(request):
                with pytest.raises(ServiceRejected, match="go on without ConsistentRead"):
                    _ = self.do(operation, {**request, "Limit": limit})
                request = {**request, "ConsistentRead": False}
            reply = self.do(operation, {**request, "Limit": limit})
            yield reply["Items"]
            if "LastEvaluatedKey" not in reply:
                return
            request = {**request, "ExclusiveStartKey": reply["LastEvaluatedKey"]}

    def keys(self, items: list[Item]) -> list[object]:
        return sorted(
            (canonical({name: item[name] for name in self.pair.caller.key_names}) for item in items), key=repr
        )

    def _all(self, side: View) -> list[Item]:
        return everything(self.bench.client, self.migration.table(side).name)

    def _key(self, source: Item) -> object:
        return canonical({name: source[name] for name in self.migration.source.key_names})


def is_of_rampdown(request: Request) -> bool:
    """Whether a strongly consistent walk was begun in the target's order."""
    if not request.get("ConsistentRead") or "ExclusiveStartKey" not in request:
        return False
    return mark_of(said_by(request)) == "target"


def wanted(moving: Moving, asked: dict[str, Any]) -> list[Item]:
    """What there is of it throughout."""
    shape, condition = moving.shape, asked.get("KeyConditionExpression", "")
    items = moving.items
    if "{p}" in condition:
        items = [item for item in items if item[shape.form.partition] == shape.partition()]
    if "grp" in condition:
        items = [item for item in items if item["grp"] == shape.group(1)]
    if "score" in condition:
        items = [item for item in items if item["score"] in (number(96), number(97), number(98))]
    if "{note}" in condition:
        items = [item for item in items if item[shape.form.note] == shape.noted(1)]
    return items


@pytest.mark.parametrize("view", ["source", "target"])
@pytest.mark.parametrize("mapping", ["identity", "suffix", "reshape"])
def test_pages_go_on_from_stage_to_stage(bench: Bench, mapping: str, view: View) -> None:
    """Up and down, in pages of any size, with items that are copied between two pages."""
    read_all(Moving(bench, KINDS[mapping], view), ASKED, f"{mapping} {view}")


def read_all(moving: Moving, asked_for: Mapping[str, dict[str, Any]], seed: str) -> None:
    """Each in pages, while the stage moves."""
    for number_of_round, (what, asked) in itertools.product(range(ROUNDS), asked_for.items()):
        choice = random.Random(f"{seed} {number_of_round} {what}")
        moving.begin(choice.choice((Stage.OFF, Stage.STAMP, Stage.PREPARE, Stage.DRAIN, Stage.DRAIN, Stage.RAMPDOWN)))
        given: list[Item] = []
        way: list[Stage] = []
        for items in moving.pages(what.split(" ", 1)[0], asked, choice):
            given += items
            way.append(moving.stage)
            moving.touch(choice)
            moving.move(choice)
        assert STAMP not in str(given)
        assert moving.keys(given) == moving.keys(wanted(moving, asked)), f"{what}, {way}"
