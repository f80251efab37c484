"""What `status` is made from."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from crossfade.control.jobs import claim_job, load_checkpoints, save_checkpoint
from crossfade.control.records import Job
from crossfade.control.sightings import Sightings
from crossfade.control.survey import Survey, survey
from crossfade.core.rules import Rules
from crossfade.core.stages import Stage
from crossfade.errors import NotStarted
from tests.control.test_gates import do_job, unclean_end
from tests.control.world import LEASE_SECONDS, World


def look(world: World, sightings: Sightings | None = None) -> Survey:
    return world.run(survey(world.control, sightings))


def test_nothing_started(world: World) -> None:
    """There is nothing to show before start, and the error says what to type."""
    with pytest.raises(NotStarted, match="crossfade start"):
        _ = look(world)


def test_the_next_command_leads_all_the_way_to_complete(world: World) -> None:
    """Typing what status says, again and again, takes a migration from off to complete."""
    world.start()
    typed: list[str] = []
    while not (command := look(world).next_command).startswith("crossfade cleanup"):
        typed.append(command)
        words = command.split()
        match words[1]:
            case "advance":
                _ = world.run(world.coordinator().walk(Stage(words[3])))
            case "backfill" | "verify":
                _ = do_job(world, Job(words[1]))
            case _:
                _ = world.run(world.coordinator().complete(confirmed=True))
        assert len(typed) < 20
    assert [command.split(" --execute")[0] for command in typed] == [
        "crossfade advance --to dualwrite",
        "crossfade backfill",
        "crossfade verify",
        "crossfade advance --to shadow",
        "crossfade advance --to lockstep_source",
        "crossfade advance --to lockstep_target",
        "crossfade advance --to live",
        "crossfade advance --to rampdown",
        "crossfade complete",
    ]
    assert look(world).way_back.startswith("none")


def test_hazard_34_status_says_whether_there_is_a_way_back(world: World) -> None:
    """After the first writes to the new side it says that rollback is open, and what it needs."""
    world.start(Stage.DUALWRITE)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    _ = world.run(world.coordinator().walk(Stage.LOCKSTEP_TARGET))
    assert "rollback leads back to off; complete ends that" in look(world).way_back
    unclean_end(world)
    found = look(world)
    assert "needs a verify" in found.way_back
    assert found.down is not None
    assert not found.down.possible


def test_it_names_who_is_waited_for_and_who_is_silent(world: World) -> None:
    """Two looks with the same sightings tell the silent client from the slow one."""
    world.start()
    slow, dead = world.joined(), world.joined(host="elsewhere")
    _ = slow.begin(True)
    _ = world.run(world.coordinator(rules=Rules(barrier=False)).move_one(Stage.DUALWRITE))
    sightings = Sightings()
    _ = look(world, sightings)
    world.now += LEASE_SECONDS - 1
    world.run(slow.poll())
    found = look(world, sightings)
    reasons = {client.client: client.reason for client in found.clients}
    assert reasons[slow.client_id].startswith("has not acknowledged")
    assert f"unknown counts for {slow.landing_seconds:g} s" in reasons[slow.client_id]  # else why it stays is a riddle
    assert reasons[dead.client_id] == "silent for 9 s, counted as gone in 5 s"
    assert found.next_command.startswith("crossfade advance --to dualwrite")
    assert len(found.held_back_by) == 2


def test_it_shows_how_far_a_job_has_come_and_is_plain_json(world: World) -> None:
    """Counts are the sum over segments, and the whole survey can be written as JSON."""
    world.start(Stage.DUALWRITE)
    agent = world.joined(role="backfill")
    claim = world.run(claim_job(agent, world.caller(), Job.BACKFILL, 3))
    first, second, _ = world.run(load_checkpoints(claim))
    _ = world.run(save_checkpoint(claim, replace(first, done=True, counts={"written": 4})))
    _ = world.run(save_checkpoint(claim, replace(second, last_key={"k": {"B": b"x"}}, counts={"written": 3})))
    found = look(world)
    assert (found.jobs[0].segments_done, found.jobs[0].counts) == (1, {"written": 7})
    written = json.loads(json.dumps(found.as_json()))
    assert written["state"]["stage"] == "dualwrite"
    assert written["up"]["to"] == "shadow"
    assert [entry["what"] for entry in written["journal"]] == ["started", "off -> dualwrite"]


def test_an_interrupted_backfill_is_the_next_command(world: World) -> None:
    """A backfill that was left is named as resumable in what holds the migration back."""
    world.start(Stage.SHADOW)
    agent = world.joined()
    _ = world.run(claim_job(agent, world.caller(), Job.BACKFILL, 1))
    world.run(agent.leave())
    found = look(world)
    assert (found.next_command, found.next_remark) == ("crossfade backfill --execute", "it resumes")
    assert found.held_back_by[0].startswith("backfilled: the backfill is not complete")
