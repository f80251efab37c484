"""One thing that is wrong, and what shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

EVIDENCE_LINES_MAX = 12  # the first ones and the last ones; a hot document has hundreds


class Wrong(StrEnum):
    LOST = "an acknowledged write is lost"
    TWICE = "a write was carried out twice"
    UNKNOWN_WRITER = "a value that nobody wrote"
    MISCOUNTED = "a counter does not match what was counted"
    TWO_WINNERS = "two acknowledged winners of one version"
    UNEXPLAINED = "no order of the operations explains what was seen"
    CAME_BACK = "a deleted document came back"
    STALE = "a strongly consistent read did not see an acknowledged write"
    REFUSED = "a conditional write was refused although its condition held"
    UNTOUCHED = "a document that nobody wrote has changed"
    GONE = "a document that nobody deleted is gone"
    DIFFERENT = "the two tables differ"
    MISPLACED = "a document is in a wrong place of the new table"
    PAGE = "a page of a query is wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    wrong: Wrong
    key: str
    evidence: tuple[str, ...]

    def lines(self) -> list[str]:
        shown = list(self.evidence)
        if len(shown) > EVIDENCE_LINES_MAX:
            half = EVIDENCE_LINES_MAX // 2
            shown = [*shown[:half], f"... {len(shown) - 2 * half} more ...", *shown[-half:]]
        return [f"{self.wrong.value}: {self.key}", *(f"    {line}" for line in shown)]


def finding(wrong: Wrong, key: object, said: str, evidence: Iterable[object] = ()) -> Finding:
    return Finding(wrong, str(key), (said, *map(str, evidence)))
