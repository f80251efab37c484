"""`crossfade cleanup` of rows: what crossfade has put anywhere, taken away step by step."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any, Final, Never

import click
from rich.text import Text

from crossfade.cdc.connecting import source_of_environment
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.retiring import RetiringView, RowStep, StepView, look_at_retiring, take_away
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.run import await_clients
from crossfade.cleanup.stamps import Removed
from crossfade.cli.connect import COORDINATOR_CONNECTIONS
from crossfade.cli.jobs import stoppable
from crossfade.cli.opened import OpenedRows
from crossfade.cli.outcome import DONE, NOT_YET
from crossfade.cli.plans import UNCHANGED, label_grid
from crossfade.cli.rows.purging import purge_rows
from crossfade.cli.rows.servers import pipeline_of
from crossfade.cli.rows.stamps import amounts, next_step, remove_row_stamps
from crossfade.core.mapping import STAMP

NAMES = [step.value for step in RowStep]
ALL_DONE: Final = (
    f"All steps are done. No item has the attribute {STAMP} any more: hide_versions may go out of the application."
)


def cleanup_rows(
    opened: OpenedRows, name: str | None, *, age_hours: float | None, rate: float | None, execute: bool
) -> None:
    """All steps; with `execute` the named one, or the next."""
    if name is not None and name not in NAMES:
        raise click.UsageError(f"--step {name} is none of a migration of rows, whose steps are {', '.join(NAMES)}")
    _ = opened.state_of_this_file()
    pipeline = pipeline_of(opened, calls_max=COORDINATOR_CONNECTIONS)
    ledger = Ledger(opened.control, opened.caller, os.getpid())
    view = opened.run(look_at_retiring(ledger, opened.migration))
    if execute and view.waits_for_clients and name != RowStep.TOMBSTONES:
        with stoppable(opened) as (_, shown):
            opened.run(await_clients(ledger), shown.note)
        view = opened.run(look_at_retiring(ledger, opened.migration))
    step = RowStep(name) if name else view.next.step if view.next is not None else None
    screen = opened.screen
    if name == RowStep.TOMBSTONES or (step is RowStep.TOMBSTONES and execute and not view.closed):
        purge_rows(opened, pipeline, age_hours=age_hours, rate=rate, execute=execute)
        return
    if step is None or not execute:
        show(opened, view, step)
        screen.document({"executed": False, **as_json(opened, view, step)})
        if step is not None and view.closed_for(step)[0]:
            raise click.exceptions.Exit(NOT_YET)
        return
    if step is RowStep.STAMPS:
        tell_stamps(opened, ledger, remove_row_stamps(opened, rate=rate))

    def drop_marks() -> None:
        with source_of_environment().connect() as connection:
            Watermarks(opened.migration.marks_schema).drop(connection)

    record = take_away(ledger, pipeline, step, drop_marks)
    screen.say(f"{step}: done", "bold green")
    after = opened.run(look_at_retiring(ledger, opened.migration))
    command = opened.command("crossfade cleanup --execute") if after.next is not None else ""
    screen.say(f"Next: {command}" if command else ALL_DONE)
    screen.document({"executed": True, "step": step, "at": record.finished_at, "next_step": command})


def tell_stamps(opened: OpenedRows, ledger: Ledger, removed: Removed) -> Never:
    """Ends with an exit status."""
    screen, step = opened.screen, next_step(removed)
    how = "done" if not step else "left" if removed.complete else "stopped"
    screen.say(f"{RowStep.STAMPS}: {how}, {amounts(removed)}", "bold yellow" if step else "bold green")
    if not step and opened.run(look_at_retiring(ledger, opened.migration)).next is not None:
        step = "crossfade cleanup --execute"
    command = opened.command(step)
    screen.say(f"Next: {command}" if command else ALL_DONE)
    screen.line({"event": "result", "step": RowStep.STAMPS, "status": how, **asdict(removed), "next_step": command})
    raise click.exceptions.Exit(DONE if how == "done" else NOT_YET)


def show(opened: OpenedRows, view: RetiringView, step: RowStep | None) -> None:
    screen = opened.screen
    screen.say(f"What is left of migration {opened.migration.name} (stage {view.stage})", "bold")
    grid = label_grid(indent=4)
    for each in view.steps:
        style = "green" if each.is_done else "dim"
        grid.add_row(">" if each.step is step else "", Text(each.step.value), Text(status_of(each), style=style))
    screen.show(grid)
    if step is None:
        screen.say(ALL_DONE, "bold green")
        return
    closed, before_it = view.closed_for(step)
    if closed:
        vain = "Nothing was changed, and with --execute nothing would be"
        if view.waits_for_clients:
            vain = "Nothing was changed; --execute waits until each has shown that it is alive, or counts as gone"
        screen.say(f"{vain}: {closed}", "bold yellow")
        screen.say(f"Next: {opened.command(before_it)}")
        return
    screen.say(UNCHANGED)
    named = "" if view.next is not None and view.next.step is step else f" --step {step}"
    screen.say(f"Next: {opened.command(f'crossfade cleanup{named} --execute')}")


def status_of(view: StepView) -> str:
    if view.record is None or not view.is_done:
        return f"to do: {view.does}"
    return f"done {view.record.finished_at} by {view.record.who} on {view.record.host}"


def as_json(opened: OpenedRows, view: RetiringView, step: RowStep | None) -> dict[str, Any]:
    steps = [{"step": each.step, "done": each.is_done, "does": each.does} for each in view.steps]
    return {
        "migration": opened.migration.name,
        "stage": view.stage,
        "steps": steps,
        "next": step,
        "closed": view.closed if step is None else view.closed_for(step)[0],
    }
