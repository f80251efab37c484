"""Pages of every index, through every stage: together they are all entries once."""

from __future__ import annotations

import os

import pytest

from crossfade.migration import Strategy
from tests.conftest import Database
from tests.stateful.walks import MODELS, Walking

SEEDS = int(os.environ.get("CROSSFADE_WALKS", "1"))
FIRST = int(os.environ.get("CROSSFADE_WALKS_FIRST", "1"))
MOVES, STEPS = 12, 25


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
@pytest.mark.parametrize(
    ("strategy", "model"), [(strategy, name) for name, model in MODELS.items() for strategy in model.strategies]
)
def test_the_pages_of_a_walk_are_all_entries_once(
    dynamodb: Database, strategy: Strategy, model: str, seed: int
) -> None:
    """Whatever the stage moves between two pages, and whoever asks for the next."""
    walking = Walking(dynamodb, strategy, model, seed)
    try:
        walking.play(MOVES, STEPS)
        assert walking.walked > MOVES
        assert not walking.faults, "\n".join(walking.faults)
    finally:
        walking.close()
