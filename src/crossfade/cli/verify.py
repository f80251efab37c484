"""`crossfade verify`: whether both tables agree, every key, both directions."""

from __future__ import annotations

import importlib

import click

from crossfade.cli.differences import differences_text, show_repairs, show_samples, show_verdict
from crossfade.cli.jobs import running
from crossfade.cli.moving import look, what_next
from crossfade.cli.opened import OpenedRows, OpenedTables, open_migration
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.outcome import ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.control.records import State
from crossfade.core.stages import ALL_LADDERS, other_side
from crossfade.jobs.options import SEGMENTS, WORKERS
from crossfade.verify.result import VerifyOptions, VerifyResult
from crossfade.verify.run import check_stage, run_verify


@click.command(short_help="Compare both tables, and repair them.")
@with_where
@click.option("--repair", is_flag=True, help="Make differing items equal; needs --execute.")
@click.option("--segments", metavar="N", type=int, help=f"Parts of each table ({SEGMENTS}; of rows fewer).")
@click.option("--workers", metavar="N", type=int, default=WORKERS, show_default=True, help="Scan N segments at once.")
@click.option("--rate", metavar="N", type=float, help="Read at most N items a second; from MySQL also N rows.")
@with_execute
@with_json
@click.pass_obj
def verify(
    screen: Screen,
    where: Where,
    repair: bool,
    segments: int | None,
    workers: int,
    rate: float | None,
    execute: bool,
) -> None:
    """Compare both tables, every key in both directions, beside the traffic. Only --repair writes to them. In
    copy-on-write, where the target goes on by itself, it looks whether the target has each key of the source.

    Of rows it compares all that they make with all that the target holds; what differs is looked at again when the log
    is applied up to where it ended.

    What differs only because a write is in flight is looked at again before it counts. A run that finds nothing opens
    the gate of the stages that need it; one that repairs does not, so run it once more. Exit status 0 when both are
    equal, also because all was repaired and looked at again; 1 when anything differs; 2 when it could not run or was
    stopped before the end.

    \b
    Examples:
      crossfade verify
      crossfade verify --repair --execute
    """
    options = VerifyOptions(repair=repair, segments=segments or SEGMENTS, workers=workers, items_per_second=rate)
    opened = open_migration(screen, where, workers=workers)
    if isinstance(opened, OpenedRows):
        with running(opened) as (stop, shown):
            module = importlib.import_module("crossfade.cli.rows.verifying")
            module.verify_rows(
                opened, stop, shown, repair=repair, segments=segments, workers=workers, rate=rate, execute=execute
            )
        return
    with running(opened) as (stop, shown):
        state = opened.state_of_this_file()
        check_stage(state.strategy, state.stage)
        opened.look_at_tables()
        if repair and not go_on(opened, plan_of(opened, state), execute=execute):
            return
        result = run_verify(
            opened.migration,
            opened.clients,
            options,
            shown.progress,
            stop,
            on_note=shown.note,
            caller=opened.caller,
        )
    step = str(what_next(opened, look(opened))) if result.status == "clean" else opened.command(result.next_step)
    show(opened, result, step)
    screen.line({"event": "result", **result.as_json(), "next_step": step})
    raise ended(stop, result.exit_status, complete=result.status != "stopped")


def plan_of(opened: OpenedTables, state: State) -> Plan:
    row = ALL_LADDERS[state.strategy][state.stage]
    if row.drains:
        copy = Step(
            f"look for items of {opened.migration.source.name} that {opened.migration.target.name} does not have",
            "what is missing is copied; an item that is there is never overwritten, for it may be newer",
            f"every client to have entered {state.stage}",
        )
        return Plan(f"Repair of migration {opened.migration.name}, in stage {state.stage}", (copy,), "")
    authority = row.authority
    first = opened.migration.table(authority).full_name
    other = opened.migration.table(other_side(authority)).full_name
    spared = "what crossfade did not write is left alone, and " if opened.migration.stamps else ""
    step = Step(
        "compare both tables and make equal what differs",
        f"{first} decides: items of {other} that differ are written anew, items that {first} does not have are deleted;"
        f" {spared}a newer write is never overwritten",
        f"every client to have entered {state.stage}",
    )
    return Plan(f"Repair of migration {opened.migration.name}, in stage {state.stage}", (step,), "")


def show(opened: OpenedTables, result: VerifyResult, next_step: str) -> None:
    screen = opened.screen
    show_samples(screen, result, "what the source's item maps to")
    if opened.migration.strategy == "copy-on-write":
        show_covered(screen, result)
    else:
        show_verdict(screen, result, "both tables are equal")
        screen.say(
            f"  {counted(result.source_items, 'item')} in the source, {result.target_items:,} in the target;"
            f" {differences_text(result)}{apart_text(result)} ({duration(result.seconds)})"
        )
    _ = show_repairs(screen, result)
    screen.say(f"Next: {next_step}")


def apart_text(result: VerifyResult) -> str:
    """What is no difference and counted apart, where there is any: items that one table has expired and the other is
    about to, and those that were written at every look."""
    counts = {"expiring": result.expiring, "in flight": result.in_flight}
    return "".join(f", {what} {count:,}" for what, count in counts.items() if count)


def show_covered(screen: Screen, result: VerifyResult) -> None:
    """Show the result where the target goes on by itself: it must only have whatever the source has."""
    show_verdict(screen, result, "the target has whatever the source has")
    another = f", {result.mismatched:,} with another item in their place" if result.mismatched else ""
    screen.say(
        f"  {counted(result.source_items, 'item')} in the source, {result.missing:,} of them missing in the target"
        f"{another}{apart_text(result)} ({duration(result.seconds)})"
    )
