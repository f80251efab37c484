"""docs/costs.md, printed from what is measured: python -m tests.costs.document > docs/costs.md"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from crossfade.core.stages import LADDERS
from crossfade.local import LocalEngine
from tests.costs.measuring import READS, WRITES, Place, Units, measured, places
from tests.service import FakeService

HEAD: Final = """\
# What each stage costs

Read and write units of one operation of the application, on the source + on the target, with all that is done behind
its answer: mirrors and comparisons. Items are there, and of 1 KB at most; a put changes its item. The partition key of
the target has a suffix (of four), and an attribute is renamed. Printed from a measurement on the embedded engine
(`python -m tests.costs.document > docs/costs.md`), which a test repeats.

For larger items: a write takes a unit for each KB, a strongly consistent read one for each 4 KB, an eventually
consistent one half of that; in a transaction both take twice as much. Indexes come on top, on whichever table is
written. An update whose expression the other table cannot evaluate (here: it adds to the renamed attribute) is read
first. A request that somebody else was quicker for is sent again ([hot keys](hot-keys.md)), and what differs is looked
at again; neither is in these figures, nor is [the control table](control-plane.md). In `rampdown` of copy-on-write one
page in twenty is looked behind in the source, at its units.

A comparison is a read like any other: `attach(..., compare_percent=10)` compares one read in ten, and costs a tenth of
what *compared* is above *not compared*. Mirrors are all made.
"""


def number(units: float) -> str:
    return f"{units:g}"


def cell(units: Units) -> str:
    """Read units, then write units; what is nothing on both sides is left out."""
    reads = f"{number(units.source_read)} + {number(units.target_read)}"
    writes = f"{number(units.source_write)} + {number(units.target_write)}"
    if not (units.source_write or units.target_write):
        return reads
    if not (units.source_read or units.target_read):
        return f"W {writes}"
    return f"W {writes}, R {reads}"


def line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def header(names: Sequence[str]) -> list[str]:
    return [line(["stage", *names]), "|---" * (len(names) + 1) + "|"]


def rows_of(service: FakeService, place: Place) -> tuple[list[str], str]:
    """The rows of reads of one stage, and that of writes."""
    found, not_compared = measured(service, place)
    compares = ", compared" if not_compared else ""
    reads = [line([f"{place}{compares}", *(cell(found[name]) for name in READS)])]
    if not_compared:
        reads.append(line([f"{place}, not compared", *(cell(not_compared[name]) for name in READS)]))
    return reads, line([str(place), *(cell(found[name]) for name in WRITES)])


def page(service: FakeService) -> Iterator[str]:
    """The lines of the page."""
    yield HEAD
    for strategy in LADDERS:
        rows = [rows_of(service, place) for place in places() if place.strategy == strategy]
        yield f"## Reads, {strategy}\n"
        yield from header(list(READS))
        yield from (each for reads, _ in rows for each in reads)
        yield f"\n## Writes, {strategy}\n"
        yield "W: write units, R: read units.\n"
        yield from header(list(WRITES))
        yield from (writes for _, writes in rows)
        if strategy != list(LADDERS)[-1]:
            yield ""


def main() -> None:
    with LocalEngine.start() as engine, FakeService.start(engine.endpoint_url, seed=1) as service:
        print("\n".join(page(service)))


if __name__ == "__main__":
    main()
