"""A sample of `make contract`, the same in every run: each mapping and view plays other cases, in all stages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
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

EVERY: dict[Strategy, int] = {"dual-write": 60, "copy-on-write": 120}  # one case in so many, for each mapping and view
STAGES: list[tuple[Strategy, Stage]] = [
    *(("dual-write", stage) for stage in DUAL_WRITE),
    *(("copy-on-write", stage) for stage in (Stage.STAMP, Stage.PREPARE, Stage.DRAIN, Stage.RAMPDOWN)),
]


@pytest.fixture(scope="module")
def plain(dynamodb: Database) -> Iterator[PlainResults]:
    """Plain results, computed once."""
    results = PlainResults(dict(dynamodb.client_options()))
    yield results
    results.close()


def sample(number: int, every: int) -> list[Case]:
    """Which cases are played under that number."""
    return [case for case in cases_with("") if (crc32(case.name.encode()) + number) % every == 0]


@pytest.mark.parametrize(
    ("mapping", "view", "strategy", "stage"),
    [(mapping, view, strategy, stage) for mapping, view, strategy in cells() for of, stage in STAGES if of == strategy],
)
def test_answers_are_those_of_one_plain_table(
    dynamodb: Database, plain: PlainResults, mapping: str, view: View, strategy: Strategy, stage: Stage
) -> None:
    """Items, errors, return values, order, pages and capacity, and what is in the tables at the end."""
    client = ("boto3", "aiobotocore")[crc32(f"{mapping} {view} {stage}".encode()) % 2]
    options: dict[str, Any] = dict(dynamodb.client_options())
    combination = Combination(mapping, view, stage, client, strategy)
    cases = sample(crc32(f"{mapping} {view}".encode()), EVERY[strategy])
    failures = [failure for failure in run(cases, combination, options, plain) if failure is not None]
    assert not failures, "\n".join(map(show, failures))
