"""The mark of a client that ended unfinished, which says since when it may owe a write; and how marks are cleared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.control import store
from crossfade.control.evidence import Evidence
from crossfade.control.gates import findings
from crossfade.control.marks import is_settled, read_marks
from crossfade.control.records import Job, JobRecord, JobStatus, State, UncleanMark
from crossfade.control.settling import Settling, begin_settling, finish_settling
from crossfade.control.waiting import count_out
from crossfade.core.effects import Call, Reply
from crossfade.core.stages import Gate, Stage
from crossfade.errors import NotPossibleInStage
from tests.control.world import LANDING_SECONDS, World

HEARD = 1_700_000_000  # DynamoDB's time when the clocks of these tests are at 0


@pytest.fixture
def timed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which DynamoDB tells the time by the clock of the tests; in dualwrite, with a backfill at 0 marks."""

    def answered_at(_: Reply) -> int:
        return heard(world)

    monkeypatch.setattr(store, "answered_at", answered_at)
    world.start(Stage.DUALWRITE)
    put_job(world, Job.BACKFILL)
    return world


def heard(world: World) -> int:
    return HEARD + int(world.now)


def put_job(world: World, job: Job, *, unclean: int = 0, clean: bool = False) -> None:
    record = JobRecord(
        job, JobStatus.COMPLETE, "c0", f"run-{job}", "ann", "laptop", 1, 1, unclean, "run-backfill", clean, {}, "", ""
    )
    _ = world.client._make_api_call("PutItem", world.control.put(record))


def state_of(world: World) -> State:
    return world.run(world.control.state())


def marks_of(world: World) -> tuple[UncleanMark, ...]:
    return world.run(read_marks(world.control))


def die(world: World, client: str) -> None:
    lease = world.run(world.control.lease(client))
    assert lease is not None
    assert world.run(count_out(world.control, world.caller(), state_of(world), lease))


def settling(world: World) -> Settling:
    return world.run(begin_settling(world.control, world.caller()))


def settle(world: World) -> None:
    world.run(finish_settling(world.control, world.caller(), settling(world), "in a test"))


def test_the_lease_tells_since_when_the_oldest_operation_may_be_under_way(timed: World) -> None:
    """It stays at the time from before that one while later ones come and go, and goes on when it has ended."""
    agent = timed.joined()
    began = heard(timed)
    ticket = agent.begin(True)
    for _ in range(3):
        timed.now += 1
        timed.run(agent.poll())
        agent.end(agent.begin(True))
    lease = timed.run(timed.control.lease(agent.client_id))
    assert lease is not None
    assert lease.open_since == began
    agent.end(ticket)
    timed.run(agent.poll())
    timed.run(agent.poll())
    lease = timed.run(timed.control.lease(agent.client_id))
    assert lease is not None
    assert lease.open_since == heard(timed)


def test_a_mirror_in_the_background_is_as_old_as_its_operation(timed: World) -> None:
    """The operation has ended, its mirror has not: a death is then one since before the operation."""
    agent = timed.joined()
    began = heard(timed)
    ticket = agent.begin(True)
    agent.hold(ticket)
    agent.end(ticket)
    timed.now += 5
    timed.run(agent.poll())
    die(timed, agent.client_id)
    (mark,) = marks_of(timed)
    assert (mark.number, mark.since, mark.client) == (1, began, agent.client_id)
    assert state_of(timed).unclean == 1


def test_a_lost_mirror_is_marked_since_before_its_operation(timed: World) -> None:
    """It is told after it has ended, when younger operations are open."""
    agent = timed.joined()
    began = heard(timed)
    ticket = agent.begin(True)
    timed.now += 2
    timed.run(agent.poll())
    agent.lost("k", "too large")
    agent.end(ticket)
    timed.now += 1
    timed.run(agent.poll())
    (mark,) = marks_of(timed)
    assert (mark.number, mark.since, mark.landing_seconds) == (1, began, LANDING_SECONDS)
    timed.run(agent.poll())
    assert len(marks_of(timed)) == 1


def test_a_client_that_was_counted_out_marks_what_it_had_open(timed: World) -> None:
    """When it finds its lease gone: once by whoever counted it out, once by itself, both since before its operation."""
    agent = timed.joined()
    began = heard(timed)
    ticket = agent.begin(True)
    timed.now += 1
    timed.run(agent.poll())
    die(timed, agent.client_id)
    timed.now += 1
    timed.run(agent.poll())
    agent.release(ticket)
    assert [(mark.number, mark.since) for mark in marks_of(timed)] == [(1, began), (2, began)]
    assert state_of(timed).unclean == 2


def test_a_client_that_leaves_unfinished_has_its_mark(timed: World) -> None:
    """Its lease goes in the same transaction."""
    agent = timed.joined()
    began = heard(timed)
    _ = agent.begin(True)
    timed.now += 3
    timed.run(agent.poll())
    timed.run(agent.leave())
    (mark,) = marks_of(timed)
    assert (mark.since, state_of(timed).unclean, timed.run(timed.control.leases())) == (began, 1, ())


def test_two_marks_at_once_have_two_numbers(timed: World) -> None:
    """The second client finds the number taken, and takes the next; none is without its mark."""
    agents = [timed.joined(), timed.joined()]
    for agent in agents:
        agent.lost("k", "too large")
    for agent in agents:  # neither has seen the state since
        timed.run(agent.poll())
    assert [mark.number for mark in marks_of(timed)] == [1, 2]
    assert {mark.client for mark in marks_of(timed)} == {agent.client_id for agent in agents}
    assert state_of(timed).unclean == 2


def test_a_report_that_is_carried_out_and_not_answered_is_made_again(timed: World) -> None:
    """Twice costs another mark, not being told would cost data."""
    agent = timed.joined()
    agent.lost("k", "too large")
    timed.lose_answer("TransactWriteItems", carried_out=True)
    timed.run(agent.poll())
    timed.run(agent.poll())
    assert [mark.number for mark in marks_of(timed)] == [1, 2]
    assert state_of(timed).unclean == 2


def test_a_settle_covers_all_marks_since_the_evidence_and_the_gate_opens(timed: World) -> None:
    """Since the oldest of them; a later death closes it again, and the next settle goes on from there."""
    put_job(timed, Job.VERIFY, clean=True)
    first = timed.joined()
    began = heard(timed)
    _ = first.begin(True)
    timed.now += 30
    second = timed.joined()
    timed.run(first.poll())
    die(timed, first.client_id)
    die(timed, second.client_id)
    found = settling(timed)
    assert (found.base, found.after, found.since) == (0, 0, began)
    assert not gate(timed)
    timed.run(finish_settling(timed.control, timed.caller(), found, "in a test"))
    assert gate(timed)
    assert timed.run(timed.control.journal(1))[0].what == "settled 2 unclean ends"

    timed.now += 60
    third = timed.joined()
    since = heard(timed)
    die(timed, third.client_id)
    assert not gate(timed)
    found = settling(timed)
    assert ([mark.number for mark in found.marks], found.base, found.since) == ([3], 0, since)
    settle(timed)
    assert gate(timed)


def gate(world: World) -> bool:
    evidence = world.run(Evidence.read(world.control))
    (finding,) = findings([Gate.VERIFIED], state_of(world), evidence)
    return finding.is_open


def test_a_death_while_it_settles_is_not_cleared(timed: World) -> None:
    """What was covered is what was marked when it began."""
    put_job(timed, Job.VERIFY, clean=True)
    die(timed, timed.joined().client_id)
    found = settling(timed)
    die(timed, timed.joined().client_id)
    timed.run(finish_settling(timed.control, timed.caller(), found, "in a test"))
    assert not gate(timed)
    assert is_settled(replace(state_of(timed), unclean=1), 0)


def test_who_is_silent_is_counted_out_before_it_begins(timed: World) -> None:
    """So that its mark is among those that are cleared."""
    silent = timed.joined()
    timed.now += 1
    assert [mark.client for mark in settling(timed).marks] == [silent.client_id]


@pytest.mark.parametrize("lack", ["time", "mark", "other life"])
def test_a_mark_that_does_not_tell_since_when_takes_a_verify(timed: World, lack: str) -> None:
    """DynamoDB had told no time, an older version put none, or it is of a migration whose state was lost since."""
    agent = timed.joined()
    die(timed, agent.client_id)
    (mark,) = marks_of(timed)
    if lack == "mark":
        timed.run(timed.control.remove("mark#00000001"))
    else:
        changed = replace(mark, since=0) if lack == "time" else replace(mark, started_at="earlier")
        _ = timed.client._make_api_call("PutItem", timed.control.put(changed))
    with pytest.raises(NotPossibleInStage, match="of 1 unclean ends it is not known since when") as caught:
        _ = settling(timed)
    assert caught.value.next_step == "crossfade verify"


def test_a_settle_whose_stage_was_left_meanwhile_clears_nothing(timed: World) -> None:
    """Which table decides may have changed: it begins again."""
    die(timed, timed.joined().client_id)
    found = settling(timed)
    _ = timed.run(timed.coordinator().walk(Stage.SHADOW))
    with pytest.raises(NotPossibleInStage, match="moved on from stage dualwrite"):
        timed.run(finish_settling(timed.control, timed.caller(), found, "in a test"))
    assert state_of(timed).settled == 0


def test_it_is_written_down_beside_a_death_that_is_counted_meanwhile(timed: World) -> None:
    """The journal has grown between its look and its write: it looks again."""
    put_job(timed, Job.VERIFY, clean=True)
    die(timed, timed.joined().client_id)
    found, dying = settling(timed), timed.joined()

    def beside(call: Call) -> None:
        if call.operation == "TransactWriteItems":
            timed.before_call = lambda _: None
            die(timed, dying.client_id)

    timed.before_call = beside
    timed.run(finish_settling(timed.control, timed.caller(), found, "in a test"))
    state = state_of(timed)
    assert (state.settled, state.unclean) == (1, 2)


@pytest.mark.parametrize(
    ("stage", "strategy", "said"),
    [
        (Stage.OFF, "dual-write", "a settle means nothing in stage off"),
        (Stage.DRAIN, "copy-on-write", "that goes by copy-on-write, change streams do not tell"),
    ],
)
def test_it_is_refused_where_changes_do_not_tell(world: World, stage: Stage, strategy: str, said: str) -> None:
    """One table is written, or what is owed is no write; with the next step."""
    world.strategy = strategy
    world.start(stage)
    with pytest.raises(NotPossibleInStage, match=said) as caught:
        _ = settling(world)
    assert caught.value.next_step.startswith("crossfade ")


def test_before_the_backfill_there_is_nothing_to_build_on(world: World) -> None:
    """The next step is the backfill, which brings what was left undone."""
    world.start(Stage.DUALWRITE)
    with pytest.raises(NotPossibleInStage, match="before a backfill is complete"):
        _ = settling(world)


def test_a_later_verify_needs_no_settle(timed: World) -> None:
    """And a settle of before it does not count for what it did not begin with."""
    die(timed, timed.joined().client_id)
    settle(timed)
    die(timed, timed.joined().client_id)
    put_job(timed, Job.VERIFY, unclean=2, clean=True)
    assert gate(timed)
    assert settling(timed).marks == ()
