"""`crossfade etl`: from topics into the target."""

from __future__ import annotations

import importlib
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from crossfade.cli.opened import OpenedRows, open_rows
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.cli.streams import following
from crossfade.errors import ConfigurationError
from crossfade.jobs.signals import StopEvent

if TYPE_CHECKING:
    from crossfade.cdc.etl.applier import Counts
    from crossfade.cdc.running.replaying import Replayed
    from crossfade.cdc.running.working import Look, Worked

SAY_SECONDS: Final = 10.0
CONNECTIONS: Final = 64
MEANT: Final = "`crossfade replicate` follows the streams of two tables"


class WithDefault(click.Group):
    """`etl` alone is `etl work`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names):
            args = ["work", *args]
        return super().parse_args(ctx, args)


@click.group(cls=WithDefault, short_help="Bring a row log from its topics to the target.")
def etl() -> None:
    """Bring what `crossfade backfill` and `crossfade replicate`, or Debezium or AWS DMS, have put into topics to the
    target.

    `crossfade etl` alone is `crossfade etl work`: a worker. Any number of them, on any number of machines, share the
    work. Without Kafka there is none: there `crossfade replicate` writes to the target itself.

    \b
    Examples:
      crossfade etl --execute
      crossfade etl retry --execute
      crossfade etl replay --from beginning --execute
    """


@etl.command(short_help="A worker of the group; the default.")
@with_where
@click.option(
    "--quiet-seconds", metavar="N", type=click.FloatRange(min=1), help="Stop when no change has come for N seconds."
)
@click.option(
    "--past-removal",
    "past_removals",
    metavar="PLACE",
    multiple=True,
    help="Skip a TRUNCATE or DROP that was dealt with, named as in the error.",
)
@click.option(
    "--past-gap",
    "past_gaps",
    metavar="PLACE",
    multiple=True,
    help="Read on behind messages that the topic no longer has, named as in the error.",
)
@with_execute
@with_json
@click.pass_obj
def work(
    screen: Screen,
    where: Where,
    quiet_seconds: float | None,
    past_removals: tuple[str, ...],
    past_gaps: tuple[str, ...],
    execute: bool,
) -> None:
    """Apply changes, in the order of each row, until Ctrl-C, or with --quiet-seconds until the source is quiet.

    A change that cannot be applied goes to the dead letters with its reason (`crossfade etl retry`). Killed at any
    time, nothing is lost: what was not kept as done is applied again, which changes nothing. Where the target decides
    (freeze_target and above), changes are passed over: they are what applications have written there, come back. Exit
    status 0; 1 when it was not quiet but nobody carries the log, or when changes went to the dead letters; 2 when it
    could not run.

    \b
    Examples:
      crossfade etl                                  print what would be done
      crossfade etl --execute
      crossfade etl --execute --quiet-seconds 60 --json
    """
    opened = open_rows(screen, where, MEANT)
    opened.look_at_tables()
    pipeline = pipeline_of(opened)
    _ = opened.state_of_this_file()
    if not go_on(opened, work_plan(opened), execute=execute):
        return
    working: Any = importlib.import_module("crossfade.cdc.running.working")
    with following(opened) as (stop, note):
        worked: Worked = working.run_worker(
            pipeline,
            stop=stop,
            on_look=Shown(screen).look,
            note=note,
            quiet_seconds=quiet_seconds,
            past_removals=past_removals,
            past_gaps=past_gaps,
        )
    show_worked(opened, worked, stop)


@etl.command(short_help="Dead letters once more.")
@with_where
@with_execute
@with_json
@click.pass_obj
def retry(screen: Screen, where: Where, execute: bool) -> None:
    """Try each change once more that could not be applied: with a corrected mapping, most likely. What can be applied
    now is a dead letter no more; what cannot is one again, with its new reason.

    Exit status 0 when none is left of those, 1 when some could not be applied again.

    \b
    Example:
      crossfade etl retry --execute
    """
    opened = open_rows(screen, where, MEANT)
    opened.look_at_tables()
    pipeline = pipeline_of(opened)
    _ = opened.state_of_this_file()
    count = pipeline.letters_left()
    why = f"; why they wait: {pipeline.letters_why()}" if count else ""
    step = Step(
        f"apply {counted(count, 'dead letter')} again", f"each as the change that it was, under its version{why}"
    )
    if not go_on(opened, Plan(f"Dead letters of migration {opened.migration.name}", (step,), ""), execute=execute):
        return
    working: Any = importlib.import_module("crossfade.cdc.running.working")
    with following(opened, at_once=True) as (_, note):
        retried = working.run_retry(pipeline, note=note)
    screen.say(
        f"Retry: {retried.applied:,} dealt with, {retried.failed:,} of them dead letters again",
        "bold red" if retried.failed else "bold green",
    )
    if retried.failed:
        screen.say(f"  the last reason: {retried.last_reason}")
        screen.say(f"Next: correct the mapping, then {opened.command('crossfade etl retry --execute')}")
    screen.line({"event": "result", **asdict(retried)})
    raise click.exceptions.Exit(NOT_YET if retried.failed else DONE)


@etl.command(short_help="The topics once more, from anywhere.")
@with_where
@click.option(
    "--from",
    "start",
    metavar="WHERE",
    required=True,
    help="Start at `beginning`, a time, or a position: GTID or FILE:OFFSET.",
)
@click.option(
    "--into",
    metavar="TABLE",
    default="",
    help="Write to this table, which has the target's key, instead of the target.",
)
@with_execute
@with_json
@click.pass_obj
def replay(screen: Screen, where: Where, start: str, into: str, execute: bool) -> None:
    """Read the topics again, from a time, a position or the beginning to where they end now, and apply what they hold:
    into the target, which a corrected mapping corrects, or into another table, which it builds.

    Workers may go on meanwhile. A time is that at which the log was published. Exit status 0 when all was applied, 1
    when some changes could not be.

    \b
    Examples:
      crossfade etl replay --from beginning --execute
      crossfade etl replay --from 2026-11-29T16:00:00+00:00 --execute
      crossfade etl replay --from beginning --into shop-rebuilt --execute
    """
    opened = open_rows(screen, where, MEANT)
    pipeline = pipeline_of(opened)
    replaying: Any = importlib.import_module("crossfade.cdc.running.replaying")
    begin = replaying.From.of_text(start)
    replaying.refuse_start(pipeline, begin)
    _ = opened.state_of_this_file()
    if into:
        opened.look_at_another(into)
    else:
        opened.look_at_tables()
    table = into or opened.migration.target.name
    step = Step(
        f"apply what the topics hold from {start} on to {table}",
        "each change under its version: an item that is newer stays, one that is the same is made again",
    )
    if not go_on(opened, Plan(f"Replay of migration {opened.migration.name}", (step,), ""), execute=execute):
        return
    shown = Shown(screen)
    with following(opened, at_once=True) as (_, note):
        replayed: Replayed = replaying.run_replay(pipeline, begin, into, on_look=shown.replayed, note=note)
    counts = replayed.counts
    screen.say(
        f"Replay: {counts_text(counts)}; {replayed.failed:,} could not be applied",
        "bold red" if replayed.failed else "bold green",
    )
    if replayed.failed:
        screen.say(f"  the last reason: {replayed.reason}")
    screen.line({"event": "result", **asdict(replayed)})
    raise click.exceptions.Exit(NOT_YET if replayed.failed else DONE)


def pipeline_of(opened: OpenedRows) -> Any:
    """Raises ConfigurationError without Kafka."""
    if opened.migration.topics is None:
        raise ConfigurationError(
            f"migration {opened.migration.name} has no topics: the log is carried to the target directly",
            next_step="crossfade replicate --execute; once more from the rows: crossfade backfill --again --execute",
        )
    servers: Any = importlib.import_module("crossfade.cli.rows.servers")
    return servers.pipeline_of(opened, calls_max=CONNECTIONS)


def work_plan(opened: OpenedRows) -> Plan:
    migration = opened.migration
    assert migration.topics is not None  # noqa: S101 - `pipeline_of` has looked
    step = Step(
        f"take part in the group {migration.group}, and apply what {migration.topics.shown} holds",
        f"items of {migration.target.name} are written under the versions of their rows; what cannot be applied goes to"
        f" {migration.topics.dead_letters}",
    )
    return Plan(f"A worker of migration {migration.name}", (step,), "")


class Shown:
    """A line now and then; with --json each look."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said_at = float("-inf")

    def look(self, look: Look) -> None:
        self._screen.line({"event": "progress", **asdict(look)})
        self._say(f"{counts_text(look.counts)}; {counted(look.partitions, 'partition')}")

    def replayed(self, replayed: Replayed) -> None:
        self._screen.line({"event": "progress", **asdict(replayed)})
        self._say(f"{replayed.counts.messages:,} of {replayed.messages_total:,} messages")

    def _say(self, text: str) -> None:
        if time.monotonic() - self._said_at >= SAY_SECONDS and not self._screen.as_json:
            self._said_at = time.monotonic()
            self._screen.say(f"  {text}")


def counts_text(counts: Counts) -> str:
    parts = [f"{counts.changes:,} changes applied", f"{counts.written:,} items written"]
    parts += [f"{counts.late:,} late"] if counts.late else []
    parts += [f"{counts.passed:,} passed over"] if counts.passed else []
    parts += [f"{counts.set_aside:,} to the dead letters"] if counts.set_aside else []
    return ", ".join(parts)


def show_worked(opened: OpenedRows, worked: Worked, stop: StopEvent) -> None:
    screen, look = opened.screen, worked.look
    unknown = worked.status == "quiet" and not worked.is_known_to_be_quiet
    good = not unknown and not look.counts.set_aside
    screen.say(
        f"ETL {worked.status}: {counts_text(look.counts)} ({duration(look.seconds)})",
        "bold green" if good else "bold yellow",
    )
    if unknown:
        screen.say("  Nothing came, but nobody tells whether the source is quiet: does `crossfade replicate` run?")
    if look.counts.set_aside:
        screen.say(f"Next: {opened.command('crossfade etl retry --execute')}, once the reasons are mended")
    elif worked.status == "over":
        screen.say("The migration is complete: there is nothing to carry any more.")
    screen.line({"event": "result", "status": worked.status, "lag_seconds": worked.lag_seconds, **asdict(look)})
    raise ended(stop, DONE if good else NOT_YET)
