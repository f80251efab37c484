"""The page of costs is what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from crossfade.core.stages import Stage
from tests.conftest import Database
from tests.costs.document import HEAD, header, rows_of
from tests.costs.measuring import READS, WRITES, Place, metered, places
from tests.service import FakeService

PAGE: Final = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")
EVERY: Final = list(places())


@pytest.fixture(scope="module")
def service(dynamodb: Database) -> Iterator[FakeService]:
    with FakeService.start(dynamodb.endpoint_url, seed=1) as started:
        yield started


@pytest.mark.parametrize("place", EVERY, ids=lambda place: f"{place.strategy} {place.stage} {place.copied}")
def test_each_stage_consumes_what_the_page_says(service: FakeService, place: Place) -> None:
    """Each kind of operation, on both tables, with what is done behind the answer."""
    reads, writes = rows_of(service, place)
    section = PAGE.partition(f"## Reads, {place.strategy}\n")[2].partition("## Reads, ")[0]
    of_reads, _, of_writes = section.partition("## Writes, ")
    assert set(reads) <= set(of_reads.splitlines())
    assert writes in of_writes.splitlines()


def test_the_page_has_a_row_for_each_stage_and_no_other() -> None:
    """None stays behind when a stage is given another name."""
    assert PAGE.startswith(HEAD)
    rows = [row for row in PAGE.splitlines() if row.startswith("| `")]
    names = [row.split("|")[1].strip().partition(", compared")[0].partition(", not compared")[0] for row in rows]
    assert set(names) == {str(place) for place in EVERY}
    assert all(each in PAGE.splitlines() for kinds in (READS, WRITES) for each in header(list(kinds)))


def test_a_share_of_the_comparisons_costs_that_share(service: FakeService) -> None:
    """Half of the reads compared cost something between none and all of them."""
    place = Place("dual-write", Stage.SHADOW)
    found: list[float] = []
    for percent in (0, 50, 100):
        with metered(service, place, percent) as meter:
            found.append(sum(meter.units(READS["GetItem"]).target_read for _ in range(10)))
    none, some, every = found
    assert none == 0 < some < every
