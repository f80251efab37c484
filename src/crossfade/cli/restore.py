"""`crossfade restore`: a snapshot loaded into a table."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from crossfade.cleanup.export_format import export_folder, read_manifests
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.restore import Aim, Restored, aim_at, another_copy, run_restore
from crossfade.cleanup.snapshot_steps import damage_of
from crossfade.cleanup.storage import place_of
from crossfade.cleanup.table import summary_of
from crossfade.cli.connect import connect, described, service_client
from crossfade.cli.jobs import stoppable
from crossfade.cli.options import Where, with_database, with_execute, with_json
from crossfade.cli.outcome import DONE, NOT_YET, ended
from crossfade.cli.plans import UNCHANGED
from crossfade.cli.screen import Screen, counted
from crossfade.control.starting import RESTORES
from crossfade.control.store import TABLE_DEFAULT, Control
from crossfade.jobs.session import here
from crossfade.jobs.signals import StopEvent


@click.command(short_help="Load a snapshot into a table.")
@click.argument("snapshot")
@click.option("--table", metavar="NAME", required=True, help="Load into this table; it must be empty, or is created.")
@click.option(
    "--control-table",
    metavar="NAME",
    default=TABLE_DEFAULT,
    show_default=True,
    help="Keep the progress in this control table.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Load N parts of the snapshot at once.",
)
@click.option("--rate", metavar="N", type=float, help="Write at most N items a second.")
@with_database
@with_execute
@with_json
@click.pass_obj
def restore(
    screen: Screen,
    where: Where,
    snapshot: str,
    table: str,
    control_table: str,
    workers: int,
    rate: float | None,
    execute: bool,
) -> None:
    """Load SNAPSHOT, a folder or s3://bucket/prefix, into a table, and compare both, every item, in both directions.

    Takes what `crossfade cleanup` wrote, and full exports in JSON that DynamoDB made. A table that holds anything is
    not written to, unless this very restore was begun before: the same command then goes on. Exit status 0 when the
    table equals the snapshot, 1 when not, or not yet, 2 when it could not run.

    \b
    Examples:
      crossfade restore backups/orders --table orders                print what would be done
      crossfade restore s3://backups/orders/AWSDynamoDB/01700000000000-1a2b3c4d --table orders --execute
    """
    client = connect(where, control_table, workers=workers)
    place = export_folder(place_of(snapshot, lambda: service_client(where, "s3")))
    with another_copy():
        found = read_manifests(place)
    aim = aim_at(found, table, described(client, table))
    show(screen, aim)
    if not execute:
        screen.say(UNCHANGED)
        screen.document({"executed": False, "table": table, "creates": aim.creates, "items": found.items})
        return
    ledger = Ledger(Control(f"{RESTORES}{table}", control_table), here(), os.getpid())
    with stoppable(OnScreen(screen)) as (stop, shown):
        restored = run_restore(
            aim,
            ledger,
            {"source": client, "target": client, "control": client},
            service=lambda service: service_client(where, service),
            workers=workers,
            per_second=rate,
            on_progress=shown.progress,
            on_note=shown.note,
            stop_event=stop,
        )
    tell(screen, aim, restored, stop)


@dataclass(frozen=True, slots=True)
class OnScreen:
    screen: Screen


def show(screen: Screen, aim: Aim) -> None:
    found = aim.snapshot
    screen.say(f"Restore of {found.place.text}", "bold")
    taken = f", taken {found.summary['exportTime']}" if "exportTime" in found.summary else ""
    screen.say(
        f"  holds   {counted(found.items, 'item')} of table {found.table_name}{taken}, in {len(found.files)} files"
    )
    if aim.creates and aim.document is not None:
        screen.say(f"  makes   table {aim.table}: {summary_of(aim.document)}")
    else:
        screen.say(f"  fills   table {aim.table}, which is there and must be empty (or this restore's own)")
    screen.say("  then    compares every item of both, in both directions")
    screen.say()


def tell(screen: Screen, aim: Aim, restored: Restored, stop: StopEvent) -> None:
    said = {
        "equal": f"Table {aim.table} equals the snapshot: {counted(restored.items, 'item')}.",
        "different": f"Table {aim.table} does not equal the snapshot:",
        "stopped": f"Stopped: {counted(restored.items, 'item')} are loaded; the same command goes on.",
    }
    style = {"equal": "bold green", "different": "bold red", "stopped": "bold yellow"}
    screen.say(said[restored.status], style[restored.status])
    lines = damage_of(restored.compared) if restored.status == "different" and restored.compared else ()
    for line in lines:
        screen.say(f"  {line}")
    digest = restored.compared.digest if restored.compared else ""
    if restored.status == "equal":
        screen.say(f"  digest {digest}")
    facts = {"table": aim.table, "items": restored.items, "digest": digest, "resumed": restored.resumed}
    screen.line({"event": "result", "status": restored.status, **facts, "found": lines})
    raise ended(stop, DONE if restored.status == "equal" else NOT_YET, complete=restored.status != "stopped")
