"""`make faults`: every request of every operation is made to fail in every way, and the answers are judged; and so is
every step of a switch, and of an ETL, in the strategy `freeze`.

    python -m tests.faults [--cases TEXT] [--strategy S] [--stage S] [--mapping M] [--view V] [--client C] [--drop NAME]
                           [--singly] [--pairs N] [--seed N] [--list]

CASES, STRATEGY, STAGE, MAPPING, VIEW, CLIENT, DROP, SINGLY, PAIRS and SEED of the environment are the options'
defaults; the mapping is `reshape` unless another is named, or `all`. The strategy `freeze` has neither mappings nor
views; its clients are `threads` and `tasks`, which call a switch, and the `worker` of an ETL. `--drop` takes a mending
or a rule out of crossfade, and then something must be found; `--singly` makes one request fail at a time, and leaves
pairs, and faults that last, away. Of `freeze`, whose steps follow one another for long, `--pairs` are drawn of each
call by `--seed`; 0 tries them all. A combination is tried by one of two processes. The exit status is 0 if every
outcome was one that may be (without `freeze`: one that a plain table could have had), 1 otherwise, and 2 if nothing
fits the options.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from itertools import product
from typing import Final, get_args

from crossfade.core.stages import FREEZE_STRATEGY, LADDERS
from crossfade.local import LocalEngine
from tests.contract.processes import run_to_end
from tests.contract.shapes import KINDS, View
from tests.contract.worlds import STRATEGIES, Combination, cells
from tests.faults.callers import CLIENTS
from tests.faults.drops import DROPS
from tests.faults.freeze.drops import FREEZE_DROPS
from tests.faults.freeze.places import SWITCHES, WORKER, Place, places
from tests.faults.freeze.running import Pairs, names_with
from tests.faults.operations import operations_with
from tests.faults.playing import Asked, play

MAPPING: Final = "reshape"  # where nothing else is asked for: it changes the key and every kind of attribute
PAIRS: Final = 150  # of one call in one place: there are some ten thousand, of 20 ms each
SHOWN_MAX: Final = 25  # findings shown in full; of the others a line each


def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    operations = operations_with(options.cases)
    chosen: list[Combination | Place] = [*(combinations(options) if operations else ()), *chosen_places(options)]
    names = [operation.name for operation in operations if any(isinstance(each, Combination) for each in chosen)]
    for each in chosen:
        if isinstance(each, Place):
            names += [name for name in names_with(each, options.cases) if name not in names]
    if options.list:
        print("\n".join(names))
        return 0
    if not chosen or options.drop not in DROPS:
        print(f"faults: {len(names)} operations in {len(chosen)} combinations fit the options", file=sys.stderr)
        return 2
    began_seconds = time.monotonic()
    with LocalEngine.start() as server:
        asked = Asked(options.cases, options.drop, not options.singly, Pairs(options.pairs or None, options.seed))
        count, findings, left = play(dict(server.client_options()), asked, chosen, show_max=options.show)
    seconds = time.monotonic() - began_seconds
    verdict = "every outcome may be" if not findings else f"{findings} outcomes that may not be"
    print(f"faults: {count:,} fates in {len(chosen)} combinations in {seconds:.0f} s: {verdict}")
    if left:
        print(f"faults: of the pairs in freeze, {options.pairs} a call (SEED={options.seed}); {left:,} were not drawn")
    return 1 if findings else 0


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="every request fails in every way")
    environment = os.environ.get
    strategies, clients = (*STRATEGIES, FREEZE_STRATEGY), (*CLIENTS, *SWITCHES, WORKER)
    _ = parser.add_argument("--cases", default=environment("CASES", ""), help="a part of the names of operations")
    _ = parser.add_argument("--strategy", default=environment("STRATEGY", ""), help=", ".join(strategies))
    _ = parser.add_argument("--stage", default=environment("STAGE", ""), help="one of its stages")
    mapping = environment("MAPPING", "") or MAPPING
    _ = parser.add_argument("--mapping", default=mapping, help=f"{', '.join(KINDS)} or all; by default {MAPPING}")
    _ = parser.add_argument("--view", default=environment("VIEW", ""), help=" or ".join(get_args(View)))
    _ = parser.add_argument("--client", default=environment("CLIENT", ""), help=", ".join(clients))
    _ = parser.add_argument("--drop", default=environment("DROP", ""), help=", ".join(DROPS))
    _ = parser.add_argument("--show", type=int, default=SHOWN_MAX, help="how many findings are shown in full")
    singly = bool(environment("SINGLY", ""))
    _ = parser.add_argument("--singly", action="store_true", default=singly, help="one fault at a time, no pairs")
    pairs, seed = environment("PAIRS", "") or PAIRS, environment("SEED", "") or 1
    _ = parser.add_argument(
        "--pairs", type=int, default=pairs, help=f"of a call, in freeze; {PAIRS} by default, 0: all"
    )
    _ = parser.add_argument("--seed", type=int, default=seed, help="which pairs are drawn")
    _ = parser.add_argument("--list", action="store_true", help="print the names of the operations")
    return parser.parse_args(arguments)


def combinations(options: argparse.Namespace) -> list[Combination]:
    """Those that fit, those with one form of the caller's table together."""
    if options.drop in FREEZE_DROPS:
        return []
    return [
        Combination(mapping, view, stage, client, strategy)
        for mapping, view, strategy in cells()
        for client, stage in product(CLIENTS, LADDERS[strategy])
        if options.mapping in ("all", mapping)
        and options.strategy in ("", strategy)
        and options.view in ("", view)
        and options.stage in ("", stage)
        and options.client in ("", client)
    ]


def chosen_places(options: argparse.Namespace) -> list[Place]:
    """Those of the strategy `freeze` that fit. A mending of the other strategies is in none of them."""
    if options.view or options.mapping not in ("all", MAPPING) or options.drop not in ("", *FREEZE_DROPS):
        return []
    return [
        place
        for place in places()
        if options.strategy in ("", place.strategy)
        and options.stage in ("", place.stage)
        and options.client in ("", place.client)
        and names_with(place, options.cases)
    ]


if __name__ == "__main__":
    sys.exit(run_to_end(lambda: main(sys.argv[1:])))
