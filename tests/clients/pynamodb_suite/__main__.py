"""PynamoDB's integration tests in every stage, with two mappings: `python -m tests.clients.pynamodb_suite`.

Exit status: 0 if every test comes out as on a plain table, 1 if one does not, 2 if that could not be found out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from crossfade.core.stages import LADDERS, Stage
from crossfade.errors import CrossfadeError, in_full
from crossfade.local import LocalEngine
from tests.clients.pynamodb_suite.fetching import NotFetched, integration_tests
from tests.clients.pynamodb_suite.running import CouldNotRun, Setting, kind_of, run_tests

EQUAL, DIFFERENT, NO_VERDICT = 0, 1, 2
MAPPINGS: Final = ("identity", "suffix")
WIDTH: Final = 300


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    try:
        return run(
            [
                Setting(stage, mapping, strategy)
                for strategy in options.strategies
                for mapping in options.mappings
                for stage in LADDERS[strategy]
                if options.stages is None or stage in options.stages
            ]
        )
    except (NotFetched, CouldNotRun, CrossfadeError) as error:
        print(f"no verdict: {in_full(error)}", file=sys.stderr)
        return NO_VERDICT


def run(settings: Sequence[Setting]) -> int:
    began = time.monotonic()
    tests = integration_tests()
    different = 0
    with LocalEngine.start() as server:
        plain = run_tests(server, tests, Setting())
        print(f"{Setting()!s:38}  {summary(plain.tests)}", flush=True)
        for setting in settings:
            outcomes = run_tests(server, tests, setting)
            differences = outcomes.differences(plain)
            different += bool(differences)
            word = f"{len(differences)} OTHERWISE" if differences else "the same"
            print(f"{setting!s:38}  {summary(outcomes.tests)}; {outcomes.migrated} tables migrated: {word}", flush=True)
            for line in differences:
                print(f"    {line}"[:WIDTH], flush=True)
    seconds = time.monotonic() - began
    if different:
        print(f"DIFFERENT from a plain table in {different} of {len(settings)} settings; {seconds:.0f} s")
        return DIFFERENT
    print(f"EQUAL to a plain table in {len(settings)} settings; {seconds:.0f} s")
    return EQUAL


def summary(tests: dict[str, str]) -> str:
    counts = Counter(kind_of(outcome) for outcome in tests.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=str))


def parser() -> argparse.ArgumentParser:
    this = argparse.ArgumentParser(prog="python -m tests.clients.pynamodb_suite", description=__doc__)
    _ = this.add_argument("--strategies", nargs="+", choices=[*LADDERS], default=[*LADDERS], metavar="STRATEGY")
    _ = this.add_argument("--stages", nargs="+", choices=[*Stage], type=Stage, metavar="STAGE")
    _ = this.add_argument("--mappings", nargs="+", choices=MAPPINGS, default=MAPPINGS, metavar="MAPPING")
    return this


if __name__ == "__main__":
    sys.exit(main())
