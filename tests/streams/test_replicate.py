"""Every change of the table that decides ends up in the other one, whoever made it and whatever dies."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crossfade.control.coordinator import Coordinator
from crossfade.control.records import Job, Reader
from crossfade.control.streams import REPORT_BEATS_MAX
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, GateClosed, NotPossibleInStage
from crossfade.streams.replicate import end_replication
from crossfade.streams.result import ReplicateOptions
from tests.backfill.setting import connect, order, order_key
from tests.conftest import Database
from tests.streams import setting as streams_setting
from tests.streams.setting import DEADLINE_SECONDS, Beside, StreamSetting

KILLS = 4


def test_it_turns_around_with_the_authority(dynamodb: Database) -> None:
    """Strays in the source go to the target while the source decides; after that, unmirrored writes of the target go
    back, and what is written to the source is not carried over."""
    setting = StreamSetting(dynamodb, Stage.SHADOW)

    def job(stop: threading.Event) -> object:
        return setting.replicate(ReplicateOptions(), None, stop)

    with Beside(job) as beside:
        setting.stray_put(1, note={"S": "stray"})
        setting.client.delete_item(TableName=setting.migration.source.name, Key=order_key(2))
        beside.until(lambda: setting.agrees(1) and setting.agrees(2))
        assert setting.held("target").keys() == setting.expected().keys()
        setting.move(Stage.LIVE)
        item = setting.migration.compiled.forward(order(3, note={"S": "a client died before its mirror"}))
        setting.put_directly("target", item)
        beside.until(lambda: setting.agrees(3))
        setting.stray_put(4, note={"S": "stray"})
        setting.put_directly("target", setting.migration.compiled.forward(order(5, note={"S": "another"})))
        beside.until(lambda: setting.agrees(5))
    held = setting.run(setting.pair.read("target", order_key(4))).item
    assert held["note"] == order(4)["note"], "who writes to the source now is for `watch` to name"
    assert beside.result.counts["synced"] == 4
    assert beside.result.ended == "stopped"


def test_it_ends_by_itself_when_the_migration_is_complete(dynamodb: Database) -> None:
    """Its gate is open while it runs, and it is in nobody's way."""
    setting = StreamSetting(dynamodb, Stage.RAMPDOWN)

    def job(stop: threading.Event) -> object:
        return setting.replicate(ReplicateOptions(), None, stop)

    with Beside(job) as beside:
        beside.until(lambda: bool((report := setting.report(Reader.REPLICATION)) and report.caught_up_at))
        setting.move_to(Stage.COMPLETE)
        while beside.result is None:
            assert beside.error is None
            time.sleep(0.05)
    assert (beside.result.ended, beside.result.exit_status) == ("complete", 0)


def test_its_lag_is_a_gate_once_it_was_started(dynamodb: Database) -> None:
    """None before; closed while it does not run, open while it runs and has caught up; none again after its end."""
    setting = StreamSetting(dynamodb)
    assert setting.verify().status == "clean"
    coordinator = Coordinator(setting.control, setting.caller)
    _ = setting.run(coordinator.walk(Stage.LOCKSTEP_TARGET))
    _ = setting.replicate()

    with pytest.raises(GateClosed, match="the replication does not run; it last caught up at") as caught:
        _ = setting.run(coordinator.move_one(Stage.LOCKSTEP_SOURCE))
    assert "crossfade replicate --execute beside this" in caught.value.next_step

    ended = setting.report(Reader.REPLICATION)
    assert ended is not None

    def job(stop: threading.Event) -> object:
        return setting.replicate(ReplicateOptions(), None, stop)

    def has_caught_up() -> bool:
        report = setting.report(Reader.REPLICATION)
        return report is not None and report.owner != ended.owner and report.lag_seconds == 0.0

    with Beside(job) as beside:
        beside.until(has_caught_up)
        assert setting.run(coordinator.move_one(Stage.LOCKSTEP_SOURCE)).stage is Stage.LOCKSTEP_SOURCE
        with pytest.raises(NotPossibleInStage, match="the replication is being run by ann on laptop"):
            _ = setting.replicate()
    with pytest.raises(GateClosed, match="does not run"):
        _ = setting.run(coordinator.move_one(Stage.LOCKSTEP_TARGET))
    end_replication(setting.migration, setting.clients, ReplicateOptions(), caller=setting.caller, connect=connect)
    assert setting.report(Reader.REPLICATION) is None
    assert setting.run(setting.control.positions(Reader.REPLICATION)) == ()
    assert setting.run(coordinator.move_one(Stage.LOCKSTEP_TARGET)).stage is Stage.LOCKSTEP_TARGET


def test_it_reports_as_often_as_its_gate_asks_for(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In beats, which may come fast, though nothing is written and nothing is to be saved."""
    monkeypatch.setattr(streams_setting, "LEASE_SECONDS", 1.5)
    setting = StreamSetting(dynamodb)
    behind: list[int] = []

    def job(stop: threading.Event) -> object:
        return setting.replicate(ReplicateOptions(), None, stop)

    with Beside(job) as beside:
        beside.until(lambda: bool((report := setting.report(Reader.REPLICATION)) and report.caught_up_at))
        until = time.monotonic() + 7.0
        while time.monotonic() < until:
            report = setting.report(Reader.REPLICATION)
            beats = [
                lease.beat for lease in setting.run(setting.control.leases()) if report and lease.client == report.owner
            ]
            behind += [beat - report.beat for beat in beats if report]
            time.sleep(0.1)
    assert behind
    assert REPORT_BEATS_MAX // 4 < max(behind) <= REPORT_BEATS_MAX


def test_going_back_to_off_ends_it(dynamodb: Database) -> None:
    """What it knew of the target is worth nothing there; it is refused until there are mirrors again."""
    setting = StreamSetting(dynamodb)
    _ = setting.replicate()
    setting.move(Stage.OFF)
    assert setting.report(Reader.REPLICATION) is None
    assert setting.run(setting.control.job(Job.REPLICATION)) is None
    with pytest.raises(NotPossibleInStage, match="means nothing in stage off"):
        _ = setting.replicate()
    setting.move(Stage.DUALWRITE)
    assert not setting.replicate().resumed


def test_what_cannot_be_synced_is_counted_and_shown(dynamodb: Database) -> None:
    """With its key and the reason, and an exit status of 1; the rest goes on."""
    setting = StreamSetting(dynamodb)
    setting.put_directly("source", {**order(1), "amount": {"N": "1"}})  # the target's name for another attribute
    setting.stray_put(2, note={"S": "stray"})
    result = setting.replicate()
    assert (result.counts["failed"], result.counts["synced"], result.exit_status) == (1, 1, 1)
    (sample,) = result.samples
    assert sample.key == "customer='c1' order='o00001'"
    assert "amount" in sample.reason


def test_both_streams_are_needed(dynamodb: Database) -> None:
    """The error names the table and the command that switches it on."""
    setting = StreamSetting(dynamodb, streams=False)
    with pytest.raises(ConfigurationError, match=setting.migration.source.name) as caught:
        _ = setting.replicate()
    assert caught.value.next_step == "crossfade replicate --enable-streams --execute"
    assert setting.replicate(ReplicateOptions(once=True, enable=True)).exit_status == 0


def test_kill_at_any_moment_and_go_on(dynamodb: Database, tmp_path: Path) -> None:
    """SIGKILL while keys are being synced, several times; the next run takes over and nothing is left out."""
    setting = StreamSetting(dynamodb)
    tag = setting.migration.name.removeprefix("m-")
    log = tmp_path / "log"
    chance = random.Random(7)
    deadline = time.monotonic() + 2 * DEADLINE_SECONDS
    written, killed = 0, 0
    for _ in range(KILLS):
        for _ in range(120):
            setting.stray_put(written, note={"S": f"stray {written}"})
            written += 1
        process = begin(dynamodb, tag, log)
        enough = lines(log) + chance.randint(5, 60)
        while lines(log) < enough and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(chance.random() * 0.005)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed == KILLS
    assert not all(setting.agrees(number) for number in range(written)), "the last kill came too late"
    assert begin(dynamodb, tag, log, "--once").wait(DEADLINE_SECONDS) == 0
    setting.assert_equal()
    assert setting.run(setting.control.state()).unclean == KILLS


def begin(database: Database, tag: str, log: Path, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.streams.runner", database.endpoint_url, tag, str(log), *more])


def lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def test_an_expiry_is_not_carried_over(dynamodb: Database) -> None:
    """Where the target alone has TTL, the old table keeps what it has: it may be the last copy."""
    setting = StreamSetting(dynamodb, Stage.LIVE)
    past = {"N": str(int(time.time()) - 60)}
    setting.app("PutItem", Item=order(1, expires=past))
    specification = {"Enabled": True, "AttributeName": "expires"}
    target = setting.migration.target.name
    setting.client.update_time_to_live(TableName=target, TimeToLiveSpecification=specification)
    while len(setting.held("target")) == 6:  # until the engine has swept it
        time.sleep(0.1)
    result = setting.replicate()
    assert (result.counts["synced"], len(setting.held("source"))) == (0, 6)
