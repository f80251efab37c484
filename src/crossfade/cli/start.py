"""`crossfade start`: the control table and the first record."""

from __future__ import annotations

import click

from crossfade.cli.moving import coordinator
from crossfade.cli.opened import Opened, OpenedRows, open_migration
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen
from crossfade.control.starting import StartPlan, already_started
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.errors import NotStarted


@click.command(short_help="Record the migration in the control table.")
@with_where
@with_execute
@with_json
@click.pass_obj
def start(screen: Screen, where: Where, execute: bool) -> None:
    """Record the migration in the control table, in stage off. Neither table is touched.

    After it, deploy the applications with crossfade attached (or their Switch, where rows are migrated): they find the
    migration there, and follow its stages.

    \b
    Examples:
      crossfade start                       print what would be done
      crossfade start migration.py --execute
    """
    opened = open_migration(screen, where)
    opened.look_at_tables()
    refuse_second_start(opened)
    migration = opened.migration
    carried = isinstance(opened, OpenedRows)
    wanted = StartPlan(
        migration.strategy_name, migration.source_name, migration.target_name, migration.fingerprint, carried
    )
    if not go_on(opened, plan_of(opened, wanted), execute=execute):
        return
    state = opened.run(coordinator(opened).start(wanted))
    step = opened.command("crossfade status")
    screen.say(f"Migration {migration.name} is started, in stage {state.stage}.", "bold green")
    how = f'Switch("{migration.name}", ...)' if switched(opened) else "crossfade.attach(...) and this file"
    screen.say(f"Now deploy the applications with {how}; then they show up here:")
    screen.say(f"Next: {step}")
    facts = {"migration": migration.name, "stage": state.stage, "epoch": state.epoch, "next_command": step}
    screen.document({"executed": True, **facts})


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
