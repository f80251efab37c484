"""`crossfade backfill`: what was there before the first mirrored write."""

from __future__ import annotations

import importlib

import click

from crossfade.backfill.result import BackfillOptions, BackfillResult
from crossfade.backfill.run import run_backfill
from crossfade.backfill.segment import check_stage
from crossfade.cli.jobs import running
from crossfade.cli.opened import Opened, OpenedRows, OpenedTables, open_migration
from crossfade.cli.options import Where, refuse_options, with_execute, with_json, with_where
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.control.records import Job, JobStatus, State
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.options import SEGMENTS, WORKERS


@click.command(short_help="Copy what the source holds into the target.")
@with_where
@click.option(
    "--segments", metavar="N", type=int, default=SEGMENTS, show_default=True, help="Scan the source in N segments."
)
@click.option("--workers", metavar="N", type=int, default=WORKERS, show_default=True, help="Copy N segments at once.")
@click.option("--rate", metavar="N", type=float, help="Copy at most N items a second.")
@click.option("--write-units", metavar="N", type=float, help="Consume at most N write units of the target a second.")
@click.option("--again", is_flag=True, help="Copy everything once more, although the backfill is complete.")
@click.option("--from-now", is_flag=True, help="From MySQL: begin anew, and read the row log from its present end.")
@click.option("--loaded", is_flag=True, help="With topics of AWS DMS: confirm that its full load is complete.")
@click.option(
    "--stop-at-first-error", is_flag=True, help="Stop after the first page with an item that cannot be copied."
)
@with_execute
@with_json
@click.pass_obj
def backfill(
    screen: Screen,
    where: Where,
    segments: int,
    workers: int,
    rate: float | None,
    write_units: float | None,
    again: bool,
    from_now: bool,
    loaded: bool,
    stop_at_first_error: bool,
    execute: bool,
) -> None:
    """Copy every item of the source into the target, beside the traffic. Runs in the stages dualwrite and shadow, and
    in drain of copy-on-write.

    Of rows it reads the source's log with a snapshot of its tables beside it, into topics or, without Kafka, into the
    target; then `crossfade replicate` carries the log on. Of the options only --again and --from-now are for it; the
    latter where the log was removed before it was read, or did not tell rows (TRUNCATE): items of rows that are gone
    since stay in the target. Where Debezium or AWS DMS fill the topics, theirs is the snapshot too: this waits until it
    is in the target, with `crossfade etl` beside it; of AWS DMS --loaded says that its full load is complete.

    Ctrl-C, or a kill, at any time: the same command goes on from the last page. Exit status 0 when complete, 1 when
    stopped before the end or when items could not be copied, 2 when it could not run.

    \b
    Examples:
      crossfade backfill                              print what would be done
      crossfade backfill --execute --rate 2000
      crossfade backfill --execute --json > progress.jsonl
      crossfade backfill --loaded --execute           of AWS DMS
    """
    options = BackfillOptions(
        segments=segments,
        workers=workers,
        items_per_second=rate,
        units_per_second=write_units,
        again=again,
        stop_at_first_error=stop_at_first_error,
    )
    opened = open_migration(screen, where, workers=workers)
    if isinstance(opened, OpenedRows):
        refuse_options(("segments", "workers", "rate", "write_units", "stop_at_first_error"), "a migration of rows")
        with running(opened) as (stop, shown):
            carrying = importlib.import_module("crossfade.cli.rows.carrying")
            refuse_repetition(opened, again=again or from_now)
            carrying.backfill_rows(
                opened, stop, shown.note, again=again, from_now=from_now, loaded=loaded, execute=execute
            )
        return
    refuse_options(("from_now", "loaded"), "a migration of two tables")
    with running(opened) as (stop, shown):
        state = opened.state_of_this_file()
        check_stage(state.strategy, state.stage)
        opened.look_at_tables()
        refuse_repetition(opened, again=again)
        if not go_on(opened, plan_of(opened, state, options), execute=execute):
            return
        result = run_backfill(
            opened.migration,
            opened.clients,
            options,
            shown.progress,
            stop,
            on_note=shown.note,
            caller=opened.caller,
        )
    show(opened, result)
    screen.line({"event": "result", **result.as_json(), "next_step": opened.command(result.next_step)})
    raise ended(stop, DONE if result.status == "complete" else NOT_YET, complete=result.status != "stopped")


def refuse_repetition(opened: Opened, *, again: bool) -> None:
    found = opened.run(opened.control.job(Job.BACKFILL))
    if found is not None and found.status is JobStatus.COMPLETE and not again:
        raise NotPossibleInStage(
            f"the backfill is complete since {found.finished_at}",
            next_step="crossfade verify (or --again, to copy everything once more)",
        )


def plan_of(opened: OpenedTables, state: State, options: BackfillOptions) -> Plan:
    migration = opened.migration
    limits = [f"{options.items_per_second:g} items"] if options.items_per_second else []
    limits += [f"{options.units_per_second:g} write units"] if options.units_per_second else []
    pace = f"at most {' and '.join(limits)} a second" if limits else "as fast as both tables take it (see --rate)"
    if migration.strategy == "copy-on-write":
        move = Step(
            f"copy what only {migration.source.full_name} has into {migration.target.full_name}",
            f"{counted(options.segments, 'segment')}, {counted(options.workers, 'worker')}, {pace}; in transactions of"
            " many items, each written once, and only while the source still is what was read",
            f"every client to have entered {state.stage}",
        )
        return Plan(f"Backfill of migration {migration.name}, in stage {state.stage}", (move,), "")
    copy = Step(
        f"copy {migration.source.full_name} into {migration.target.full_name}",
        f"{counted(options.segments, 'segment')}, {counted(options.workers, 'worker')}, {pace}; reads the source twice,"
        " writes each item of the target once; newer writes are never overwritten",
        f"every client to have entered {state.stage}",
    )
    return Plan(
        f"Backfill of migration {migration.name}, in stage {state.stage}",
        (copy,),
        "crossfade rollback --to off --execute (then delete the target's items)",
    )


def show(opened: OpenedTables, result: BackfillResult) -> None:
    screen = opened.screen
    style = {"complete": "bold green", "incomplete": "bold red", "stopped": "bold yellow"}[result.status]
    moves = opened.migration.strategy == "copy-on-write"
    others = "moved or deleted by clients before" if moves else "of them changed meanwhile and synced"
    verb = "resumed, " if result.resumed else ""
    screen.say(
        f"Backfill {result.status}: {counted(result.items, 'item')} copied, {result.changed:,} {others},"
        f" {result.failed:,} failed; {result.segments_done} of {result.segments} segments"
        f" ({verb}{duration(result.seconds)}, {result.items_per_second:,.0f} items/s)",
        style,
    )
    for sample in result.samples:
        screen.say(f"    {sample.key}: {sample.reason}", "red")
    screen.say(f"Next: {opened.command(result.next_step)}")
