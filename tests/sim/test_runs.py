"""Whole worlds: clean ones stay clean, each dropped rule is noticed, and a seed is a history."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from crossfade.core.rules import RULES_OF, Rules
from crossfade.sim.campaign import campaign, played
from crossfade.sim.faults import FAULTS_OF
from crossfade.sim.run import run_seed

EVERY = bool(os.environ.get("EVERY"))
CLEAN_SEEDS = {"dual-write": 120, "copy-on-write": 120, "freeze": 1000 if EVERY else 70}
DROPPED_SEEDS_MAX = 1_000  # within so many, the loss of any rule must show
DOCS = Path(__file__).resolve().parent.parent.parent / "docs" / "simulation.md"
SEEDS = [
    (int(number), strategy, rule.strip("-") or None, why)
    for line in (Path(__file__).with_name("seeds.txt")).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
    for number, strategy, rule, why in [line.split(maxsplit=3)]
]


@pytest.mark.parametrize(("strategy", "moves"), [("dual-write", 5), ("copy-on-write", 4), ("freeze", 8)])
def test_a_hundred_worlds_keep_every_invariant(strategy: str, moves: int) -> None:
    """No violation, while every kind of fault was injected and the ladder was walked."""
    seeds = CLEAN_SEEDS[strategy]
    tally = campaign(range(seeds), Rules(), 1, lambda _tally: None, strategy)
    assert tally.failed is None, tally.failed
    assert tally.seeds == seeds
    assert set(tally.injected) == FAULTS_OF[strategy]
    assert tally.moves > moves * seeds
    assert tally.undecided < seeds / 20


@pytest.mark.parametrize(
    ("strategy", "rule"),
    [(name, rule) for name, rules in RULES_OF.items() for rule in rules if EVERY or name != "freeze"],
)
def test_every_dropped_rule_is_noticed(strategy: str, rule: str) -> None:
    """Each rule of the protocol is needed: without it, some world loses something.

    Of freeze, whose worlds take longer, the seeds below show it.
    """
    tally = campaign(range(DROPPED_SEEDS_MAX), Rules.without(rule), 1, lambda _tally: None, strategy)
    assert tally.failed is not None, f"{tally.seeds} worlds without {rule}, and nothing went wrong"


@pytest.mark.parametrize(("seed", "strategy", "rule", "why"), SEEDS)
def test_seeds_that_once_failed(seed: int, strategy: str, rule: str | None, why: str) -> None:
    """With all rules they hold; with the rule named beside them dropped, they fail."""
    assert played(seed, Rules(), strategy).violations == [], why
    if rule is not None:
        assert played(seed, Rules.without(rule), strategy).violations, why


def test_the_seed_of_the_docs_shows_what_they_say() -> None:
    """Which seed it is changes with the simulator, as those above do."""
    told = re.findall(r"crossfade simulate --seed (\d+) --drop ([a-z-]+)", DOCS.read_text(encoding="utf-8"))
    assert told
    for seed, rule in told:
        assert played(int(seed), Rules.without(rule), "dual-write").violations


@pytest.mark.parametrize("strategy", list(RULES_OF))
def test_a_seed_stands_beside_each_rule(strategy: str) -> None:
    """Which rules a strategy has is written down in one place, and a seed that shows it in another."""
    assert {rule for _, name, rule, _ in SEEDS if name == strategy and rule} == set(RULES_OF[strategy])


@pytest.mark.parametrize("strategy", ["dual-write", "freeze"])
def test_a_seed_is_the_same_history_in_every_process(strategy: str) -> None:
    """Nothing depends on the order of sets, on addresses or on the clock: two processes print the same trace."""
    code = (
        "from crossfade.core.rules import Rules; from crossfade.sim.campaign import played;"
        f"played(11, Rules(), {strategy!r}, trace=print)"
    )
    traces = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for salt in ("1", "2")
    ]
    assert traces[0] == traces[1]
    assert traces[0].count("\n") > 500


def test_watching_changes_nothing() -> None:
    """A replay with a trace is the run that it explains."""
    lines: list[str] = []
    quiet, traced = run_seed(3, Rules()), run_seed(3, Rules(), trace=lines.append, keys=frozenset({"p0/a"}))
    assert (quiet.operations, quiet.virtual_seconds, quiet.injected) == (
        traced.operations,
        traced.virtual_seconds,
        traced.injected,
    )
    assert lines


def test_worlds_on_two_processors_are_the_same_worlds() -> None:
    """The first failing seed does not depend on how many processors looked for it."""
    alone = campaign(range(40), Rules.without("stamp"), 1, lambda _tally: None)
    together = campaign(range(40), Rules.without("stamp"), 2, lambda _tally: None)
    assert alone.failed is not None
    assert together.failed is not None
    assert alone.failed.seed == together.failed.seed
    assert alone.seeds == together.seeds
