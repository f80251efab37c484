"""`crossfade cancel`: back to off, and forget the migration."""

from __future__ import annotations

from dataclasses import replace

import click

from crossfade.cdc.migration import PARTS_SUFFIX
from crossfade.cdc.topics import MARKS
from crossfade.cli.moving import carry_out, coordinator, look
from crossfade.cli.opened import open_migration, strangeness
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.outcome import NOT_YET
from crossfade.cli.planning import walk_plan
from crossfade.cli.plans import UNCHANGED, Plan, Step, go_on
from crossfade.cli.screen import Screen
from crossfade.control.survey import Survey
from crossfade.core.mapping import STAMP
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.errors import NotPossibleInStage

NOT_POSSIBLE = "Nothing was changed, and with --execute nothing would be: a step on the way has a closed gate."


@click.command(short_help="Give the migration up: back to off, and forget it.")
@with_where
@with_execute
@with_json
@click.pass_obj
def cancel(screen: Screen, where: Where, execute: bool) -> None:
    """Give the migration up: go back to off, one stage at a time, and remove its state from the control table.

    Both tables and the journal stay; the plan says what is left where. Applications that are still attached go on with
    the source alone. It is given up as a whole: where a step on the way has a closed gate, nothing is changed. In
    copy-on-write that is so as soon as the target holds items, because in off nobody would look at them.

    \b
    Examples:
      crossfade cancel                 print what would be done
      crossfade cancel --execute
    """
    opened = open_migration(screen, where)
    before = look(opened)
    if before.state.stage is Stage.COMPLETE:
        raise NotPossibleInStage(
            f"migration {before.migration} is complete: there is nothing left to give up",
            next_step=before.next_command,
        )
    strange = strangeness(opened.migration, before.state)
    if strange:  # giving up needs no mapping, and is how one starts anew with another
        screen.say(f"Note: {strange}.", "yellow")
    plan = plan_of(before)
    if not go_on(opened, plan, execute=execute, say_unchanged=NOT_POSSIBLE if plan.closed_gates else UNCHANGED):
        if plan.closed_gates:
            raise click.exceptions.Exit(NOT_YET)
        return
    carry_out(
        opened, coordinator(opened).cancel(), lambda: plan_of(look(opened)).closed_gates, "crossfade cancel --execute"
    )
    screen.say(f"Migration {before.migration} is cancelled. The target {before.state.target} can be deleted.", "bold")
    done = {"executed": True, "migration": before.migration, "from": before.state.stage, "stage": None}
    screen.document({**done, "left": left_behind(before)})


def left_behind(look_: Survey) -> tuple[str, ...]:
    """What is where once the migration is given up in the stage in which it is now."""
    state = look_.state
    streams = ("A change stream that was switched on stays on.",) if look_.readers else ()
    if state.strategy == "copy-on-write":
        return (*_left_by_copies(look_), *streams)
    if state.stage is Stage.OFF:
        source = f"{state.source}: every item, as applications wrote it."
    elif ALL_LADDERS[state.strategy][state.stage].authority == "source":
        source = f"{state.source}: every item, as applications wrote it; mirrors only read it."
    else:
        source = f"{state.source}: every item, also what was written while {state.target} decided: it was kept equal."
    target = f"{state.target}: what it holds now; nothing keeps it up to date from then on, and it can be deleted."
    return (source, target, *_left_by_a_log(look_), *streams)


def _left_by_a_log(look_: Survey) -> tuple[str, ...]:
    """What `cleanup` would take away, which is for a migration that is complete."""
    if look_.carriage is None:
        return ()
    beside = f"{look_.state.target}{PARTS_SUFFIX}, where rows are folded"
    return (f"{MARKS} on the source, {beside}, and the topics and groups in Kafka: they can be deleted too.",)


def _left_by_copies(look_: Survey) -> tuple[str, ...]:
    state = look_.state
    if look_.target_empty or ALL_LADDERS[state.strategy][state.stage].is_single:
        stamps = f"what was written since stamp keeps the attribute {STAMP}, which who reads it without crossfade sees"
        target = "nothing" if look_.target_empty else "what it holds now, which nobody looks at"
        return (f"{state.source}: every item; {stamps}.", f"{state.target}: {target}; it can be deleted.")
    newest = "what was written or copied since drain was entered, often the only or the newest form of an item"
    return (
        f"{state.target}: {newest}.",
        f"{state.source}: what has not been copied, and old forms of what has.",
        f"So this migration cannot be given up any more. Stay in {state.stage}, or go on to complete.",
    )


def plan_of(look_: Survey) -> Plan:
    walk = walk_plan(look_, Stage.OFF).steps if look_.state.stage is not Stage.OFF else ()
    removal = Step(
        f"remove migration {look_.migration} from {look_.control_table}",
        f"clients stay in off, on {look_.state.source} alone; both tables and the journal stay",
    )
    title = f"Cancel migration {look_.migration}, now in {look_.state.stage}"
    plan = Plan(title, (*walk, removal), "crossfade start --execute", left_behind(look_))
    return replace(plan, way_back="") if plan.closed_gates else plan
