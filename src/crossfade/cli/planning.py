"""Plans of the walks up and down the ladder, made from a survey: nothing is asked and nothing is changed here."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from crossfade.cli.plans import Plan, Step
from crossfade.control.days import Days
from crossfade.control.evidence import Evidence
from crossfade.control.gates import RAMP_GATES, USUAL_DAYS, Finding, findings, gates_of_step
from crossfade.control.records import Job, State
from crossfade.control.survey import Survey
from crossfade.core.stages import ALL_LADDERS, Gate, Stage, ladder, next_resting, path
from crossfade.errors import NotPossibleInStage

NOBODY_ATTACHED: Final = "No process has crossfade attached now: what applications write past it reaches one table only"


def evidence_of(look: Survey) -> Evidence:
    records = {view.record.job: view.record for view in look.jobs}
    return Evidence(
        records.get(Job.BACKFILL),
        records.get(Job.VERIFY),
        replication=look.replication,
        target_empty=look.target_empty,
        fallbacks=look.fallbacks,
        refusals=look.refusals,
        carriage=look.carriage,
        mapping=look.mapping,
        denied=look.denied,
        differences=look.differences,
        failing=look.failing,
        today=look.today,
        migration=look.migration,
    )


def stages_between(state: State, to: Stage) -> tuple[Stage, ...]:
    """The stages to enter, one after the other."""
    return path(ladder(state.strategy), state.stage, to)


def check_known(state: State, stage: Stage) -> None:
    """Raises NotPossibleInStage for a stage of another strategy."""
    stages = ladder(state.strategy)
    if stage not in stages:
        raise NotPossibleInStage(
            f"{state.strategy} has no stage {stage}", next_step=f"its stages are {', '.join(stages)}"
        )


def neighbour(state: State, by: int) -> Stage | None:
    """The nearest stage above (1) or below (-1) in which one may stay."""
    return next_resting(ladder(state.strategy), state.stage, by, ALL_LADDERS[state.strategy])


def walk_plan(
    look: Survey,
    to: Stage,
    *,
    forced: bool = False,
    confirmed: bool = False,
    days: Days = USUAL_DAYS,
) -> Plan:
    """Return the plan from the present stage to another, one step at a time."""
    state, stages = look.state, stages_between(look.state, to)
    steps: list[Step] = []
    for stage in stages:
        gates = step_findings(look, state, stage, confirmed=confirmed, days=days)
        steps.append(
            Step(
                f"{state.stage} -> {stage}",
                ALL_LADDERS[state.strategy][stage].summary + cleared(state, stage),
                waits_for(look, stage),
                gates,
            )
        )
        state = replace(state, stage=stage, ramp_percent=0)
    if not steps:
        steps = [Step(f"stay in {to}", "the stage is not changed", waits_for(look, to))]
    remarks: tuple[str, ...] = ()
    if not look.clients and to is not Stage.OFF:
        remarks = (f"{NOBODY_ATTACHED}.",)
    if forced:
        remarks += ("Closed gates will be passed by force, and the journal will say by whom and why.",)
    return Plan(
        f"Migration {look.migration}: {look.state.stage} -> {to}" if stages else f"Migration {look.migration}: {to}",
        tuple(steps),
        _way_back(look.state, to),
        remarks,
    )


def ramp_step(look: Survey, stage: Stage, percent: int, days: Days = USUAL_DAYS) -> Step:
    """Let `percent` of the keys be read from the target."""
    judged = findings(RAMP_GATES if percent else (), look.state, evidence_of(look), days=days)
    before = look.state.ramp_percent if stage is look.state.stage else 0
    return Step(
        f"ramp {before} % -> {percent} % in {stage}",
        f"{percent} % of the keys are read from the target" if percent else "every read is answered by the source",
        f"{clients_text(look)} to have it",
        judged,
    )


def step_findings(
    look: Survey,
    state: State,
    to: Stage,
    *,
    confirmed: bool = False,
    days: Days = USUAL_DAYS,
) -> tuple[Finding, ...]:
    """The gates of one step as things are now; earlier steps of a walk do not change them."""
    gates = gates_of_step(state, to)
    return findings(gates, state, evidence_of(look), confirmed=confirmed, days=days)


def waits_for(look: Survey, stage: Stage) -> str:
    return f"{clients_text(look)} to enter {stage}, and to finish what it began before"


def clients_text(look: Survey) -> str:
    return f"every client ({len(look.clients):,} now)"


def cleared(state: State, stage: Stage) -> str:
    """What going down to a stage, from that state, makes count no more."""
    rows = ALL_LADDERS[state.strategy]
    falls_behind = rows[stage].leaves_target_behind and not rows[state.stage].leaves_target_behind
    return "; the backfill and verify records are cleared, since the target falls behind" if falls_behind else ""


def _way_back(state: State, to: Stage) -> str:
    start = state.stage
    if to is Stage.COMPLETE:
        return "none; complete is the end"
    if start is to:
        return ""
    order = ladder(state.strategy)
    lowest = next((stage for stage in order if Gate.EMPTY in ALL_LADDERS[state.strategy][stage].gates), start)
    if order.index(start) < order.index(lowest) < order.index(to):
        return f"crossfade rollback --to {lowest} --execute (no further, once the target has an item)"
    verb = "rollback" if order.index(to) > order.index(start) else "advance"
    return f"crossfade {verb} --to {start} --execute"
