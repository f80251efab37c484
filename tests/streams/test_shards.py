"""Shards that split, end, idle, expire and drop what they held: nothing is skipped, and nothing lost in silence."""

from __future__ import annotations

import threading
import time
from email.utils import formatdate

import pytest

from crossfade.control.records import Reader
from crossfade.core.stages import Stage
from crossfade.errors import StreamGap
from crossfade.streams.result import SeenWrite, WatchOptions, WatchResult
from tests.backfill.setting import order_key
from tests.conftest import Database
from tests.streams.fake import FakeStream, faked
from tests.streams.setting import Beside, StreamSetting

HOUR = 3600.0


class Watched:
    """In off every write is told, so what is told is what was read."""

    def __init__(self, database: Database) -> None:
        self.setting = StreamSetting(database, Stage.OFF, backfilled=False, streams=False)
        self.stream = FakeStream(self.setting.migration.source.name)
        self.told: list[str] = []
        self.hours_later = 0.0

    def on_write(self, seen: SeenWrite) -> None:
        self.told += [seen.source_key["order"]["S"]] * seen.writes

    def watch(self, options: WatchOptions | None = None, stop: threading.Event | None = None) -> WatchResult:
        return self.setting.watch(options, self.on_write, stop, connect=faked(self.stream), wall=self.wall)

    def wall(self) -> float:
        return time.time() + self.hours_later * HOUR

    def write(self, shard: str, *numbers: int) -> None:
        for number in numbers:
            self.stream.write(order_key(number), shard)

    def positions(self) -> dict[str, bool]:
        """The shards that are known, and whether they are read to their end."""
        found = self.setting.run(self.setting.control.positions(Reader.WATCH))
        return {position.shard: position.finished for position in found}


@pytest.fixture
def watched(dynamodb: Database) -> Watched:
    """A stream that the test makes up, of a table that is there."""
    return Watched(dynamodb)


def orders(*numbers: int) -> list[str]:
    return [order_key(number)["order"]["S"] for number in numbers]


def test_hazard_11_children_are_read_after_their_parent(watched: Watched) -> None:
    """Whatever the order in which the stream lists them, over three generations."""
    watched.write("root", 1, 2, 3, 4)
    watched.stream.split("root", "left", "right")
    watched.write("left", 5, 6)
    watched.write("right", 7)
    watched.stream.split("left", "left-again")
    watched.write("left-again", 8)
    _ = watched.watch()
    names = [name for name, count in watched.stream.reads if count]
    assert names.index("left") > max(n for n, read in enumerate(names) if read == "root")
    assert names.index("left-again") > max(n for n, read in enumerate(names) if read == "left")
    assert sorted(watched.told) == orders(1, 2, 3, 4, 5, 6, 7, 8)
    assert watched.positions() == {"root": True, "left": True, "left-again": False, "right": False}


def test_a_shard_that_splits_while_it_is_read(watched: Watched) -> None:
    """Its children are found as soon as it has ended, and begun at their beginning."""
    watched.write("root", 1)

    def job(stop: threading.Event) -> object:
        return watched.watch(WatchOptions(), stop)

    with Beside(job) as beside:
        beside.until(lambda: watched.told == orders(1))
        watched.write("root", 2)
        watched.stream.split("root", "left", "right")
        watched.write("right", 3)
        beside.until(lambda: sorted(watched.told) == orders(1, 2, 3))
    assert watched.stream.types == [
        ("root", "TRIM_HORIZON"),
        *sorted([("right", "TRIM_HORIZON"), ("left", "TRIM_HORIZON")], reverse=watched.stream.types[1][0] == "right"),
    ]


def test_hazard_11_an_idle_shard_keeps_its_position(watched: Watched) -> None:
    """A later run goes on after the last record, though nothing came in between; an unread one from its beginning."""
    watched.write("root", 1, 2)
    watched.stream.split("root", "left", "right")
    watched.write("left", 3)
    _ = watched.watch()
    _ = watched.watch()
    watched.write("left", 4)
    watched.write("right", 5)
    assert watched.watch().resumed
    assert sorted(watched.told) == orders(1, 2, 3, 4, 5)
    assert watched.stream.types[-2:].count(("left", "AFTER_SEQUENCE_NUMBER")) == 1


def test_an_expired_iterator_is_renewed_after_the_last_record(watched: Watched) -> None:
    """In the middle of a shard, and before anything was read of it."""
    watched.stream.records_a_page = 1
    watched.write("root", 1, 2, 3)
    expire_at = [1, 3]

    def expire(shard: str) -> None:
        del shard
        if len(watched.stream.reads) + 1 in expire_at:
            expire_at.remove(len(watched.stream.reads) + 1)
            watched.stream.generation += 1

    watched.stream.before_read = expire
    _ = watched.watch()
    assert watched.told == orders(1, 2, 3)
    kinds = [kind for _, kind in watched.stream.types]
    assert kinds == ["TRIM_HORIZON", "TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]


def test_an_empty_page_is_not_the_end(watched: Watched) -> None:
    """Some come before records are reached."""
    watched.stream.empty_pages = 2
    watched.write("root", 1)
    _ = watched.watch()
    assert watched.told == orders(1)


def test_once_ends_though_writes_go_on(watched: Watched) -> None:
    """What was there at the beginning is read, and not what every further look would bring."""
    watched.write("root", 1, 2, 3, 4, 5)
    began = time.time()

    def written_on(name: str) -> None:
        reads = len(watched.stream.reads)
        assert reads < 20, "it goes on and on"
        watched.stream.write(order_key(100 + reads), name, at=began + reads)

    watched.stream.before_read = written_on
    result = watched.watch()
    assert watched.told[:5] == orders(1, 2, 3, 4, 5)
    assert (result.ended, watched.positions()) == ("present end", {"root": False})
    watched.stream.before_read = lambda _: None
    watched.write("root", 6)
    _ = watched.watch()
    assert watched.told[-1:] == orders(6)


def test_once_goes_by_the_clock_of_the_service(watched: Watched) -> None:
    """By ours, an hour behind, the first page would be past the beginning."""
    watched.stream.date = formatdate(usegmt=True)
    watched.hours_later = -1.0
    watched.write("root", *range(1, 9))
    _ = watched.watch()
    assert watched.told == orders(*range(1, 9))


def test_hazard_11_what_was_dropped_after_the_position_is_a_gap(watched: Watched) -> None:
    """The position stays where it was, and the error says what to do; afresh goes on with what there is."""
    watched.write("root", 1)
    _ = watched.watch()
    watched.write("root", 2, 3, 4)
    watched.stream.drop("root", 3)
    with pytest.raises(StreamGap, match="may have lost what was to be read next") as caught:
        _ = watched.watch()
    assert "crossfade verify" in caught.value.next_step
    with pytest.raises(StreamGap, match="may have lost what was to be read next"):
        _ = watched.watch()
    assert watched.told == orders(1)
    _ = watched.watch(WatchOptions(once=True, afresh=True))
    assert watched.told == orders(1, 4)


def test_a_shard_that_is_gone_before_it_was_read_to_its_end_is_a_gap(watched: Watched) -> None:
    """Even where a child of it is there to be read."""
    watched.write("root", 1)
    _ = watched.watch()
    watched.stream.split("root", "left")
    watched.write("left", 2)
    watched.stream.forget("root")
    with pytest.raises(StreamGap, match="shard root"):
        _ = watched.watch()
    assert watched.told == orders(1)


@pytest.mark.parametrize("hours", [23.0, 25.0])
def test_hazard_11_a_shard_that_nobody_knew_for_a_day_is_a_gap(watched: Watched, hours: float) -> None:
    """It would be read from what it still has, without a word about what it has dropped."""
    watched.write("root", 1)
    _ = watched.watch()
    watched.stream.split("root", "left")
    watched.write("left", 2, 3)
    watched.hours_later = hours
    if hours < 24:
        _ = watched.watch()
        assert watched.told == orders(1, 2, 3)
        return
    watched.stream.drop("left", 1)
    with pytest.raises(StreamGap, match="shard left, at its beginning"):
        _ = watched.watch()
    assert watched.told == orders(1)


def test_positions_that_nobody_needs_are_forgotten(watched: Watched) -> None:
    """Read to the end, and no longer listed."""
    watched.write("root", 1)
    watched.stream.split("root", "left")
    _ = watched.watch()
    watched.stream.forget("root")
    _ = watched.watch()
    assert watched.positions() == {"left": False}


def test_hazard_23_an_expiry_is_told_from_a_deletion(dynamodb: Database) -> None:
    """Of two removals that nobody mirrored, the one by DynamoDB is no stray write; its key is synced all the same."""
    setting = StreamSetting(dynamodb, Stage.SHADOW, streams=False)
    stream = FakeStream(setting.migration.source.name)
    for number, expired in ((1, True), (2, False)):
        setting.client.delete_item(TableName=setting.migration.source.name, Key=order_key(number))
        stream.write(order_key(number), "root", event="REMOVE", expired=expired)
    seen: list[SeenWrite] = []
    options = WatchOptions(once=True, repair=True)
    result = setting.watch(options, seen.append, connect=faked(stream))
    assert {write.source_key["order"]["S"]: (write.verdict, write.who) for write in seen} == {
        "o00001": ("expired", "dynamodb.amazonaws.com"),
        "o00002": ("stray", ""),
    }
    assert (result.counts["stray"], result.counts["repaired"]) == (1, 2)
    setting.assert_equal()


def test_an_expiry_in_the_source_is_not_undone_while_the_target_decides(dynamodb: Database) -> None:
    """Put back, it would only expire again."""
    setting = StreamSetting(dynamodb, Stage.LIVE, streams=False)
    stream = FakeStream(setting.migration.source.name)
    setting.client.delete_item(TableName=setting.migration.source.name, Key=order_key(1))
    stream.write(order_key(1), "root", event="REMOVE", expired=True)
    seen: list[SeenWrite] = []
    result = setting.watch(WatchOptions(once=True, repair=True), seen.append, connect=faked(stream))
    assert [(write.verdict, write.repair) for write in seen] == [
        ("expired", "left alone: put back, it would only expire again")
    ]
    assert (result.exit_status, result.counts["repaired"]) == (0, 0)


def test_replication_follows_splits_too(dynamodb: Database) -> None:
    """Both streams, three generations, more keys than a page holds: both sides are equal at the end."""
    setting = StreamSetting(dynamodb, streams=False)
    source, target = (FakeStream(setting.migration.table(side).name) for side in ("source", "target"))
    target.shards = {"target-root": target.shards["root"]}
    for number in range(12):
        setting.stray_put(number, note={"S": f"stray {number}"})
    for number in range(5):
        source.write(order_key(number), "root")
    source.split("root", "left", "right")
    for number in range(5, 12):
        source.write(order_key(number), "left" if number % 2 else "right")
    source.split("left", "left-again")
    source.write(order_key(0), "left-again")
    result = setting.replicate(connect=faked(source, target))
    assert (result.counts["changes"], result.counts["synced"], result.lag_seconds) == (13, 12, 0.0)
    setting.assert_equal()
