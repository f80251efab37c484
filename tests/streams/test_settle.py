"""What clients that died have left undone is done from the change streams, and only then their marks are cleared."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from crossfade.control.agent import Agent
from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.control.marks import read_marks
from crossfade.control.records import UncleanMark
from crossfade.control.waiting import count_out
from crossfade.core.mapping import STAMP
from crossfade.core.stages import ALL_LADDERS, Gate, Stage
from crossfade.errors import ConfigurationError, NotPossibleInStage, StreamGap
from crossfade.streams import window
from crossfade.streams.result import SettleOptions, SettleResult
from crossfade.streams.settle import run_settle
from tests.backfill.setting import LANDING_SECONDS, LEASE_SECONDS, connect, order, order_key
from tests.conftest import Database
from tests.streams.fake import FakeStream, faked
from tests.streams.setting import Beside, StreamSetting

HOUR = 3600.0
STAGES = tuple(stage for stage, row in ALL_LADDERS["dual-write"].items() if row.keeps_equal)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """One machine has one clock, and a change is in the stream at once."""
    monkeypatch.setattr(window, "CLOCKS_SECONDS", -1.0)
    monkeypatch.setattr(window, "EMPTY_PAGES", 3)


def verified(database: Database, stage: Stage, *, streams: bool = True) -> StreamSetting:
    """In a stage, with a verify that found nothing."""
    setting = StreamSetting(database, stage, streams=streams)
    assert setting.verify().status == "clean"
    return setting


def dying(setting: StreamSetting, name: str = "web-1") -> Agent:
    """A client, in the middle of an operation."""
    agent = Agent(
        setting.migration.name,
        name,
        landing_seconds=LANDING_SECONDS,
        lease_seconds=LEASE_SECONDS,
        host=name,
        pid=7,
        fingerprint=setting.migration.compiled.fingerprint,
        clock=time.monotonic,
        new_id=lambda: f"{name}-again",
        control_table=setting.migration.control_table,
    )
    setting.run(agent.join())
    _ = agent.begin(True)
    return agent


def die(setting: StreamSetting, agent: Agent) -> None:
    """As whoever waits for it would find out."""
    lease = setting.run(setting.control.lease(agent.client_id))
    state = setting.run(setting.control.state())
    assert setting.run(count_out(setting.control, setting.caller, state, lease))


def settle(setting: StreamSetting, stop: threading.Event | None = None, **more: Any) -> SettleResult:
    options = SettleOptions(delivery_seconds=0.2, lease_seconds=LEASE_SECONDS, landing_seconds=LANDING_SECONDS)
    more = {"connect": connect, "caller": setting.caller, **more}
    return run_settle(setting.migration, setting.clients, options, None, stop, **more)


def gate(setting: StreamSetting) -> bool:
    state, evidence = setting.run(setting.control.state()), setting.run(Evidence.read(setting.control))
    (finding,) = findings([Gate.VERIFIED], state, evidence)
    return finding.is_open


def in_form_of(setting: StreamSetting, side: str, number: int, **more: Any) -> Any:
    item = order(number, **more)
    return item if side == "source" else {**setting.migration.compiled.forward(item), STAMP: {"S": "of-a-client"}}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_dead_client_left_is_done_in_each_stage(dynamodb: Database, stage: Stage) -> None:
    """A write and a deletion without their mirrors, and a mirror that landed too late on the other side; then the gate
    is open again, without a verify."""
    setting = verified(dynamodb, stage)
    row = ALL_LADDERS["dual-write"][stage]
    agent = dying(setting)
    setting.put_directly(row.authority, in_form_of(setting, row.authority, 1, note={"S": "without its mirror"}))
    setting.put_directly(row.other, in_form_of(setting, row.other, 2, note={"S": "of old"}))
    table = setting.migration.table(row.authority).name
    setting.client.delete_item(TableName=table, Key=setting.pair.key(row.authority, order_key(3)))
    die(setting, agent)
    assert not gate(setting)
    result = settle(setting)
    assert (result.ended, result.exit_status, result.marks, result.samples) == ("settled", 0, 1, ())
    assert result.counts["synced"] == 3
    assert all(setting.agrees(number) for number in range(6))
    deciding = setting.run(setting.pair.read(row.authority, order_key(1))).item
    assert deciding["note"] == {"S": "without its mirror"}
    assert setting.run(setting.pair.read(row.other, order_key(3))).item is None
    assert gate(setting)
    assert settle(setting).ended == "nothing to do"


def test_only_what_was_written_since_is_looked_at(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is older than the oldest operation that the client had open is read, and passed over."""
    monkeypatch.setattr(window, "SLACK_SECONDS", 0.0)
    setting = verified(dynamodb, Stage.DUALWRITE)
    setting.app("PutItem", Item=order(1, note={"S": "long ago"}))
    time.sleep(2.1)
    agent = dying(setting)
    setting.put_directly("source", order(2, note={"S": "without its mirror"}))
    die(setting, agent)
    result = settle(setting)
    assert (result.counts["keys"], result.counts["synced"]) == (1, 1)


def test_an_operation_that_was_long_under_way_is_covered(dynamodb: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It had begun seconds before the client's last beat, when its mirror was still to be made: counted from that beat,
    the mark would be cleared without it."""
    monkeypatch.setattr(window, "SLACK_SECONDS", 0.0)
    setting = verified(dynamodb, Stage.DUALWRITE)
    agent = dying(setting)
    setting.put_directly("source", order(1, note={"S": "without its mirror"}))
    time.sleep(2.1)
    setting.run(agent.poll())
    setting.run(agent.poll())
    setting.put_directly("source", order(2, note={"S": "another"}))
    die(setting, agent)
    result = settle(setting)
    assert (result.ended, result.counts["synced"]) == ("settled", 2)
    assert setting.agrees(1)


def test_a_death_while_it_settles_keeps_the_gate_closed(dynamodb: Database) -> None:
    """And so does the death of the one that settles, which holds a lease itself."""
    setting = verified(dynamodb, Stage.DUALWRITE)
    first, second = dying(setting), dying(setting, "web-2")
    setting.put_directly("source", order(1, note={"S": "without its mirror"}))
    die(setting, first)
    setting.run(second.poll())
    done: list[int] = []

    def then(request: Any) -> None:
        if not done and "StreamArn" in request:
            done.append(1)
            setting.put_directly("source", order(2, note={"S": "written and not mirrored later"}))
            die(setting, second)

    with Beside(lambda stop: settle(setting, stop, wall=time.time)) as beside:
        setting.jobs_client.before["describe_stream"] = then
        while beside.result is None and beside.error is None:
            setting.run(second.poll()) if not done else None
            time.sleep(0.05)
    assert done
    assert not gate(setting)
    assert settle(setting).ended == "settled"
    assert gate(setting)
    setting.assert_equal()


def test_a_stopped_one_clears_nothing(dynamodb: Database) -> None:
    """The next one begins again."""
    setting = verified(dynamodb, Stage.DUALWRITE)
    agent = dying(setting)
    setting.put_directly("source", order(1, note={"S": "without its mirror"}))
    die(setting, agent)
    stop = threading.Event()
    stop.set()
    assert settle(setting, stop).ended == "stopped"
    assert not gate(setting)
    assert settle(setting).ended == "settled"


def test_a_key_that_cannot_be_made_equal_clears_nothing(dynamodb: Database) -> None:
    """It is named with the reason, and the exit status is 1."""
    setting = verified(dynamodb, Stage.DUALWRITE)
    agent = dying(setting)
    setting.put_directly("source", {**order(1), "amount": {"N": "1"}})  # the target's name for another attribute
    die(setting, agent)
    result = settle(setting)
    assert (result.ended, result.exit_status, result.counts["failed"]) == ("failed", 1, 1)
    assert "amount" in result.samples[0].reason
    assert not gate(setting)


def test_what_crossfade_did_not_write_is_left_alone_and_clears_nothing(dynamodb: Database) -> None:
    """An item of the target without a stamp may be the only copy of it."""
    setting = verified(dynamodb, Stage.DUALWRITE)
    agent = dying(setting)
    setting.put_directly("target", setting.migration.compiled.forward(order(9)))
    die(setting, agent)
    result = settle(setting)
    assert (result.ended, result.samples[0].reason) == ("failed", "not written by crossfade, left alone")
    assert setting.run(setting.pair.read("target", order_key(9))).item is not None


def test_what_may_still_land_is_waited_for(dynamodb: Database) -> None:
    """Of a client that left by itself a write may land later: it is read only after that."""
    setting = verified(dynamodb, Stage.DUALWRITE)
    agent = dying(setting)
    setting.run(agent.leave())
    (mark,) = setting.run(read_marks(setting.control))
    assert mark.landing_seconds == LANDING_SECONDS
    landing = 3.0
    _ = setting.client.put_item(**setting.control.put(replace(mark, landing_seconds=landing)))
    late = threading.Timer(landing - 1.5, lambda: setting.put_directly("source", order(1, note={"S": "late"})))
    late.start()
    began = time.monotonic()
    result = settle(setting)
    late.join()
    assert (result.ended, result.counts["synced"]) == ("settled", 1)
    assert time.monotonic() - began >= landing


def test_streams_that_were_off_then_take_a_verify(dynamodb: Database) -> None:
    """Off still, or switched on only after the client had begun."""
    setting = verified(dynamodb, Stage.DUALWRITE, streams=False)
    agent = dying(setting)
    die(setting, agent)
    with pytest.raises(ConfigurationError, match="has no stream that is switched on") as caught:
        _ = settle(setting)
    assert caught.value.next_step.startswith("crossfade verify")
    time.sleep(2.1)
    setting.enable_streams()
    with pytest.raises(StreamGap, match="was not on yet when what is to be read began") as gap:
        _ = settle(setting)
    assert gap.value.next_step.startswith("crossfade verify")
    assert not gate(setting)


def test_it_is_refused_in_complete(dynamodb: Database) -> None:
    """Nothing is mirrored there, so nothing is owed."""
    setting = StreamSetting(dynamodb, Stage.COMPLETE)
    with pytest.raises(NotPossibleInStage, match="means nothing in stage complete"):
        _ = settle(setting)


# --- streams that the tests make up


class Faked:
    """A migration whose source has a made-up stream, and a client that died so long ago."""

    def __init__(self, database: Database, hours_ago: float) -> None:
        self.setting = setting = verified(database, Stage.DUALWRITE)
        self.source, self.target = (FakeStream(setting.migration.table(side).name) for side in ("source", "target"))
        self.target.shards = {"of-the-target": self.target.shards.pop("root")}
        self.died_at = time.time() - hours_ago * HOUR
        agent = dying(setting)
        die(setting, agent)
        (mark,) = setting.run(read_marks(setting.control))
        self.mark: UncleanMark = replace(mark, since=int(self.died_at))
        _ = setting.client.put_item(**setting.control.put(self.mark))
        for stream in (self.source, self.target):
            stream.date = formatdate(usegmt=True)

    def write(self, number: int, shard: str, hours_later: float) -> None:
        """A write without its mirror, so long after the client's death, and what the stream says of it."""
        self.setting.stray_put(number, note={"S": f"stray {number}"})
        self.source.write(order_key(number), shard, at=self.died_at + hours_later * HOUR)

    def settle(self) -> SettleResult:
        return settle(self.setting, connect=faked(self.source, self.target))

    def read(self) -> set[str]:
        return {shard for shard, _ in self.source.reads}


def test_only_the_shards_of_that_time_are_read(dynamodb: Database) -> None:
    """A shard whose child began before the client's operation holds nothing of it; one whose child began later does."""
    made = Faked(dynamodb, hours_ago=2)
    made.write(0, "root", -9)
    made.source.split("root", "morning")
    made.write(1, "morning", -5)
    made.source.split("morning", "noon")
    made.write(2, "noon", -1)
    made.write(3, "noon", 0.5)
    made.source.split("noon", "evening", "night")
    made.write(4, "evening", 1.5)
    result = made.settle()
    assert result.ended == "settled"
    assert made.read() == {"noon", "evening", "night"}
    assert [made.setting.agrees(number) for number in range(5)] == [False, False, False, True, True]


def test_a_shard_that_is_split_while_it_is_read_goes_on_in_its_children(dynamodb: Database) -> None:
    """Also where they are listed a moment later."""
    made = Faked(dynamodb, hours_ago=1)
    made.write(1, "root", 0.1)
    looks: list[str] = []

    def then(shard: str) -> None:
        looks.append(shard)
        if looks.count("root") == 3:
            made.source.shards["root"].closed = True
        if len(looks) == 5:
            made.source.split("root", "left", "right")
            made.write(2, "right", 0.9)

    made.source.before_read = then
    made.target.before_read = lambda _: looks.append("target") if "root" in looks and len(looks) < 4 else then("t")
    assert made.settle().ended == "settled"
    assert made.setting.agrees(1)
    assert made.setting.agrees(2)


def test_empty_pages_alone_are_no_end(dynamodb: Database) -> None:
    """Behind more of them than one might think there are changes."""
    made = Faked(dynamodb, hours_ago=1)
    made.write(1, "root", 0.5)
    made.source.empty_pages = 2
    assert made.settle().ended == "settled"
    assert made.setting.agrees(1)


def test_a_death_that_is_older_than_the_streams_takes_a_verify(dynamodb: Database) -> None:
    """They keep 24 hours, and the reading itself takes some of these."""
    made = Faked(dynamodb, hours_ago=23.9)
    with pytest.raises(StreamGap, match="keeps changes for 24 hours") as caught:
        _ = made.settle()
    assert caught.value.next_step.startswith("crossfade verify")
    assert not gate(made.setting)
