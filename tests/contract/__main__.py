"""`make contract`: every case in every combination.

    python -m tests.contract [--cases TEXT] [--strategy S] [--stage S] [--mapping M] [--view V] [--client C] [--list]

CASES, STRATEGY, STAGE, MAPPING, VIEW and CLIENT of the environment are the options' defaults. A combination is played
by one of two processes against one embedded engine. The exit status is 0 if every answer was the plain table's, 1
otherwise, and 2 if nothing fits the options.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from itertools import product
from typing import Final, get_args

from crossfade.core.stages import LADDERS
from crossfade.local import LocalEngine
from tests.contract.playing import cases_with, play
from tests.contract.processes import run_to_end
from tests.contract.shapes import KINDS, View
from tests.contract.worlds import STRATEGIES, Combination, cells

CLIENTS: Final = ("boto3", "aiobotocore")
SHOWN_MAX: Final = 25  # failures shown in full; of the others a line each


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    cases = cases_with(options.cases)
    chosen = combinations(options)
    if options.list:
        for case in cases:
            print(case.name)
        return 0
    if not cases or not chosen:
        print(f"contract: {len(cases)} cases in {len(chosen)} combinations fit the options", file=sys.stderr)
        return 2
    print(f"contract: {len(cases)} cases, each in {len(chosen)} combinations", flush=True)
    began_seconds = time.monotonic()
    with LocalEngine.start() as server:
        failures = play(dict(server.client_options()), options.cases, chosen, show_max=options.show)
    seconds = time.monotonic() - began_seconds
    verdict = "every answer was the plain table's" if not failures else f"{failures} answers were not"
    print(f"contract: {len(cases) * len(chosen):,} runs in {seconds:.0f} s: {verdict}")
    return 1 if failures else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description="every case in every combination")
    environment = os.environ.get
    _ = parser.add_argument("--cases", default=environment("CASES", ""), help="a part of the names of cases")
    _ = parser.add_argument("--strategy", default=environment("STRATEGY", ""), help=" or ".join(STRATEGIES))
    _ = parser.add_argument("--stage", default=environment("STAGE", ""), help="one of its stages")
    _ = parser.add_argument("--mapping", default=environment("MAPPING", ""), help=", ".join(KINDS))
    _ = parser.add_argument("--view", default=environment("VIEW", ""), help=" or ".join(get_args(View)))
    _ = parser.add_argument("--client", default=environment("CLIENT", ""), help=" or ".join(CLIENTS))
    _ = parser.add_argument("--show", type=int, default=SHOWN_MAX, help="how many failures are shown in full")
    _ = parser.add_argument("--list", action="store_true", help="print the names of the cases")
    return parser.parse_args(arguments)


def combinations(options: argparse.Namespace) -> list[Combination]:
    """Those that fit, those with one form of the caller's table together."""
    return [
        Combination(mapping, view, stage, client, strategy)
        for mapping, view, strategy in cells()
        for stage, client in product(LADDERS[strategy], CLIENTS)
        if options.mapping in ("", mapping)
        and options.strategy in ("", strategy)
        and options.view in ("", view)
        and options.stage in ("", stage)
        and options.client in ("", client)
    ]


if __name__ == "__main__":
    sys.exit(run_to_end(lambda: main(sys.argv[1:])))
