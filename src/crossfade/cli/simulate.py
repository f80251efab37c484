"""`crossfade simulate`: many simulated migrations with faults, and the seed of the one that went wrong."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from crossfade.core.rules import RULE_NAMES, RULES_OF, Rules
from crossfade.core.stages import ALL_LADDERS
from crossfade.sim.campaign import Tally, campaign, played
from crossfade.sim.outcome import Outcome

PROGRESS_SECONDS = 0.5


@click.command(short_help="Play simulated migrations, with faults.")
@click.option("--seeds", default=1_000, show_default=True, type=click.IntRange(min=1), help="Play N worlds.")
@click.option("--first-seed", default=0, show_default=True, help="Start at this seed.")
@click.option("--seed", type=int, help="Play this seed alone and print what happened.")
@click.option("--everything", is_flag=True, help="With --seed, print every item and the control table too.")
@click.option(
    "--drop", type=click.Choice(RULE_NAMES), help="Leave out one rule of the protocol; the checks must notice."
)
@click.option("--strategy", default="dual-write", show_default=True, type=click.Choice(list(ALL_LADDERS)),
              help="Play the stages and rules of this strategy.")  # fmt: skip
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Use N processors.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def simulate(
    seeds: int,
    first_seed: int,
    seed: int | None,
    everything: bool,
    drop: str | None,
    strategy: str,
    jobs: int,
    as_json: bool,
) -> None:
    """Play many simulated migrations, with virtual time and injected faults, and judge each: was a write lost?

    The very routines run that run in production. What a seed plays is always the same, so the one that goes wrong is
    printed with the command that replays it. Exit status 0 when nothing was violated, 1 when something was, 2 when it
    could not run.

    \b
    Examples:
      crossfade simulate --seeds 10000 --jobs 2
      crossfade simulate --strategy copy-on-write
      crossfade simulate --drop barrier              without that rule it must find what is lost
      crossfade simulate --seed 17 --everything
    """
    if drop is not None and drop not in RULES_OF[strategy]:
        raise click.UsageError(f"--drop {drop}: the rules of {strategy} are {', '.join(RULES_OF[strategy])}")
    rules = Rules.without(drop)
    if seed is not None:
        tally = replay(seed, rules, strategy, everything=everything, quiet=as_json)
    else:
        show = Progress(seeds, quiet=as_json or not sys.stderr.isatty())
        tally = campaign(range(first_seed, first_seed + seeds), rules, jobs, show, strategy)
        show.clear()
    if as_json:
        click.echo(json.dumps(facts(tally, strategy, drop)))
    else:
        report(tally, strategy, drop, replayed=seed is not None)
    if tally.failed is not None:
        sys.exit(1)


def replay(seed: int, rules: Rules, strategy: str, *, everything: bool, quiet: bool) -> Tally:
    """Play the seed once to see which items are concerned, and once more to show what happened to them."""
    outcome = played(seed, rules, strategy)
    tally = Tally()
    tally.add(outcome)
    if not quiet:
        keys = frozenset(key for violation in outcome.violations for key in violation.keys)
        shown = None if everything or not keys else keys
        _ = played(seed, rules, strategy, trace=click.echo, keys=shown)
    return tally


class Progress:
    """One line on standard error, while somebody watches."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.total = total
        self.quiet = quiet
        self.began = self.shown = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if self.quiet or now - self.shown < PROGRESS_SECONDS:
            return
        self.shown = now
        rate = tally.seeds / (now - self.began)
        left = (self.total - tally.seeds) / rate
        line = f"{tally.seeds:,} of {self.total:,} seeds, {rate:.0f}/s, {left:.0f} s left"
        click.echo(f"\r{line}\033[K", err=True, nl=False)

    def clear(self) -> None:
        if not self.quiet:
            click.echo("\r\033[K", err=True, nl=False)


def report(tally: Tally, strategy: str, drop: str | None, *, replayed: bool) -> None:
    if tally.failed is None:
        click.echo(summary(tally))
        return
    for violation in tally.failed.violations:
        concerned = f" [{', '.join(violation.keys)}]" if violation.keys else ""
        click.echo(f"VIOLATION  {violation.invariant}{concerned}\n  {violation.what}")
        for line in violation.details:
            click.echo(f"  {line}")
    if not replayed:
        click.echo(f"seed {tally.failed.seed} failed, after {tally.seeds - 1:,} that did not; replay it with\n")
        click.echo(f"    {command(tally.failed, strategy, drop)}")


def command(outcome: Outcome, strategy: str, drop: str | None) -> str:
    played = f" --strategy {strategy}" if strategy != "dual-write" else ""
    return f"crossfade simulate --seed {outcome.seed}{played}" + (f" --drop {drop}" if drop else "")


def summary(tally: Tally) -> str:
    faults = ", ".join(f"{count:,} {fault}" for fault, count in sorted(tally.injected.items()))
    undecided = f"; {tally.undecided} undecided (too entangled to judge)" if tally.undecided else ""
    return (
        f"no violation in {tally.seeds:,} seeds: {tally.operations:,} operations, {tally.moves:,} stage moves;"
        f" faults: {faults or 'none'}{undecided}"
    )


def facts(tally: Tally, strategy: str, drop: str | None) -> dict[str, Any]:
    failed = tally.failed
    return {
        "strategy": strategy,
        "dropped": drop,
        "seeds": tally.seeds,
        "operations": tally.operations,
        "stage_moves": tally.moves,
        "undecided": tally.undecided,
        "faults": {str(fault): count for fault, count in sorted(tally.injected.items())},
        "failed_seed": None if failed is None else failed.seed,
        "replay": None if failed is None else command(failed, strategy, drop),
        "violations": []
        if failed is None
        else [
            {"invariant": v.invariant, "what": v.what, "keys": list(v.keys), "details": list(v.details)}
            for v in failed.violations
        ],
    }
