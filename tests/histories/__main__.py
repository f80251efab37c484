"""Histories of real processes, recorded and judged: `python -m tests.histories`.

Exit status: 0 if every history is that of one plain table, 1 if one is not, 2 if that could not be found out, 130
after Ctrl-C. A history that is not is kept in a folder, with everything that is needed to judge it again.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Final, cast

from crossfade.core.rules import RULES_OF, RULES_OF_TABLES
from crossfade.core.stages import LADDERS
from crossfade.errors import CrossfadeError, in_full
from crossfade.local import LocalEngine
from crossfade.migration import Strategy
from tests.histories import scenes
from tests.histories.crew import ProcessFailed
from tests.histories.run import Outcome, perform
from tests.histories.showing import explain
from tests.histories.traffic import CALLS

HOLDS, DOES_NOT_HOLD, NO_VERDICT, INTERRUPTED = 0, 1, 2, 130
FAULTS_SHOWN: Final = 2
WIDTH: Final = 220
SEEDS: Final = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not strategies(options):
        parser().error(f"--drop {options.drop}: the rules of {options.strategy} are {RULES_OF[options.strategy]}")
    if options.seed is None:
        options.seed = Random().randrange(SEEDS)
    _ = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl-C, everything is cleaned up
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    except (CrossfadeError, ProcessFailed, OSError) as error:
        print(f"no verdict: {type(error).__name__}: {in_full(error)}", file=sys.stderr)
        return NO_VERDICT


def run(options: argparse.Namespace) -> int:
    """All seeds, one after the other; with a rule dropped, the first bad history is enough."""
    began = time.monotonic()
    dropped = f" with rule {options.drop} dropped" if options.drop else ""
    bad: list[str] = []
    undecided = 0
    done = 0
    with LocalEngine.start() as server:
        for strategy, seed in product(strategies(options), range(options.seed, options.seed + options.runs)):
            outcome = one(server, seed, strategy, options)
            done += 1
            undecided += len(outcome.verdict.undecided)
            if outcome.bad:
                bad.append(f"{seed} of {strategy}")
                if options.drop:
                    break
    seconds = f"{time.monotonic() - began:.0f} s"
    if bad:
        print(f"DOES NOT HOLD{dropped}: seed {', '.join(bad)}, {len(bad)} of {done} runs; {seconds}")
        return DOES_NOT_HOLD
    if undecided:
        print(f"NO VERDICT{dropped}: the histories of {undecided} items were too entangled; {seconds}")
        return NO_VERDICT
    print(f"HOLDS{dropped}: {done} of {done} runs from seed {options.seed}; {seconds}")
    return HOLDS


def strategies(options: argparse.Namespace) -> list[Strategy]:
    """Those that are asked for and have the rule that is dropped, if one is."""
    chosen: list[Strategy] = [options.strategy] if options.strategy else [cast("Strategy", name) for name in LADDERS]
    return [strategy for strategy in chosen if not options.drop or options.drop in RULES_OF[strategy]]


def one(server: LocalEngine, seed: int, strategy: Strategy, options: argparse.Namespace) -> Outcome:
    folder = Path(tempfile.mkdtemp(prefix=f"crossfade-history-{seed}-"))
    kinds = tuple(kind for kind in CALLS if kind not in options.without)
    outcome = perform(
        server,
        scenes.draw(seed, strategy, options.drop or ""),
        folder,
        seconds=options.seconds,
        kinds=kinds,
        say=(lambda what: print(f"  {what}", flush=True)) if options.verbose else (lambda _: None),
    )
    lines = report(outcome)
    print("\n".join(line[:WIDTH] for line in lines), flush=True)
    if outcome.bad or outcome.verdict.undecided:
        whole = [line for fault in outcome.verdict.faults for line in explain(fault, outcome.began)]
        events = [f"{at:9.3f} s  {what}" for at, what in outcome.events]
        _ = (folder / "history.txt").write_text("\n".join([*lines, "", *whole, "", *events]) + "\n")
        print(f"  kept in {folder}: history.txt and each process's own record", flush=True)
    else:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    return outcome


def report(outcome: Outcome) -> list[str]:
    counts = outcome.counts
    unknown = sum(count for what, count in counts.items() if what.endswith(" unknown"))
    word = "BAD" if outcome.bad else "undecided" if outcome.verdict.undecided else "good"
    head = (
        f"seed {outcome.scene.seed:6}  {word:9}  {outcome.seconds:5.1f} s  {outcome.scene.strategy:13}  "
        f"mapping {outcome.scene.mapping:8}  "
        f"{sum(counts.values()):6,} calls on items, {unknown} unknown; "
        f"{outcome.moves} stages entered, {outcome.kills} kills, {outcome.pauses} stops"
    )
    lines = [head]
    if outcome.damage:
        lines += ["  the migration itself refused to go on:", *(f"    {line}" for line in outcome.damage.splitlines())]
    for fault in outcome.verdict.faults[:FAULTS_SHOWN]:
        lines += [f"  {line}" for line in explain(fault, outcome.began)]
    left = len(outcome.verdict.faults) - FAULTS_SHOWN
    if left > 0:
        lines.append(f"  and {left} more items")
    return lines


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m tests.histories", description=__doc__)
    _ = this.add_argument("--runs", type=int, default=3, metavar="N", help="seeds to run of each strategy (3)")
    _ = this.add_argument("--strategy", choices=tuple(LADDERS), help="one strategy alone")
    _ = this.add_argument("--seed", type=int, metavar="S", help="the first one (any)")
    _ = this.add_argument("--seconds", type=float, default=25.0, metavar="T", help="how long to go up and down (25)")
    _ = this.add_argument(
        "--drop", choices=RULES_OF_TABLES, help="leave one rule out: a bad history must then be found"
    )
    _ = this.add_argument("--without", nargs="+", choices=CALLS, default=[], help="leave calls of these kinds out")
    _ = this.add_argument("--verbose", action="store_true", help="tell what happens")
    return this


if __name__ == "__main__":
    sys.exit(main())
