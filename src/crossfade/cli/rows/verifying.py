"""`crossfade verify` of rows: whether the target holds what they make, all of it and nothing else."""

from __future__ import annotations

import threading
from typing import Final

import click

from crossfade.cdc.connecting import source_of_environment
from crossfade.cdc.verifying import RowVerifyOptions, RowVerifyResult, run_row_verify
from crossfade.cdc.verifying.of_pipeline import sides_of
from crossfade.cdc.verifying.result import SEGMENTS
from crossfade.cdc.verifying.run import check_stage
from crossfade.cli.connect import COORDINATOR_CONNECTIONS
from crossfade.cli.jobs import Progressing
from crossfade.cli.moving import look, what_next
from crossfade.cli.opened import OpenedRows
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.rows.servers import pipeline_of
from crossfade.cli.screen import counted, duration
from crossfade.cli.verify import show_sample
from crossfade.core.stages import Stage

STYLES: Final = {"clean": "bold green", "repaired": "bold green", "stopped": "bold yellow"}


def verify_rows(
    opened: OpenedRows,
    stop: threading.Event,
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
    raise click.exceptions.Exit(result.exit_status)


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
    for sample in result.samples:
        show_sample(screen, sample)
    if result.samples:
        more = result.differences - len(result.samples)
        screen.say("- what the row makes   + what the target holds", "dim")
        screen.say(f"and {counted(more, 'difference')} more\n" if more > 0 else "")
    screen.say(f"Verify: {verdict(result)}", STYLES.get(result.status, "bold red"))
    screen.say(
        f"  {counted(result.rows, 'row')} of the source make {counted(result.items, 'item')}, and the target holds"
        f" {result.target_items:,}; matching {result.matching:,}, missing {result.missing:,}, extra {result.extra:,},"
        f" mismatched {result.mismatched:,} ({duration(result.seconds)})"
    )
    if result.parts or result.stale_parts:
        screen.say(f"  {counted(result.parts, 'row')} kept for items of several, stale {result.stale_parts:,}")
    if result.in_motion:
        screen.say(f"  {counted(result.in_motion, 'key')} written anew between any two looks: no difference stayed")
    if result.repaired or result.not_repaired or result.left_alone:
        screen.say(
            f"  repaired {result.repaired:,}, could not be repaired {result.not_repaired:,},"
            f" left alone {result.left_alone:,}"
        )
    elif result.reasons:
        screen.say("  of these a repair would leave as they are:")
    for reason, count in result.reasons.items():
        screen.say(f"    {count:,} {reason}")
    screen.say(f"Next: {next_step}")


def verdict(result: RowVerifyResult) -> str:
    if result.status == "clean":
        return "the target holds what the rows make, and nothing else"
    if result.status == "stopped":
        return f"stopped, {result.segments_done} of {result.segments} segments were compared; no verdict"
    return counted(result.differences, "difference") + (
        ", all repaired and now equal" if result.status == "repaired" else ""
    )
