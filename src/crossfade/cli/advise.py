"""`crossfade advise`: is a key hot, and what would mend it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from crossfade.advice.advising import Advice, Verdict, Wanted
from crossfade.advice.advising import advise as advise_on
from crossfade.advice.picture import picture
from crossfade.advice.querying import DEFAULT, read_latencies
from crossfade.advice.workloads import WORKLOADS
from crossfade.cli.advise_screen import document, show
from crossfade.cli.advise_sources import (
    Assumed,
    Given,
    of_api,
    of_log,
    of_report,
    of_sketches,
    of_table,
    of_workload,
    read_lines,
    subject_of,
)
from crossfade.cli.options import Where, with_database, with_json
from crossfade.cli.outcome import NOT_YET
from crossfade.cli.screen import Screen
from crossfade.errors import ConfigurationError

SOURCES = ("log", "insights", "insights_api", "sketch", "workload", "sample")
SAMPLE_ITEMS_MAX = 100_000
FILE = click.Path(path_type=Path)


@click.command(short_help="Is a key hot, and what would mend it?")
@with_database
@click.argument("table", metavar="[FILE|TABLE]", required=False)
@click.option("--log", type=FILE, metavar="FILE", help="Traffic: lines of time,operation,key,bytes.")
@click.option("--insights", type=FILE, metavar="FILE", help="Traffic: a saved report of Contributor Insights.")
@click.option("--insights-api", is_flag=True, help="Traffic: ask Contributor Insights for the last hour.")
@click.option("--sketch", type=FILE, metavar="FILE", help="Traffic: recorded sketches of keys, as JSON.")
@click.option("--workload", type=click.Choice(list(WORKLOADS)), help="Traffic: generated.")
@click.option("--sample", metavar="N", type=click.IntRange(1, SAMPLE_ITEMS_MAX), help="Sample N items of the table.")
@click.option("--target", metavar="N", type=float, help="Requests a second that are to be carried (as recorded).")
@click.option("--head-room", metavar="PERCENT", type=click.FloatRange(0, 1_000), default=30, show_default=True,
              help="Carry so much more than that.")  # fmt: skip
@click.option("--attribute", metavar="NAME", multiple=True, help="Try this attribute as the partition key, too.")
@click.option("--local-index", is_flag=True, help="The table has a local secondary index.")
@click.option("--limit", metavar="N", type=click.IntRange(1, 100_000), default=25, show_default=True,
              help="Items of a Query's first page.")  # fmt: skip
@click.option("--latencies", type=FILE, metavar="FILE", help="Measured times of a request, milliseconds, one a line.")
@click.option("--write-share", metavar="PERCENT", type=click.FloatRange(0, 100), default=80, show_default=True,
              help="Writes among the requests, where the source does not say.")  # fmt: skip
@click.option("--item-bytes", metavar="N", type=click.IntRange(1, 409_600), default=1_024, show_default=True,
              help="Bytes of an item, where the source does not say.")  # fmt: skip
@click.option("--skew", type=click.FloatRange(0, 5), default=1.1, show_default=True, help="Of the workload zipf.")
@click.option("--seed", type=int, default=1, show_default=True, help="Chance: the same seed, the same advice.")
@click.option("--picture", "picture_file", type=FILE, metavar="FILE", help="Draw the trade-off into an SVG file.")
@with_json
@click.pass_obj
def advise(
    screen: Screen,
    /,
    where: Where,
    table: str | None,
    target: float | None,
    head_room: float,
    attribute: tuple[str, ...],
    local_index: bool,
    limit: int,
    latencies: Path | None,
    write_share: float,
    item_bytes: int,
    skew: float,
    seed: int,
    picture_file: Path | None,
    **sources: Any,
) -> None:
    """Find whether a partition key is hot, try what would mend it on a model of DynamoDB's partitions, and recommend
    the least change that carries the traffic. Changes nothing.

    Tried are the key as it is, 2 to 256 suffixes, computed or random, and attributes that you name: how much is
    throttled, how evenly it spreads, and what a Query then costs. Without a source of traffic the table is sampled,
    which tells where the items are, and --target how many are asked for a second. docs/advice.md says what the model
    knows, and what nobody does.

    Exit status 0 with a recommendation, which may be to leave the key as it is; 1 when nothing that was tried carries
    the traffic; 2 when it could not run.

    \b
    Examples:
      crossfade advise --workload hot-tenant --target 5000
      crossfade advise --log requests.csv --head-room 50 --picture advice.svg
      crossfade advise migration.py --target 8000
      crossfade advise orders --insights report.json --json
    """
    refuse_picture(picture_file)
    times = DEFAULT if latencies is None else read_latencies(read_lines(latencies), str(latencies))
    assumed = Assumed(write_share / 100, item_bytes, seed, skew)
    given = given_by(where, table, sources, assumed)
    wanted = Wanted(
        target_of(given, target),
        head_room / 100,
        local_index=local_index or given.local_index,
        limit=limit,
        attributes=attribute,
        latencies=times,
        seed=seed,
    )
    found = advise_on(given.trace, wanted)
    show(screen, found)
    if picture_file is not None:
        draw(found, picture_file)
        screen.say(f"The picture is in {picture_file}.", "dim")
    screen.document(document(found))
    if found.verdict is Verdict.NOTHING_CARRIES:
        raise click.exceptions.Exit(NOT_YET)


def given_by(where: Where, table: str | None, sources: dict[str, Any], assumed: Assumed) -> Given:
    """Return the traffic of the one source that was given. Raises UsageError, ConfigurationError."""
    named = [name for name in SOURCES if sources[name]]
    if len(named) > 1:
        words = " and ".join(f"--{name.replace('_', '-')}" for name in named)
        raise click.UsageError(f"{words}: give one source of traffic")
    subject = subject_of(table)
    name = named[0] if named else "sample"
    value = sources[name]
    match name:
        case "log":
            return of_log(value, subject)
        case "insights":
            return of_report(value, assumed)
        case "sketch":
            return of_sketches(value, assumed)
        case "workload":
            return of_workload(value, assumed)
        case _:
            pass
    if subject is None:
        raise click.UsageError("give a migration file or a table, or traffic: --log, --insights, --sketch, --workload")
    if name == "insights_api":
        return of_api(where, subject, assumed)
    return of_table(where, subject, value or 1_000, assumed)


def target_of(given: Given, target: float | None) -> float:
    """Raises ConfigurationError where nobody says how many requests there are."""
    if target is None and not given.requests_per_second:
        raise ConfigurationError(
            f"{given.trace.source}: it does not say how many requests there are a second",
            next_step="give --target, the requests a second that are to be carried",
        )
    return given.requests_per_second if target is None else target


def refuse_picture(file: Path | None) -> None:
    """Raises ConfigurationError where the picture could not be drawn, before anything is done."""
    if file is None:
        return
    if file.suffix.lower() != ".svg":
        raise ConfigurationError(f"{file}: the picture is an SVG", next_step=f"--picture {file.with_suffix('.svg')}")
    if not file.parent.is_dir() or file.is_dir():
        raise ConfigurationError(f"{file}: cannot be written there", next_step="name a file in a folder that exists")


def draw(advice: Advice, file: Path) -> None:
    try:
        _ = file.write_text(picture(advice), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be written: {error}", next_step="name another file") from error
