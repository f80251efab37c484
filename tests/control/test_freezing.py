"""The way through the freeze: bounded, turned back, and never before everything is on the other side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossfade.control.agent import Agent
from crossfade.control.capturing import put_schema, read_schema
from crossfade.control.carrying import read_carrier, read_fence, report
from crossfade.control.coordinator import Coordinator
from crossfade.control.evidence import Evidence
from crossfade.control.freezing import GIVE_UP_PART, HOLD_SECONDS, poll_seconds, way_out
from crossfade.control.gates import findings, gates_of_step
from crossfade.control.records import CarrierRecord, Job, JobRecord, JobStatus, RepairRecord, Role, SchemaRecord, State
from crossfade.control.repairs import forget_repair, list_repairs, put_repair
from crossfade.control.starting import StartPlan
from crossfade.control.survey import survey
from crossfade.core.effects import Note, Routine
from crossfade.core.stages import ALL_LADDERS, FREEZE, LADDERS, Gate, Stage
from crossfade.errors import Fenced, GateClosed, NotPossibleInStage, TurnedBack
from tests.control.world import FINGERPRINT, LANDING_SECONDS, LEASE_SECONDS, World

WAYS = [(Stage.SHADOW, Stage.LIVE), (Stage.LIVE, Stage.SHADOW)]
GATES = "gates of jobs are for other tests"


@pytest.fixture
def frozen(world: World) -> World:
    """A migration of the strategy freeze."""
    world.strategy = "freeze"
    return world


def state_of(world: World) -> State:
    return world.run(world.control.state())


def journal_of(world: World) -> list[str]:
    return [entry.what for entry in world.run(world.control.journal(50))]


def waiting(client: str = "gone", serial: str = "s1", reason: str = "") -> RepairRecord:
    return RepairRecord(client, "d1", '"order 17"', serial, reason)


def begin(world: World, stage: Stage, *, carried: bool = False) -> Coordinator:
    plan = StartPlan("freeze", f"{world.control.migration}-old", f"{world.control.migration}-new", FINGERPRINT, carried)
    _ = world.run(world.coordinator().start(plan))
    moving = world.coordinator(force_because=GATES)
    _ = world.run(moving.walk(Stage.SHADOW))
    if stage is Stage.LIVE:
        _ = world.run(moving.walk(Stage.LIVE))
    return moving


def test_the_routers_of_tables_know_no_freeze() -> None:
    """A migration between two tables of one account cannot choose it by accident."""
    assert "freeze" not in LADDERS
    assert ALL_LADDERS["freeze"] is FREEZE


@pytest.mark.parametrize(("start", "goal"), WAYS)
def test_both_freeze_stages_are_entered_by_everybody_one_after_the_other(
    frozen: World, start: Stage, goal: Stage
) -> None:
    """Up and down: no client is in live while another still reads the source, in any moment of the way."""
    moving = begin(frozen, start)
    clients = [frozen.joined(), frozen.joined(), frozen.joined()]
    order = list(FREEZE)
    seen: set[Stage] = set()
    turn = 0

    def poll_one() -> None:
        nonlocal turn
        turn += 1
        frozen.run(clients[turn % 3].poll())
        places = [order.index(client.stage) for client in clients]
        assert max(places) - min(places) <= 1
        seen.update(client.stage for client in clients)

    frozen.while_asleep = poll_one
    assert frozen.run(moving.walk(goal)).stage is goal
    assert seen == {start, Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET, goal}


@pytest.mark.parametrize(("start", "goal"), WAYS)
def test_the_way_through_is_short_when_everybody_polls(frozen: World, start: Stage, goal: Stage) -> None:
    """By the clock of the test, writes are held for less than a second."""
    moving = begin(frozen, start)
    client = frozen.joined()
    held: list[float] = []

    def poll() -> None:
        frozen.run(client.poll())
        if FREEZE[client.stage].holds:
            held.append(frozen.now)

    frozen.while_asleep = poll
    _ = frozen.run(moving.walk(goal))
    assert held
    assert held[-1] - held[0] < 1.0


@pytest.mark.parametrize("stage", [Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET])
def test_nobody_may_stay_in_a_freeze(frozen: World, stage: Stage) -> None:
    """It is refused as a goal, with the stage behind it as the next step."""
    moving = begin(frozen, Stage.SHADOW)
    with pytest.raises(NotPossibleInStage, match=r"nobody may stay there\n  next: go through it, to live"):
        _ = frozen.run(moving.walk(stage))
    assert state_of(frozen).stage is Stage.SHADOW


@pytest.mark.parametrize(("start", "goal"), WAYS)
def test_a_key_in_the_repair_queue_holds_the_authority_and_turns_back(frozen: World, start: Stage, goal: Stage) -> None:
    """No force passes it; after the bound the stage is the one before, and the error and the journal say why."""
    moving = begin(frozen, start)
    frozen.run(put_repair(frozen.control, waiting(reason="disk full")))
    client = frozen.joined()
    frozen.while_asleep = frozen.polls(client)
    began = frozen.now
    with pytest.raises(TurnedBack, match=rf"in {start} again.*(?s:.)*disk full"):
        _ = frozen.run(moving.walk(goal))
    assert HOLD_SECONDS * GIVE_UP_PART <= frozen.now - began < HOLD_SECONDS
    assert state_of(frozen).stage is start
    last = frozen.run(frozen.control.journal(1))[0]
    assert last.what.endswith(f"-> {start}")
    assert "passed" not in last.what
    assert last.why
    frozen.run(forget_repair(frozen.control, waiting()))
    assert frozen.run(moving.walk(goal)).stage is goal


def test_a_repair_that_is_done_in_time_opens_the_gate(frozen: World) -> None:
    """Within the bound the coordinator looks again and again."""
    moving = begin(frozen, Stage.SHADOW)
    frozen.run(put_repair(frozen.control, waiting()))
    client = frozen.joined()
    looks = 0

    def later() -> None:
        nonlocal looks
        frozen.run(client.poll())
        looks += client.stage is Stage.FREEZE_SOURCE
        if looks == 20:
            frozen.run(forget_repair(frozen.control, waiting()))

    frozen.while_asleep = later
    assert frozen.run(moving.walk(Stage.LIVE)).stage is Stage.LIVE
    assert looks >= 20


def test_a_repair_put_anew_is_not_forgotten_with_the_old_one(frozen: World) -> None:
    """A deletion that lands late deletes only what it was meant for."""
    _ = begin(frozen, Stage.SHADOW)
    frozen.run(put_repair(frozen.control, waiting(serial="s1")))
    frozen.run(put_repair(frozen.control, waiting(serial="s2")))
    frozen.run(forget_repair(frozen.control, waiting(serial="s1")))
    assert [record.serial for record in frozen.run(list_repairs(frozen.control))] == ["s2"]
    frozen.run(forget_repair(frozen.control, waiting(serial="s2")))
    assert frozen.run(list_repairs(frozen.control)) == ()


def test_a_client_that_does_not_enter_in_time_turns_the_move_back_at_once(frozen: World) -> None:
    """Others that hold their writes go on in shadow, without waiting for the one that is stuck."""
    moving = begin(frozen, Stage.SHADOW)
    stuck, quick = frozen.joined(), frozen.joined()
    ticket = stuck.begin(True)
    frozen.while_asleep = frozen.polls(stuck, quick)
    began = frozen.now
    with pytest.raises(TurnedBack, match=r"in shadow again.*(?s:.)*has not acknowledged"):
        _ = frozen.run(moving.walk(Stage.LIVE))
    assert frozen.now - began < HOLD_SECONDS
    assert state_of(frozen).stage is Stage.SHADOW
    frozen.run(quick.poll())
    assert quick.stage is Stage.SHADOW
    stuck.end(ticket)
    assert frozen.run(moving.walk(Stage.LIVE)).stage is Stage.LIVE


def test_a_dead_client_is_counted_out_before_anybody_is_held(frozen: World) -> None:
    """Its lease runs out in shadow; and it leaves no mark, since the repair queue has what it began."""
    moving = begin(frozen, Stage.SHADOW)
    _dead, alive = frozen.joined(), frozen.joined()
    held: list[float] = []

    def poll() -> None:
        frozen.run(alive.poll())
        if FREEZE[alive.stage].holds:
            held.append(frozen.now)

    frozen.while_asleep = poll
    began = frozen.now
    _ = frozen.run(moving.walk(Stage.LIVE))
    assert held[0] - began >= LEASE_SECONDS + LANDING_SECONDS
    assert held[-1] - held[0] < 1.0
    assert state_of(frozen).unclean == 0


def test_a_job_that_died_still_leaves_its_mark(frozen: World) -> None:
    """Only applications have a repair queue."""
    moving = begin(frozen, Stage.SHADOW)
    _ = frozen.joined(role=Role.BACKFILL)
    _ = frozen.run(moving.walk(Stage.DUALWRITE))
    assert state_of(frozen).unclean == 1


# --- the log


def carrier(owner: str, serial: int, *, applied: str = "", passed: str = "") -> CarrierRecord:
    return CarrierRecord(owner, serial, applied, passed, 0.0, "now")


def test_a_log_that_nobody_carries_keeps_the_authority(frozen: World) -> None:
    """Where the plan says that a log is carried, an ETL that has never reported is no reason to go on."""
    moving = begin(frozen, Stage.SHADOW, carried=True)
    with pytest.raises(TurnedBack, match="nothing that carries the log has reported yet"):
        _ = frozen.run(moving.walk(Stage.LIVE))
    assert state_of(frozen).stage is Stage.SHADOW


@pytest.mark.parametrize("gone", [Role.ETL, Role.REPLICATION])
def test_no_write_is_held_where_nobody_would_pass_the_fence(frozen: World, gone: Role) -> None:
    """A worker, or what carries to it, has died without a word: the freeze is not entered, and what to do is said."""
    _ = begin(frozen, Stage.SHADOW, carried=True)
    for job in (Job.BACKFILL, Job.VERIFY):
        done = JobRecord(
            job, JobStatus.COMPLETE, "me", "run", "ann", "laptop", 1, 1, 0, "run", True, {}, "before", "then"
        )
        _ = frozen.client.put_item(**frozen.control.put(done))
    clients = {role: frozen.joined(role=role) for role in (Role.ETL, Role.REPLICATION)}
    owner = clients[Role.REPLICATION].client_id
    frozen.run(report(frozen.control, replace(carrier(owner, 1), has_workers=True)))
    frozen.while_asleep = frozen.polls(*(client for role, client in clients.items() if role is not gone))
    with pytest.raises(GateClosed) as refused:
        _ = frozen.run(frozen.coordinator().walk(Stage.LIVE))
    assert refused.value.next_step in {
        "crossfade etl --execute, and let it run",
        "crossfade replicate --execute, and let it run",
    }
    assert ("no worker applies" in refused.value.message) is (gone is Role.ETL)
    assert not [what for what in journal_of(frozen) if "freeze" in what]


def test_the_carrier_passes_the_fence_by_its_token(frozen: World) -> None:
    """It asks the source itself, after it has seen the fence of this freeze; an old token opens nothing."""
    moving = begin(frozen, Stage.SHADOW, carried=True)
    frozen.run(report(frozen.control, carrier("etl", 1, passed="of another freeze")))
    client: Agent = frozen.joined()
    said: list[str] = []

    def poll() -> None:
        frozen.run(client.poll())
        fence = frozen.run(read_fence(frozen.control))
        if fence is not None and fence.epoch == client.epoch and frozen.now - began > 2.0:
            said.append(fence.token)
            frozen.run(report(frozen.control, carrier("etl", 1 + len(said), passed=fence.token)))

    frozen.while_asleep = poll
    began = frozen.now
    assert frozen.run(moving.walk(Stage.LIVE)).stage is Stage.LIVE
    assert said
    assert frozen.run(moving.walk(Stage.SHADOW)).stage is Stage.SHADOW  # nothing is carried back by it


@pytest.mark.parametrize("applied", ["0000000a", "0000000f"])
def test_the_carrier_passes_the_fence_by_its_position(frozen: World, applied: str) -> None:
    """The position is read when everybody holds its writes; the same one, or a later one, is past it."""
    _ = begin(frozen, Stage.SHADOW, carried=True)
    client = frozen.joined()
    asked: list[Stage] = []

    def position() -> Routine[str]:
        asked.append(state_of(frozen).stage)
        assert client.acknowledged == state_of(frozen).epoch
        yield from Note("asked", {})
        return "0000000a"

    moving = frozen.coordinator(force_because=GATES, position=position)
    frozen.run(report(frozen.control, carrier("etl", 1, applied="00000009")))

    def poll() -> None:
        frozen.run(client.poll())
        if asked:
            frozen.run(report(frozen.control, carrier("etl", 2, applied=applied)))

    frozen.while_asleep = poll
    assert frozen.run(moving.walk(Stage.LIVE)).stage is Stage.LIVE
    assert asked == [Stage.FREEZE_SOURCE]


def test_a_stalled_fence_falls_back(frozen: World) -> None:
    """An ETL that stays behind the fence: shadow again, within the bound, and the error names both positions."""
    _ = begin(frozen, Stage.SHADOW, carried=True)

    def position() -> Routine[str]:
        yield from Note("asked", {})
        return "0000000a"

    frozen.run(report(frozen.control, carrier("etl", 1, applied="00000009")))
    moving = frozen.coordinator(force_because=GATES, position=position)
    began = frozen.now
    with pytest.raises(TurnedBack, match="applied up to 00000009 of 0000000a"):
        _ = frozen.run(moving.walk(Stage.LIVE))
    assert frozen.now - began <= HOLD_SECONDS
    assert state_of(frozen).stage is Stage.SHADOW


def test_two_carriers_do_not_both_report(frozen: World) -> None:
    """The second is fenced unless it takes over, and then the first is."""
    _ = begin(frozen, Stage.SHADOW, carried=True)
    frozen.run(report(frozen.control, carrier("one", 5)))
    with pytest.raises(Fenced):
        frozen.run(report(frozen.control, carrier("two", 1)))
    frozen.run(report(frozen.control, carrier("two", 1), takes_over=True))
    with pytest.raises(Fenced):
        frozen.run(report(frozen.control, carrier("one", 6)))
    found = frozen.run(read_carrier(frozen.control))
    assert found is not None
    assert found.owner == "two"


# --- what is asked for, and what others do


def test_each_way_into_a_freeze_asks_for_equality_first(frozen: World) -> None:
    """Nobody is held up for a gate that is closed anyway; between the two stages it is asked for once more."""
    _ = begin(frozen, Stage.SHADOW)
    state = state_of(frozen)
    up = gates_of_step(state, Stage.FREEZE_SOURCE)
    assert up == (Gate.BACKFILLED, Gate.VERIFIED, Gate.RECENT, Gate.REPLICATED)
    plain = frozen.coordinator()
    with pytest.raises(GateClosed, match="no backfill has begun"):
        _ = frozen.run(plain.walk(Stage.LIVE))
    assert state_of(frozen).stage is Stage.SHADOW
    assert not any("freeze" in what for what in journal_of(frozen))


@pytest.mark.parametrize(("stage", "out"), [(Stage.FREEZE_SOURCE, Stage.SHADOW), (Stage.FREEZE_TARGET, Stage.LIVE)])
def test_another_leads_out_where_the_coordinator_died(frozen: World, stage: Stage, out: Stage) -> None:
    """From either stage the way out has no gate; two that try it do no harm."""
    moving = begin(frozen, Stage.SHADOW)
    state = state_of(frozen)
    for through in (Stage.FREEZE_SOURCE, Stage.FREEZE_TARGET):
        state = frozen.run(moving._step(state, through, confirmed=False))  # pyright: ignore[reportPrivateUsage]
        if through is stage:
            break
    assert way_out("freeze", stage) is out
    assert frozen.run(frozen.coordinator("rescuer").walk(out)).stage is out
    assert frozen.run(frozen.coordinator("another").walk(out)).stage is out


def test_a_walk_that_was_interrupted_in_the_freeze_goes_on(frozen: World) -> None:
    """The same command again, from the first freeze stage, leads to live."""
    moving = begin(frozen, Stage.SHADOW)
    _ = frozen.run(moving._step(state_of(frozen), Stage.FREEZE_SOURCE, confirmed=False))  # pyright: ignore[reportPrivateUsage]
    assert frozen.run(moving.walk(Stage.LIVE)).stage is Stage.LIVE


def test_the_survey_leads_through_the_freeze_and_says_what_waits(frozen: World) -> None:
    """In shadow the next command goes to live; in the freeze, the repairs that are waited for are in its findings."""
    moving = begin(frozen, Stage.SHADOW)
    for job in (Job.BACKFILL, Job.VERIFY):
        done = JobRecord(
            job, JobStatus.COMPLETE, "me", "run", "ann", "laptop", 1, 1, 0, "run", True, {}, "before", "then"
        )
        _ = frozen.client.put_item(**frozen.control.put(done))
    assert frozen.run(survey(frozen.control)).next_command == "crossfade advance --to live --execute"
    _ = frozen.run(moving._step(state_of(frozen), Stage.FREEZE_SOURCE, confirmed=False))  # pyright: ignore[reportPrivateUsage]
    frozen.run(put_repair(frozen.control, waiting()))
    look = frozen.run(survey(frozen.control))
    assert look.up is not None
    assert [finding.gate for finding in look.up.findings if not finding.is_open] == [Gate.PASSED]
    frozen.run(forget_repair(frozen.control, waiting()))
    assert frozen.run(frozen.coordinator().walk(Stage.LIVE)).stage is Stage.LIVE  # by its gates, without force


def test_clients_look_quickly_while_they_hold_and_near_it() -> None:
    """Every 50 ms in a freeze, every 250 ms beside one, as usual elsewhere."""
    found = {stage: poll_seconds("freeze", stage, 1.0) for stage in FREEZE}
    assert found[Stage.FREEZE_SOURCE] == found[Stage.FREEZE_TARGET] == 0.05
    assert found[Stage.SHADOW] == found[Stage.LIVE] == 0.25
    assert found[Stage.OFF] == found[Stage.DUALWRITE] == found[Stage.RAMPDOWN] == found[Stage.COMPLETE] == 1.0


def test_cancel_forgets_the_queue_and_the_carrier(frozen: World) -> None:
    """A migration of the same name that begins later finds nothing of this one."""
    moving = begin(frozen, Stage.SHADOW, carried=True)
    frozen.run(put_repair(frozen.control, waiting()))
    frozen.run(put_schema(frozen.control, SchemaRecord("c1", "shop.customers", "ALTER TABLE customers", "now")))
    frozen.run(moving.cancel())
    assert frozen.run(read_schema(frozen.control)) is None
    assert frozen.run(list_repairs(frozen.control)) == ()
    assert frozen.run(read_carrier(frozen.control)) is None


def test_where_the_target_decides_no_repair_is_advised_of_rows(frozen: World) -> None:
    """`verify --repair` is refused there, since the rows do not decide: the way on is said, and is not a circle."""
    _ = begin(frozen, Stage.SHADOW, carried=True)
    for job, clean in ((Job.BACKFILL, True), (Job.VERIFY, False)):
        done = JobRecord(
            job,
            JobStatus.COMPLETE,
            "me",
            "run",
            "ann",
            "laptop",
            1,
            1,
            0,
            "run",
            clean,
            {"missing": 1},
            "before",
            "then",
        )
        _ = frozen.client.put_item(**frozen.control.put(done))
    evidence = frozen.run(Evidence.read(frozen.control))
    (up,) = findings((Gate.VERIFIED,), state_of(frozen), evidence)
    assert up.next_step == "crossfade verify --repair --execute, then crossfade verify"
    (down,) = findings((Gate.VERIFIED,), replace(state_of(frozen), stage=Stage.LIVE), evidence)
    assert not down.is_open
    assert down.next_step.startswith("make equal by hand")
    assert down.command == "crossfade verify"
