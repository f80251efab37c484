"""A process that does not run the router writes to the old table, in each stage of either strategy."""

from __future__ import annotations

import threading
import time
from typing import Final

import pytest

from crossfade.control.records import Reader
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.stages import LADDERS, Stage
from crossfade.jobs.repair import Repair
from crossfade.migration import Strategy
from crossfade.streams.result import SeenWrite, WatchOptions
from crossfade.streams.stamps import ONE_TABLE, SERVED, TARGET_COUNTS
from tests.backfill.setting import order, order_key
from tests.conftest import Database
from tests.streams.setting import Beside, StreamSetting

PROMISED_SECONDS: Final = 5.0
OLD, NEW = 2, 90  # an order that the tables had before; one that nobody has seen yet
STRAY: Final = {"note": {"S": "by a stranger"}}
CARRIED, UNDONE, AS_IT_WAS = "carried over", "undone", "as it was"

# What watch --repair does about each, and what the target then has of the new one.
REPAIRS: Final[dict[str, dict[Stage, tuple[str, str, str]]]] = {
    "dual-write": {
        Stage.OFF: ("", "", AS_IT_WAS),
        Stage.DUALWRITE: (Repair.REPAIRED, Repair.REPAIRED, CARRIED),
        Stage.SHADOW: (Repair.REPAIRED, Repair.REPAIRED, CARRIED),
        Stage.LOCKSTEP_SOURCE: (Repair.REPAIRED, Repair.REPAIRED, CARRIED),
        Stage.LOCKSTEP_TARGET: (Repair.REPAIRED, Repair.REPAIRED, UNDONE),
        Stage.LIVE: (Repair.REPAIRED, Repair.REPAIRED, UNDONE),
        Stage.RAMPDOWN: (Repair.REPAIRED, Repair.REPAIRED, UNDONE),
        Stage.COMPLETE: (ONE_TABLE, ONE_TABLE, AS_IT_WAS),
    },
    "copy-on-write": {
        Stage.OFF: ("", "", AS_IT_WAS),
        Stage.STAMP: (ONE_TABLE, ONE_TABLE, AS_IT_WAS),
        Stage.PREPARE: (SERVED, SERVED, AS_IT_WAS),
        Stage.DRAIN: (TARGET_COUNTS, Repair.REPAIRED, CARRIED),
        Stage.RAMPDOWN: (TARGET_COUNTS, Repair.REPAIRED, CARRIED),
        Stage.COMPLETE: (ONE_TABLE, ONE_TABLE, AS_IT_WAS),
    },
}


def in_stage(database: Database, strategy: Strategy, stage: Stage) -> StreamSetting:
    """With some orders from before the migration; nothing is in the stream yet."""
    if stage not in (Stage.OFF, Stage.STAMP, Stage.PREPARE):
        return StreamSetting(database, stage, strategy=strategy)
    setting = StreamSetting(database, Stage.OFF, strategy=strategy, backfilled=False, streams=False)
    setting.fill(6)
    setting.move_to(stage)
    setting.enable_streams()
    return setting


def second() -> float:
    """Times of changes are whole seconds. So the watch gets such a clock too, or it would pass over what was written in
    the second in which it began."""
    return float(int(time.time()))


@pytest.mark.parametrize(
    ("strategy", "stage"), [(strategy, stage) for strategy, rows in LADDERS.items() for stage in rows]
)
def test_stray_write_in_each_stage(dynamodb: Database, strategy: Strategy, stage: Stage) -> None:
    """It is named within 5 seconds, while what the application writes is not, and repaired where that is right."""
    setting = in_stage(dynamodb, strategy, stage)
    wrote_at: dict[int, float] = {}
    seen: dict[int, tuple[SeenWrite, float]] = {}

    def on_write(write: SeenWrite) -> None:
        seen[int(write.source_key["order"]["S"][1:])] = (write, time.monotonic())

    def job(stop: threading.Event) -> object:
        return setting.watch(WatchOptions(repair=True), on_write, stop, wall=second)

    with Beside(job) as beside:
        beside.until(lambda: setting.report(Reader.WATCH) is not None)
        by_the_application(setting)
        for number in (OLD, NEW):
            wrote_at[number] = time.monotonic()
            setting.stray_put(number, **STRAY)
        beside.until(lambda: {OLD, NEW} <= seen.keys())
        by_the_application(setting)
    taken = {number: seen[number][1] - wrote_at[number] for number in wrote_at}
    print(f"\n{strategy} {stage}: named after {taken[OLD]:.1f} s and {taken[NEW]:.1f} s")
    assert max(taken.values()) <= PROMISED_SECONDS
    tells = stage is not Stage.OFF
    for number in (OLD, NEW):
        write = seen[number][0]
        assert (write.verdict, write.stage) == ("stray" if tells else "untold", stage)
        assert write.source_key == order_key(number)
    assert not tells or seen.keys() == {OLD, NEW}
    old, new, left = REPAIRS[strategy][stage]
    assert (seen[OLD][0].repair, seen[NEW][0].repair) == (old, new)
    source, target = (setting.run(setting.pair.read(side, order_key(NEW))).item for side in ("source", "target"))
    assert (source is None, target is None) == {
        CARRIED: (False, False),
        UNDONE: (True, True),
        AS_IT_WAS: (False, True),
    }[left]
    if strategy == "dual-write" and stage not in (Stage.OFF, Stage.COMPLETE):
        setting.assert_equal()


def by_the_application(setting: StreamSetting) -> None:
    """Each kind of write, of items that are there, and that are not."""
    add: dict[str, Item] = {"ExpressionAttributeValues": {":one": {"N": "1"}}}
    for number in (3, 50):
        _ = setting.app("UpdateItem", Key=order_key(number), UpdateExpression="ADD visits :one", **add)
    for number in (1, 51):
        _ = setting.app("PutItem", Item=order(number, note={"S": "by the application"}))
    for number in (4, 52):
        _ = setting.app("DeleteItem", Key=order_key(number))


def test_a_stray_update_leaves_the_stamp_as_it_was_and_is_told_by_that(dynamodb: Database) -> None:
    """In prepare, where crossfade's own writes leave a fresh one; even when crossfade writes the item just after."""
    setting = in_stage(dynamodb, "copy-on-write", Stage.PREPARE)
    seen: list[SeenWrite] = []

    def job(stop: threading.Event) -> object:
        return setting.watch(WatchOptions(), seen.append, stop, wall=second)

    change = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {":a": {"S": "x"}}}
    with Beside(job) as beside:
        beside.until(lambda: setting.report(Reader.WATCH) is not None)
        _ = setting.app("PutItem", Item=order(1))
        stamp = setting.run(setting.pair.read("source", order_key(1))).stamp
        assert stamp is not None
        setting.client.update_item(TableName=setting.migration.source.name, Key=order_key(1), **change)
        _ = setting.app("PutItem", Item=order(1))
        beside.until(lambda: bool(seen))
        setting.put_directly("source", {**order(2), STAMP: {"S": stamp}})  # read elsewhere, and written back
        setting.put_directly("source", {**order(2), "b": {"S": "y"}, STAMP: {"S": stamp}})
        beside.until(lambda: len(seen) > 1)
    assert [(write.key, write.change) for write in seen] == [
        ("customer='c1' order='o00001'", "MODIFY"),
        ("customer='c2' order='o00002'", "MODIFY"),
    ]
