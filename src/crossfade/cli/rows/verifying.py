"""`crossfade verify` of rows: whether the target holds what they make, all of it and nothing else."""

from __future__ import annotations

from crossfade.cdc.connecting import source_of_environment
from crossfade.cdc.verifying import RowVerifyOptions, RowVerifyResult, run_row_verify
from crossfade.cdc.verifying.of_pipeline import sides_of
from crossfade.cdc.verifying.result import SEGMENTS
from crossfade.cdc.verifying.run import check_stage
from crossfade.cli.connect import COORDINATOR_CONNECTIONS
from crossfade.cli.differences import differences_text, show_repairs, show_samples, show_verdict
from crossfade.cli.jobs import Progressing
from crossfade.cli.moving import look, what_next
from crossfade.cli.opened import OpenedRows
from crossfade.cli.outcome import ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.rows.servers import pipeline_of
from crossfade.cli.screen import counted, duration
from crossfade.core.stages import Stage
from crossfade.jobs.signals import StopEvent


def verify_rows(
    opened: OpenedRows,
    stop: StopEvent,
    shown: Progressing,
    *,
    repair: bool,
    segments: int | None,
    workers: int,
    rate: float | None,
    execute: bool,
) -> None:
    """Raises what `run_row_verify` does; ends with an exit status."""
    options = RowVerifyOptions(repair=repair, segments=segments or SEGMENTS, workers=workers, rows_per_second=rate)
    stage = opened.state_of_this_file().stage
    check_stage(stage, repair=repair)
    opened.look_at_tables()
    source = source_of_environment()
    pipeline = pipeline_of(opened, calls_max=COORDINATOR_CONNECTIONS)
    if repair and not go_on(opened, plan_of(opened, stage), execute=execute):
        return
    result = run_row_verify(
        sides_of(pipeline, source, stage),
        {"target": opened.client, "control": opened.client},
        options,
        shown.progress,
        stop,
        on_note=shown.note,
        caller=opened.caller,
    )
    step = str(what_next(opened, look(opened))) if result.status == "clean" else opened.command(result.next_step)
    show(opened, result, step)
    opened.screen.line({"event": "result", **result.as_json(), "next_step": step})
    raise ended(stop, result.exit_status, complete=result.status != "stopped")


def plan_of(opened: OpenedRows, stage: Stage) -> Plan:
    migration = opened.migration
    step = Step(
        f"compare the rows with {migration.target.name} and make equal what differs",
        "the rows decide: what they make is written under the log's own version, what no row makes becomes a tombstone;"
        " what crossfade did not write is left alone, and a newer write is never overwritten",
        f"every client to have entered {stage}, and the log to be applied",
    )
    return Plan(f"Repair of migration {migration.name}, in stage {stage}", (step,), "")


def show(opened: OpenedRows, result: RowVerifyResult, next_step: str) -> None:
    screen = opened.screen
    show_samples(screen, result, "what the row makes")
    show_verdict(screen, result, "the target holds what the rows make, and nothing else")
    screen.say(
        f"  {counted(result.rows, 'row')} of the source make {counted(result.items, 'item')}, and the target holds"
        f" {result.target_items:,}; {differences_text(result)} ({duration(result.seconds)})"
    )
    if result.parts or result.stale_parts:
        screen.say(f"  {counted(result.parts, 'row')} kept for items of several, stale {result.stale_parts:,}")
    if result.in_motion:
        screen.say(f"  {counted(result.in_motion, 'key')} written anew between any two looks: no difference stayed")
    if not show_repairs(screen, result) and result.reasons:
        screen.say("  of these a repair would leave as they are:")
    for reason, count in result.reasons.items():
        screen.say(f"    {count:,} {reason}")
    screen.say(f"Next: {next_step}")
