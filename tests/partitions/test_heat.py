"""The sketch of hot keys: bounded, merged, and never without the hottest."""

from __future__ import annotations

import json
import random

import pytest

from crossfade.partitions import KeyHeat


def filled(seed: int, size: int) -> KeyHeat:
    """A sketch of a stream in which one key has a tenth of all units, and 5,000 others the rest."""
    chance, made = random.Random(seed), KeyHeat(size)
    for _ in range(10_000):
        key = "hot" if chance.random() < 0.1 else f"key-{chance.randrange(5_000)}"
        (made.write if chance.random() < 0.5 else made.read)(key, 1.0)
    return made


def test_the_hottest_is_kept_whatever_comes() -> None:
    """In 32 places of 5,000 keys, merged from three processes, and its requests are not more than it had."""
    merged = KeyHeat(32)
    for seed in range(3):
        merged.merge(filled(seed, 32))
    assert len(merged.keys) == 32
    hottest = max(merged.keys, key=lambda key: merged.keys[key].reads + merged.keys[key].writes)
    assert hottest == "hot"
    assert merged.total.reads + merged.total.writes == 30_000
    heat = merged.keys["hot"]
    assert heat.reads + heat.writes <= 3_200


def test_its_record_is_read_again() -> None:
    """As JSON, with all that it held."""
    made = filled(1, 16)
    again = KeyHeat.from_record(json.loads(json.dumps(made.record())))
    assert again.record() == made.record()


@pytest.mark.parametrize("record", [{}, {"size": 0, "total": {}, "keys": {}}, {"size": 3, "total": 7, "keys": {}}])
def test_what_is_no_record_is_refused(record: dict[str, object]) -> None:
    """By one of the errors that its docstring names."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        _ = KeyHeat.from_record(record)
