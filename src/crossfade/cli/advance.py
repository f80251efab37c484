"""`crossfade advance`: up the ladder, one stage at a time."""

from __future__ import annotations

from collections.abc import Sequence

import click

from crossfade.cli.moving import carry_out, coordinator, gates_beside, look, report
from crossfade.cli.opened import Opened, open_migration
from crossfade.cli.options import (
    StageName,
    Where,
    quoted,
    verified_again,
    verified_days,
    with_execute,
    with_json,
    with_verified,
    with_where,
)
from crossfade.cli.planning import check_known, neighbour, ramp_step, walk_plan
from crossfade.cli.plans import Plan, closed_exit, go_on, unchanged
from crossfade.cli.screen import Screen
from crossfade.control.days import Days
from crossfade.control.evidence import Evidence
from crossfade.control.gate_texts import way_to_complete, without_ramp
from crossfade.control.gates import RAMP_GATES, Finding, findings
from crossfade.control.survey import Survey
from crossfade.core.stages import ALL_LADDERS, Ramp, Stage, ladder
from crossfade.errors import NotPossibleInStage


@click.command(short_help="Go up to the next stage, or to a given one.")
@with_where
@click.option("--to", type=StageName(), help="Go up to this stage instead of the next one.")
@click.option(
    "--ramp",
    metavar="PERCENT",
    type=click.IntRange(0, 100),
    help="Serve reads of this percentage of the keys from the target.",
)
@click.option("--force", is_flag=True, help="Pass closed gates (never the barrier); needs --why.")
@click.option("--why", metavar="TEXT", default="", help="Record this reason in the journal.")
@with_verified
@with_execute
@with_json
@click.pass_obj
def advance(
    screen: Screen,
    where: Where,
    to: Stage | None,
    ramp: int | None,
    force: bool,
    why: str,
    verified_within: int | None,
    execute: bool,
) -> None:
    """Go up to a stage, one at a time, waiting for every client at each; or set the ramp.

    A gate that is closed stops the walk, and says what to do. Interrupted or killed, the same command goes on.
    Where a step asks for a verify, that must not be older than --verified-within days.
    With --ramp alone the stage stays as it is.

    \b
    Examples:
      crossfade advance                              print the step to the next stage
      crossfade advance --to shadow --execute
      crossfade advance --ramp 10 --execute          in shadow: 10 % of the keys are read from the target
    """
    if force != bool(why.strip()):
        raise click.UsageError("--force and --why TEXT go together: the journal keeps the reason")
    opened = open_migration(screen, where)
    _ = opened.state_of_this_file()
    before = look(opened)
    goal = goal_of(before, to, ramp)
    opened.look_at_tables()
    days = Days(verified=verified_days(verified_within))
    plan = plan_of(before, goal, ramp, forced=force, days=days)
    if not go_on(opened, plan, execute=execute, say_unchanged=unchanged(plan, force=force)):
        closed_exit(plan, force=force)
        return
    moving = coordinator(opened, why.strip() if force else "", days=days)
    again = again_of(goal, ramp, why if force else "", verified_again(verified_within))
    if goal is not before.state.stage or ramp is None:
        _ = carry_out(opened, moving.walk(goal), lambda: gates_beside(opened, 1, days), again)
    if ramp is not None:
        _ = carry_out(opened, moving.set_ramp(ramp), lambda: gates_of_ramp(opened, days), again)
    report(opened, before)


def goal_of(look_: Survey, to: Stage | None, ramp: int | None) -> Stage:
    """The stage to be in at the end. Raises NotPossibleInStage for what is not up, or not for this command."""
    state = look_.state
    goal = to or (state.stage if ramp is not None else neighbour(state, 1))
    if state.stage is Stage.COMPLETE:
        raise NotPossibleInStage(
            f"migration {look_.migration} is complete: there is no stage above it", next_step=look_.next_command
        )
    if goal is None or goal is Stage.COMPLETE:
        way = way_to_complete(state.stage, look_.migration)
        raise NotPossibleInStage("complete has no way back, so it has a command of its own", next_step=way)
    check_known(state, goal)
    order = ladder(state.strategy)
    if order.index(goal) < order.index(state.stage):
        raise NotPossibleInStage(
            f"{goal} is below {state.stage}", next_step=f"crossfade rollback --to {goal} --execute"
        )
    if ramp and ALL_LADDERS[state.strategy][goal].ramp is Ramp.NONE:
        raise without_ramp(state.strategy, goal)
    return goal


def plan_of(look_: Survey, goal: Stage, ramp: int | None, *, forced: bool, days: Days) -> Plan:
    walk = walk_plan(look_, goal, forced=forced, days=days)
    if ramp is None:
        return walk
    steps = (*(walk.steps if goal is not look_.state.stage else ()), ramp_step(look_, goal, ramp, days))
    title = walk.title if goal is not look_.state.stage else f"Migration {look_.migration}: the ramp in {goal}"
    way_back = walk.way_back or f"crossfade advance --ramp {look_.state.ramp_percent} --execute"
    return Plan(title, steps, way_back, walk.remarks)


def again_of(goal: Stage, ramp: int | None, why: str, more: str = "") -> str:
    ramped = "" if ramp is None else f" --ramp {ramp}"
    return f"crossfade advance --to {goal}{ramped}{f' --force --why {quoted(why)}' if why else ''}{more} --execute"


def gates_of_ramp(opened: Opened, days: Days) -> Sequence[Finding]:
    state = opened.state()
    return findings(RAMP_GATES, state, opened.run(Evidence.read(opened.control, clients=True)), days=days)
