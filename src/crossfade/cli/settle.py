"""`crossfade settle`: what clients that ended unfinished have left undone, from the change streams."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from crossfade.cli.moving import look, what_next
from crossfade.cli.opened import OpenedRows, OpenedTables, open_migration
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.outcome import ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.cli.streams import following, refuse_switched_off, switched_off
from crossfade.control.records import State
from crossfade.control.settling import VERIFY, refuse_settling
from crossfade.core.stages import ALL_LADDERS, SIDES, other_side
from crossfade.errors import NotPossibleInStage
from crossfade.streams.result import WORKERS, SettleOptions, SettleResult
from crossfade.streams.settle import ENABLING, run_settle

SAY_AGAIN_SECONDS: Final = 10.0
MEND: Final = f"correct these items, then crossfade settle --execute; or {VERIFY}, which shows all that differs"


@click.command(short_help="Do what clients that died have left undone, from the change streams.")
@with_where
@click.option(
    "--workers", metavar="N", type=int, default=WORKERS, show_default=True, help="Make N parts of a page equal at once."
)
@with_execute
@with_json
@click.pass_obj
def settle(screen: Screen, where: Where, workers: int, execute: bool) -> None:
    """Make equal every key that was written since a client may have left something undone, and so clear the marks of
    clients that ended unfinished, without a verify of both tables.

    Reads the change streams of both tables, which must have been on by then; of their last hours, since before the
    oldest operation that such a client had open. It takes minutes, and costs what the traffic of that time costs. For
    dual-write, in every stage between off and complete. A mark that is older than the streams, or that does not say
    since when, takes a verify. Ctrl-C, or a kill, at any time clears nothing; the same command begins again.

    Exit status 0 when nothing is left undone; 1 when a key could not be made equal, and nothing was cleared; 2 when it
    could not run.

    \b
    Examples:
      crossfade settle                          print what would be done
      crossfade settle --execute
      crossfade settle --execute --json | tail -1
    """
    options = SettleOptions(workers=workers)
    opened = open_migration(screen, where, workers=workers)
    with following(opened) as (stop, note):
        if isinstance(opened, OpenedRows):
            raise NotPossibleInStage("a migration of rows has no change streams", next_step=VERIFY)
        state = opened.state_of_this_file()
        refuse_settling(state)
        opened.look_at_tables()
        refuse_switched_off(switched_off(opened, SIDES), ENABLING)
        if not go_on(opened, plan_of(opened, state), execute=execute):
            return
        shown = Reports(opened)
        result = run_settle(
            opened.migration, opened.clients, options, shown.show, stop, on_note=note, caller=opened.caller
        )
    step = str(what_next(opened, look(opened))) if result.ended != "failed" else opened.command(MEND)
    show_result(opened, result, step)
    screen.line({"event": "result", **result.as_json(), "next_step": step})
    raise ended(stop, result.exit_status, complete=result.ended != "stopped")


def plan_of(opened: OpenedTables, state: State) -> Plan:
    migration = opened.migration
    authority = ALL_LADDERS[state.strategy][state.stage].authority
    first, other = migration.table(authority).full_name, migration.table(other_side(authority)).full_name
    count_out = Step(
        "count out the clients that are silent",
        "each leaves its mark, and the time of the oldest operation that it had open",
        f"every client to have entered {state.stage}, and to renew its lease once more",
    )
    make_equal = Step(
        f"read what has changed in {migration.source.full_name} and {migration.target.full_name} since the oldest of"
        " these times",
        f"each key is compared, and where the tables differ {other} gets what {first} holds; newer writes are never"
        " overwritten; what crossfade did not write is left alone",
        "what these clients had sent to have landed",
    )
    clear = Step(
        "clear the marks",
        "the last verify, or the backfill, counts again as if these clients had finished; the journal says so",
        "each key to be equal; if one cannot be made so, nothing is cleared",
    )
    return Plan(
        f"Unclean ends of migration {migration.name}, in stage {state.stage}", (count_out, make_equal, clear), ""
    )


class Reports:
    """The counts now and then: a line every ten seconds; with --json each."""

    def __init__(self, opened: OpenedTables) -> None:
        self._screen = opened.screen
        self._said_at = time.monotonic()

    def show(self, facts: dict[str, Any]) -> None:
        self._screen.line({"event": "progress", **facts})
        if time.monotonic() - self._said_at >= SAY_AGAIN_SECONDS:
            self._said_at = time.monotonic()
            self._screen.say(amounts(facts))


def amounts(counts: dict[str, Any]) -> str:
    changes, keys = counted(counts["changes"], "change"), counted(counts["keys"], "key")
    return (
        f"{changes} read, of {keys}: {counts['equal']:,} equal already,"
        f" {counts['synced']:,} made equal, {counts['failed']:,} failed"
    )


def show_result(opened: OpenedTables, result: SettleResult, step: str) -> None:
    screen = opened.screen
    ends = counted(result.marks, "unclean end")
    said = {
        "settled": f"{ends} settled: {amounts(result.counts)}, since {result.since} ({duration(result.seconds)})",
        "nothing to do": "Nothing was left undone since the last verify, or it has been done.",
        "failed": f"{ends} not settled: {amounts(result.counts)}",
        "stopped": f"Stopped: nothing was cleared ({ends}). The same command begins again.",
    }
    good = result.ended in ("settled", "nothing to do")
    screen.say(said[result.ended], "bold green" if good else "bold red")
    for sample in result.samples:
        screen.say(f"    {sample.key}: {sample.reason}", "red")
    screen.say(f"Next: {step}")
