"""A client that may be frozen at any time, and for ever: what its lease says of what it has open."""

from __future__ import annotations

import pytest

from crossfade.control.agent import Agent
from crossfade.control.records import Lease
from crossfade.core.stages import Stage
from crossfade.errors import StageUncertain
from tests.control.world import LANDING_SECONDS, LEASE_SECONDS, World


def lease_of(world: World, agent: Agent) -> Lease:
    found = world.run(world.control.lease(agent.client_id))
    assert found is not None
    return found


def write(world: World, agent: Agent) -> None:
    """What a call that writes does."""
    world.run(agent.poll(writes=True))
    ticket = agent.begin(True)
    agent.may_send(ticket)
    agent.end(ticket)


def test_one_that_is_frozen_with_nothing_open_is_waited_for_as_long_as_its_lease_and_marks_nothing(
    world: World,
) -> None:
    """Nothing of it can land, and nothing is left undone; the journal does not grow for it either."""
    world.start(Stage.DUALWRITE)
    frozen = [world.joined(rests=True) for _ in range(60)]
    write(world, frozen[0])
    world.run(frozen[0].rest())
    before = world.run(world.control.state())
    began = world.now
    after = world.run(world.coordinator(force_because="no verify here").walk(Stage.SHADOW))
    assert after.unclean == before.unclean
    assert LEASE_SECONDS <= world.now - began < LEASE_SECONDS + LANDING_SECONDS
    assert not world.run(world.control.leases())
    assert after.journal_length == before.journal_length + 1


def test_one_that_is_frozen_with_something_open_marks_the_migration(world: World) -> None:
    """Its mirror may never be made, and what it has sent may land."""
    world.start(Stage.DUALWRITE)
    agent = world.joined(rests=True)
    write(world, agent)
    before, began = world.run(world.control.state()), world.now
    after = world.run(world.coordinator(force_because="no verify here").walk(Stage.SHADOW))
    assert after.unclean == before.unclean + 1
    assert world.now - began >= LEASE_SECONDS + LANDING_SECONDS


def test_nothing_is_written_while_the_lease_may_say_that_nothing_is_open(world: World) -> None:
    """Whoever renews without saying that it writes, or has no answer when it says so, may read and no more."""
    world.start(Stage.DUALWRITE)
    agent = world.joined(rests=True)
    assert lease_of(world, agent).at_rest
    ticket = agent.begin(True)
    agent.may_send(ticket, writes=False)
    with pytest.raises(StageUncertain):
        agent.may_send(ticket)
    agent.end(ticket)
    world.lose_answer("UpdateItem", carried_out=True)
    world.run(agent.poll(writes=True))
    assert not lease_of(world, agent).at_rest
    assert agent.resting
    world.run(agent.poll(writes=True))
    write(world, agent)
    world.lose_answer("UpdateItem", carried_out=False)
    world.run(agent.rest())
    assert agent.resting
    assert not lease_of(world, agent).at_rest


def test_one_that_reads_with_nothing_open_gives_no_answer_after_its_lease(world: World) -> None:
    """Nobody waits until its request can land no more, so what is read may be of a stage that was."""
    world.start(Stage.DUALWRITE)
    agent = world.joined(rests=True)
    ticket = agent.begin(True)
    world.now += LEASE_SECONDS + 0.1
    with pytest.raises(StageUncertain):
        agent.end(ticket)


def test_one_that_was_counted_as_gone_with_nothing_open_reports_nothing(world: World) -> None:
    """It comes back under another id, at once in order; one that had something open asks for a verify."""
    world.start(Stage.DUALWRITE)
    for is_open in (False, True):
        agent = world.joined(rests=True)
        if is_open:
            write(world, agent)
        world.client.delete_item(TableName=world.control.table, Key=world.control.key(f"client#{agent.client_id}"))
        before = world.run(world.control.state()).unclean
        write(world, agent)
        world.run(agent.rest())
        assert world.run(world.control.state()).unclean == before + is_open
        world.run(agent.leave())


def test_where_one_table_is_used_alone_a_lease_is_never_at_rest(world: World) -> None:
    """Nothing can be left undone there, and what was sent is left to land; so nothing need be said of each write."""
    world.start()
    agent = world.joined(rests=True)
    assert not lease_of(world, agent).at_rest
    write(world, agent)
    assert not agent.may_rest
