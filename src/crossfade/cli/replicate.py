"""`crossfade replicate`: the safety net beneath the mirrors."""

from __future__ import annotations

import importlib
import time
from typing import Any, Final

import click

from crossfade.cli.opened import OpenedRows, OpenedTables, open_migration
from crossfade.cli.options import Where, refuse_options, with_execute, with_json, with_where
from crossfade.cli.outcome import ended
from crossfade.cli.plans import Plan, Step, go_on, show_plan
from crossfade.cli.screen import Screen, counted, duration
from crossfade.cli.streams import enabling_step, following, refuse_switched_off, switched_off
from crossfade.control.jobs import means_nothing
from crossfade.control.records import State
from crossfade.core.stages import ALL_LADDERS, SIDES
from crossfade.streams.replicate import end_replication, run_replicate
from crossfade.streams.result import WORKERS, ReplicateOptions, ReplicateResult

ENABLING: Final = "crossfade replicate --enable-streams --execute"
SAY_AGAIN_SECONDS: Final = 30.0


@click.command(short_help="Follow the change streams and sync every key that changes.")
@with_where
@click.option(
    "--workers", metavar="N", type=int, default=WORKERS, show_default=True, help="Sync N parts of a page at once."
)
@click.option("--once", is_flag=True, help="Stop at what is the end of the streams, or of the row log, when it starts.")
@click.option(
    "--for", "seconds", metavar="SECONDS", type=float, help="Stop after so many seconds instead of at Ctrl-C."
)
@click.option(
    "--afresh", is_flag=True, help="Start at the oldest record that the streams hold, ignoring saved positions."
)
@click.option("--enable-streams", is_flag=True, help="Enable the streams of both tables; needs --execute.")
@click.option(
    "--past-removal",
    "past_removals",
    metavar="PLACE",
    multiple=True,
    help="From MySQL: skip a TRUNCATE or the like that was dealt with, named as in the error.",
)
@click.option("--end", is_flag=True, help="End the replication, and remove its gate.")
@with_execute
@with_json
@click.pass_obj
def replicate(
    screen: Screen,
    where: Where,
    workers: int,
    once: bool,
    seconds: float | None,
    afresh: bool,
    enable_streams: bool,
    past_removals: tuple[str, ...],
    end: bool,
    execute: bool,
) -> None:
    """Follow the change streams of both tables and sync every key that changes in the one that decides: for clients
    that died before their mirrors, and for writers without crossfade.

    Runs in every stage between off and complete, and turns around with the authority. Once it was started, the steps
    that need a verify also need it to be running and caught up, until --end. Ctrl-C, or a kill, at any time: the same
    command goes on where it was.

    Of rows it carries the source's log on, from where the backfill has left it: into topics or, without Kafka, into the
    target; of the options only --once, --for and --past-removal are for it. One process does it, and reports to
    `crossfade status` and the gates. Where Debezium or AWS DMS fill the topics, it only reports: by marks that it
    writes to the source, and that come round.

    Exit status 0, 1 when keys could not be synced, 2 when it could not run or a stream
    has a gap.

    \b
    Examples:
      crossfade replicate                               print what would be done
      crossfade replicate --enable-streams --execute
      crossfade replicate --execute --json > replication.jsonl
      crossfade replicate --end --execute
    """
    if end and (once or seconds is not None or afresh or enable_streams):
        raise click.UsageError("--end goes with none of the other options")
    options = ReplicateOptions(workers=workers, once=once, seconds=seconds, afresh=afresh, enable=enable_streams)
    opened = open_migration(screen, where, workers=workers)
    opened.look_at_tables()
    if isinstance(opened, OpenedRows):
        refuse_options(("workers", "afresh", "enable_streams", "end"), "a migration of rows")
        carrying = importlib.import_module("crossfade.cli.rows.carrying")
        with following(opened) as (stop, note):
            carrying.replicate_rows(
                opened, stop, note, once=once, seconds=seconds, past_removals=past_removals, execute=execute
            )
        return
    refuse_options(("past_removals",), "a migration of two tables")
    with following(opened) as (stop, note):
        state = opened.state_of_this_file()
        refuse_stage(state)
        off = () if end else switched_off(opened, SIDES)
        if execute and not enable_streams:
            refuse_switched_off(off, ENABLING)
        plan = end_plan(opened) if end else plan_of(opened, state, off)
        if off and not enable_streams:  # a first run: what it would take is shown, and not begun
            show_plan(opened, plan)
            screen.say(f"\nNothing was changed. Next: {opened.command(ENABLING)}")
            screen.document({"executed": False, "migration": opened.migration.name, **plan.as_json(opened)})
            return
        if not go_on(opened, plan, execute=execute):
            return
        if end:
            end_replication(opened.migration, opened.clients, options, on_note=note, caller=opened.caller)
            screen.say("The replication has ended.", "bold green")
            screen.document({"executed": True, "migration": opened.migration.name})
            return
        result = run_replicate(
            opened.migration,
            opened.clients,
            options,
            Reports(opened).show,
            stop,
            on_note=note,
            caller=opened.caller,
        )
    show_result(opened, result)
    screen.line({"event": "result", **result.as_json()})
    raise ended(stop, result.exit_status)


def refuse_stage(state: State) -> None:
    if ALL_LADDERS[state.strategy][state.stage].is_single:
        raise means_nothing("replication", state.strategy, state.stage)


def plan_of(opened: OpenedTables, state: State, off: tuple[str, ...]) -> Plan:
    migration = opened.migration
    first = migration.table(ALL_LADDERS[state.strategy][state.stage].authority).full_name
    follow = Step(
        f"follow the streams of {migration.source.full_name} and {migration.target.full_name}",
        f"every key that changes in the table that decides ({first} now) is compared, and synced where the other"
        " differs; newer writes are never overwritten; the steps that need a verify then need this to be caught up too",
        f"every client to have entered {state.stage}",
    )
    steps = (*(enabling_step(table, opened.migration.strategy) for table in off), follow)
    return Plan(
        f"Replication of migration {migration.name}, in stage {state.stage}",
        steps,
        "crossfade replicate --end --execute",
    )


def end_plan(opened: OpenedTables) -> Plan:
    step = Step(
        "have no replication any more",
        "its positions in the streams are removed, and its gate; the streams stay switched on",
        "the process that runs it, if there is one, to have ended",
    )
    return Plan(
        f"End of the replication of migration {opened.migration.name}", (step,), "crossfade replicate --execute"
    )


class Reports:
    """The counts now and then: a line every half minute, or when something could not be synced; with --json each."""

    def __init__(self, opened: OpenedTables) -> None:
        self._screen = opened.screen
        self._said_at = float("-inf")
        self._failed = 0

    def show(self, facts: dict[str, Any]) -> None:
        self._screen.line({"event": "progress", **facts})
        failed = int(facts["failed"])
        if failed > self._failed or time.monotonic() - self._said_at >= SAY_AGAIN_SECONDS:
            self._said_at, self._failed = time.monotonic(), failed
            self._screen.say(f"{amounts(facts)}; {lag_text(facts['lag_seconds'])}")


def amounts(counts: dict[str, Any]) -> str:
    return (
        f"{counted(counts['changes'], 'change')} read: {counts['synced']:,} keys synced, {counts['equal']:,} equal"
        f" already, {counts['failed']:,} failed, {counts['passed']:,} of the table that does not decide"
    )


def lag_text(lag_seconds: float) -> str:
    return "not all shards are read yet" if lag_seconds < 0 else f"{duration(lag_seconds)} behind"


def show_result(opened: OpenedTables, result: ReplicateResult) -> None:
    screen = opened.screen
    screen.say(
        f"Replication: {amounts(result.counts)} ({duration(result.seconds)}, {result.ended})",
        "bold red" if result.counts["failed"] else "bold green",
    )
    for sample in result.samples:
        screen.say(f"    {sample.key}: {sample.reason}", "red")
    if result.ended == "complete":
        screen.say("The migration is complete: there is nothing to replicate any more.")
    elif result.ended == "stopped":
        again = opened.command("crossfade replicate --execute")
        screen.say(f"Next: {again} (it goes on from here; its gate is closed meanwhile)")
