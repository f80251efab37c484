"""`crossfade check`: the mapping tried on real items, before anything starts."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import click
from rich.text import Text

from crossfade.aws.clients import endpoint_and_region
from crossfade.check import CheckReport, Finding, run_check
from crossfade.check.report import ordered
from crossfade.check.surroundings import SCALING
from crossfade.cli.connect import connect_to, service_client
from crossfade.cli.opened import Opened, OpenedRows, open_migration, strangeness
from crossfade.cli.options import Where, with_json, with_where
from crossfade.cli.outcome import NOT_YET
from crossfade.cli.plans import label_grid
from crossfade.cli.screen import Screen, counted
from crossfade.control.freezing import names_mapping
from crossfade.control.records import State
from crossfade.control.refusals import read_refusals
from crossfade.errors import DatabaseError, NotStarted
from crossfade.migration import AnyMigration, Migration

AWS_COMMAND = "aws dynamodb "  # to be pasted, so it is not broken, however long it is
STYLES = {"error": "bold red", "warning": "bold yellow", "info": "dim"}

STRANGE: Final = (
    "crossfade cancel --execute gives it up, to start it anew with this file; or use the file it began with"
)


@click.command(short_help="Try it on a sample of the real source.")
@with_where
@click.option(
    "--sample",
    metavar="N",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Try the mapping on N items of the source.",
)
@with_json
@click.pass_obj
def check(screen: Screen, where: Where, sample: int) -> None:
    """Try the migration on a sample of the real source. Changes nothing but a table of marks, where the source has
    rows; exit status 1 when there are errors.

    It maps items forward and back, and looks for target keys that collide, wrong or empty index keys, items that grow
    beyond 400 KB, and pieces of the mapping that find nothing to do. It compares every index of both tables: the key,
    its types and its order, and what it projects. It tells what stands around the old table and has to be carried over
    to the new one: replicas, who follows its changes, keys, backups, policies, scaling, tags.

    Of rows it tries so many of each table, and looks at the source's settings and rights too, each with the statement
    that mends it, at tables without a primary key, and at the topics. The one thing it writes is a mark, into the table
    crossfade_watermarks on the source, which it makes. Where Debezium or AWS DMS fill the topics, it looks at
    their last messages, names the settings that lose something, and waits for a mark to come round through them.

    \b
    Examples:
      crossfade check
      crossfade check migration.py --sample 20000 --json
    """
    opened = open_migration(screen, where)
    migration = opened.migration
    if isinstance(opened, OpenedRows):
        rows: Any = importlib.import_module("crossfade.cli.rows.checking")
        report: CheckReport = rows.check_rows(opened, sample)
        client = opened.client
    else:
        tables = (opened.migration.source, opened.migration.target)
        client, other = (connect_to(where, table, patient=True) for table in tables)
        scaling = (scaling_of(where, client), scaling_of(where, other))
        report = run_check(client, other, opened.migration, sample_items=sample, scaling=scaling)
    started = state_where_started(opened)
    if started is not None:
        report = replace(report, findings=ordered([*report.findings, *hot_keys(opened)]))
    step = "crossfade start" if started is None else "crossfade status"
    strange = "" if started is None else strangeness(migration, started)
    show(screen, migration, report, endpoint_and_region(client), "" if strange else step)
    if started is not None:
        screen.say(f"It is started, and in stage {started.stage}.", "dim")
    if strange:
        screen.say(f"Note: {strange}.", "yellow")
        screen.say(f"Next: {screen.command(STRANGE)}")
    screen.document({**report.to_json(), "stage": None if started is None else started.stage, "note": strange})
    if not report.ok:
        raise click.exceptions.Exit(NOT_YET)


def hot_keys(opened: Opened) -> Iterator[Finding]:
    """Items that attached processes have been seen to write more often than the stages in lockstep let them."""
    for kind in opened.run(read_refusals(opened.control)).kinds:
        if kind.is_slow:
            who = f"{kind.client} on {kind.host} pid {kind.pid}"
            yield Finding("warning", "hot-key", f"{kind.reason} ({who})", next_step=kind.next_step)


def scaling_of(where: Where, client: Any) -> Any:
    """Return a client of the service that scales the tables of a DynamoDB client; None where that is not AWS's own."""
    if ".amazonaws." not in str(client.meta.endpoint_url):
        return None
    return service_client(where, SCALING, client.meta.region_name)


def state_where_started(opened: Opened) -> State | None:
    """None where it is not; who may not read the control table yet is told as where it is not."""
    try:
        return opened.state()
    except (NotStarted, DatabaseError):
        return None


def show(screen: Screen, migration: AnyMigration, report: CheckReport, place: str, next_step: str) -> None:
    screen.say(f"{report.migration}: {migration.source_name} -> {migration.target_name}, at {place}", "bold")
    whole = "all that the source holds" if report.whole_table else "a sample of the source"
    tried = counted(report.sampled_items, "item" if isinstance(migration, Migration) else "row")
    named = f"; mapping {report.fingerprint}" if names_mapping(report.fingerprint) else ""
    screen.say(f"{tried} tried ({whole}){named}:")
    for line in report.mapping:
        screen.say(f"    {line}")
    screen.say()
    for finding in report.findings:
        show_finding(screen, finding)
    errors = sum(finding.severity == "error" for finding in report.findings)
    screen.say()
    if errors:
        screen.say(f"{counted(errors, 'error')}: correct this first, then check again.", "bold red")
    else:
        screen.say("No errors.", "bold green")
        if next_step:
            screen.say(f"Next: {screen.command(next_step)}")


def show_finding(screen: Screen, finding: Finding) -> None:
    grid = label_grid(indent=2)
    what = Text(finding.what)
    if finding.count and finding.severity != "info":
        _ = what.append(f"  ({counted(finding.count, 'item')})")
    for sample in finding.samples:
        _ = what.append(f"\n{sample}", "dim")
    step = f"-> {screen.command(finding.next_step)}" if finding.next_step else ""
    pasted = AWS_COMMAND in step
    if step and not pasted:
        _ = what.append(f"\n{step}", "cyan")
    grid.add_row("", Text(f"{finding.severity:<7}", style=STYLES[finding.severity]), what)
    screen.show(grid)
    if pasted:
        screen.say(f"{'':<11}{step}", "cyan", whole=True)
