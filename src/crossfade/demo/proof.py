"""The demo's migration over many seeds, in a quick form, each with its proof: `python -m crossfade.demo.proof`.

With `--drop RULE` one rule of the protocol is switched off, in the applications, the jobs and the coordinator, and the
proof must then fail: that shows that it bites.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue

from crossfade.core.rules import RULES_OF_TABLES
from crossfade.demo.console import Console
from crossfade.demo.fleet import ApplicationError
from crossfade.demo.performance import Outcome, Settings, perform, work_folder
from crossfade.demo.story import Pace
from crossfade.demo.wire import WireError
from crossfade.errors import CrossfadeError, in_full
from crossfade.local import LocalEngine

HOLDS, DOES_NOT_HOLD, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130
WIDTH = 160
FINDINGS_SHOWN = 3
PACE = Pace(
    stay_seconds=0.75,
    stay_in_each=False,
    round_trips=2,
    recheck_seconds=(0.1, 0.4, 1.0, 1.0, 1.0),
)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    _ = signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl-C, everything is cleaned up
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return INTERRUPTED
    except (CrossfadeError, ApplicationError, WireError, OSError) as error:
        print(f"could not run: {in_full(error)}", file=sys.stderr)
        return COULD_NOT_RUN


def run(options: argparse.Namespace) -> int:
    """All seeds; 0 only if the proof holds for every one. With a rule dropped, the first that fails is enough."""
    began = time.monotonic()
    failed: list[int] = []
    seeds: SimpleQueue[int] = SimpleQueue()
    for seed in range(options.seed, options.seed + options.runs):
        seeds.put(seed)
    with ThreadPoolExecutor(options.side_by_side) as pool:
        stop = threading.Event()
        try:
            for future in [pool.submit(_some, seeds, options, stop) for _ in range(options.side_by_side)]:
                failed += future.result()
        except BaseException:
            stop.set()
            raise
    seconds = time.monotonic() - began
    dropped = f" with rule {options.drop} dropped" if options.drop else ""
    if failed:
        seeds_failed = ", ".join(map(str, sorted(failed)))
        print(f"DOES NOT HOLD{dropped}: seed {seeds_failed}; {seconds:.0f} s")
        return DOES_NOT_HOLD
    print(f"HOLDS{dropped}: {options.runs} of {options.runs} seeds, {seconds:.0f} s")
    return HOLDS


def _some(seeds: SimpleQueue[int], options: argparse.Namespace, stop: threading.Event) -> list[int]:
    """Seeds until none is left, in a database of its own; those that failed."""
    failed: list[int] = []
    with LocalEngine.start() as server:
        while not stop.is_set():
            try:
                seed = seeds.get_nowait()
            except Empty:
                break
            with work_folder() as folder:
                settings = quick_settings(options.items, seed, drop_rule=options.drop or "")
                outcome = perform(server, settings, Console(quiet=not options.verbose), folder)
            print("\n".join([line(outcome), *details(outcome)]), flush=True)
            if not outcome.holds:
                failed.append(seed)
                if options.drop:
                    stop.set()  # one is enough to show that the rule is needed
    return failed


def quick_settings(items: int, seed: int, *, drop_rule: str = "", applications: int = 4) -> Settings:
    """Fewer documents, shorter stays, and writers that meet on one document whenever they can."""
    return Settings(
        items=items,
        seed=seed,
        applications=applications,
        rate=70.0,
        bursts=True,
        pace=PACE,
        lease_seconds=2.0,
        poll_seconds=0.25,
        drop_rule=drop_rule,
    )


def line(outcome: Outcome) -> str:
    """One run in one line."""
    counts = outcome.verdict.counts
    verdict = "holds" if outcome.holds else "DOES NOT HOLD"
    return (
        f"seed {outcome.settings.seed:3}  {verdict:13}  {outcome.seconds:5.1f} s  "
        f"{counts['writes ok']:5,} writes acknowledged, {counts['writes unknown']:2} unknown  "
        f"{counts['compared']:6,} documents"
    )


def details(outcome: Outcome) -> Iterator[str]:
    """What was lost, came back or differs."""
    if outcome.damage:
        yield f"    in stage {outcome.stage} the migration itself refused to go on:"
        yield from (f"      {said}"[:WIDTH] for said in outcome.damage.splitlines())
    for found in outcome.verdict.findings[:FINDINGS_SHOWN]:
        yield from (f"    {said}"[:WIDTH] for said in found.lines())
    left = len(outcome.verdict.findings) - FINDINGS_SHOWN
    if left > 0:
        yield f"    and {left:,} more findings"


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m crossfade.demo.proof", description=__doc__)
    _ = this.add_argument("--runs", type=int, default=20, metavar="N", help="seeds to run (20)")
    _ = this.add_argument("--seed", type=int, default=1, metavar="S", help="the first one (1)")
    _ = this.add_argument("--items", type=int, default=2_000, metavar="N", help="documents in the old table (2000)")
    _ = this.add_argument("--drop", choices=RULES_OF_TABLES, help="switch one rule off: the proof must then fail")
    _ = this.add_argument("--side-by-side", type=int, default=2, metavar="N", help="runs at the same time (2)")
    _ = this.add_argument("--verbose", action="store_true", help="tell each run's story")
    return this


if __name__ == "__main__":
    sys.exit(main())
