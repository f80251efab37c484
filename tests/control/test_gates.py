"""Gates in both directions, force, the ramp, and what going back to off clears."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from crossfade.control.coordinator import Coordinator
from crossfade.control.jobs import claim_job, finish_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job, JobRecord, State
from crossfade.control.survey import survey
from crossfade.core.effects import Routine
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import GateClosed, NotPossibleInStage
from tests.control.world import World


def state_of(world: World) -> State:
    return world.run(world.control.state())


def do_job(world: World, job: Job, *, clean: bool = True, **options: Any) -> JobRecord:
    """Run a job of two segments from beginning to end, as its own client."""
    agent = world.joined(role=job.value)

    def whole() -> Routine[JobRecord]:
        claim = yield from claim_job(agent, world.caller(), job, 2, **options)
        for checkpoint in (yield from load_checkpoints(claim)):
            _ = yield from save_checkpoint(claim, replace(checkpoint, done=True))
        counts = {"matching": 7, "missing": 0 if clean else 1}
        record = yield from finish_job(claim, counts, clean=clean, finished_at="later")
        yield from agent.leave()
        return record

    return world.run(whole())


def unclean_end(world: World) -> None:
    """A client that leaves with a mirror lost."""
    agent = world.joined()
    agent.lost("k", "gone")
    world.run(agent.leave())


def test_lockstep_source_needs_a_complete_backfill(world: World) -> None:
    """Going up into lockstep_source is refused with the finding and the command, and possible after the backfill."""
    world.start(Stage.SHADOW)
    with pytest.raises(GateClosed, match="no backfill has begun") as caught:
        _ = world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE))
    assert "crossfade backfill --execute" in caught.value.next_step
    assert state_of(world).stage is Stage.SHADOW
    unclean_end(world)  # which the backfill is to come by
    _ = do_job(world, Job.BACKFILL)
    assert world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE)).stage is Stage.LOCKSTEP_SOURCE


def test_lockstep_is_not_entered_while_what_the_target_cannot_hold_is_not_settled(world: World) -> None:
    """A write of it is an error from lockstep_source on, and was a lost mirror before: a verify has to find nothing."""
    world.start(Stage.SHADOW)
    _ = do_job(world, Job.BACKFILL)
    unclean_end(world)
    with pytest.raises(GateClosed, match="lost a mirror, and nothing has been verified") as caught:
        _ = world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE))
    assert "crossfade settle --execute" in caught.value.next_step  # the backfill is what it builds on
    _ = do_job(world, Job.VERIFY)
    unclean_end(world)
    with pytest.raises(GateClosed, match="lost a mirror") as caught:
        _ = world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE))
    assert "crossfade status shows what was lost, and why" in caught.value.next_step
    assert "is to be corrected first" in caught.value.next_step
    assert state_of(world).stage is Stage.SHADOW
    _ = do_job(world, Job.VERIFY)
    assert world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE)).stage is Stage.LOCKSTEP_SOURCE


@pytest.mark.parametrize("clean", [True, False])
def test_the_authority_moves_only_after_a_verify_that_still_holds(world: World, *, clean: bool) -> None:
    """One from before the backfill, whatever it found, differences, an unclean end since: all close it and say so. A
    clean verify opens it."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.VERIFY, clean=clean)  # before the backfill: worth nothing
    _ = do_job(world, Job.BACKFILL)
    _ = world.run(world.coordinator().walk(Stage.SHADOW))

    def refused(reason: str) -> None:
        with pytest.raises(GateClosed, match=reason):
            _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_TARGET))

    refused("began before the backfill was complete")
    _ = do_job(world, Job.VERIFY, clean=False)
    refused(r"found differences \(missing 1\)")  # not what was counted beside them
    _ = do_job(world, Job.VERIFY)
    unclean_end(world)
    refused("ended unfinished")
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_SOURCE))
    unclean_end(world)
    refused("ended unfinished")
    _ = do_job(world, Job.VERIFY)
    assert world.run(world.coordinator().move_one(Stage.LOCKSTEP_TARGET)).stage is Stage.LOCKSTEP_TARGET


def test_a_verify_that_began_before_an_unclean_end_does_not_count(world: World) -> None:
    """What counts is `unclean` when the verify began, not when it ended."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    agent = world.joined(role="verify")
    claim = world.run(claim_job(agent, world.caller(), Job.VERIFY, 1))
    unclean_end(world)
    for checkpoint in world.run(load_checkpoints(claim)):
        _ = world.run(save_checkpoint(claim, replace(checkpoint, done=True)))
    _ = world.run(finish_job(claim, {}, clean=True, finished_at="later"))
    world.run(agent.leave())
    with pytest.raises(GateClosed, match="once"):
        _ = world.run(world.coordinator().walk(Stage.LIVE))
    assert state_of(world).stage is Stage.SHADOW


def test_the_authority_moves_back_only_after_a_verify_too(world: World) -> None:
    """A client that ended unclean while the target decided closes the way back until a verify finds nothing."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.LIVE))
    unclean_end(world)
    with pytest.raises(GateClosed, match="entering lockstep_source"):
        _ = world.run(world.coordinator().walk(Stage.SHADOW))
    assert state_of(world).stage is Stage.LOCKSTEP_TARGET
    _ = do_job(world, Job.VERIFY)
    assert world.run(world.coordinator().walk(Stage.SHADOW)).stage is Stage.SHADOW


def test_an_unclean_end_between_gate_and_write_is_noticed(world: World) -> None:
    """The write is conditional on `unclean`, so a client that dies after the gates were read closes them."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_SOURCE))

    def die(_: object) -> None:
        if world.calls[-1] == "TransactWriteItems":
            world.before_call = lambda _: None
            unclean_end(world)

    world.before_call = die
    with pytest.raises(GateClosed, match="ended unfinished"):
        _ = world.run(world.coordinator().move_one(Stage.LOCKSTEP_TARGET))


def test_without_lockstep_the_step_that_changes_the_authority_has_the_gates(world: World) -> None:
    """With the rule dropped shadow is followed by live, and that step asks for backfill and verify."""
    world.start(Stage.SHADOW)
    bare = world.coordinator(rules=Rules(lockstep=False))
    with pytest.raises(GateClosed, match="verified"):
        _ = world.run(bare.move_one(Stage.LIVE))
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    assert world.run(bare.move_one(Stage.LIVE)).stage is Stage.LIVE


def test_force_passes_gates_and_is_in_the_journal(world: World) -> None:
    """Who forced what and why is kept; a step whose gates were open is not marked."""
    world.start(Stage.SHADOW)
    forcing: Coordinator = world.coordinator("eve", force_because="the target was loaded by hand")
    _ = world.run(forcing.move_one(Stage.LOCKSTEP_SOURCE))
    _ = world.run(forcing.move_one(Stage.SHADOW))
    up, down = world.run(world.control.journal(2))
    assert (up.what, up.who, up.why, up.forced) == (
        "shadow -> lockstep_source",
        "eve",
        "the target was loaded by hand",
        True,
    )
    assert (down.forced, down.why) == (False, "")


def test_force_does_not_pass_the_barrier(world: World) -> None:
    """A client that has not acknowledged is waited for, forced or not."""
    world.start(Stage.DUALWRITE)
    busy = world.joined()
    _ = busy.begin(True)
    world.while_asleep = world.polls(busy)
    forcing = world.coordinator(force_because="hurry", patience_seconds=20)
    with pytest.raises(NotPossibleInStage, match=busy.client_id):
        _ = world.run(forcing.walk(Stage.LOCKSTEP_SOURCE))
    assert state_of(world).stage is Stage.SHADOW


def test_going_back_to_off_clears_backfill_and_verify(world: World) -> None:
    """The target goes stale in off, so nothing that was known of it holds any more."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.OFF))
    assert world.run(world.control.job(Job.BACKFILL)) is None
    assert world.run(world.control.job(Job.VERIFY)) is None
    with pytest.raises(GateClosed, match="no backfill has begun"):
        _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_SOURCE))
    _ = do_job(world, Job.BACKFILL)  # and a new one begins at the beginning
    _ = do_job(world, Job.VERIFY)
    assert world.run(world.coordinator().move_one(Stage.LOCKSTEP_SOURCE)).stage is Stage.LOCKSTEP_SOURCE


def test_the_ramp_needs_both_gates_and_a_stage_that_has_one(world: World) -> None:
    """A ramp is refused where no read could use it and before both tables are known to be equal."""
    world.start(Stage.DUALWRITE)
    with pytest.raises(NotPossibleInStage, match="has no ramp"):
        _ = world.run(world.coordinator().set_ramp(5))
    _ = world.run(world.coordinator().move_one(Stage.SHADOW))
    with pytest.raises(GateClosed, match="nothing has been verified"):
        _ = world.run(world.coordinator().set_ramp(5))
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    client = world.joined()
    world.while_asleep = world.polls(client)
    state = world.run(world.coordinator().set_ramp(5))
    assert (state.ramp_percent, client.ramp_percent, client.acknowledged) == (5, 5, state.epoch)
    with pytest.raises(NotPossibleInStage, match="0 to 100"):
        _ = world.run(world.coordinator().set_ramp(101))


def test_the_ramp_ends_before_anybody_mirrors_again(world: World) -> None:
    """From lockstep_source down, strong reads leave the target in an epoch of their own, before shadow is entered."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_SOURCE))
    _ = world.run(world.coordinator().set_ramp(50))
    _ = world.run(world.coordinator().walk(Stage.SHADOW))
    assert [entry.what for entry in world.run(world.control.journal(3))] == [
        "ramp 0 % -> 50 % in lockstep_source",
        "ramp 50 % -> 0 % in lockstep_source",
        "lockstep_source -> shadow",
    ]


def test_hazard_34_complete_needs_confirmation_and_a_verify_and_has_no_way_back(world: World) -> None:
    """Not even force stands for the confirmation; once complete, rollback and cancel are refused in plain words."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    with pytest.raises(NotPossibleInStage, match="more than one stage"):
        _ = world.run(world.coordinator().complete(confirmed=True))
    _ = world.run(world.coordinator().walk(Stage.RAMPDOWN))
    with pytest.raises(GateClosed, match="there is no way back"):
        _ = world.run(world.coordinator(force_because="now").complete(confirmed=False))
    unclean_end(world)
    with pytest.raises(GateClosed, match="ended unfinished"):
        _ = world.run(world.coordinator().complete(confirmed=True))
    _ = do_job(world, Job.VERIFY)
    assert world.run(world.coordinator().complete(confirmed=True)).stage is Stage.COMPLETE
    with pytest.raises(NotPossibleInStage, match="no way back"):
        _ = world.run(world.coordinator(force_because="please").walk(Stage.LIVE))
    with pytest.raises(NotPossibleInStage, match="no way back"):
        world.run(world.coordinator().cancel())


def test_hazard_34_from_every_stage_before_complete_there_is_a_way_back(world: World) -> None:
    """After the first writes to the new side, all the way from rampdown, rollback leads to off."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.RAMPDOWN))
    assert world.run(world.coordinator().walk(Stage.OFF)).stage is Stage.OFF


def test_a_client_that_died_after_it_acknowledged_closes_the_gate(world: World) -> None:
    """Before a verify is relied upon every client must renew once more, so a silent death is noticed first."""
    world.start(Stage.SHADOW)
    dead = world.joined()
    assert dead.acknowledged == state_of(world).epoch
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    with pytest.raises(GateClosed, match="ended unfinished"):
        _ = world.run(world.coordinator().set_ramp(5))
    assert state_of(world).ramp_percent == 0


def test_comparisons_that_fail_hold_the_gate_while_that_client_is_there(world: World) -> None:
    """Nothing that is wrong would be seen: the process is named with what it was refused."""
    world.start(Stage.LOCKSTEP_SOURCE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    agent = world.joined()
    agent.failing = "107 of 116 comparisons failed in the last minute, the last one with AccessDeniedException"
    agent.compared = {"matching": 9, "error": 107}
    world.while_asleep = world.polls(agent)
    world.run(agent.poll())
    with pytest.raises(GateClosed, match=r"CLOSED verified: comparisons fail.*node, pid 1: 107 of 116") as caught:
        _ = world.run(world.coordinator().move_one(Stage.LOCKSTEP_TARGET))
    assert "crossfade status" in caught.value.next_step
    (client,) = world.run(survey(world.control)).clients
    assert client.compared == {"matching": 9, "error": 107}
    agent.failing = ""
    world.run(agent.poll())
    assert world.run(world.coordinator().move_one(Stage.LOCKSTEP_TARGET)).stage is Stage.LOCKSTEP_TARGET
