"""A sample of `make contract`, the same in every run: each mapping and view plays other cases, in all stages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from zlib import crc32

import pytest

from crossfade.core.stages import DUAL_WRITE, Stage
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.contract.playing import cases_with
from tests.contract.report import show
from tests.contract.running import PlainResults, run
from tests.contract.shapes import View
from tests.contract.steps import Case
from tests.contract.worlds import Combination, cells

STAGES: list[tuple[Strategy, Stage]] = [
    *(("dual-write", stage) for stage in DUAL_WRITE),
    *(("copy-on-write", stage) for stage in (Stage.STAMP, Stage.PREPARE, Stage.DRAIN, Stage.RAMPDOWN)),
]
CELLS: list[tuple[str, View, Strategy, Stage]] = [
    (mapping, view, strategy, stage) for mapping, view, strategy in cells() for of, stage in STAGES if of == strategy
]
SECONDS: Final = 40.0  # wished for, of one core and all cells; however many cases there are
WORLD_SECONDS: Final = 0.1  # what the tables of a cell take
CASE_SECONDS: Final = 0.03  # what a case takes
CASES_EACH: Final = max(1, int((SECONDS / len(CELLS) - WORLD_SECONDS) / CASE_SECONDS))


@pytest.fixture(scope="module")
def plain(dynamodb: Database) -> Iterator[PlainResults]:
    """Plain results, computed once."""
    results = PlainResults(dict(dynamodb.client_options()))
    yield results
    results.close()


def sample(name: str) -> list[Case]:
    """Which cases are played under that name."""
    return sorted(cases_with(""), key=lambda case: crc32(f"{name} {case.name}".encode()))[:CASES_EACH]


@pytest.mark.parametrize(("mapping", "view", "strategy", "stage"), CELLS)
def test_answers_are_those_of_one_plain_table(
    dynamodb: Database, plain: PlainResults, mapping: str, view: View, strategy: Strategy, stage: Stage
) -> None:
    """Items, errors, return values, order, pages and capacity, and what is in the tables at the end."""
    client = ("boto3", "aiobotocore")[crc32(f"{mapping} {view} {stage}".encode()) % 2]
    options: dict[str, Any] = dict(dynamodb.client_options())
    combination = Combination(mapping, view, stage, client, strategy)
    cases = sample(f"{mapping} {view} {strategy}")
    failures = [failure for failure in run(cases, combination, options, plain) if failure is not None]
    assert not failures, "\n".join(map(show, failures))
