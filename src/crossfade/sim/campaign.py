"""Many seeds, one after the other or on several processors, until one fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

from crossfade.core.rules import Rules
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.sim.faults import Fault
from crossfade.sim.freeze import run as freeze
from crossfade.sim.outcome import Outcome
from crossfade.sim.run import run_seed

BATCH_SEEDS = 20  # what one processor is given at once


@dataclass(slots=True)
class Tally:
    """What a campaign has seen. `undecided` counts worlds with an item whose history was too entangled to be judged."""

    seeds: int = 0
    operations: int = 0
    moves: int = 0
    undecided: int = 0
    injected: Counter[Fault] = field(default_factory=Counter[Fault])
    failed: Outcome | None = None

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.operations += outcome.operations
        self.moves += outcome.moves
        self.undecided += outcome.undecided
        self.injected += outcome.injected
        if outcome.violations and self.failed is None:
            self.failed = outcome


def campaign(
    seeds: Iterable[int],
    rules: Rules,
    jobs: int,
    progress: Callable[[Tally], None],
    strategy: str = "dual-write",
) -> Tally:
    """Play seeds in order until one fails. `progress` is called now and then."""
    tally = Tally()
    outcomes = alone(seeds, rules, strategy) if jobs <= 1 else together(iter(seeds), rules, jobs, strategy)
    for outcome in outcomes:
        tally.add(outcome)
        progress(tally)
        if tally.failed is not None:
            break
    return tally


def alone(seeds: Iterable[int], rules: Rules, strategy: str) -> Iterator[Outcome]:
    for seed in seeds:
        yield played(seed, rules, strategy)


def together(seeds: Iterator[int], rules: Rules, jobs: int, strategy: str) -> Iterator[Outcome]:
    """Play batches in parallel, and yield in the order of seeds, so that the first failure is always the same."""
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(play, batch, rules, strategy) for batch in islice(batches(seeds), 2 * jobs)]
        try:
            while waiting:
                yield from waiting.pop(0).result()
                waiting += [pool.submit(play, batch, rules, strategy) for batch in islice(batches(seeds), 1)]
        finally:
            for future in waiting:
                _ = future.cancel()


def batches(seeds: Iterator[int]) -> Iterator[list[int]]:
    while batch := list(islice(seeds, BATCH_SEEDS)):
        yield batch


def play(seeds: list[int], rules: Rules, strategy: str) -> list[Outcome]:
    return [played(seed, rules, strategy) for seed in seeds]


def played(
    seed: int,
    rules: Rules,
    strategy: str,
    *,
    trace: Callable[[str], None] | None = None,
    keys: frozenset[str] | None = None,
) -> Outcome:
    """One seed of a strategy; `trace` is given lines for people, on the items in `keys` (None: everything)."""
    if strategy == FREEZE_STRATEGY:
        return freeze.run_seed(seed, rules, trace=trace, keys=keys)
    return run_seed(seed, rules, strategy=strategy, trace=trace, keys=keys)
