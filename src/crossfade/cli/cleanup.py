"""`crossfade cleanup`: the old table is retired, step by step."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from rich.text import Text

from crossfade.cleanup.last_steps import QUIET_DAYS
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.outcome import Outcome
from crossfade.cleanup.run import CleanupOptions, run_step
from crossfade.cleanup.snapshot import SnapshotSizes
from crossfade.cleanup.steps import Step
from crossfade.cleanup.survey import CleanupView, Condition, StepView, look_at_cleanup
from crossfade.cleanup.usage import WITHOUT
from crossfade.cli.cleanup_plan import (
    CLOUDWATCH,
    command_of,
    is_unmeasured,
    plan_of,
    refuse_other_place,
    unmeasured,
)
from crossfade.cli.connect import service_client
from crossfade.cli.jobs import stoppable
from crossfade.cli.opened import OpenedRows, OpenedTables, open_migration
from crossfade.cli.options import Where, refuse_options, with_execute, with_json, with_where
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import UNCHANGED, label_grid, show_plan
from crossfade.cli.screen import Screen
from crossfade.control.waiting import Waited, silent_clients
from crossfade.errors import ConfigurationError
from crossfade.jobs.signals import StopEvent

NAMES = [step.value for step in Step]
ROW_NAMES = ("tombstones", "groups", "marks", "parts")  # of a migration of rows alone; it has `stamps` as well
OF_TABLES = (
    "to",
    "segments",
    "workers",
    "on_demand",
    "quiet_days",
    "no_metrics",
    "while_attached",
    "again",
    "confirm",
)
STYLES = {"done": "green", "begun": "yellow", "to do again": "yellow", "to do": "dim"}
RESULTS = {"done": "bold green", "failed": "bold red", "stopped": "bold yellow", "waiting": "bold yellow"}


@click.command(short_help="Retire the old table: snapshot, quiet period, delete.")
@with_where
@click.option(
    "--step",
    "name",
    metavar="NAME",
    type=click.Choice([*NAMES, *ROW_NAMES]),
    help="Take this step instead of the next one.",
)
@click.option("--to", metavar="PLACE", default="", help="Write the snapshot here: a folder, or s3://bucket/prefix.")
@click.option(
    "--segments", metavar="N", type=click.IntRange(1, 5_000), help="Scan the old table in N segments for the snapshot."
)
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 64), default=8, show_default=True, help="Scan N segments at once."
)
@click.option(
    "--rate",
    metavar="N",
    type=float,
    help="Read at most N items a second; in step `stamps`, remove at most N stamps a second.",
)
@click.option(
    "--age-hours",
    metavar="N",
    type=float,
    help="In step `tombstones`, purge only those older than N hours (default 24; 0 in complete).",
)
@click.option(
    "--on-demand", is_flag=True, help="Switch the old table to on-demand capacity instead of one provisioned unit each."
)
@click.option(
    "--quiet-days",
    metavar="DAYS",
    type=float,
    default=QUIET_DAYS,
    show_default=True,
    help="Wait until nobody has used the old table for so many days.",
)
@click.option("--no-metrics", is_flag=True, help="Do without CloudWatch; reads of the old table are not seen then.")
@click.option("--while-attached", is_flag=True, help="Remove stamps even while attached applications write new ones.")
@click.option("--again", is_flag=True, help="Repeat a finished step from its beginning.")
@click.option("--confirm", metavar="TABLE", default="", help="Confirm the deletion with the table's name.")
@with_execute
@with_json
@click.pass_obj
def cleanup(
    screen: Screen,
    where: Where,
    name: str | None,
    to: str,
    segments: int | None,
    workers: int,
    rate: float | None,
    age_hours: float | None,
    on_demand: bool,
    quiet_days: float,
    no_metrics: bool,
    while_attached: bool,
    again: bool,
    confirm: str,
    execute: bool,
) -> None:
    """Retire the old table when the migration is complete: show all steps, and with --execute do the next one.

    The steps: verify (accept the last one), snapshot, read-back, throughput, quiet, stamps, delete. Each is refused
    while what it rests on does not hold; each may be stopped or killed at any time, and goes on with the same command.
    Exit status 0 when the step is done, 1 when it is not yet, 2 when it could not run.

    Of rows the steps are tombstones, groups, marks, parts and stamps: what crossfade has left in the target, in Kafka,
    in the source, beside the target and in its items. The source's own tables are left alone; of the options only
    --step, --rate and --age-hours are for it. The step tombstones may be done in any stage before `complete`, as often
    as you like; stamps comes last.

    \b
    Examples:
      crossfade cleanup                                             all steps, and the next one's plan
      crossfade cleanup --execute --to s3://backups/orders          the next step, if it is the snapshot
      crossfade cleanup --step quiet --quiet-days 30 --execute
      crossfade cleanup --step delete --execute --confirm orders
    """
    opened = open_migration(screen, where, workers=workers)
    if isinstance(opened, OpenedRows):
        refuse_options(OF_TABLES, "a migration of rows")
        retiring = importlib.import_module("crossfade.cli.rows.retiring")
        retiring.cleanup_rows(opened, name, age_hours=age_hours, rate=rate, execute=execute)
        return
    refuse_options(("age_hours",), "a migration of two tables")
    if name in ROW_NAMES:
        raise click.UsageError(f"--step {name} is one of a migration of rows; of two tables: {', '.join(NAMES)}")
    _ = opened.state_of_this_file()
    options = CleanupOptions(
        place=to,
        per_second=rate,
        workers=workers,
        sizes=SnapshotSizes(segments=segments),
        on_demand=on_demand,
        quiet_days=quiet_days,
        metrics=not no_metrics,
        while_attached=while_attached,
        again=again,
        confirm=confirm,
    )
    view = look(opened, options)
    step = Step(name) if name else view.next.step if view.next is not None else None
    if step is None or not execute:
        if step is not None and view.view(step).waits_for_clients:
            view = look(opened, options, silent=opened.run(silent_clients(opened.control)))
        show(opened, view, step, options)
        return
    refuse_other_place(view, step, options)
    if step is Step.DELETE and not confirm and screen.can_ask:
        options = replace(options, confirm=typed(opened.migration.source.name))
    with stoppable(opened) as (stop, shown):
        outcome = run_step(
            opened.migration,
            opened.clients,
            step,
            options,
            service=lambda service: service_of(opened, service),
            on_progress=shown.progress,
            on_note=shown.note,
            stop_event=stop,
            caller=opened.caller,
        )
    tell(opened, outcome, look(opened, options), stop)


def look(opened: OpenedTables, options: CleanupOptions, silent: Sequence[Waited] = ()) -> CleanupView:
    ledger = Ledger(opened.control, opened.caller, os.getpid())
    return opened.run(look_at_cleanup(ledger, while_attached=options.while_attached, silent=silent))


def service_of(opened: OpenedTables, service: str) -> Any:
    """A client of another service. Raises ConfigurationError where that knows nothing of these tables: it would be
    asked again and again, and the answer, if any, be of others of that name."""
    client = service_client(opened.where, service, opened.migration.source.region)
    if service == CLOUDWATCH and is_unmeasured(opened, client):
        raise ConfigurationError(unmeasured(opened), next_step=f"the same command with {WITHOUT}")
    return client


def typed(table: str) -> str:
    answer: str = click.prompt(f"This deletes a table. Type its name ({table})", default="", show_default=False)
    return answer.strip()


def show(opened: OpenedTables, view: CleanupView, step: Step | None, options: CleanupOptions) -> None:
    """Every step, and the plan of one."""
    screen, source = opened.screen, opened.migration.source.full_name
    screen.say(f"Retiring {source}, the old table of migration {opened.migration.name} (stage {view.stage})", "bold")
    grid = label_grid(indent=4)
    for each in view.steps:
        mark = ">" if each.step is step else ""
        grid.add_row(mark, Text(each.step.value), Text(status_of(each), style=STYLES[each.status]))
    screen.show(grid)
    screen.say()
    if step is None:
        screen.say("All steps are done.", "bold green")
        screen.document({"executed": False, **as_json(opened, view, None)})
        return
    chosen = view.view(step)
    refuse_other_place(view, step, options)
    show_plan(opened, plan_of(opened, view, chosen, options))
    show_conditions(opened, chosen.conditions)
    closed = not chosen.is_open
    vain = "Nothing was changed, and with --execute nothing would be."
    if chosen.waits_for_clients:
        vain = "Nothing was changed. --execute waits until each client has shown that it is alive, or counts as gone."
    screen.say(vain if closed else UNCHANGED)
    screen.say(f"Next: {opened.command(command_of(opened, view, step, options))}" if not closed else "")
    screen.document({"executed": False, **as_json(opened, view, chosen)})
    if closed:
        raise click.exceptions.Exit(NOT_YET)


def status_of(view: StepView) -> str:
    record = view.record
    if record is None:
        return f"{view.status}: {view.does}"
    when = record.finished_at or record.started_at
    facts = ", ".join(f"{name} {value}" for name, value in told(view).items())
    return f"{view.status} {when} by {record.who} on {record.host}{f' ({facts})' if facts else ''}"


def told(view: StepView) -> dict[str, str]:
    """The facts of a step that people want to see."""
    names = ("place", "items", "failed", "before", "now", "since", "metrics", "removed", "rewritten", "table")
    facts = {} if view.record is None else view.record.all_facts()
    return {name: facts[name] for name in names if facts.get(name)}


def show_conditions(opened: OpenedTables, conditions: tuple[Condition, ...]) -> None:
    grid = label_grid(indent=5)
    for condition in conditions:
        text = Text(f"{condition.name}  ")
        _ = text.append("open" if condition.holds else "CLOSED", "green" if condition.holds else "bold yellow")
        _ = text.append(f"  {condition.found}")
        if condition.next_step:
            _ = text.append(f"\n-> {opened.command(condition.next_step)}", "cyan")
        grid.add_row("", Text("needs"), text)
    opened.screen.show(grid)


def as_json(opened: OpenedTables, view: CleanupView, chosen: StepView | None) -> dict[str, Any]:
    steps = [
        {
            "step": each.step,
            "status": each.status,
            "conditions": each.conditions,
            "record": each.record and {**plain(each), "facts": each.record.all_facts()},
        }
        for each in view.steps
    ]
    return {
        "migration": opened.migration.name,
        "table": opened.migration.source.full_name,
        "stage": view.stage,
        "steps": steps,
        "next": None if chosen is None else chosen.step,
    }


def plain(view: StepView) -> dict[str, Any]:
    record = view.record
    assert record is not None  # noqa: S101 - the caller has looked
    names = ("who", "host", "pid", "started_at", "finished_at")
    return {name: getattr(record, name) for name in names}


def tell(opened: OpenedTables, outcome: Outcome, after: CleanupView, stop: StopEvent) -> None:
    screen = opened.screen
    screen.say(f"{outcome.step}: {outcome.status}", RESULTS[outcome.status])
    for line in outcome.said:
        screen.say(f"  {opened.command(line)}")
    next_step = outcome.next_step
    if not next_step and outcome.status == "stopped":
        next_step = "the same command goes on"
    elif not next_step and after.next is not None:
        next_step = "crossfade cleanup"
    if next_step:
        screen.say(f"Next: {opened.command(next_step)}")
    screen.line({"event": "result", **outcome.as_json(), "next_step": opened.command(next_step)})
    raise ended(stop, DONE if outcome.status == "done" else NOT_YET, complete=outcome.status != "stopped")
