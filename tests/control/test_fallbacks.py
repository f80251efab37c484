"""What rampdown finds in the source alone: told once, in few writes, and a gate of complete."""

from __future__ import annotations

from typing import Any

import pytest

from crossfade.control.fallbacks import DAY_SECONDS, SLOTS, FallbackHits, Fallbacks, fallback_records, read_fallbacks
from crossfade.control.records import Job
from crossfade.control.survey import survey
from crossfade.core.items import Item
from crossfade.core.stages import Stage
from crossfade.errors import GateClosed
from tests.control.test_gates import do_job, state_of
from tests.control.world import World


@pytest.fixture
def ramped(world: World) -> World:
    """In rampdown of copy-on-write, with nothing left to do but to wait."""
    world.strategy = "copy-on-write"
    world.start(Stage.RAMPDOWN)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    return world


def key(number: int) -> Item:
    return {"order": {"S": f"o{number}"}}


def hits_of(world: World, count: int, host: str = "node", pid: int = 7) -> FallbackHits:
    hits = FallbackHits(host, pid)
    for number in range(count):
        hits.hit("c1", key(number), int(world.now), "copied")
    return hits


def tell(world: World, hits: FallbackHits) -> None:
    world.run(hits.tell(world.control, world.now))


def found(world: World) -> Fallbacks:
    read = world.run(read_fallbacks(world.control))
    assert read is not None
    return read


def test_however_many_hits_there_are_they_are_one_write_and_a_few_samples(ramped: World) -> None:
    """The sum is right; a sample says key, time and process."""
    hits = hits_of(ramped, 1_000)
    ramped.calls.clear()
    tell(ramped, hits)
    assert ramped.calls == ["TransactWriteItems"]
    assert not hits.untold
    told = found(ramped)
    assert (told.total.count, told.last_at, len(told.samples)) == (1_000, 1_000, SLOTS)
    sample = told.samples[0]
    assert (sample.at, sample.client, sample.host, sample.pid, sample.outcome) == (1_000, "c1", "node", 7, "copied")
    assert sample.key.startswith("order='o")


def test_reports_of_several_processes_add_up(ramped: World) -> None:
    """And the last hit is the last of all, in whatever order they come."""
    ramped.now += 60
    late = hits_of(ramped, 3, host="a")
    ramped.now += 60
    tell(ramped, hits_of(ramped, 1, host="b"))
    tell(ramped, late)
    assert (found(ramped).total.count, found(ramped).last_at) == (4, 1_120)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_report_whose_answer_was_lost_counts_once(ramped: World, carried_out: bool) -> None:
    """It is sent again as it was, and what has come meanwhile waits for the next."""
    hits = hits_of(ramped, 2)
    ramped.lose_answer("TransactWriteItems", carried_out=carried_out)
    tell(ramped, hits)
    hits.hit("c1", key(9), int(ramped.now), "copied")
    assert hits.untold
    tell(ramped, hits)
    tell(ramped, hits)
    assert found(ramped).total.count == 3
    assert not hits.untold


def test_a_process_reports_every_few_seconds_at_most(ramped: World) -> None:
    """The first hit at once; without one, never."""
    hits = FallbackHits("node", 7)
    assert not hits.due(ramped.now)
    hits.hit("c1", key(1), int(ramped.now), "copied")
    assert hits.due(ramped.now)
    tell(ramped, hits)
    hits.hit("c1", key(2), int(ramped.now), "copied")
    assert not hits.due(ramped.now + 4.9)
    assert hits.due(ramped.now + 5)


def test_a_new_rampdown_counts_from_nothing_and_cancel_leaves_nothing(ramped: World) -> None:
    """Who reports after that is not heard."""
    tell(ramped, hits_of(ramped, 20))
    ramped.now += 100
    _ = ramped.run(ramped.coordinator().walk(Stage.DRAIN))
    assert found(ramped).total.count == 20
    _ = ramped.run(ramped.coordinator().walk(Stage.RAMPDOWN))
    assert (found(ramped).total.count, found(ramped).samples, found(ramped).quiet_since) == (0, (), 1_100)
    tell(ramped, hits_of(ramped, 1))
    ramped.run(ramped.coordinator().cancel())
    late = hits_of(ramped, 1)
    tell(ramped, late)
    assert not late.untold
    assert ramped.run(read_fallbacks(ramped.control)) is None
    assert not any(
        ramped.client.get_item(TableName=ramped.control.table, Key=ramped.control.key(name)).get("Item")
        for name in fallback_records()
    )


def refusal(world: World, **options: Any) -> GateClosed:
    with pytest.raises(GateClosed) as caught:
        _ = world.run(world.coordinator(**options).complete(confirmed=True))
    return caught.value


def test_complete_waits_for_days_without_a_hit(ramped: World) -> None:
    """The clock begins with rampdown, and again with a hit; the refusal says what was hit, and when it opens."""
    ramped.now += 10 * DAY_SECONDS
    assert "nothing was found in the source alone since rampdown was entered" in refusal(ramped).message
    tell(ramped, hits_of(ramped, 1))
    ramped.now += 13.9 * DAY_SECONDS
    refused = refusal(ramped)
    assert "found in the source alone once, the last time at 1970-01-11T00:16:40+00:00 (order='o0')" in refused.message
    assert "it opens at 1970-01-25T00:16:40+00:00" in refused.next_step
    assert state_of(ramped).stage is Stage.RAMPDOWN
    ramped.now += 0.1 * DAY_SECONDS
    assert ramped.run(ramped.coordinator().complete(confirmed=True)).stage is Stage.COMPLETE
    entry = ramped.run(ramped.control.journal(1))[0]
    assert (entry.what, entry.forced, entry.why) == ("rampdown -> complete", False, "")


@pytest.mark.parametrize("days", [0, 2])
def test_fewer_days_are_possible_and_stand_in_the_journal(ramped: World, days: int) -> None:
    """Nothing is forced by that, and no other gate is passed."""
    tell(ramped, hits_of(ramped, 1))
    ramped.now += days * DAY_SECONDS
    if days:
        assert "3 quiet days are asked for" in refusal(ramped, quiet_days=days + 1).message
    agent = ramped.joined()
    agent.lost("k", "gone")
    ramped.run(agent.leave())
    assert "CLOSED verified" in refusal(ramped, quiet_days=days).message
    _ = do_job(ramped, Job.VERIFY)
    _ = ramped.run(ramped.coordinator(quiet_days=days).complete(confirmed=True))
    entry = ramped.run(ramped.control.journal(1))[0]
    assert not entry.forced
    assert entry.why.startswith(f"--quiet-days {days}: an item was found in the source alone once")


def test_more_days_than_usual_are_no_override(ramped: World) -> None:
    """They are waited for, and the journal has nothing to say."""
    ramped.now += 20 * DAY_SECONDS
    assert "30 quiet days are asked for" in refusal(ramped, quiet_days=30).message
    ramped.now += 10 * DAY_SECONDS
    _ = ramped.run(ramped.coordinator(quiet_days=30).complete(confirmed=True))
    assert not ramped.run(ramped.control.journal(1))[0].forced


def test_the_survey_has_what_was_found(ramped: World) -> None:
    """As plain values, times as text; in another strategy there is nothing to find."""
    tell(ramped, hits_of(ramped, 1))
    shown = ramped.run(survey(ramped.control)).as_json()["fallbacks"]
    assert (shown["count"], shown["last_at"], shown["samples"][0]["key"]) == (
        1,
        "1970-01-01T00:16:40+00:00",
        "order='o0'",
    )


def test_dual_write_counts_nothing_and_waits_for_no_day(world: World) -> None:
    """Its rampdown keeps both sides equal and looks nothing up."""
    world.start(Stage.RAMPDOWN)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    assert world.run(survey(world.control)).fallbacks is None
    assert world.run(world.coordinator().complete(confirmed=True)).stage is Stage.COMPLETE
