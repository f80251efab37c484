"""A process that went on from a snapshot of its machine: late, or twice."""

from __future__ import annotations

import copy
import threading

import pytest

from crossfade.control.agent import TOKENS_MAX, Agent
from crossfade.control.records import Lease
from crossfade.core.stages import Stage
from crossfade.drivers.lease_clock import furthest
from crossfade.errors import StageUncertain
from tests.control.world import LEASE_SECONDS, World


def leases_of(world: World) -> list[Lease]:
    return sorted(world.run(world.control.leases()), key=lambda lease: lease.client)


def holds(agent: Agent) -> bool:
    return agent.holds_lease


def restored(agent: Agent) -> Agent:
    """Another process with the same memory."""
    twin = copy.copy(agent)
    for name in ("_tokens", "_open", "_owed"):
        setattr(twin, name, copy.copy(getattr(agent, name)))
    twin._lock = threading.Lock()  # pyright: ignore[reportPrivateUsage]
    return twin


def test_a_machine_that_was_suspended_for_longer_than_the_lease_writes_nothing(world: World) -> None:
    """Its monotonic clock has not moved; its agent knows all the same, for what it had begun and for what is new."""
    world.start(Stage.DUALWRITE)
    asleep = 0.0
    agent = world.joined(clock=furthest(lambda: world.now, lambda: world.now + asleep, lambda: world.now + asleep))
    ticket = agent.begin(True)
    assert holds(agent)
    asleep = LEASE_SECONDS
    with pytest.raises(StageUncertain):
        agent.may_send(ticket)
    with pytest.raises(StageUncertain):
        _ = agent.begin(True)
    assert not holds(agent)
    world.run(agent.poll())
    assert holds(agent)
    agent.end(agent.begin(True))


def test_of_two_restored_from_one_snapshot_the_second_to_renew_is_fenced(world: World) -> None:
    """It takes a lease under an id of its own; what it had begun is not acknowledged, and a verify is asked for."""
    world.start(Stage.DUALWRITE)
    first = world.joined()
    ticket = first.begin(True)
    second = restored(first)
    world.run(first.poll())
    former = first.client_id
    world.run(second.poll())
    assert (first.client_id, second.client_id != former) == (former, True)
    assert world.noted("fenced") == [{"client": former, "again_as": second.client_id}]
    first.end(ticket)
    with pytest.raises(StageUncertain):
        second.end(ticket)
    for agent in (first, second, first, second):
        world.run(agent.poll())
        agent.end(agent.begin(True))
    assert [lease.client for lease in leases_of(world)] == sorted([first.client_id, second.client_id])
    assert len(world.noted("fenced")) == 1
    assert world.run(world.control.state()).unclean == 2


@pytest.mark.parametrize("carried_out", [False, True])
def test_two_restored_while_a_renewal_had_no_answer_are_told_apart(world: World, carried_out: bool) -> None:
    """Both know its token, and each goes on with one of its own."""
    world.start()
    first = world.joined()
    world.lose_answer("UpdateItem", carried_out=carried_out)
    world.run(first.poll())
    second = restored(first)
    world.run(second.poll())
    world.run(first.poll())
    assert [fenced["client"] for fenced in world.noted("fenced")] == [second.client_id]


def test_two_restored_before_their_first_answer_are_told_apart(world: World) -> None:
    """The lease is there with the token that both have put: the first to renew it has it."""
    world.start()
    agent = world.agent()
    joining = agent.join()
    found = joining.send(None)
    token = joining.send(world.perform(found))
    put = joining.send(world.perform(token))  # and no answer yet
    _ = world.perform(put)
    joining.close()
    twins = [restored(agent), restored(agent)]
    for twin in twins:
        world.run(twin.join())
    assert twins[0].client_id != twins[1].client_id
    assert len(leases_of(world)) == 2


def test_a_client_whose_renewals_have_no_answer_for_long_goes_on_with_its_lease(world: World) -> None:
    """Any of those that it has sent may be the one that was carried out."""
    world.start()
    agent = world.joined()
    name = agent.client_id
    world.lose_answer("UpdateItem", carried_out=False, times=TOKENS_MAX - 2)
    for _ in range(TOKENS_MAX - 2):
        world.run(agent.poll())
    world.run(agent.poll())
    assert (agent.client_id, world.noted("fenced")) == (name, [])


def test_a_second_client_under_the_id_of_one_takes_another_on_the_same_host_too(world: World) -> None:
    """Two containers may have the same name and process id; by the token each knows its own lease."""
    world.start()
    first, second = world.joined(), world.agent()
    second.client_id = first.client_id
    world.run(second.join())
    assert {lease.client for lease in leases_of(world)} == {first.client_id, second.client_id}
