"""What `make proof-mysql` says; a run of it takes minutes, and is no test."""

from __future__ import annotations

import argparse
from collections import Counter

import pytest

from examples.mysql_to_dynamodb import proof
from examples.mysql_to_dynamodb.proof import Outcome
from examples.mysql_to_dynamodb.staging import Holds


def outcome(seed: int, *failures: str) -> Outcome:
    return Outcome(seed, 61.2, Counter(etl=2, broker=1), failures, 1_234, Holds((0.2, 0.9), seed), "    ok   the story")


def test_the_99th_percentile_is_one_of_those_that_were_seen() -> None:
    """Of a hundred the last but one; of a few the longest."""
    many = Holds(tuple(n / 100 for n in range(1, 101)), 0)
    assert str(many) == "100 writes were held, for 0.99 s at the 99th percentile and 1.00 s at most; 0 refused"
    both = Holds.of_all([Holds((0.5, 0.75), 1), Holds((), 0), Holds((0.25,), 1)])
    assert both == Holds((0.25, 0.5, 0.75), 2)
    assert "for 0.75 s at the 99th percentile" in str(both)
    assert str(Holds((), 2)) == "no write was held and written, 2 held and refused"


@pytest.mark.parametrize(("drop", "runs"), [(None, 3), ("hiding", 2)])
def test_one_run_that_fails_fails_the_proof(
    drop: str | None, runs: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line a run, the evidence of those that fail, the verdict; with a rule dropped the first failure is enough."""

    def perform(seed: int, *_: object, **__: object) -> Outcome:
        return outcome(seed, "rows and items differ") if seed == 5 else outcome(seed)

    monkeypatch.setattr(proof, "perform", perform)
    options = argparse.Namespace(runs=3, seed=4, items=1, drop=drop, verbose=False)
    assert proof.run(options) == 1
    said = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("seed") for line in said) == runs
    assert said[0].startswith(
        "seed   4  holds            61 s  killed: 1 broker, 2 etl; 1,234 writes; 2 writes were held"
    )
    assert said[2:4] == ["    rows and items differ", "    |     ok   the story"]
    assert said[-1].startswith(f"DOES NOT HOLD{' with hiding dropped' if drop else ''}: seed 5; ")
    options.seed = 1
    assert proof.run(options) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("HOLDS")
