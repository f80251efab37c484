"""The book of cases, a chapter an operation or two."""

from tests.contract.book import batches, gets, legacy, puts, queries, scans, transactions, updates, whole
from tests.contract.steps import EVERY_CASE, Case

CHAPTERS = (gets, puts, updates, queries, scans, batches, transactions, legacy, whole)  # importing them fills the list


def every_case() -> list[Case]:
    """All cases, in the order of the book."""
    return list(EVERY_CASE)
