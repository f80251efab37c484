"""`crossfade cancel`: back to off, and forget the migration."""

from __future__ import annotations

import click

from crossfade.cli.moving import carry_out, coordinator, gates_beside, look
from crossfade.cli.opened import open_migration, strangeness
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.planning import walk_plan
from crossfade.cli.plans import Plan, Step, closed_exit, go_on, unchanged
from crossfade.cli.screen import Screen
from crossfade.control.survey import Survey
from crossfade.core.stages import Stage
from crossfade.errors import Refused


@click.command(short_help="Give the migration up: back to off, and forget it.")
@with_where
@with_execute
@with_json
@click.pass_obj
def cancel(screen: Screen, where: Where, execute: bool) -> None:
    """Give the migration up: go back to off, one stage at a time, and remove its state from the control table.

    Both tables and the journal stay. Applications that are still attached go on with the source alone.

    \b
    Examples:
      crossfade cancel                 print what would be done
      crossfade cancel --execute
    """
    opened = open_migration(screen, where)
    before = look(opened)
    if before.state.stage is Stage.COMPLETE:
        raise Refused(f"migration {before.migration} is complete: there is nothing left to give up")
    strange = strangeness(opened.migration, before.state)
    if strange:  # giving up needs no mapping, and is how one starts anew with another
        screen.say(f"Note: {strange}.", "yellow")
    plan = plan_of(before)
    if not go_on(opened, plan, execute=execute, say_unchanged=unchanged(plan, force=False)):
        closed_exit(plan, force=False)
        return
    carry_out(opened, coordinator(opened).cancel(), lambda: gates_beside(opened, -1), "crossfade cancel --execute")
    screen.say(f"Migration {before.migration} is cancelled. The target {before.state.target} can be deleted.", "bold")
    screen.document({"executed": True, "migration": before.migration, "from": before.state.stage, "stage": None})


def plan_of(look_: Survey) -> Plan:
    walk = walk_plan(look_, Stage.OFF).steps if look_.state.stage is not Stage.OFF else ()
    removal = Step(
        f"remove migration {look_.migration} from {look_.control_table}",
        f"clients stay in off, on {look_.state.source} alone; both tables and the journal stay",
    )
    title = f"Cancel migration {look_.migration}, now in {look_.state.stage}"
    return Plan(title, (*walk, removal), "crossfade start --execute")
