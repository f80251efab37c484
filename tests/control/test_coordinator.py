"""Moving a migration: the barrier, silent clients, two coordinators, resuming after a kill."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from crossfade.control.coordinator import Coordinator
from crossfade.control.records import State
from crossfade.control.starting import StartPlan
from crossfade.control.store import Control
from crossfade.core.effects import Call, Reply, Routine
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import Fenced, NotPossibleInStage, NotStarted
from tests.control.world import LANDING_SECONDS, LEASE_SECONDS, Killed, World


def state_of(world: World) -> State:
    return world.run(world.control.state())


def journal_of(world: World) -> list[str]:
    return [entry.what for entry in world.run(world.control.journal(50))]


def test_start_writes_the_state_once_and_says_so_the_second_time(world: World) -> None:
    """The second start is refused with the stage; the first is in the journal with who and when."""
    state = world.run(world.coordinator("bob").start(world.plan()))
    assert (state.stage, state.epoch) == (Stage.OFF, 1)
    with pytest.raises(NotPossibleInStage, match=f"was started {state.started_at} and is in stage off"):
        _ = world.run(world.coordinator().start(world.plan()))
    entry = world.run(world.control.journal(5))[0]
    assert (entry.what, entry.who, entry.at) == ("started", "bob", state.started_at)


def test_a_table_belongs_to_one_migration_until_it_is_complete(world: World) -> None:
    """A second migration of the same tables is refused; one that starts where a complete one ended is not."""
    first = world.plan()
    _ = world.run(world.coordinator().start(first))
    other = Control(f"{world.control.migration}-next", world.control.table)
    onward = StartPlan("dual-write", first.target, f"{first.target}-and-on", first.fingerprint)
    with pytest.raises(NotPossibleInStage, match=f"{first.target} is also a table of migration .* in stage off"):
        _ = world.run(Coordinator(other, world.caller()).start(onward))
    forced = world.coordinator(force_because="the test goes on")
    _ = world.run(forced.walk(Stage.RAMPDOWN))
    _ = world.run(forced.complete(confirmed=True))
    again = StartPlan("dual-write", first.source, f"{first.target}-and-on", first.fingerprint)
    with pytest.raises(NotPossibleInStage, match="in stage complete"):
        _ = world.run(Coordinator(other, world.caller()).start(again))
    assert world.run(Coordinator(other, world.caller()).start(onward)).stage is Stage.OFF


@pytest.mark.parametrize("carried_out", [False, True])
def test_start_and_move_survive_lost_answers(world: World, carried_out: bool) -> None:
    """Where the answer to a transaction is lost, the coordinator finds out whether it was its own, and goes on."""
    world.lose_answer("TransactWriteItems", carried_out=carried_out)
    _ = world.run(world.coordinator().start(world.plan()))
    world.lose_answer("TransactWriteItems", carried_out=carried_out)
    state = world.run(world.coordinator().move_one(Stage.DUALWRITE))
    assert (state.stage, state.epoch) == (Stage.DUALWRITE, 2)
    assert journal_of(world) == ["started", "off -> dualwrite"]


def test_a_move_before_start_says_so(world: World) -> None:
    """There is nothing to move before start."""
    with pytest.raises(NotStarted):
        _ = world.run(world.coordinator().walk(Stage.SHADOW))


def test_walk_goes_one_stage_at_a_time_and_everybody_enters_each(world: World) -> None:
    """Every stage between is entered by every client before the next is written."""
    world.start()
    clients = [world.joined(), world.joined()]
    seen: list[tuple[Stage, ...]] = []

    def poll() -> None:
        world.polls(*clients)()
        seen.append(tuple(client.stage for client in clients))

    world.while_asleep = poll
    state = world.run(world.coordinator().walk(Stage.SHADOW))
    assert state.stage is Stage.SHADOW
    assert {stage for stages in seen for stage in stages} == {Stage.DUALWRITE, Stage.SHADOW}
    assert all(client.acknowledged == state.epoch for client in clients)
    assert journal_of(world) == ["started", "off -> dualwrite", "dualwrite -> shadow"]


def test_hazard_09_the_next_stage_is_not_written_before_everybody_entered_this_one(world: World) -> None:
    """While one client has an old operation open, the fleet is in two adjacent stages at most."""
    world.start()
    slow, quick = world.joined(), world.joined()
    ticket = slow.begin(True)
    asleep = 0

    def poll() -> None:
        nonlocal asleep
        world.polls(slow, quick)()
        asleep += 1
        if asleep < 20:
            assert {slow.stage, quick.stage} <= {Stage.OFF, Stage.DUALWRITE}
        if asleep == 20:
            slow.end(ticket)

    world.while_asleep = poll
    assert world.run(world.coordinator().walk(Stage.SHADOW)).stage is Stage.SHADOW
    assert asleep > 20
    waiting = world.noted("waiting")
    assert [client["client"] for client in waiting[0]["clients"]] == [slow.client_id, quick.client_id]
    assert waiting[-1]["clients"][0]["reason"].startswith("has not acknowledged")
    assert 3 <= len(waiting) <= 10  # once a second, not once a look


def test_without_the_barrier_nobody_is_waited_for(world: World) -> None:
    """The switch that drops the rule: the coordinator walks on though a client is stages behind."""
    world.start()
    behind = world.joined()
    state = world.run(world.coordinator(rules=Rules(barrier=False)).walk(Stage.SHADOW))
    assert (state.stage, behind.stage) == (Stage.SHADOW, Stage.OFF)


def test_a_silent_client_is_waited_for_lease_plus_landing_and_then_counts_as_unclean(world: World) -> None:
    """A client that died is waited for as long as anything of it could land; then its lease goes and a mark stays."""
    world.start(Stage.DUALWRITE)
    dead = world.joined()
    begun = world.now
    _ = world.run(world.coordinator().move_one(Stage.SHADOW))
    assert LEASE_SECONDS + LANDING_SECONDS <= world.now - begun < LEASE_SECONDS + LANDING_SECONDS + 1
    assert world.run(world.control.leases()) == ()
    assert state_of(world).unclean == 1
    assert journal_of(world)[-1] == f"counted client {dead.client_id} as gone"
    assert "counted as gone in" in world.noted("waiting")[-1]["clients"][0]["reason"]


def test_a_silent_client_in_off_leaves_no_mark(world: World) -> None:
    """Where nothing is mirrored nothing can be left half done."""
    world.start()
    _ = world.joined()
    _ = world.run(world.coordinator(rules=Rules(barrier=False)).move_one(Stage.DUALWRITE))
    _ = world.run(world.coordinator(rules=Rules(barrier=False)).move_one(Stage.OFF))
    _ = world.run(world.coordinator().move_one(Stage.OFF))
    assert world.run(world.control.leases()) == ()
    assert state_of(world).unclean == 0


def test_a_client_that_renews_at_the_last_moment_is_not_counted_out(world: World) -> None:
    """The deletion is conditional on the beat that was seen, so a renewal just before it wins."""
    world.start()
    client = world.joined()
    ticket = client.begin(True)
    tried = 0

    def renew(call: Call) -> None:
        nonlocal tried
        if "Delete" in str(call.request) and "beat" in str(call.request) and call.operation == "TransactWriteItems":
            tried += 1
            world.before_call = lambda _: None
            world.run(client.poll())  # just before the transaction is carried out
            client.end(ticket)
            world.while_asleep = world.polls(client)

    world.before_call = renew
    _ = world.run(world.coordinator().move_one(Stage.DUALWRITE))
    assert tried == 1
    assert world.noted("fenced") == []
    assert client.stage is Stage.DUALWRITE
    assert [lease.client for lease in world.run(world.control.leases())] == [client.client_id]


def test_a_client_joining_during_a_move_is_waited_for(world: World) -> None:
    """A lease that appears while the coordinator waits is waited for too, even before its client knows the stage."""
    world.start()
    first = world.joined()
    late = world.agent()
    joining = late.join()
    effects = [joining.send(None)]  # the read that only looks whether the migration is there
    effects.append(joining.send(world.perform(effects[0])))  # its token
    effects.append(joining.send(world.perform(effects[1])))  # the lease
    assert isinstance(effects[2], Call)
    assert effects[2].operation == "PutItem"
    reply = world.perform(effects[2])
    asleep = 0

    def poll() -> None:
        nonlocal asleep
        world.polls(first)()
        asleep += 1
        if asleep == 10:
            finish(world, joining, reply)

    world.while_asleep = poll
    state = world.run(world.coordinator().move_one(Stage.DUALWRITE))
    assert asleep >= 10
    assert late.stage is Stage.OFF or late.acknowledged == state.epoch
    assert world.noted("waiting")[0]["clients"][-1]["reason"] == "is joining"


def finish(world: World, begun: Routine[None], reply: Reply) -> None:
    """Run a routine to its end that a test had begun by hand."""

    def rest() -> Routine[None]:
        value: Any = reply
        while True:
            try:
                effect = begun.send(value)
            except StopIteration:
                return
            value = yield effect

    world.run(rest())


def test_two_coordinators_cannot_both_move(world: World) -> None:
    """The one whose write comes second gets a clear error and has changed nothing."""
    world.start()

    def overtake(call: Call) -> None:
        if call.operation == "TransactWriteItems":
            world.before_call = lambda _: None
            _ = world.run(world.coordinator("bob").move_one(Stage.DUALWRITE))

    world.before_call = overtake
    with pytest.raises(Fenced, match="somebody else has moved"):
        _ = world.run(world.coordinator("ann").move_one(Stage.DUALWRITE))
    assert state_of(world).epoch == 2
    assert [entry.who for entry in world.run(world.control.journal(5))] == ["ann", "bob"]


def test_a_move_asked_for_while_another_one_waits_is_told(world: World) -> None:
    """A coordinator that waits for the barrier notices that the state was moved under it."""
    world.start()
    client = world.joined()
    ticket = client.begin(True)
    _ = world.run(world.coordinator(rules=Rules(barrier=False)).move_one(Stage.DUALWRITE))

    def asleep() -> None:
        world.while_asleep = world.polls(client)
        client.end(ticket)
        _ = world.run(world.coordinator("bob").move_one(Stage.SHADOW))

    world.while_asleep = asleep
    with pytest.raises(Fenced):
        _ = world.run(world.coordinator("ann").move_one(Stage.OFF))


def test_stages_are_entered_one_at_a_time(world: World) -> None:
    """move_one refuses a jump."""
    world.start()
    with pytest.raises(NotPossibleInStage, match="more than one stage"):
        _ = world.run(world.coordinator().move_one(Stage.SHADOW))


def test_patience_ends_with_the_names_of_those_waited_for(world: World) -> None:
    """A client that renews for ever without draining is named, and the same command may be given again."""
    world.start(Stage.DUALWRITE)
    stuck = world.joined()
    _ = stuck.begin(True)
    world.while_asleep = world.polls(stuck)
    with pytest.raises(NotPossibleInStage, match=stuck.client_id):
        _ = world.run(world.coordinator(patience_seconds=30).move_one(Stage.SHADOW))
    assert state_of(world).stage is Stage.SHADOW


@pytest.mark.parametrize("call", range(18))
def test_killed_at_any_call_the_same_command_goes_on(world: World, call: int) -> None:
    """A walk killed before its n-th call and given again ends in the same state and journal as one that was not."""
    world.start(Stage.DUALWRITE)
    client = world.joined()
    world.while_asleep = world.polls(client)
    try:
        _ = world.run(world.coordinator().walk(Stage.SHADOW), kill_at_call=call)
    except Killed:
        _ = world.run(world.coordinator().walk(Stage.SHADOW))
    assert (state_of(world).stage, state_of(world).epoch, state_of(world).unclean) == (Stage.SHADOW, 3, 0)
    assert journal_of(world) == ["started", "off -> dualwrite", "dualwrite -> shadow"]
    assert client.acknowledged == 3


@pytest.mark.parametrize("call", range(8))
def test_a_client_killed_at_any_call_of_joining_or_polling_never_blocks_the_fleet(world: World, call: int) -> None:
    """Whatever a dead client left in the table, the next one joins and the move goes through."""
    world.start(Stage.DUALWRITE)
    dead = world.agent()

    def life() -> Routine[None]:
        yield from dead.join()
        yield from dead.poll()

    with contextlib.suppress(Killed):
        world.run(life(), kill_at_call=call)
    client = world.joined()
    world.while_asleep = world.polls(client)
    assert world.run(world.coordinator().move_one(Stage.SHADOW)).stage is Stage.SHADOW
    assert [lease.client for lease in world.run(world.control.leases())] == [client.client_id]


def test_cancel_goes_back_to_off_and_start_goes_on_with_higher_epochs(world: World) -> None:
    """The journal stays; clients that are still there follow the migration when it is started again."""
    world.start(Stage.SHADOW)
    client = world.joined()
    world.while_asleep = world.polls(client)
    world.run(world.coordinator().cancel())
    assert client.stage is Stage.OFF
    epoch = client.epoch
    _ = world.run(world.coordinator().start(world.plan()))
    world.run(client.poll())
    assert client.epoch == epoch + 1
    assert journal_of(world)[-2:] == ["cancelled", "started"]
