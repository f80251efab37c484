"""One runner a job, fencing, checkpoints, results."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.control.agent import Agent
from crossfade.control.capturing import put_schema
from crossfade.control.jobs import Claim, check_goes_on, claim_job, finish_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job, JobStatus, SchemaRecord
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import Fenced, NotPossibleInStage
from tests.control.world import LANDING_SECONDS, LEASE_SECONDS, Killed, World

KEY: Item = {"customer": {"S": "c"}, "order": {"N": "7"}, "bytes": {"B": b"\x00"}}


def claimed(world: World, agent: Agent, job: Job = Job.BACKFILL, segments: int = 2) -> Claim:
    return world.run(claim_job(agent, world.caller(), job, segments))


def finish_all(world: World, claim: Claim) -> None:
    for checkpoint in world.run(load_checkpoints(claim)):
        _ = world.run(save_checkpoint(claim, replace(checkpoint, done=True)))


def test_hazard_12_a_second_runner_is_refused_with_who_runs_it(world: World) -> None:
    """While the owner gives signs of life, another claim fails with host and pid."""
    world.start(Stage.DUALWRITE)
    first, second = world.joined(host="node-1", pid=41), world.joined()
    _ = claimed(world, first)
    world.while_asleep = world.polls(first, second)
    with pytest.raises(NotPossibleInStage, match=r"being run by ann on node-1, pid 41"):
        _ = claimed(world, second)


def test_hazard_12_taking_over_from_a_dead_runner_fences_it(world: World) -> None:
    """The new owner goes on from the checkpoints; the former one can write neither checkpoint nor result."""
    world.start(Stage.DUALWRITE)
    dead, heir = world.joined(), world.joined()
    old = claimed(world, dead)
    checkpoint = world.run(load_checkpoints(old))[1]
    saved = world.run(save_checkpoint(old, replace(checkpoint, last_key=KEY, counts={"written": 5})))
    world.while_asleep = world.polls(heir)
    begun = world.now
    new = claimed(world, heir, segments=9)
    assert world.now - begun >= LEASE_SECONDS + LANDING_SECONDS
    assert new.resumed
    checkpoints = world.run(load_checkpoints(new))
    assert [(c.number, c.last_key, c.counts) for c in checkpoints] == [(0, None, {}), (1, KEY, {"written": 5})]
    with pytest.raises(Fenced, match=heir.client_id):
        _ = world.run(save_checkpoint(old, saved))
    with pytest.raises(Fenced):
        _ = world.run(load_checkpoints(old))
    with pytest.raises(Fenced):
        _ = world.run(finish_job(old, {}, clean=True, finished_at="now"))
    finish_all(world, new)
    assert world.run(finish_job(new, {"written": 5}, clean=True, finished_at="now")).status is JobStatus.COMPLETE
    assert world.run(world.control.state()).unclean == 1


def test_a_runner_that_left_is_followed_at_once(world: World) -> None:
    """A job whose runner gave its lease back is taken over without waiting, and nothing is unclean."""
    world.start(Stage.DUALWRITE)
    first, second = world.joined(), world.joined()
    _ = claimed(world, first)
    world.run(first.leave())
    begun = world.now
    assert claimed(world, second).resumed
    assert world.now == begun
    assert world.run(world.control.state()).unclean == 0


def test_hazard_12_two_claims_at_once_have_one_winner(world: World) -> None:
    """The claim that is written second is refused, not merged."""
    world.start(Stage.DUALWRITE)
    first, second = world.joined(), world.joined()
    winner: list[Claim] = []

    def overtake(_: object) -> None:
        if world.calls[-1] == "TransactWriteItems":
            world.before_call = lambda _: None
            winner.append(claimed(world, second))

    world.before_call = overtake
    world.while_asleep = world.polls(first, second)
    with pytest.raises(NotPossibleInStage, match=second.client_id):
        _ = claimed(world, first)
    finish_all(world, winner[0])


def test_hazard_12_a_job_is_not_complete_while_a_segment_is_not_done(world: World) -> None:
    """No deadline and no accident makes a job complete: every segment must say so."""
    world.start(Stage.DUALWRITE)
    claim = claimed(world, world.joined())
    checkpoint = world.run(load_checkpoints(claim))[0]
    _ = world.run(save_checkpoint(claim, replace(checkpoint, done=True)))
    with pytest.raises(NotPossibleInStage, match="1 segments are not done, the first is 1"):
        _ = world.run(finish_job(claim, {}, clean=True, finished_at="now"))


def test_a_complete_backfill_is_not_begun_again_by_accident(world: World) -> None:
    """It is refused, unless it is asked for; then it is a new run with blank checkpoints."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    claim = claimed(world, agent)
    finish_all(world, claim)
    _ = world.run(finish_job(claim, {}, clean=True, finished_at="noon"))
    with pytest.raises(NotPossibleInStage, match="complete since noon"):
        _ = claimed(world, agent)
    again = world.run(claim_job(agent, world.caller(), Job.BACKFILL, 2, again=True))
    assert not again.resumed
    assert [checkpoint.done for checkpoint in world.run(load_checkpoints(again))] == [False, False]


@pytest.mark.parametrize("stage", [Stage.OFF, Stage.COMPLETE])
def test_no_job_runs_where_writes_go_to_one_table_only(world: World, stage: Stage) -> None:
    """In off and complete the other table falls behind, so a job would be worth nothing."""
    world.start(Stage.RAMPDOWN if stage is Stage.COMPLETE else Stage.OFF)
    if stage is Stage.COMPLETE:
        _ = world.run(world.coordinator(force_because="set up").complete(confirmed=True))
    with pytest.raises(NotPossibleInStage, match="means nothing in stage"):
        _ = claimed(world, world.joined())


def test_a_job_begins_only_when_every_client_has_entered_the_stage(world: World) -> None:
    """A client that still writes as in off is waited for, since the scan might already have passed its item."""
    world.start()
    late, runner = world.joined(), world.joined()
    ticket = late.begin(True)
    _ = world.run(world.coordinator(rules=Rules(barrier=False)).move_one(Stage.DUALWRITE))
    asleep = 0

    def poll() -> None:
        nonlocal asleep
        asleep += 1
        if asleep == 9:
            late.end(ticket)
        world.polls(late, runner)()

    world.while_asleep = poll
    _ = claimed(world, runner)
    assert asleep >= 9
    assert "begins when every client" in world.noted("waiting")[0]["purpose"]


def test_a_job_cleared_by_off_cannot_go_on(world: World) -> None:
    """Once the migration went back to off the result is refused, whatever the job did meanwhile."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    claim = claimed(world, agent)
    finish_all(world, claim)
    world.while_asleep = world.polls(agent)
    _ = world.run(world.coordinator().walk(Stage.OFF))
    with pytest.raises(Fenced, match="went back to off"):
        _ = world.run(finish_job(claim, {}, clean=True, finished_at="now"))


@pytest.mark.parametrize("carried_out", [False, True])
@pytest.mark.parametrize("operation", ["TransactWriteItems", "PutItem"])
def test_jobs_survive_lost_answers(world: World, operation: str, carried_out: bool) -> None:
    """Claim, checkpoints and result come out the same when an answer to each is lost."""
    world.start(Stage.DUALWRITE)
    agent = world.joined()
    world.lose_answer(operation, carried_out=carried_out, times=2)
    claim = claimed(world, agent)
    finish_all(world, claim)
    world.lose_answer("PutItem", carried_out=carried_out)
    done = world.run(finish_job(claim, {"written": 1}, clean=True, finished_at="now"))
    assert world.run(world.control.job(Job.BACKFILL)) == done


def test_a_checkpoint_that_lands_late_changes_nothing(world: World) -> None:
    """An older checkpoint of the same runner is refused once a newer one is there."""
    world.start(Stage.DUALWRITE)
    claim = claimed(world, world.joined())
    first = world.run(load_checkpoints(claim))[0]
    second = world.run(save_checkpoint(claim, replace(first, last_key=KEY)))
    third = world.run(save_checkpoint(claim, replace(second, done=True)))
    with pytest.raises(Fenced):
        _ = world.run(save_checkpoint(claim, first))
    assert world.run(load_checkpoints(claim))[0] == third


@pytest.mark.parametrize("call", range(20))
def test_killed_at_any_call_the_job_is_taken_over_and_finished(world: World, call: int) -> None:
    """Whatever a runner left behind, the next one resumes and completes, with every segment there once."""
    world.start(Stage.DUALWRITE)
    dead, heir = world.joined(), world.joined()

    def life() -> Routine[None]:
        claim = yield from claim_job(dead, world.caller(), Job.BACKFILL, 2)
        for checkpoint in (yield from load_checkpoints(claim)):
            _ = yield from save_checkpoint(claim, replace(checkpoint, done=True))
        _ = yield from finish_job(claim, {}, clean=True, finished_at="now")

    try:
        world.run(life(), kill_at_call=call)
    except Killed:
        world.while_asleep = world.polls(heir)
        claim = claimed(world, heir)
        assert [checkpoint.number for checkpoint in world.run(load_checkpoints(claim))] == [0, 1]
        finish_all(world, claim)
        _ = world.run(finish_job(claim, {}, clean=True, finished_at="now"))
    found = world.run(world.control.job(Job.BACKFILL))
    assert found is not None
    assert found.status is JobStatus.COMPLETE


def test_a_verify_is_begun_anew_when_somebody_ended_unclean(world: World) -> None:
    """A verify whose runner was killed would open no gate, so its successor starts over with the present mark."""
    world.start(Stage.DUALWRITE)
    dead, heir = world.joined(role="verify"), world.joined(role="verify")
    old = claimed(world, dead, Job.VERIFY)
    world.while_asleep = world.polls(heir)
    new = claimed(world, heir, Job.VERIFY)
    assert not new.resumed
    assert new.record.run != old.record.run
    assert (old.record.unclean, new.record.unclean) == (0, 1)


def test_a_verify_that_only_reads_goes_on_though_its_runner_was_killed(world: World) -> None:
    """Nothing of it can have been left undone, so what it has found holds."""
    world.start(Stage.DUALWRITE)
    dead, heir = world.joined(role="verify", reads_only=True), world.joined(role="verify", reads_only=True)
    old = claimed(world, dead, Job.VERIFY)
    saved = world.run(save_checkpoint(old, replace(world.run(load_checkpoints(old))[0], last_key=KEY)))
    world.while_asleep = world.polls(heir)
    new = claimed(world, heir, Job.VERIFY)
    assert (new.resumed, new.record.run, new.record.unclean) == (True, old.record.run, 0)
    assert world.run(load_checkpoints(new))[0] == replace(saved, owner=heir.client_id)
    world.run(check_goes_on(new))
    world.run(check_goes_on(old))  # the claim is another's matter
    finish_all(world, new)
    _ = world.run(finish_job(new, {}, clean=True, finished_at="now"))
    with pytest.raises(Fenced):
        world.run(check_goes_on(old))


def test_a_verify_is_begun_anew_with_another_mapping_or_behind_a_change_of_columns(world: World) -> None:
    """One that was interrupted goes on with what it began with alone: no gate opens by two halves."""
    world.strategy = "freeze"
    world.start(Stage.SHADOW)

    def begun(mapping: str) -> Claim:
        agent = world.joined()
        agent.control = replace(agent.control, mapping=mapping)
        claim = claimed(world, agent, Job.VERIFY)
        world.run(agent.leave())
        return claim

    first = begun("old")
    assert (first.record.mapping, begun("old").resumed) == ("old", True)
    assert (begun("new").resumed, begun("new").resumed) == (False, True)
    world.run(put_schema(world.control, SchemaRecord("c1", "shop.customers", "ALTER TABLE customers", "now")))
    again = begun("new")
    assert (again.resumed, again.record.schema, begun("new").resumed) == (False, "c1", True)
