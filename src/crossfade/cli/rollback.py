"""`crossfade rollback`: down the ladder, one stage at a time."""

from __future__ import annotations

import click

from crossfade.cli.moving import carry_out, coordinator, gates_beside, look, report
from crossfade.cli.opened import open_migration, strangeness
from crossfade.cli.options import StageName, Where, quoted, with_execute, with_json, with_where
from crossfade.cli.outcome import NOT_YET
from crossfade.cli.planning import check_known, neighbour, walk_plan
from crossfade.cli.plans import UNCHANGED, Plan, go_on
from crossfade.cli.screen import Screen
from crossfade.control.gate_texts import way_to_complete
from crossfade.control.survey import Survey
from crossfade.core.stages import Stage, ladder
from crossfade.errors import NotPossibleInStage


@click.command(short_help="Go back to the stage below, or to a given one.")
@with_where
@click.option("--to", type=StageName(), help="Go back to this stage instead of the one below.")
@click.option("--force", is_flag=True, help="Pass closed gates (never the barrier); needs --why.")
@click.option("--why", metavar="TEXT", default="", help="Record this reason in the journal.")
@with_execute
@with_json
@click.pass_obj
def rollback(screen: Screen, where: Where, to: Stage | None, force: bool, why: str, execute: bool) -> None:
    """Go back down to a stage, one at a time, waiting for every client at each. No write is lost on the way.

    From complete there is no way back.

    \b
    Examples:
      crossfade rollback                          print the step to the stage below
      crossfade rollback --to shadow --execute
    """
    if force != bool(why.strip()):
        raise click.UsageError("--force and --why TEXT go together: the journal keeps the reason")
    opened = open_migration(screen, where)
    before = look(opened)
    goal = goal_of(before, to)
    strange = strangeness(opened.migration, before.state)
    if strange:  # the way down needs no mapping, so it stays open
        screen.say(f"Note: {strange}.", "yellow")
    plan = walk_plan(before, goal, forced=force)
    closed = "" if force else closed_on_the_way(plan)
    if not go_on(opened, plan, execute=execute, say_unchanged=closed or UNCHANGED):
        if closed:
            raise click.exceptions.Exit(NOT_YET)
        return
    if closed:
        screen.say(closed, "bold yellow")
        screen.document({"executed": False, "migration": before.migration, **plan.as_json(opened)})
        raise click.exceptions.Exit(NOT_YET)
    forced = f" --force --why {quoted(why)}" if force else ""
    routine = coordinator(opened, why.strip()).walk(goal)
    again = f"crossfade rollback --to {goal}{forced} --execute"
    _ = carry_out(opened, routine, lambda: gates_beside(opened, -1), again)
    report(opened, before)


def closed_on_the_way(plan: Plan) -> str:
    """Say why a rollback that cannot go the whole way goes none of it; empty where it can."""
    steps = [step for step in plan.steps if any(not gate.is_open for gate in step.gates)]
    if not steps:
        return ""
    first, names = steps[0], ", ".join(gate.gate for gate in steps[0].gates if not gate.is_open)
    further = ""
    if first is not plan.steps[0]:
        stop = first.what.partition(" -> ")[0]
        further = f"; without it, it leads to {stop} at most, which must then be named with --to"
    return f"Not changed, with --execute neither: the step {first.what} has a closed gate ({names}){further}."


def goal_of(look_: Survey, to: Stage | None) -> Stage:
    """Raises NotPossibleInStage for what is not down."""
    state = look_.state
    if state.stage is Stage.COMPLETE:
        raise NotPossibleInStage(
            f"migration {look_.migration} is complete: the source is not kept equal any more, so there is no way back",
            next_step="to go back all the same, make a migration in the other direction: `crossfade new`",
        )
    goal = to or neighbour(state, -1)
    if goal is None:
        raise NotPossibleInStage(f"migration {look_.migration} is in {state.stage}: there is no stage below")
    check_known(state, goal)
    order = ladder(state.strategy)
    if order.index(goal) > order.index(state.stage):
        up = f"crossfade advance --to {goal} --execute"
        if goal is Stage.COMPLETE:
            up = way_to_complete(state.stage, look_.migration)
        raise NotPossibleInStage(f"{goal} is above {state.stage}", next_step=up)
    return goal
