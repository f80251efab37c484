"""`crossfade complete`: the last step, and the only one without a way back."""

from __future__ import annotations

import click

from crossfade.cli.moving import carry_out, coordinator, look, report
from crossfade.cli.opened import open_migration
from crossfade.cli.options import (
    Where,
    verified_again,
    verified_days,
    with_execute,
    with_json,
    with_verified,
    with_where,
)
from crossfade.cli.planning import step_findings, walk_plan
from crossfade.cli.plans import closed_exit, show_plan, unchanged
from crossfade.cli.screen import Screen
from crossfade.control.days import QUIET_DAYS, REFUSED_DAYS, Days
from crossfade.control.gates import gates_of_step
from crossfade.control.survey import Survey
from crossfade.core.stages import Gate, Stage
from crossfade.errors import NotPossibleInStage


@click.command(short_help="End the migration; no way back.")
@with_where
@click.option("--confirm", metavar="NAME", default="", help="Confirm with the migration's name.")
@click.option(
    "--quiet-days",
    metavar="N",
    type=click.IntRange(min=0),
    help="With copy-on-write, require N days in which nothing was found in the source alone"
    f" (default {QUIET_DAYS}; 0 requires none).",
)
@click.option(
    "--refused-days",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"Require N days without a call that complete refuses (default {REFUSED_DAYS}; 0 requires none).",
)
@with_verified
@with_execute
@with_json
@click.pass_obj
def complete(
    screen: Screen,
    where: Where,
    confirm: str,
    quiet_days: int | None,
    refused_days: int | None,
    verified_within: int | None,
    execute: bool,
) -> None:
    """End the migration: from rampdown to complete. The source is no longer kept equal: there is no way back.

    Needs a verify that found nothing and is not older than --verified-within days, and the migration's name, typed or
    given with --confirm. In copy-on-write, where rampdown looks up in the source what the target does not have, the
    last hit must be --quiet-days ago, and so must the beginning of rampdown. A call that applications make and that
    complete refuses, since the mapping has no answer for it, must not have been seen for --refused-days; `crossfade
    status` names such calls. Where fewer days than the default, or an older verify, are what makes it possible, the
    journal says so.

    \b
    Examples:
      crossfade complete                          print what would be done; asks for the name at a terminal
      crossfade complete --execute --confirm orders
      crossfade complete --execute --confirm orders --quiet-days 3
    """
    opened = open_migration(screen, where)
    _ = opened.state_of_this_file()
    before = look(opened)
    name = before.migration
    refuse_early(before)
    if confirm and confirm != name:
        raise click.UsageError(f"--confirm {confirm} is not the name of this migration, which is {name}")
    if execute and not screen.can_ask and not confirm:
        raise click.UsageError(f"--execute wants --confirm {name} as well: there is no way back")
    days = Days(wanted_days(before, quiet_days), given_or(refused_days, REFUSED_DAYS), verified_days(verified_within))
    plan = walk_plan(before, Stage.COMPLETE, confirmed=True, days=days)
    show_plan(opened, plan)
    screen.say()
    if execute and confirm != name:
        confirm = typed(name)
    elif not execute and screen.can_ask and not any(not gate.is_open for gate in plan.steps[0].gates):
        confirm, execute = typed(name), True
    if not execute or confirm != name:
        said = unchanged(plan, force=False).replace("--execute to do it", f"--execute --confirm {name} to do it")
        screen.say("Nothing was changed." if execute else said)
        screen.document({"executed": False, "migration": name, **plan.as_json(opened)})
        closed_exit(plan, force=False)
        return
    _ = carry_out(
        opened,
        coordinator(opened, days=days).complete(confirmed=True),
        lambda: step_findings(now := look(opened), now.state, Stage.COMPLETE, confirmed=True, days=days),
        f"crossfade complete --execute --confirm {name}"
        + ("" if quiet_days is None else f" --quiet-days {quiet_days}")
        + ("" if refused_days is None else f" --refused-days {refused_days}")
        + verified_again(verified_within),
    )
    report(opened, before)


def wanted_days(look_: Survey, given: int | None) -> int:
    """Raises UsageError where nothing is looked up, and so nothing can be quiet."""
    if given is not None and Gate.QUIET not in gates_of_step(look_.state, Stage.COMPLETE):
        raise click.UsageError(f"--quiet-days says nothing in {look_.state.strategy}: its rampdown looks nothing up")
    return given_or(given, QUIET_DAYS)


def given_or(given: int | None, usual: int) -> int:
    return usual if given is None else given


def typed(name: str) -> str:
    question = f"There is no way back. Type the migration's name ({name})"
    answer: str = click.prompt(question, default="", show_default=False)
    return answer.strip()


def refuse_early(look_: Survey) -> None:
    if look_.state.stage is Stage.COMPLETE:
        raise NotPossibleInStage(f"migration {look_.migration} is complete already", next_step=look_.next_command)
    if look_.state.stage is not Stage.RAMPDOWN:
        raise NotPossibleInStage(
            f"migration {look_.migration} is in stage {look_.state.stage}; complete is entered from rampdown",
            next_step="crossfade advance --to rampdown --execute",
        )
