"""Calls that are served and that `complete` refuses: told in few writes, shown, and a gate of complete."""

from __future__ import annotations

import pytest

from crossfade.control.days import REFUSED_DAYS
from crossfade.control.fallbacks import DAY_SECONDS
from crossfade.control.records import Job, RefusalRecord
from crossfade.control.refusals import KINDS_MAX, ForeseenRefusals, Refusals, read_refusals
from crossfade.control.survey import survey
from crossfade.core.foresight import Foreseen
from crossfade.core.stages import LADDERS, Gate, Stage
from crossfade.errors import GateClosed
from tests.control.test_gates import do_job, state_of
from tests.control.world import World

LAST = (Stage.COMPLETE,)


@pytest.fixture(params=list(LADDERS))
def ramped(world: World, request: pytest.FixtureRequest) -> World:
    """In rampdown of either strategy, long enough for the gates of other things."""
    world.strategy = request.param
    world.start(Stage.RAMPDOWN)
    _ = do_job(world, Job.BACKFILL)
    _ = do_job(world, Job.VERIFY)
    world.now += 20 * DAY_SECONDS
    return world


def kind(index: str = "by_customer", stages: tuple[Stage, ...] = LAST) -> Foreseen:
    return Foreseen("Query", "orders", index, stages, f"{index} is spread", "ask in another way")


def seen(world: World, *kinds: Foreseen, pid: int = 7) -> ForeseenRefusals:
    refusals = ForeseenRefusals("node", pid)
    for each in kinds:
        _ = refusals.seen("c1", each, int(world.now))
    return refusals


def tell(world: World, refusals: ForeseenRefusals) -> None:
    world.run(refusals.tell(world.control, world.now))


def told(world: World) -> tuple[RefusalRecord, ...]:
    return world.run(read_refusals(world.control)).kinds


def refusal(world: World, refused_days: int = REFUSED_DAYS) -> GateClosed:
    with pytest.raises(GateClosed) as caught:
        _ = world.run(world.coordinator(refused_days=refused_days).complete(confirmed=True))
    return caught.value


def test_however_many_calls_there_are_they_are_one_write(ramped: World) -> None:
    """A record for each kind, with the sum, the time and who."""
    refusals = seen(ramped, *[kind()] * 300, kind("by_day", (Stage.RAMPDOWN, Stage.COMPLETE)))
    ramped.calls.clear()
    tell(ramped, refusals)
    assert ramped.calls == ["TransactWriteItems"]
    assert not refusals.untold
    found = {record.index: record for record in told(ramped)}
    record = found["by_customer"]
    assert (record.count, record.last_at, record.refused_in) == (300, int(ramped.now), ("complete",))
    assert (record.operation, record.table, record.client, record.host, record.pid) == (
        "Query",
        "orders",
        "c1",
        "node",
        7,
    )
    assert (record.reason, record.next_step) == ("by_customer is spread", "ask in another way")
    assert found["by_day"].refused_in == ("rampdown", "complete")


def test_only_the_first_of_a_kind_is_news_and_there_is_a_limit(ramped: World) -> None:
    """An observer hears of each kind once a process."""
    refusals = ForeseenRefusals("node", 7)
    assert refusals.seen("c1", kind(), 1)
    assert not refusals.seen("c1", kind(), 2)
    for number in range(2 * KINDS_MAX):
        _ = refusals.seen("c1", kind(f"index-{number}"), 3)
    tell(ramped, refusals)
    assert len(told(ramped)) == KINDS_MAX


def test_reports_of_several_processes_add_up(ramped: World) -> None:
    """Of one kind there is one record."""
    tell(ramped, seen(ramped, kind(), pid=1))
    ramped.now += 60
    tell(ramped, seen(ramped, kind(), kind(), pid=2))
    (record,) = told(ramped)
    assert (record.count, record.last_at, record.pid) == (3, int(ramped.now), 2)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_report_whose_answer_was_lost_counts_once(ramped: World, carried_out: bool) -> None:
    """It is sent again as it was, and what has come meanwhile waits for the next."""
    refusals = seen(ramped, kind(), kind())
    ramped.lose_answer("TransactWriteItems", carried_out=carried_out)
    tell(ramped, refusals)
    _ = refusals.seen("c1", kind(), int(ramped.now))
    tell(ramped, refusals)
    tell(ramped, refusals)
    assert [record.count for record in told(ramped)] == [3]
    assert not refusals.untold


def test_a_process_reports_every_few_seconds_at_most(ramped: World) -> None:
    """The first at once; without one, never."""
    refusals = ForeseenRefusals("node", 7)
    assert not refusals.due(ramped.now)
    _ = refusals.seen("c1", kind(), 1)
    assert refusals.due(ramped.now)
    tell(ramped, refusals)
    _ = refusals.seen("c1", kind(), 1)
    assert not refusals.due(ramped.now + 4.9)
    assert refusals.due(ramped.now + 5)


def test_complete_waits_for_days_without_such_a_call(ramped: World) -> None:
    """The refusal says what is called, why it is refused, what to do instead, and when the gate opens."""
    tell(ramped, seen(ramped, kind(), kind()))
    ramped.now += 13.9 * DAY_SECONDS
    refused = refusal(ramped)
    assert "CLOSED answered: 2 calls were seen that complete refuses, the last at 1970-01-21T" in refused.message
    assert "(Query of orders, index by_customer: by_customer is spread); 14 days without one are" in refused.message
    assert refused.next_step.startswith("ask in another way; it opens at 1970-02-04T")
    assert "--refused-days N" in refused.next_step
    assert state_of(ramped).stage is Stage.RAMPDOWN
    ramped.now += 0.1 * DAY_SECONDS
    assert ramped.run(ramped.coordinator().complete(confirmed=True)).stage is Stage.COMPLETE
    assert not ramped.run(ramped.control.journal(1))[0].forced


def test_what_complete_itself_serves_is_not_waited_for(ramped: World) -> None:
    """Shown, since the stages before refuse it, and no gate."""
    tell(ramped, seen(ramped, kind(stages=(Stage.RAMPDOWN,))))
    assert len(told(ramped)) == 1
    assert ramped.run(ramped.coordinator().complete(confirmed=True)).stage is Stage.COMPLETE


@pytest.mark.parametrize("days", [0, 2])
def test_fewer_days_are_possible_and_stand_in_the_journal(ramped: World, days: int) -> None:
    """As fewer quiet days do; other gates are not passed by that."""
    tell(ramped, seen(ramped, kind()))
    ramped.now += days * DAY_SECONDS
    if days:
        assert "3 days without one are asked for" in refusal(ramped, refused_days=days + 1).message
    agent = ramped.joined()
    agent.lost("k", "gone")
    ramped.run(agent.leave())
    assert "CLOSED verified" in refusal(ramped, refused_days=days).message
    _ = do_job(ramped, Job.VERIFY)
    _ = ramped.run(ramped.coordinator(refused_days=days).complete(confirmed=True))
    entry = ramped.run(ramped.control.journal(1))[0]
    assert not entry.forced
    assert entry.why.startswith(f"--refused-days {days}: 1 call was seen that complete refuses")


def test_the_survey_has_them_and_says_what_holds_us_back(ramped: World) -> None:
    """As plain values, times as text."""
    tell(ramped, seen(ramped, kind()))
    look = ramped.run(survey(ramped.control))
    (shown,) = look.as_json()["refusals"]
    assert (shown["operation"], shown["index"], shown["stages"], shown["count"]) == (
        "Query",
        "by_customer",
        ("complete",),
        1,
    )
    assert shown["last_at"].startswith("1970-01-21T")
    assert any(line.startswith("answered: 1 call was seen") for line in look.held_back_by)
    assert look.up is not None
    assert not look.up.possible
    assert [finding.is_open for finding in look.up.findings if finding.gate is Gate.ANSWERED] == [False]


def test_cancel_leaves_nothing_and_who_reports_after_it_is_not_heard(world: World) -> None:
    """And keeps nothing to report again."""
    world.start(Stage.DUALWRITE)
    tell(world, seen(world, kind()))
    world.run(world.coordinator().cancel())
    late = seen(world, kind())
    tell(world, late)
    assert not late.untold
    assert world.run(read_refusals(world.control)) == Refusals((), int(world.now))


def test_one_kind_of_call_is_one_however_its_reason_is_worded(ramped: World) -> None:
    """A reason may count actions: that is no other place in a program, and leaves room for the others."""
    worded = [Foreseen("TransactWriteItems", "orders", "", LAST, f"{n} actions", "less") for n in range(KINDS_MAX)]
    refusals = ForeseenRefusals("node", 7)
    assert [refusals.seen("c1", each, int(ramped.now)) for each in worded] == [True] + [False] * (KINDS_MAX - 1)
    assert refusals.seen("c1", kind(), int(ramped.now))
    tell(ramped, refusals)
    assert sorted(record.count for record in told(ramped)) == [1, KINDS_MAX]
