"""A client's side: the lease, the stage that operations obey, the acknowledgement."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from crossfade.control.freezing import fingerprint_of_switch
from crossfade.control.records import Lease, State
from crossfade.control.waiting import count_out
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import ConfigurationError, NotStarted, StageUncertain
from tests.control.world import LANDING_SECONDS, LEASE_SECONDS, World


def lease_of(world: World, client: str) -> Lease:
    found = world.run(world.control.lease(client))
    assert found is not None
    return found


def state_of(world: World) -> State:
    return world.run(world.control.state())


def count_out_by_hand(world: World, client: str) -> None:
    world.run(world.control.remove(f"client#{client}"))


def move(world: World, to: Stage) -> None:
    """Write the next epoch without waiting for anybody."""
    _ = world.run(world.coordinator(rules=Rules(barrier=False), force_because="test").move_one(to))


def test_join_before_start_says_that_it_was_not_started_and_leaves_nothing(world: World) -> None:
    """A client that joins a migration nobody started gets NotStarted and writes no lease."""
    agent = world.agent()
    with pytest.raises(NotStarted, match="crossfade start"):
        world.run(agent.join())
    assert world.run(world.control.leases()) == ()


def test_join_adopts_the_stage_and_acknowledges_it(world: World) -> None:
    """After join the stage is the migration's, strict operations may begin and the lease says so."""
    world.start(Stage.SHADOW)
    agent = world.joined()
    assert agent.stage is Stage.SHADOW
    assert lease_of(world, agent.client_id).epoch == agent.epoch == state_of(world).epoch
    ticket = agent.begin(True)
    assert (ticket.stage, ticket.epoch) == (Stage.SHADOW, agent.epoch)
    agent.end(ticket)


def test_join_with_another_mapping_is_refused(world: World) -> None:
    """A client whose mapping has another fingerprint may not take part, and leaves no lease behind."""
    world.start()
    with pytest.raises(ConfigurationError, match="another mapping"):
        world.run(world.agent(fingerprint="beef").join())
    assert world.run(world.control.leases()) == ()


def test_a_switch_that_does_not_say_who_carries_is_told_so(world: World) -> None:
    """A migration of rows has no mapping that its Switch could share: `carried="log"` is what was left out."""
    _ = world.run(world.coordinator().start(replace(world.plan(), fingerprint=fingerprint_of_switch("log"))))
    with pytest.raises(ConfigurationError, match=r'Mirror\(..., carried="log"\)') as caught:
        world.run(world.agent(fingerprint=fingerprint_of_switch("")).join())
    assert 'carried="log"' in caught.value.next_step


def test_a_second_client_with_the_same_id_is_refused(world: World) -> None:
    """Two processes under one id would renew each other's lease, so the second is not let in."""
    world.start()
    first = world.joined()
    second = world.agent(pid=2)
    second.client_id = first.client_id
    with pytest.raises(ConfigurationError, match="another client already runs"):
        world.run(second.join())


def test_join_survives_lost_answers(world: World) -> None:
    """A lease whose writing was not answered, but carried out, is found to be ours."""
    world.start()
    world.lose_answer("PutItem", carried_out=True)
    agent = world.joined()
    assert lease_of(world, agent.client_id).epoch == 1


def test_new_operations_enter_the_new_stage_while_old_ones_keep_theirs(world: World) -> None:
    """A poll adopts a newer epoch at once for what begins then; what began before keeps its stage."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    old = agent.begin(True)
    move(world, Stage.SHADOW)
    world.run(agent.poll())
    new = agent.begin(True)
    assert (old.stage, new.stage) == (Stage.DUALWRITE, Stage.SHADOW)


def test_acknowledges_only_after_old_tickets_and_their_mirrors_have_ended(world: World) -> None:
    """The acknowledgement waits for the old operation, then for the mirror that it holds, and for nothing newer."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    before = agent.epoch
    old = agent.begin(True)
    move(world, Stage.SHADOW)
    world.run(agent.poll())
    newer = agent.begin(True)
    assert lease_of(world, agent.client_id).epoch == before
    agent.hold(old)
    agent.end(old)
    world.run(agent.poll())
    assert lease_of(world, agent.client_id).epoch == before
    agent.release(old)
    world.run(agent.poll())
    assert lease_of(world, agent.client_id).epoch == before + 1
    agent.end(newer)
    assert agent.pending == 0


def test_hazard_09_a_client_that_cannot_renew_stops_writing_but_not_reading(world: World) -> None:
    """Past its deadline a client begins nothing strict, sends nothing more of what it began, and still reads."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    ticket = agent.begin(True)
    world.now += LEASE_SECONDS
    with pytest.raises(StageUncertain, match="nothing was sent") as caught:
        _ = agent.begin(True)
    assert caught.value.retryable
    with pytest.raises(StageUncertain):
        agent.may_send(ticket)
    reading = agent.begin(False)
    assert reading.stage is Stage.DUALWRITE
    agent.end(reading)
    agent.end(ticket)  # its answer came before anybody could have counted us out
    world.run(agent.poll())
    assert agent.begin(True).stage is Stage.DUALWRITE


def test_an_answer_after_a_pause_is_not_acknowledged(world: World) -> None:
    """An operation that ends later than deadline plus landing time must not be acknowledged, and is reported."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    ticket = agent.begin(True)
    world.now += LEASE_SECONDS + LANDING_SECONDS + 0.1
    with pytest.raises(StageUncertain, match="may or may not"):
        agent.end(ticket)
    world.run(agent.poll())
    assert state_of(world).unclean == 1
    assert agent.pending == 0


def test_an_answer_after_being_counted_out_is_not_acknowledged(world: World) -> None:
    """What began before the lease was taken away ends with StageUncertain, even though the client is back in time."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    ticket = agent.begin(True)
    count_out_by_hand(world, agent.client_id)
    world.run(agent.poll())
    with pytest.raises(StageUncertain):
        agent.may_send(ticket)
    with pytest.raises(StageUncertain):
        agent.end(ticket)


def test_rejoins_under_another_id_after_being_counted_out(world: World) -> None:
    """A client that finds its lease gone takes a new one under a new id, adopts the state and marks it unclean."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    former = agent.client_id
    count_out_by_hand(world, former)
    move(world, Stage.SHADOW)
    world.run(agent.poll())
    assert agent.client_id != former
    assert [lease.client for lease in world.run(world.control.leases())] == [agent.client_id]
    assert agent.stage is Stage.SHADOW
    assert state_of(world).unclean == 1
    assert world.noted("fenced") == [{"client": former, "again_as": agent.client_id}]
    agent.end(agent.begin(True))


def test_what_only_reads_leaves_no_mark_however_it_ends(world: World) -> None:
    """Counted out by hand and back, counted out for good, or left: nothing of it can have been left undone. And it has
    no operations, which could be."""
    world.start(Stage.DUALWRITE)
    reader = world.joined(role="verify", reads_only=True)
    count_out_by_hand(world, reader.client_id)
    world.run(reader.poll())
    (lease,) = world.run(world.control.leases())
    assert (lease.client, lease.reads_only) == (reader.client_id, True)
    with pytest.raises(AssertionError):
        _ = reader.begin(True)
    assert world.run(count_out(world.control, world.caller(), state_of(world), lease))
    assert world.run(world.control.leases()) == ()
    assert state_of(world).unclean == 0


@pytest.mark.parametrize("carried_out", [False, True])
def test_a_renewal_without_an_answer_does_not_extend_the_deadline(world: World, carried_out: bool) -> None:
    """Whether it was carried out or not, the deadline stays, and the next renewal copes with the beat having moved."""
    world.start()
    agent = world.joined()
    deadline = agent.deadline
    world.now += 3
    world.lose_answer("UpdateItem", carried_out=carried_out)
    world.run(agent.poll())
    assert agent.deadline == deadline
    assert len(world.noted("lease_not_renewed")) == 1
    world.now += 1
    world.run(agent.poll())
    assert agent.deadline == world.now + LEASE_SECONDS
    assert world.noted("fenced") == []


def test_a_lost_mirror_is_reported_in_the_lease_and_marks_the_state(world: World) -> None:
    """A mirror that will never be done raises `unclean` once and shows in the lease, before any acknowledgement."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    agent.lost("customer-1", "ItemTooLarge")
    world.run(agent.poll())
    world.run(agent.poll())
    lease = lease_of(world, agent.client_id)
    assert (lease.lost_mirrors, lease.lost_example) == (1, "customer-1: ItemTooLarge")
    assert state_of(world).unclean == 1


@pytest.mark.parametrize("pending", [False, True])
def test_leave_deletes_the_lease_and_tells_whether_all_was_done(world: World, pending: bool) -> None:
    """A drained client leaves no mark; one that leaves with work undone raises `unclean` in the same transaction."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    ticket = agent.begin(True)
    if not pending:
        agent.end(ticket)
    world.run(agent.leave())
    assert world.run(world.control.leases()) == ()
    assert state_of(world).unclean == int(pending)
    with pytest.raises(StageUncertain):
        _ = agent.begin(True)


def test_a_cancelled_migration_leaves_its_clients_in_off(world: World) -> None:
    """Clients of a cancelled migration go on in off, note it, and can still leave."""
    world.start()
    agent = world.joined()
    world.run(world.coordinator().cancel())
    world.run(agent.poll())
    assert agent.stage is Stage.OFF
    assert len(world.noted("migration_gone")) == 1
    world.run(agent.leave())
    assert world.run(world.control.leases()) == ()


def test_operations_of_many_threads_are_all_counted(world: World) -> None:
    """Tickets and holds from several threads leave nothing pending once each has ended."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()

    def work() -> None:
        for _ in range(2000):
            ticket = agent.begin(True)
            agent.hold(ticket)
            agent.end(ticket)
            agent.release(ticket)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert agent.pending == 0
