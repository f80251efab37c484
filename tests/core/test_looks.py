"""What looks at a key say that differs: confirmed where it stood still, in flight where it is written all the time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from crossfade.aws.own_calls import as_outcome
from crossfade.core.effects import Effect, Sleep
from crossfade.core.items import Item
from crossfade.core.stages import Side
from crossfade.core.sync.compare import RECHECK_SECONDS, Difference, shadow_compare
from crossfade.core.tables.pair import Pair
from crossfade.jobs.repair import Repair, outcome_of
from crossfade.mapping import rename
from crossfade.migration import Migration, Table
from tests.core.conftest import Bench

KEY: Item = {"id": {"S": "hot"}}


class Busy(Bench):
    """A bench on which an application goes on writing while a comparison waits."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.meanwhile: Callable[[], object] = lambda: None
        source, target = (self.make_table(name, id="S") for name in ("hits", "hits2"))
        tables = Table(source, {"id": "S"}), Table(target, {"id": "S"})
        self.pair = Pair(*tables, Migration("t", *tables, [rename("n", "count")]).compiled)
        self._numbers = itertools.count(1)

    def perform(self, effect: Effect[Any], forward: Any) -> Any:
        if isinstance(effect, Sleep):
            _ = self.meanwhile()
        return super().perform(effect, forward)

    def holds(self, side: Side, number: int | None) -> None:
        """Make a side hold this number, as a write of crossfade leaves it."""
        if number is None:
            self.client.delete_item(TableName=self.pair.table(side).name, Key=KEY)
            return
        item: Item = {**KEY, "n" if side == "source" else "count": {"N": str(number)}}
        if side == "target":
            item["_crossfade"] = {"S": f"stamp{next(self._numbers)}"}
        self.client.put_item(TableName=self.pair.table(side).name, Item=item)

    def both_hold(self, source: int | None, target: int | None) -> None:
        self.holds("source", source)
        self.holds("target", target)

    def compared(self) -> str:
        self.run(shadow_compare(self.pair, KEY))
        return str(self.notes[-1].facts["outcome"])


@pytest.fixture
def busy(bench: Bench) -> Busy:
    return Busy(bench.client)


def counting(busy: Busy, lag: int | None = 3, still: Side | None = None) -> Callable[[], None]:
    """Writes between the looks: one side is some behind the other, or not written at all."""
    numbers = itertools.count(10)

    def write() -> None:
        number = next(numbers)
        for side, held in (("source", number), ("target", number - (lag or 0))):
            if side != still:
                busy.holds(cast("Side", side), held)

    return write


def test_a_counter_whose_mirror_is_behind_at_every_look_is_in_flight(busy: Busy) -> None:
    """It is looked at a bounded number of times, for some seconds."""
    busy.both_hold(5, 2)
    busy.meanwhile = counting(busy)
    assert busy.compared() == "in_flight"
    assert sum(RECHECK_SECONDS) < busy.now <= sum(RECHECK_SECONDS) + 3 * RECHECK_SECONDS[-1]
    assert isinstance(busy.notes[-1].facts["difference"], Difference)


@pytest.mark.parametrize("still", ["source", "target"])
def test_a_hot_key_of_which_one_side_stands_still_differs(busy: Busy, still: Side) -> None:
    """Its mirror is lost, or somebody writes past crossfade: traffic is no excuse."""
    busy.both_hold(5, 2)
    busy.meanwhile = counting(busy, still=still)
    assert busy.compared() == "mismatched"


def test_a_hot_key_that_the_target_lacks_is_missing(busy: Busy) -> None:
    """As soon as that has lasted: however often the source is written, the target is not."""
    busy.holds("source", 5)
    busy.meanwhile = counting(busy, still="target")
    assert busy.compared() == "missing"


def test_a_target_that_is_written_past_crossfade_keeps_its_stamp(busy: Busy) -> None:
    """So it counts as not followed, though what it holds is another at every look."""
    busy.both_hold(5, 2)
    write, name = counting(busy, still="target"), busy.pair.target.name
    add = {"UpdateExpression": "ADD #c :one", "ExpressionAttributeNames": {"#c": "count"}}

    def stray() -> None:
        write()
        busy.client.update_item(TableName=name, Key=KEY, **add, ExpressionAttributeValues={":one": {"N": "1"}})

    busy.meanwhile = stray
    assert busy.compared() == "mismatched"


def test_the_same_difference_at_two_looks_was_not_still_where_the_stamp_has_changed(busy: Busy) -> None:
    """A lock that is taken and given back many times a second looks the same at many moments."""
    states = itertools.cycle([(1, 0), (1, 0), (0, 1), (0, 1)])
    busy.both_hold(1, 0)
    busy.meanwhile = lambda: busy.both_hold(*next(states))
    assert busy.compared() == "in_flight"


def test_a_hot_key_that_comes_to_rest_different_is_found(busy: Busy) -> None:
    """The writes end while it is looked at, and the last mirror is lost."""
    busy.both_hold(5, 2)
    write, left = counting(busy), iter(range(len(RECHECK_SECONDS)))
    busy.meanwhile = lambda: write() if next(left, None) is not None else None
    assert busy.compared() == "mismatched"


def test_in_lockstep_one_look_at_both_sides_at_once_finds_them_equal(busy: Busy) -> None:
    """Two reads one after the other never do: between them the counter has been written in both tables."""
    numbers = itertools.count(10)
    busy.both_hold(5, 5)

    def write() -> None:
        number = next(numbers)
        busy.both_hold(number, number)
        busy.before["GetItem", busy.pair.target.name] = write

    write()
    busy.meanwhile = write
    assert busy.compared() == "matching"
    assert [call.operation for call in busy.calls].count("TransactGetItems") == 1


def test_where_both_sides_cannot_be_had_at_once_they_are_read_one_by_one(busy: Busy) -> None:
    """A transaction of somebody's is always in the way: the comparison ends all the same, and finds what it did."""
    busy.both_hold(5, 2)
    write, send = counting(busy), busy.send
    reasons = [{"Code": "TransactionConflict"}]
    refusal = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}

    def refused(effect: Any) -> Any:
        if effect.operation == "TransactGetItems":
            raise as_outcome(ClientError(cast("Any", refusal), "TransactGetItems"))
        return send(effect)

    busy.send = refused  # type: ignore[method-assign]
    busy.meanwhile = write
    assert busy.compared() == "in_flight"


def test_what_is_written_since_a_repair_does_not_make_it_a_failed_one() -> None:
    """A repair ends when it has seen both sides equal; what follows are the mirrors' own."""
    assert outcome_of(Difference(KEY, {}, None, in_flight=True)) is Repair.REPAIRED
    assert outcome_of(Difference(KEY, {}, None)) is Repair.FAILED
