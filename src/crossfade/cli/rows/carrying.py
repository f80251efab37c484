"""`crossfade backfill` and `crossfade replicate` of rows: the source's log, with a snapshot beside it and without."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Final

import click

from crossfade.cdc.connecting import source_of_environment
from crossfade.cdc.etl.lanes import IN_FLIGHT_MAX
from crossfade.cdc.running.capturing import Captured, check_stage, run_capture
from crossfade.cdc.running.tracking import Look
from crossfade.cdc.topics import DMS, MARKS, Debezium, Kafka
from crossfade.cli.opened import Note, OpenedRows
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.rows.servers import pipeline_of
from crossfade.cli.screen import counted, duration
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.signals import StopEvent

SAY_SECONDS: Final = 10.0
JSON_SECONDS: Final = 1.0


DMS_LOADED: Final = (
    "aws dms describe-table-statistics: once every table is 'Table completed', crossfade backfill --loaded --execute"
)


class Shown:
    """A line now and then, one that stays in its place on a terminal; with --json one a second."""

    def __init__(self, opened: OpenedRows, *, backfill: bool) -> None:
        self._screen = opened.screen
        self._backfill = backfill
        self._theirs = is_theirs(opened)
        self._said_at = float("-inf")

    def look(self, look: Look) -> None:
        now = time.monotonic()
        if now - self._said_at < (JSON_SECONDS if self._screen.as_json else SAY_SECONDS):
            return
        self._said_at = now
        self._screen.line({"event": "progress", **asdict(look)})
        if not self._screen.as_json:
            self._screen.say(f"  {self._text(look)}")

    def _text(self, look: Look) -> str:
        if self._theirs:
            return lag_text(look)
        return f"{rows_text(look)}; {lag_text(look)}" if self._backfill else changes_text(look)


def backfill_rows(
    opened: OpenedRows,
    stop: StopEvent,
    note: Note,
    *,
    again: bool,
    from_now: bool,
    loaded: bool,
    execute: bool,
) -> None:
    """Raises what `run_capture` does; ends with an exit status."""
    state = opened.state_of_this_file()
    check_stage(state.stage, backfill=True)
    opened.look_at_tables()
    source = source_of_environment()
    pipeline = pipeline_of(opened, calls_max=IN_FLIGHT_MAX)
    refuse_snapshot_of_theirs(opened, from_now=from_now, loaded=loaded)
    if not go_on(opened, backfill_plan(opened), execute=execute):
        return
    captured = run_capture(
        pipeline,
        source,
        backfill=True,
        stop=stop,
        on_look=Shown(opened, backfill=True).look,
        note=note,
        again=again,
        from_now=from_now,
    )
    screen, done = opened.screen, captured.status == "complete"
    screen.say(
        f"Backfill {captured.status}: {lag_text(captured.look) if pipeline.theirs else rows_text(captured.look)}"
        f" ({'resumed, ' if captured.resumed else ''}{duration(captured.seconds)})",
        "bold green" if done else "bold yellow",
    )
    next_step = "crossfade replicate --execute" if done else "crossfade backfill --execute"
    carries = "reports how far the target is behind" if pipeline.theirs else "carries the log on from here"
    why = f", and let it run: it {carries}" if done else " (it goes on from here)"
    screen.say(f"Next: {opened.command(next_step)}{why}")
    screen.line({"event": "result", **as_json(captured), "next_step": opened.command(next_step)})
    raise ended(stop, DONE if done else NOT_YET, complete=done)


def replicate_rows(
    opened: OpenedRows,
    stop: StopEvent,
    note: Note,
    *,
    once: bool,
    seconds: float | None,
    past_removals: tuple[str, ...],
    execute: bool,
) -> None:
    """Raises what `run_capture` does; ends with an exit status."""
    state = opened.state_of_this_file()
    check_stage(state.stage, backfill=False)
    source = source_of_environment()
    pipeline = pipeline_of(opened, calls_max=IN_FLIGHT_MAX)
    if not go_on(opened, replicate_plan(opened), execute=execute):
        return
    shown = Shown(opened, backfill=False)
    captured = run_capture(
        pipeline,
        source,
        backfill=False,
        stop=stop,
        on_look=shown.look,
        note=note,
        once=once,
        seconds=seconds,
        past_removals=past_removals,
    )
    done = lag_text(captured.look) if pipeline.theirs else changes_text(captured.look)
    opened.screen.say(f"Replication: {done} ({duration(captured.seconds)})", "bold green")
    if captured.status == "over":
        opened.screen.say("The migration is complete: there is nothing to carry any more.")
    else:
        again = opened.command("crossfade replicate --execute")
        opened.screen.say(f"Next: {again} (it goes on from here; its gate is closed meanwhile)")
    opened.screen.line({"event": "result", **as_json(captured)})
    raise ended(stop, DONE, complete=captured.status == "over")


def is_theirs(opened: OpenedRows) -> bool:
    """Whether others fill the topics."""
    return not isinstance(opened.migration.topics, Kafka | None)


def refuse_snapshot_of_theirs(opened: OpenedRows, *, from_now: bool, loaded: bool) -> None:
    """Raises UsageError, and NotPossibleInStage where nothing but its operator knows that the source was loaded."""
    topics = opened.migration.topics
    if loaded and not isinstance(topics, DMS):
        raise click.UsageError("--loaded is for topics of AWS DMS: nothing else needs to be told")
    if from_now and is_theirs(opened):
        raise click.UsageError("--from-now is for our own capture: let theirs read the rows anew, then --again")
    if isinstance(topics, DMS) and not loaded:
        raise NotPossibleInStage(
            "AWS DMS does not tell in its topic when its full load is complete", next_step=DMS_LOADED
        )


def backfill_plan(opened: OpenedRows) -> Plan:
    migration = opened.migration
    if is_theirs(opened):
        return waiting_plan(opened)
    tables = counted(len(migration.tables), "table")
    steps: tuple[Step, ...]
    if migration.topics is None:
        steps = (
            Step(
                f"read the source's log, and {tables} in chunks beside it, into {migration.target.name}",
                "no table is locked; each item is written under the version of its row, so newer ones stay",
                "every client to have entered the stage",
            ),
        )
    else:
        topics = migration.topics
        assert isinstance(topics, Kafka)  # noqa: S101 - see above
        steps = (
            Step(
                f"create the topics {topics.name}{'.TABLE' if topics.one_a_table else ''} and {topics.dead_letters}"
                " where they are missing",
                f"{topics.partitions} partitions each, and one for what cannot be applied; never compacted",
            ),
            Step(
                f"read the source's log, and {tables} in chunks beside it, into them",
                "no table is locked; `crossfade etl` brings what is in them to the target, now or later",
                "every client to have entered the stage",
            ),
        )
    return Plan(f"Backfill of migration {migration.name}", steps, "crossfade rollback --to off --execute")


def waiting_plan(opened: OpenedRows) -> Plan:
    """Return the plan of a backfill whose rows others read."""
    migration = opened.migration
    assert isinstance(migration.topics, DMS | Debezium)  # noqa: S101 - see `backfill_plan`
    over = (
        "the full load is complete, as --loaded says" if isinstance(migration.topics, DMS) else "the snapshot is over"
    )
    steps = (
        Step(f"create the topic {migration.topics.dead_letters} where it is missing", "for what cannot be applied"),
        Step(
            f"write marks to {migration.marks_schema}.{MARKS}, and wait for one to come round through"
            f" {migration.topics.shown}",
            f"the rows are read by whoever fills it, not by this: a mark that comes through the log tells that {over},"
            " and that all of it is in the target",
            "every client to have entered the stage, and `crossfade etl --execute` to run beside it",
        ),
    )
    return Plan(f"Backfill of migration {migration.name}", steps, "crossfade rollback --to off --execute")


def replicate_plan(opened: OpenedRows) -> Plan:
    migration = opened.migration
    if is_theirs(opened):
        assert migration.topics is not None  # noqa: S101 - see `is_theirs`
        report = Step(
            f"write marks to {migration.marks_schema}.{MARKS} every second, and report how far they have come through"
            f" {migration.topics.shown}",
            "the log is carried by whoever fills it, and applied by `crossfade etl`; the gates ask for the report, and"
            " a freeze for the mark behind its fence",
        )
        return Plan(f"Replication of migration {migration.name}", (report,), "")
    where = migration.target.name if migration.topics is None else migration.topics.shown
    step = Step(
        f"carry the source's log on, into {where}",
        "from the position that was kept; reports how far behind the target is, which the gates ask for; where the"
        " target decides, nothing of the log is written to it",
    )
    return Plan(f"Replication of migration {migration.name}", (step,), "")


def rows_text(look: Look) -> str:
    """`1,200 of about 50,000 rows, 1 of 3 tables`"""
    about = f" of about {look.snapshot_rows_total:,}" if look.snapshot_rows_total >= look.snapshot_rows else ""
    return (
        f"{look.snapshot_rows:,}{about} rows told, {look.tables_done} of {counted(look.tables_total, 'table')};"
        f" {counted(look.changes, 'change')} in all"
    )


def changes_text(look: Look) -> str:
    counts = look.counts
    passed = f", {counts.passed:,} passed over" if counts.passed else ""
    applied = f", {counts.written:,} items written{passed}" if counts.messages or counts.changes else ""
    return f"{counted(look.changes, 'change')} carried{applied}; {lag_text(look)}"


def lag_text(look: Look) -> str:
    if look.lag_seconds < 0:
        return "how far the target is behind is not known yet"
    return f"the target is {look.lag_seconds:.1f} s behind, {counted(look.lag_events, 'event')} wait"


def as_json(captured: Captured) -> dict[str, object]:
    return {
        "status": captured.status,
        "resumed": captured.resumed,
        "seconds": round(captured.seconds, 1),
        **asdict(captured.look),
    }
