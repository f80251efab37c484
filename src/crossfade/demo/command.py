"""`crossfade demo`: watch a migration of a table under live traffic."""

from __future__ import annotations

import sys

import click

from crossfade.demo.main import run
from crossfade.demo.performance import Settings
from crossfade.demo.proof import quick_settings

ITEMS_MIN = 400  # below that some kinds of documents would not exist


@click.command(short_help="Watch a migration under live traffic, and its proof.")
@click.option("--items", type=click.IntRange(min=ITEMS_MIN), default=50_000, show_default=True, metavar="N",
              help="Seed the old table with N documents.")  # fmt: skip
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="S", help="Generate the traffic from this seed."
)
@click.option("--applications", type=click.IntRange(3, 16), default=4, show_default=True, metavar="K",
              help="Run K application processes.")  # fmt: skip
@click.option("--quick", is_flag=True, help="Use fewer documents and shorter stages; takes about half a minute.")
@click.option("--json", "json_output", is_flag=True, help="Output only the result, as JSON.")
def demo(items: int, seed: int, applications: int, quick: bool, json_output: bool) -> None:
    """Watch a migration under live traffic, up, back and up again, and the proof that nothing was lost.

    Starts a database and application processes of its own, and ends them. Exit status 0: the proof holds; 1: something
    was lost or differs; 2: the demo could not be carried out.

    \b
    Examples:
      crossfade demo --quick
      crossfade demo --items 500000 --seed 7
      crossfade demo --quick --json
    """
    if quick:
        settings = quick_settings(min(items, 2_000), seed, applications=applications)
    else:
        settings = Settings(items=items, seed=seed, applications=applications)
    sys.exit(run(settings, json_output=json_output))
