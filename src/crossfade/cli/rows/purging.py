"""`crossfade cleanup --step tombstones`: what tells of deleted items, where no event can need it any more."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Final

from crossfade.cdc.connecting import source_of_environment
from crossfade.cdc.purging import AGE_SECONDS, AGE_SECONDS_MIN, Purged, PurgeOptions, check_stage, run_purge
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cdc.verifying.of_pipeline import late, settled_for_good
from crossfade.cli.jobs import JSON_SECONDS, LINE_SECONDS, running
from crossfade.cli.opened import OpenedRows
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.core.stages import Stage

HOUR_SECONDS: Final = 3600.0


class Shown:
    """A line now and then; with --json one a second."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said_at = time.monotonic()

    def look(self, now: Purged) -> None:
        at = time.monotonic()
        if at - self._said_at < (JSON_SECONDS if self._screen.as_json else LINE_SECONDS):
            return
        self._said_at = at
        self._screen.line({"event": "progress", **asdict(now)})
        if not self._screen.as_json:
            self._screen.say(f"  {amounts(now)}")


def purge_rows(
    opened: OpenedRows, pipeline: Pipeline, *, age_hours: float | None, rate: float | None, execute: bool
) -> None:
    """Raises what `run_purge` does; ends with an exit status."""
    stage = opened.state_of_this_file().stage
    check_stage(stage)
    usual = AGE_SECONDS_MIN if stage is Stage.COMPLETE else AGE_SECONDS
    options = PurgeOptions(usual if age_hours is None else age_hours * HOUR_SECONDS, rate)
    source = source_of_environment()
    screen = opened.screen
    with running(opened) as (stop, shown):
        if stage is Stage.COMPLETE:
            opened.look_at_target()
        else:
            opened.look_at_tables()
        if not go_on(opened, plan_of(opened, stage, options), execute=execute):
            return
        purged = run_purge(
            opened.migration,
            pipeline.destination(),
            {"target": opened.client, "control": opened.client},
            settled_for_good(pipeline, source, stage),
            options,
            late=lambda: late(pipeline, stage),
            stop_event=stop,
            on_look=Shown(screen).look,
            on_note=shown.note,
            caller=opened.caller,
        )
    how = "done" if purged.done else "stopped"
    screen.say(
        f"Purge {how}: {amounts(purged)} ({duration(purged.seconds)})", "bold green" if purged.done else "bold yellow"
    )
    step = next_step(purged, stage)
    screen.say(f"Next: {opened.command(step)}")
    screen.line({"event": "result", "status": how, **asdict(purged), "next_step": opened.command(step)})
    raise ended(stop, DONE if purged.done else NOT_YET, complete=purged.done)


def plan_of(opened: OpenedRows, stage: Stage, options: PurgeOptions) -> Plan:
    migration = opened.migration
    older = duration(options.age_seconds)
    step = Step(
        f"take out of {migration.target.name} what tells of items that were deleted at least {older} ago",
        "each only while it is what was read; a living item is never touched"
        + (
            ""
            if stage is Stage.COMPLETE or not migration.folds
            else f"; with it its dead rows in {migration.parts_table}"
        ),
        "the log to be applied up to where it ends, no dead letter and no backfill under way",
    )
    return Plan(f"Purge of migration {migration.name}, in stage {stage}", (step,), "")


def next_step(purged: Purged, stage: Stage) -> str:
    if not purged.done:
        return "crossfade cleanup --step tombstones --execute (it goes on from here)"
    if purged.left and stage is Stage.COMPLETE:
        return "crossfade cleanup --step tombstones --execute, when those that are left are older"
    return "crossfade cleanup" if stage is Stage.COMPLETE else "crossfade status"


def amounts(purged: Purged) -> str:
    left = f", {purged.young:,} too young" if purged.young else ""
    left += f", {purged.busy:,} written anew meanwhile" if purged.busy else ""
    parts = f" with {counted(purged.parts, 'dead row')}" if purged.parts else ""
    return f"{counted(purged.items, 'item')} looked at, {counted(purged.purged, 'tombstone')} purged{parts}{left}"
