"""The book of cases, a chapter an operation or two."""

from tests.contract.book import (
    batches,
    gets,
    legacy,
    parts,
    projections,
    puts,
    queries,
    scans,
    stamp_names,
    transactions,
    updates,
    whole,
)
from tests.contract.steps import EVERY_CASE, Case

# Importing them fills the list.
CHAPTERS = (
    gets,
    puts,
    updates,
    queries,
    scans,
    parts,
    projections,
    batches,
    transactions,
    legacy,
    stamp_names,
    whole,
)


def every_case() -> list[Case]:
    """All cases, in the order of the book."""
    return list(EVERY_CASE)
