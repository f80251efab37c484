"""How positions are written down: each under a key of its own, now and then, and never behind what the report says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest

from crossfade.control.records import Reader, ShardPosition
from crossfade.control.starting import ensure_table
from crossfade.control.streams import POSITIONS_A_TRANSACTION
from crossfade.streams.asking import Stream
from crossfade.streams.ledger import SAVE_SECONDS, Ledger, Opening, open_ledger
from crossfade.streams.lineage import Shard
from tests.control.world import TABLE, Killed, World, make_world

STREAM: Final = Stream("source", "orders", "arn:source", "look")
SHARDS: Final = [Shard(f"s{n:03d}", "") for n in range(250)]


@pytest.fixture
def world(dynamodb: Any) -> World:
    """A migration's place in the control table, and a clock of its own."""
    made = make_world(dynamodb)
    made.run(ensure_table(TABLE))
    return made


def opened(world: World) -> Ledger:
    opening = Opening(Reader.WATCH, "owner", world.caller(), 1, [STREAM])
    return world.run(open_ledger(world.control, opening, 100))


def saved(world: World, ledger: Ledger, *, everything: bool = False, kill_at_call: int | None = None) -> int:
    """Save what is due, at the world's time; how many write requests that took."""
    before = len(world.calls)
    saving = ledger.save(world.now, lag_seconds=0.0, caught_up_at="", beat=0, counts={}, everything=everything)
    world.run(saving, kill_at_call=kill_at_call)
    return len(world.calls) - before


def positions(world: World) -> dict[str, str]:
    found: Sequence[ShardPosition] = world.run(world.control.positions(Reader.WATCH))
    return {position.shard: position.sequence_number for position in found}


def read_on(ledger: Ledger, number: str) -> None:
    for position in list(ledger.known("source").values()):
        _ = ledger.advance(position, after=number)


def test_a_position_is_written_now_and_then(world: World) -> None:
    """At once when it is new; what comes after that only when some seconds have gone by, or at the end."""
    ledger = opened(world)
    ledger.discover(STREAM, SHARDS[:2], 100, whole=True)
    assert ledger.due(world.now)
    _ = saved(world, ledger)
    assert positions(world) == {"s000": "", "s001": ""}
    read_on(ledger, "1")
    assert not ledger.due(world.now)
    _ = saved(world, ledger)
    assert positions(world) == {"s000": "", "s001": ""}
    world.now += SAVE_SECONDS
    assert ledger.due(world.now)
    _ = saved(world, ledger)
    assert positions(world) == {"s000": "1", "s001": "1"}
    read_on(ledger, "2")
    _ = saved(world, ledger, everything=True)
    assert positions(world) == {"s000": "2", "s001": "2"}


def test_many_positions_are_not_written_in_one_burst(world: World) -> None:
    """One transaction at a time, those that have waited longest first; after a few all have had their turn."""
    ledger = opened(world)
    ledger.discover(STREAM, SHARDS, 100, whole=True)
    assert saved(world, ledger) == 3
    read_on(ledger, "1")
    world.now += SAVE_SECONDS
    for turn in range(1, 4):
        assert saved(world, ledger) == 1
        written = sum(number == "1" for number in positions(world).values())
        assert written == min(turn * POSITIONS_A_TRANSACTION, len(SHARDS))
        world.now += 1
    assert not ledger.due(world.now)


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_a_shard_that_is_not_written_down_is_not_said_to_be_known(world: World, calls: int) -> None:
    """Killed between the transactions of a save: else the next reader would take what it then finds for younger."""
    ledger = opened(world)
    ledger.discover(STREAM, SHARDS, 500, whole=True)
    with pytest.raises(Killed):
        _ = saved(world, ledger, kill_at_call=calls)
    report = world.run(world.control.reader(Reader.WATCH))
    assert report is not None
    assert len(positions(world)) == calls * POSITIONS_A_TRANSACTION
    assert report.discovered_at == 100
    again = opened(world)
    again.discover(STREAM, SHARDS, 900, whole=True)
    assert {position.since for position in again.known("source").values()} == {100}


def test_part_of_the_shards_does_not_stand_for_all(world: World) -> None:
    """The children of one shard: others are neither forgotten, nor known to be all."""
    ledger = opened(world)
    ledger.discover(STREAM, [SHARDS[0]], 500, whole=True)
    _ = ledger.advance(ledger.known("source")["s000"], finished=True)
    ledger.discover(STREAM, [Shard("child", "s000")], 900, whole=False)
    _ = saved(world, ledger)
    assert positions(world) == {"s000": "", "child": ""}
    report = world.run(world.control.reader(Reader.WATCH))
    assert report is not None
    assert report.discovered_at == 500
