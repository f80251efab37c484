"""A process without the router writes to the old table: seen, named, and repaired where repair is right."""

from __future__ import annotations

import threading

import pytest

from crossfade.control.records import Reader
from crossfade.core.stages import LADDERS, Stage
from crossfade.errors import ConfigurationError, Fenced, StreamGap
from crossfade.jobs.repair import Repair
from crossfade.streams.result import SeenWrite, WatchOptions
from crossfade.streams.stamps import ONE_TABLE
from tests.backfill.setting import order, order_key
from tests.conftest import Database
from tests.streams.setting import Beside, StreamSetting

MIRRORED = (
    Stage.DUALWRITE,
    Stage.SHADOW,
    Stage.LOCKSTEP_SOURCE,
    Stage.LOCKSTEP_TARGET,
    Stage.LIVE,
    Stage.RAMPDOWN,
)


@pytest.mark.parametrize("stage", MIRRORED)
def test_a_stray_write_is_named_and_repaired_in_every_stage_that_mirrors(dynamodb: Database, stage: Stage) -> None:
    """Writes of the application in the same stream are not; the side that decides wins, and both are equal again."""
    setting = StreamSetting(dynamodb, stage)
    seen: list[SeenWrite] = []

    def job(stop: threading.Event) -> object:
        return setting.watch(WatchOptions(repair=True), seen.append, stop)

    with Beside(job) as beside:
        beside.until(lambda: setting.report(Reader.WATCH) is not None)
        _ = setting.app("PutItem", Item=order(1, note={"S": "by the application"}))
        setting.stray_put(2, note={"S": "by a stranger"})
        beside.until(lambda: bool(seen))
        _ = setting.app("PutItem", Item=order(3, note={"S": "by the application"}))
    (write,) = seen
    assert (write.verdict, write.change, write.difference) == ("stray", "MODIFY", "mismatched")
    assert write.source_key == order_key(2)
    assert write.key == "customer='c2' order='o00002'"
    assert (write.stage, write.repair) == (stage, Repair.REPAIRED)
    kept = LADDERS["dual-write"][stage].authority == "source"
    held = setting.run(setting.pair.read("target", order_key(2))).item
    assert (held["note"]["S"] == "by a stranger") is kept
    setting.assert_equal()
    assert beside.result.counts["stray"] == beside.result.counts["repaired"] == 1
    assert beside.result.exit_status == 1
    assert setting.run(setting.control.state()).unclean == 0


def test_without_repair_it_writes_nothing_and_nobody_waits_for_it(dynamodb: Database) -> None:
    """No lease, no ticket; a deletion behind the back of crossfade is named, and is extra in the target."""
    setting = StreamSetting(dynamodb, Stage.SHADOW)
    setting.client.delete_item(TableName=setting.migration.source.name, Key=order_key(4))
    before, seen = setting.held("target"), list[SeenWrite]()
    leases: list[int] = []

    def on_write(write: SeenWrite) -> None:
        leases.append(len(setting.run(setting.control.leases())))
        seen.append(write)

    assert setting.watch(on_write=on_write).exit_status == 1
    assert [(write.change, write.difference, write.repair) for write in seen] == [("REMOVE", "extra", "")]
    assert leases == [0]
    assert setting.held("target") == before


def test_in_off_writes_are_told_without_a_verdict(dynamodb: Database) -> None:
    """Everybody writes the source alone there."""
    setting = StreamSetting(dynamodb, Stage.OFF, backfilled=False)
    seen: list[SeenWrite] = []
    setting.stray_put(1)
    result = setting.watch(on_write=seen.append)
    assert [(write.verdict, write.key) for write in seen] == [("untold", "customer='c1' order='o00001'")]
    assert (result.exit_status, result.counts["untold"]) == (0, 1)


def test_in_complete_every_write_of_the_source_is_stray_and_none_is_repaired(dynamodb: Database) -> None:
    """Even one that leaves both sides equal; what mirrors wrote before is not."""
    setting = StreamSetting(dynamodb, Stage.RAMPDOWN)
    _ = setting.app("PutItem", Item=order(1, note={"S": "mirrored back"}))
    seen: list[SeenWrite] = []
    setting.move_to(Stage.COMPLETE)

    def job(stop: threading.Event) -> object:
        return setting.watch(WatchOptions(repair=True), seen.append, stop)

    with Beside(job) as beside:
        beside.until(lambda: setting.report(Reader.WATCH) is not None)
        number = 0
        while len(seen) < 2:  # in the second in which complete was first seen, one that leaves both equal passes
            number += 1
            setting.stray_put(2, note={"S": f"stray {number}"})
            assert not beside.stop.wait(0.3)
            assert beside.error is None
    assert {(write.verdict, write.key) for write in seen} == {("stray", "customer='c2' order='o00002'")}
    assert {write.repair for write in seen} == {ONE_TABLE}


def test_it_goes_on_where_it_stopped(dynamodb: Database) -> None:
    """A write that was reported is not reported again; one that was made meanwhile is."""
    setting = StreamSetting(dynamodb)
    setting.stray_put(1, note={"S": "one"})
    first, second = list[SeenWrite](), list[SeenWrite]()
    assert not setting.watch(on_write=first.append).resumed
    setting.stray_put(2, note={"S": "two"})
    assert setting.watch(on_write=second.append).resumed
    assert [write.key for write in first] == ["customer='c1' order='o00001'"]
    assert [write.key for write in second] == ["customer='c2' order='o00002'"]
    report = setting.report(Reader.WATCH)
    assert report is not None
    assert (report.counts["stray"], report.counts["writes"]) == (2, 2)


def test_what_was_written_before_anybody_mirrored_is_the_backfills(dynamodb: Database) -> None:
    """In dualwrite without a complete backfill, older writes are passed over."""
    setting = StreamSetting(dynamodb, Stage.OFF, backfilled=False)
    setting.stray_put(1)
    setting.move(Stage.DUALWRITE)
    result = setting.watch()
    assert (result.counts["passed"], result.counts["stray"]) == (1, 0)


def test_a_table_without_a_stream_is_an_error_with_the_command(dynamodb: Database) -> None:
    """Nothing is written to the control table; asked to, it switches the stream on."""
    setting = StreamSetting(dynamodb, streams=False)
    with pytest.raises(ConfigurationError, match="has no stream") as caught:
        _ = setting.watch()
    assert caught.value.next_step == "crossfade watch --enable-stream --execute"
    assert setting.report(Reader.WATCH) is None
    assert setting.watch(WatchOptions(once=True, enable=True)).exit_status == 0


def test_a_second_watch_takes_over(dynamodb: Database) -> None:
    """The first one is told by whom, and writes nothing down any more."""
    setting = StreamSetting(dynamodb)

    def job(stop: threading.Event) -> object:
        return setting.watch(WatchOptions(), None, stop)

    def taken_over() -> None:
        with Beside(job) as beside:
            beside.until(lambda: setting.report(Reader.WATCH) is not None)
            _ = setting.watch()
            while beside.error is None:
                assert not beside.stop.wait(0.05)

    with pytest.raises(Fenced, match="another watch was started by ann on laptop"):
        taken_over()


def test_hazard_11_a_stream_that_was_switched_off_and_on_again_is_a_gap(dynamodb: Database) -> None:
    """What was written in between is in neither; `afresh` is the way on."""
    setting = StreamSetting(dynamodb)
    _ = setting.watch()
    table = setting.migration.source.name
    setting.client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
    with pytest.raises(ConfigurationError):
        _ = setting.watch()
    setting.enable_streams()
    with pytest.raises(StreamGap, match="is another one than was read before") as caught:
        _ = setting.watch()
    assert "crossfade watch --afresh" in caught.value.next_step
    setting.stray_put(1, note={"S": "one"})
    assert setting.watch(WatchOptions(once=True, afresh=True)).counts["stray"] == 1
