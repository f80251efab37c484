"""`crossfade start`: the control table and the first record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from crossfade.cli.moving import coordinator
from crossfade.cli.opened import Opened, OpenedRows, open_migration
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen
from crossfade.control.losing import refuse_living, refuse_lost, refuse_stamps
from crossfade.control.starting import StartPlan, already_started
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.errors import NotStarted, ServiceRejected


@click.command(short_help="Record the migration in the control table.")
@with_where
@click.option("--anew", is_flag=True, help="What a migration has left in the tables is of one that was given up.")
@with_execute
@with_json
@click.pass_obj
def start(screen: Screen, where: Where, anew: bool, execute: bool) -> None:
    """Record the migration in the control table, in stage off. Neither table is touched.

    After it, deploy the applications with crossfade attached (or their Switch, where rows are migrated): they find the
    migration there, and follow its stages. It is refused where records, or stamps in a table, tell of a migration whose
    state was lost: that is put back by crossfade recover.

    \b
    Examples:
      crossfade start                       print what would be done
      crossfade start migration.py --execute
    """
    opened = open_migration(screen, where)
    opened.look_at_tables()
    refuse_second_start(opened)
    migration, wanted = opened.migration, replace(plan_to_start(opened), anew=anew)
    refuse_leavings(opened, anew=anew)
    if not go_on(opened, plan_of(opened, wanted), execute=execute):
        return
    state = opened.run(coordinator(opened).start(wanted), say_notes(screen))
    step = opened.command("crossfade status")
    screen.say(f"Migration {migration.name} is started, in stage {state.stage}.", "bold green")
    how = f'Switch("{migration.name}", ...)' if switched(opened) else "crossfade.attach(...) and this file"
    screen.say(f"Now deploy the applications with {how}; then they show up here:")
    screen.say(f"Next: {step}")
    facts = {"migration": migration.name, "stage": state.stage, "epoch": state.epoch, "next_command": step}
    screen.document({"executed": True, **facts})


def plan_to_start(opened: Opened) -> StartPlan:
    migration, carried = opened.migration, isinstance(opened, OpenedRows)
    return StartPlan(
        migration.strategy_name, migration.source_name, migration.target_name, migration.fingerprint, carried
    )


def refuse_leavings(opened: Opened, *, anew: bool) -> None:
    """Raise NotPossibleInStage where a migration that nobody has cancelled has left something; `anew`: where somebody
    still takes part in it."""
    try:
        if anew:
            opened.run(refuse_living(opened.control))
            return
        cancelled = opened.run(refuse_lost(opened.control))
        others = opened.run(opened.control.others())
    except ServiceRejected as error:
        if error.code != "ResourceNotFoundException":
            raise
        cancelled, others = False, {}  # there is no control table yet
    migration = opened.migration
    if anew or cancelled or switched(opened):
        return  # what it has left is known; a Switch leaves no stamps in tables, and rows have versions
    opened.run(refuse_stamps(opened.control, "target", migration.target_name))
    if migration.source_name not in {state.target for state in others.values()}:  # of a chain, it has stamps
        opened.run(refuse_stamps(opened.control, "source", migration.source_name))


def say_notes(screen: Screen) -> Callable[[str, dict[str, Any]], None]:
    """What of the control table is not as it should be, and does not matter now."""

    def note(name: str, facts: dict[str, Any]) -> None:
        if name == "backups_off":
            why = f"Note: no point-in-time recovery of {facts['table']}: {facts['why']}. Switch it on yourself."
            screen.say(why, "yellow")

    return note


def switched(opened: Opened) -> bool:
    """Whether the applications take part by a Switch."""
    return opened.migration.strategy_name == FREEZE_STRATEGY


def refuse_second_start(opened: Opened) -> None:
    try:
        state = opened.state()
    except NotStarted:
        return
    raise already_started(opened.control, state)


def plan_of(opened: Opened, wanted: StartPlan) -> Plan:
    table, records, clients = wanted.steps(opened.control)
    return Plan(
        f"Start migration {opened.migration.name}",
        (
            Step(table, "it holds the stage, the leases of the clients and the journal; a few requests a second"),
            Step(records, "nothing else: in off the applications work on the source as before"),
            Step("then it is your turn: deploy the applications with crossfade attached or their Switch", clients),
        ),
        "crossfade cancel --execute",
    )
