"""Who may apply what the log tells, and when: never what was read before the target was the authority."""

from __future__ import annotations

import pytest

from crossfade.cdc.etl.standing import PASSING, Resting, Standing, carries
from crossfade.control.agent import Agent
from crossfade.control.records import Role
from crossfade.control.starting import StartPlan, ensure_table
from crossfade.core.stages import FREEZE, Stage
from crossfade.errors import StageUncertain
from tests.conftest import Database
from tests.control.world import FINGERPRINT, LANDING_SECONDS, LEASE_SECONDS, TABLE, World, make_world

GATES = "gates of jobs are for other tests"


@pytest.fixture
def world(dynamodb: Database) -> World:
    """A migration in the control table of the engine."""
    world = make_world(dynamodb)
    world.run(ensure_table(TABLE))
    return world


@pytest.fixture
def agent(world: World) -> Agent:
    """That of an ETL, in a migration whose stage it follows."""
    world.strategy = "freeze"
    name = world.control.migration
    plan = StartPlan("freeze", f"{name}-old", f"{name}-new", FINGERPRINT)
    _ = world.run(world.coordinator().start(plan))
    agent = world.agent(role=Role.ETL)
    world.run(agent.join())
    world.while_asleep = lambda: world.run(agent.poll())
    return agent


def standing_of(world: World, agent: Agent) -> Standing:
    standing = Standing(agent, lambda: world.now)

    def poll() -> None:
        standing.look_after()
        world.run(agent.poll())

    world.while_asleep = poll
    return standing


def walk(world: World, to: Stage) -> None:
    _ = world.run(world.coordinator(force_because=GATES).walk(to))


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.DUALWRITE, Stage.SHADOW, Stage.LIVE, Stage.RAMPDOWN])
def test_only_where_the_source_is_the_authority(world: World, agent: Agent, stage: Stage) -> None:
    """Below the freeze it applies; above it passes over, and that session applies nothing below it either."""
    standing = standing_of(world, agent)
    walk(world, stage)
    session = standing.begin()
    ticket = standing.take(session)
    standing.give_back(ticket, may_land=False)
    assert carries(ticket.stage) == (session != PASSING) == (FREEZE[stage].authority == "source")
    if session == PASSING:
        walk(world, Stage.SHADOW)
        with pytest.raises(Resting):
            _ = standing.take(session)
    assert agent.pending == 0


def test_what_was_read_before_the_freeze_is_not_applied_after_it(world: World, agent: Agent) -> None:
    """Back in shadow a worker that has seen neither freeze begins anew, with an empty memory."""
    standing = standing_of(world, agent)
    walk(world, Stage.SHADOW)
    session = standing.begin()
    walk(world, Stage.LIVE)
    walk(world, Stage.SHADOW)
    with pytest.raises(Resting, match="the target was the authority"):
        _ = standing.take(session)
    standing.give_back(standing.take(standing.begin()), may_land=False)


def test_nor_what_was_read_under_a_lease_that_is_lost(world: World, agent: Agent) -> None:
    """Its partitions are somebody else's by then, who is further on perhaps."""
    standing = standing_of(world, agent)
    session = standing.begin()
    world.now += LEASE_SECONDS
    with pytest.raises(StageUncertain):
        _ = standing.take(session)
    watching = world.agent()
    world.run(watching.join())
    world.while_asleep = lambda: world.run(watching.poll())
    walk(world, Stage.DUALWRITE)  # it is counted out on the way
    world.run(agent.poll())
    assert agent.joined
    with pytest.raises(Resting, match="lost its lease"):
        _ = standing.take(session)


def test_the_stage_is_kept_until_what_was_sent_can_land_no_more(world: World, agent: Agent) -> None:
    """A request without an answer may be carried out later: until then the freeze is not entered."""
    standing = standing_of(world, agent)
    walk(world, Stage.SHADOW)
    standing.give_back(standing.take(standing.begin()), may_land=True)
    before = world.now
    walk(world, Stage.DUALWRITE)
    assert world.now >= before + LANDING_SECONDS
