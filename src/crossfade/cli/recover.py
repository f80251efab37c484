"""`crossfade recover`: put back the state of a migration whose records were lost."""

from __future__ import annotations

from typing import Any

import click

from crossfade.cli.opened import open_migration
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen
from crossfade.cli.start import plan_to_start, say_notes
from crossfade.control.recovering import APPEARING_SECONDS, Evidence, Recovery, look_for_evidence, recover_state
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.errors import ConfigurationError, ServiceRejected

STAGES = tuple(dict.fromkeys(stage.value for rows in ALL_LADDERS.values() for stage in rows))


@click.command(short_help="Put back the state of a migration whose records were lost.")
@with_where
@click.option("--stage", type=click.Choice(STAGES), help="The stage that it was in, where nothing else tells.")
@click.option("--confirm", is_flag=True, help="With --stage: it was in that stage, and in no later one.")
@with_execute
@with_json
@click.pass_obj
def recover(screen: Screen, where: Where, stage: str | None, confirm: bool, execute: bool) -> None:
    """Put back the state of a migration whose control table, or whose records in it, were lost.

    The stage is the last one that a client's lease or the journal tells of. Clients that were fenced since go on by
    themselves; a verify is asked for before the authority moves. Where the control table is gone, it is made anew, and
    clients that are alive show up in it within seconds. docs/lost.md says what else can be done.

    \b
    Examples:
      crossfade recover                                    print what is known, and what would be done
      crossfade recover --execute
      crossfade recover --stage dualwrite --confirm --execute    where nothing tells the stage
    """
    if (stage is not None) != confirm:
        raise click.UsageError("--stage and --confirm belong together: say the stage, and that you are sure")
    opened = open_migration(screen, where)
    opened.look_at_tables()
    control, told = opened.control, None if stage is None else Stage(stage)
    wanted = plan_to_start(opened)
    if told is not None and told not in ALL_LADDERS[wanted.strategy]:
        raise ConfigurationError(
            f"{wanted.strategy} has no stage {told}", next_step=f"its stages: {', '.join(ALL_LADDERS[wanted.strategy])}"
        )
    try:
        recovery: Recovery | None = opened.run(look_for_evidence(control, told))
    except ServiceRejected as error:
        if error.code != "ResourceNotFoundException":
            raise
        recovery = None  # the table is gone: who is alive is seen when there is one again
    if not go_on(opened, plan_of(control.table, opened.migration.name, recovery, told), execute=execute):
        return
    state = opened.run(recover_state(control, opened.caller, wanted, told), say_notes(screen))
    step = opened.command("crossfade status")
    screen.say(f"Migration {opened.migration.name} is in stage {state.stage} again, epoch {state.epoch}.", "bold green")
    screen.say(f"Next: {step}")
    facts: dict[str, Any] = {"executed": True, "migration": opened.migration.name, "stage": state.stage}
    screen.document({**facts, "epoch": state.epoch, "ramp_percent": state.ramp_percent, "next_command": step})


def plan_of(table: str, migration: str, recovery: Recovery | None, told: Stage | None) -> Plan:
    """Raises NotPossibleInStage where what is known is not enough, or is something else than the operator tells."""
    if recovery is None:
        evidence = None
        known = "the control table is gone; clients that are alive tell the stage when there is one again"
        stage = "the stage that they tell" if told is None else f"stage {told}, unless they tell another"
    else:
        evidence = recovery.chosen(migration, table)
        known = seen(evidence)
        stage = f"stage {evidence.stage}"
    steps = (
        Step(f"create the control table {table}, protected from deletion, unless it is there", known),
        Step(f"wait {APPEARING_SECONDS:g} s for clients to show up", "each looks about once a second"),
        Step(
            f"record migration {migration} in {stage}, at an epoch above every one that was",
            "clients that were fenced adopt it and go on; verify again before the authority moves",
        ),
    )
    return Plan(f"Put back the state of migration {migration}", steps, "")


def seen(evidence: Evidence) -> str:
    epoch = f", epoch {evidence.epoch}" if evidence.epoch else ""
    return f"it was in {evidence.stage}{epoch}: {evidence.what}"
