"""The journals, sorted by document: what was begun, what came of it, and what was read. Knows nothing of crossfade."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.demo.goods import Key
from crossfade.demo.journal import Entry, Follower


@dataclass(slots=True)
class Write:
    """One write as its application knows it. Without an outcome (killed, timed out) it ended at infinity."""

    token: str
    operation: str
    key: Key
    begun: float
    ended: float = math.inf  # when it must have taken effect, if it did
    told: float = 0.0  # when the application had its answer, whatever it was; when it never had, as begun
    outcome: str = "unknown"
    error: str = ""
    count: int | None = None  # what an append was answered
    version: int = 0  # what a revision had seen
    holder: str = ""  # whom a release named

    def __str__(self) -> str:
        end = "..." if self.ended == math.inf else f"{self.ended:.3f}"
        said = self.outcome + (f" ({self.error})" if self.error else "")
        seen = f" of version {self.version}" if self.operation == "revise" else ""
        return f"{self.begun:.3f} to {end}  {self.token}: {self.operation}{seen} -> {said}"


@dataclass(frozen=True, slots=True)
class Look:
    """One strongly consistent read. `last` is None when there was no document."""

    begun: float
    ended: float
    last: str | None
    version: int
    count: int
    amount: str

    def __str__(self) -> str:
        found = "nothing" if self.last is None else f"last {self.last}, version {self.version}, count {self.count}"
        return f"{self.begun:.3f} to {self.ended:.3f}  read: {found}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a query, without a filter, or with one: then documents may be missing from it."""

    customer: str
    start: str
    start_counts: bool  # the first document may be in the page itself
    forward: bool
    filtered: bool
    documents: tuple[str, ...]
    end: str | None  # where the next page begins; None when there is none
    at: float


@dataclass(slots=True)
class History:
    """All that the journals say about one document."""

    writes: list[Write] = field(default_factory=list[Write])
    looks: list[Look] = field(default_factory=list[Look])


@dataclass(slots=True)
class Evidence:
    """All that the journals say."""

    histories: dict[Key, History] = field(default_factory=dict[Key, History])
    pages: list[Page] = field(default_factory=list[Page])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])
    reads: int = 0

    def history(self, key: Key) -> History:
        return self.histories.setdefault(key, History())


def gather(journals: Iterable[Path]) -> Evidence:
    """Read every journal to its last whole line."""
    evidence = Evidence()
    for path in journals:
        writes: dict[str, Write] = {}
        for entry in Follower(path).entries():
            _take(evidence, writes, entry)
        evidence.outcomes.update(write.outcome for write in writes.values())
    for history in evidence.histories.values():
        history.writes.sort(key=lambda write: write.begun)
    return evidence


def _take(evidence: Evidence, writes: dict[str, Write], entry: Entry) -> None:
    if "e" in entry:
        evidence.errors[entry["e"]] += 1
    match entry:
        case {"r": outcome}:
            write = writes[entry["i"]]
            write.outcome, write.error, write.count = outcome, entry.get("e", ""), entry.get("n")
            write.told = entry["t"]
            write.ended = math.inf if outcome == "unknown" else entry["t"]
        case {"i": token}:
            key = Key(entry["c"], entry["d"])
            write = Write(token, entry["o"], key, entry["t"], told=entry["t"])
            write.version, write.holder = entry.get("v", 0), entry.get("w", "")
            writes[token] = write
            evidence.history(key).writes.append(write)
        case {"o": "get"}:
            evidence.reads += 1
            if entry["s"] and "e" not in entry:
                last, version, count, amount = entry["x"] or (None, 0, 0, "")
                look = Look(entry["b"], entry["t"], last, version, count, amount)
                evidence.history(Key(entry["c"], entry["d"])).looks.append(look)
        case _:
            evidence.reads += 1
            if "e" not in entry:
                page = Page(
                    entry["c"],
                    entry["d"],
                    entry["a"],
                    entry["f"],
                    entry["p"],
                    tuple(entry["x"]),
                    entry["m"],
                    entry["t"],
                )
                evidence.pages.append(page)
