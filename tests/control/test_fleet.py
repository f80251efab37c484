"""A fleet of thousands: what its leases cost, how soon all of it follows, and that leases stay good meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from crossfade.control.agent import LEASE_SECONDS, Agent
from crossfade.control.fleet import BEATS_A_SECOND, LEASE_BEATS, Pauses, suitable_seconds, tell_beats
from crossfade.control.records import Lease, Role
from crossfade.core.effects import Call
from crossfade.core.stages import Stage
from crossfade.errors import UnknownOutcome
from tests.control.fleet import Fleet
from tests.control.world import World

CLIENTS: Final = 5_000
MOVE_SECONDS_MAX: Final = 30.0
WRITE_UNITS_MAX: Final = 600
ITEM_READS_MAX: Final = 1_000
SETTLING_SECONDS: Final = 14.0  # a pause of ten and a tenth more, and what was begun before


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Five thousand clients that have joined while nobody moved anything."""
    made = Fleet(CLIENTS, joining_seconds=20.0)
    made.run(20.0 + SETTLING_SECONDS)
    return made


def test_the_fleet_tells_itself_how_often_to_beat(fleet: Fleet) -> None:
    """Clients count it as it grows; a lease is longer in the same measure."""
    state = fleet.now_state()
    assert state.beat_seconds == pytest.approx(suitable_seconds(CLIENTS), rel=0.15)
    assert fleet.notes["beats_told"] < 40
    assert {agent.lease_seconds for agent in fleet.agents} == {LEASE_BEATS * state.beat_seconds}


def test_5000_processes_cost_under_600_write_units_a_second(fleet: Fleet) -> None:
    """In each second, and no item is read a thousand times in one."""
    since = fleet.now
    fleet.run(12.0)
    costs = fleet.costs
    assert 400 < costs.mean(costs.written, since, fleet.now) <= costs.most(costs.written, since, fleet.now)
    assert costs.most(costs.written, since, fleet.now) < WRITE_UNITS_MAX
    assert costs.most_of_an_item(costs.reads_of, since, fleet.now) < ITEM_READS_MAX


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LOCKSTEP_SOURCE])
def test_a_move_of_5000_processes_takes_seconds(fleet: Fleet, stage: Stage) -> None:
    """To a stage without a gate, and to one before which each must show that it is alive; at no other cost."""
    if stage is Stage.SHADOW:
        assert fleet.carry_out(fleet.coordinator().walk(Stage.DUALWRITE)) < MOVE_SECONDS_MAX
    since = fleet.now
    assert fleet.carry_out(fleet.coordinator().walk(stage)) < MOVE_SECONDS_MAX
    assert {agent.stage for agent in fleet.agents} == {stage}
    costs = fleet.costs
    assert costs.most(costs.written, since, fleet.now) < WRITE_UNITS_MAX
    assert costs.most_of_an_item(costs.reads_of, since, fleet.now) < ITEM_READS_MAX
    assert not fleet.notes["fenced"]


def test_one_of_a_large_fleet_that_dies_is_counted_out() -> None:
    """After its own, longer lease; the others' go on."""
    fleet = Fleet(800, joining_seconds=5.0)
    fleet.run(30.0)
    seconds = fleet.now_state().beat_seconds
    assert seconds > 1.0
    fleet.stopped.add(fleet.agents[0])
    took = fleet.carry_out(fleet.coordinator().walk(Stage.DUALWRITE))
    assert LEASE_SECONDS < took < LEASE_BEATS * seconds + LEASE_SECONDS + 10.0
    assert fleet.notes["client_gone"] == 1
    assert not fleet.notes["fenced"]


def test_a_fleet_that_has_shrunk_beats_faster_after_the_next_move() -> None:
    """Whoever moves it has counted it."""
    fleet = Fleet(900, joining_seconds=5.0)
    fleet.run(30.0)
    assert fleet.now_state().beat_seconds > 1.0
    fleet.stopped.update(fleet.agents[100:])
    fleet.run(1.0)
    for agent in fleet.agents[100:]:
        fleet.begin(agent.leave(), lambda _: None)
    fleet.run(5.0)
    _ = fleet.carry_out(fleet.coordinator().walk(Stage.DUALWRITE))
    assert fleet.now_state().beat_seconds == 0.0
    fleet.run(5.0)
    assert {agent.lease_seconds for agent in fleet.agents[:100]} == {LEASE_SECONDS}


# --- the length of a lease


def lease_of(world: World, agent: Agent) -> Lease:
    found = world.run(world.control.lease(agent.client_id))
    assert found is not None
    return found


def tell(world: World, clients: int) -> None:
    world.run(tell_beats(world.control, world.run(world.control.state()), clients))


def test_a_longer_lease_is_good_from_when_its_record_says_so(world: World) -> None:
    """The renewal that lengthens it is the first that the longer deadline is of."""
    world.start()
    agent = world.agent()
    world.run(agent.join())
    tell(world, 10 * BEATS_A_SECOND)
    deadlines: list[float] = []

    def seen(call: Call) -> None:
        if call.operation == "UpdateItem":
            deadlines.append(agent.deadline)

    world.before_call = seen
    world.run(agent.poll())
    assert deadlines == [world.now + LEASE_SECONDS]
    assert agent.deadline == world.now + LEASE_BEATS * 10.0
    assert lease_of(world, agent).lease_seconds == LEASE_BEATS * 10.0
    assert agent.beat_seconds == 10.0


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_shorter_lease_is_shorter_even_where_nobody_answers(world: World, carried_out: bool) -> None:
    """The record may say so: others would count from it."""
    world.start()
    agent = world.agent()
    world.run(agent.join())
    tell(world, 10 * BEATS_A_SECOND)
    world.run(agent.poll())
    tell(world, 10)
    world.lose_answer("UpdateItem", carried_out=carried_out, times=50)
    world.run(agent.poll())
    assert agent.deadline == world.now + LEASE_SECONDS
    assert lease_of(world, agent).lease_seconds == (LEASE_SECONDS if carried_out else LEASE_BEATS * 10.0)


def test_a_poll_is_one_read_and_one_write(world: World) -> None:
    """Also where it acknowledges a move."""
    world.start()
    agent = world.agent()
    world.run(agent.join())
    world.calls.clear()
    world.run(agent.poll())
    assert world.calls == ["GetItem", "UpdateItem"]
    world.while_asleep = lambda: None
    state = world.run(world.control.state())
    world.client.update_item(
        TableName=world.control.table,
        Key=world.control.key("state"),
        UpdateExpression="SET epoch = :epoch",
        ExpressionAttributeValues={":epoch": {"N": str(state.epoch + 1)}},
    )
    world.calls.clear()
    world.run(agent.poll())
    assert world.calls == ["GetItem", "UpdateItem"]
    assert agent.acknowledged == lease_of(world, agent).epoch == state.epoch + 1


def test_the_lease_is_kept_where_the_state_cannot_be_read(world: World) -> None:
    """A client that knows no newer stage than its own is still one of the fleet."""
    world.start()
    agent = world.agent()
    world.run(agent.join())
    world.now += 5.0

    def lose(call: Call) -> None:
        if call.operation == "GetItem":
            raise UnknownOutcome("no answer")

    world.before_call = lose
    sent = world.now
    world.run(agent.poll())
    assert agent.deadline >= sent + LEASE_SECONDS
    assert world.noted("lease_not_renewed")


def test_jobs_beat_as_ever(world: World) -> None:
    """They are few, and others wait for them."""
    world.start()
    agent = world.agent(role=Role.BACKFILL)
    world.run(agent.join())
    tell(world, 10 * BEATS_A_SECOND)
    world.run(agent.poll())
    assert (agent.beat_seconds, agent.lease_seconds) == (0.0, LEASE_SECONDS)


def test_what_is_told_changes_only_for_a_reason(world: World) -> None:
    """Some more or fewer clients are no reason for a write; many are, either way."""
    world.start()

    def told(clients: int) -> float:
        tell(world, clients)
        return world.run(world.control.state()).beat_seconds

    assert [told(n) for n in (10, 500, 5_000, 5_400, 4_000, 6_000, 3_000, 400)] == [
        0.0, 0.0, 10.0, 10.0, 10.0, 12.0, 6.0, 0.0,
    ]  # fmt: skip


def test_pauses_are_spread() -> None:
    """By a tenth each, and over the whole of it where they have become longer, so that no two clients stay together."""
    pauses = Pauses(1.0)
    assert [pauses.next_seconds(0.0, chance) for chance in (0.0, 0.5, 1.0)] == pytest.approx([0.9, 1.0, 1.1])
    assert pauses.next_seconds(10.0, 0.25) == pytest.approx(2.5)
    assert pauses.next_seconds(10.0, 0.25) == pytest.approx(9.5)
    assert pauses.next_seconds(0.0, 0.0) == pytest.approx(0.9)


def test_a_state_of_an_older_version_is_understood(world: World) -> None:
    """It tells nothing of beats: each client beats as it is set."""
    world.start()
    key: dict[str, Any] = {"TableName": world.control.table, "Key": world.control.key("state")}
    world.client.update_item(**key, UpdateExpression="REMOVE beat_seconds")
    state = world.run(world.control.state())
    assert state == replace(state, beat_seconds=0.0)
