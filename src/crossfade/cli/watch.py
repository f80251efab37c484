"""`crossfade watch`: who still writes to the old table."""

from __future__ import annotations

from typing import Final

import click

from crossfade.cli.opened import OpenedTables, open_tables
from crossfade.cli.options import Where, with_execute, with_json, with_where
from crossfade.cli.outcome import ended
from crossfade.cli.plans import Plan, Step, go_on
from crossfade.cli.screen import Screen, counted, duration
from crossfade.cli.streams import enabling_step, following, refuse_switched_off, switched_off
from crossfade.control.records import State
from crossfade.core.stages import ALL_LADDERS, Writes
from crossfade.streams.finding import VIEW_TYPES, view_type
from crossfade.streams.result import SeenWrite, WatchOptions, WatchResult
from crossfade.streams.watch import run_watch

STYLES: Final = {"stray": "bold yellow", "expired": "", "untold": "dim"}
MEANINGS: Final = {
    "stray": "crossfade did not make it, or (where writes are mirrored) its maker ended before it was mirrored",
    "expired": "DynamoDB removed the item because its time had come; the other table still has it",
    "untold": "nothing tells whose it is: the stage is off, or it is a deletion that the target's item has outlived",
}


@click.command(short_help="Report writes to the old table that crossfade did not make.")
@with_where
@click.option("--repair", is_flag=True, help="Sync the keys of stray writes where that is safe; needs --execute.")
@click.option("--once", is_flag=True, help="Stop at what is the end of the stream when it starts.")
@click.option(
    "--for", "seconds", metavar="SECONDS", type=float, help="Stop after so many seconds instead of at Ctrl-C."
)
@click.option(
    "--afresh", is_flag=True, help="Start at the oldest record that the stream holds, ignoring the saved position."
)
@click.option("--enable-stream", is_flag=True, help="Enable the table's stream; needs --execute.")
@with_execute
@with_json
@click.pass_obj
def watch(
    screen: Screen,
    where: Where,
    repair: bool,
    once: bool,
    seconds: float | None,
    afresh: bool,
    enable_stream: bool,
    execute: bool,
) -> None:
    """Read the old table's change stream and name each write that crossfade did not make: key, time, and who, where
    the stream says so.

    While both tables are written, a write is stray when they have not come to agree on its key some two seconds later;
    in complete every write is. In copy-on-write a write is stray that leaves no fresh stamp. It goes on where the last
    watch stopped. Only --repair writes to the tables: the side that decides is carried over to the other one, so from
    lockstep_target on a stray write is undone; in copy-on-write, what the new table has not at all is copied.
    Exit status 0 when there was none, 1 when there were some, 2 when it could not run or the stream has a gap.

    \b
    Examples:
      crossfade watch
      crossfade watch --once --json
      crossfade watch --enable-stream --execute
      crossfade watch --repair --execute
    """
    options = WatchOptions(repair=repair, once=once, seconds=seconds, afresh=afresh, enable=enable_stream)
    meant = "a row log names no writers, so there is nothing to watch; `crossfade status` shows how far it is carried"
    opened = open_tables(screen, where, meant)
    opened.look_at_tables()
    with following(opened) as (stop, note):
        state = opened.state_of_this_file()
        off = switched_off(opened, ("source",))
        if not enable_stream:
            refuse_switched_off(off, "crossfade watch --enable-stream --execute")
        plan = plan_of(opened, state, off, repair=repair)
        if plan.steps and not go_on(opened, plan, execute=execute):
            return
        if without_images(opened, off):
            screen.say(f"Note: {WITHOUT_IMAGES}", "yellow")
        screen.say(f"Watching {opened.migration.source.full_name} in stage {state.stage} (Ctrl-C leaves)", "dim")
        result = run_watch(
            opened.migration,
            opened.clients,
            options,
            lambda seen: show(opened, seen),
            stop,
            on_note=note,
            caller=opened.caller,
        )
    show_result(opened, result)
    screen.line({"event": "result", **result.as_json()})
    raise ended(stop, result.exit_status)


WITHOUT_IMAGES: Final = (
    "the stream is without the images that tell old stamps from fresh ones, so an update that leaves an old stamp is"
    " not told; a stream with NEW_AND_OLD_IMAGES has them"
)


def without_images(opened: OpenedTables, off: tuple[str, ...]) -> bool:
    """Whether stamps tell what is stray, and the stream, which was on already, does not show all of them."""
    wanted = VIEW_TYPES[opened.migration.strategy]
    if off or wanted == VIEW_TYPES["dual-write"]:
        return False
    return opened.run(view_type("source", opened.migration.source.name)) != wanted


def plan_of(opened: OpenedTables, state: State, off: tuple[str, ...], *, repair: bool) -> Plan:
    """Steps for what changes something; none where it only reads."""
    migration = opened.migration
    steps = [enabling_step(table, migration.strategy) for table in off]
    if repair:
        row = ALL_LADDERS[state.strategy][state.stage]
        source, target = migration.source.full_name, migration.target.full_name
        if row.is_single:
            effect = "nothing in this stage, where only one table is written"
        elif row.writes is Writes.PREPARED:
            effect = "nothing in this stage, where applications see what the source holds"
        elif row.drains:
            what = f"what a stray write left in {source} is copied to {target}"
            effect = f"{what}, if that has no such item"
        elif row.authority == "source":
            effect = f"what a stray write left in {source} is carried over to {target}"
        else:
            effect = f"a stray write is undone: {source} gets what {target} holds"
        steps.append(Step("sync the keys of stray writes", effect))
    return Plan(f"Watch of migration {migration.name}, in stage {state.stage}", tuple(steps), "")


def show(opened: OpenedTables, seen: SeenWrite) -> None:
    screen = opened.screen
    several = f", the last of {seen.writes}" if seen.writes > 1 else ""
    who = f" by {seen.who}" if seen.who else ""
    left = f"; {seen.difference} in the target" if seen.difference else ""
    screen.say(f"{seen.at}  {seen.verdict}  {seen.key}  {seen.change}{who}{several}{left}", STYLES[seen.verdict])
    if seen.repair:
        screen.say(f"    {seen.repair}")
    screen.line({"event": "write", **seen.as_json()})


def show_result(opened: OpenedTables, result: WatchResult) -> None:
    screen, counts = opened.screen, result.counts
    for verdict, meaning in MEANINGS.items():
        if counts[verdict]:
            screen.say(f"{verdict}: {meaning}", "dim")
    screen.say(
        f"Watch: {counted(counts['writes'], 'write')} read in {duration(result.seconds)}; {counts['stray']:,} stray,"
        f" {counts['expired']:,} expired, {counts['untold']:,} untold, {counts['repaired']:,} repaired",
        "bold yellow" if counts["stray"] else "bold green",
    )
