"""The proof: the journals of the applications against what both tables hold in the end.

It shares nothing with the router: the tables are read over a bare socket, the mapping is said once more by hand, and
the journals were written by the applications themselves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from crossfade.demo.comparing import Pair, Part, count, differences, parts, side_by_side
from crossfade.demo.evidence import Evidence, History, gather
from crossfade.demo.findings import Finding, Wrong, finding
from crossfade.demo.goods import SOURCE, TARGET, key_of
from crossfade.demo.judging import judge, judge_page, judge_untouched
from crossfade.demo.wire import Wire

THREADS = 2
FINDINGS_MAX = 10_000  # of a table that is wholly wrong
NOTHING = History()


@dataclass(frozen=True, slots=True)
class Question:
    """`authority` is the table that answers now; `alone_since` the moment from which the other is no longer kept equal
    (on the clock of the journals), or None."""

    endpoint_url: str
    items: int
    journals: tuple[Path, ...]
    authority: str = TARGET
    alone_since: float | None = None


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what was found wrong."""

    findings: list[Finding] = field(default_factory=list[Finding])
    counts: Counter[str] = field(default_factory=Counter[str])
    errors: Counter[str] = field(default_factory=Counter[str])  # what the applications met, by kind

    @property
    def holds(self) -> bool:
        return not self.findings


def prove(question: Question, progress: Callable[[int], object] = lambda _: None) -> Verdict:
    """Judge every document of both tables and of the journals, and every page that was read."""
    return _Proof(question, gather(question.journals)).run(progress)


class _Proof:
    def __init__(self, question: Question, evidence: Evidence) -> None:
        self._question = question
        self._evidence = evidence
        self._found = bytearray(question.items)  # 1: this seeded document is in one of the tables
        self._found_new: set[int] = set()

    def run(self, progress: Callable[[int], object]) -> Verdict:
        evidence = self._evidence
        verdict = Verdict(errors=evidence.errors)
        verdict.counts.update({f"writes {outcome}": n for outcome, n in evidence.outcomes.items()})
        verdict.counts.update({"reads": evidence.reads, "documents written": len(evidence.histories)})
        with ThreadPoolExecutor(THREADS) as pool:
            for found, counts in pool.map(self._part, parts(self._question.items)):
                verdict.findings += found[: FINDINGS_MAX - len(verdict.findings)]
                verdict.counts += counts
                _ = progress(verdict.counts["compared"])
        verdict.findings += self._absent()
        verdict.findings += self._outside(verdict.counts)
        verdict.findings += self._pages()
        verdict.counts["pages"] = len(evidence.pages)
        return verdict

    def _part(self, part: Part) -> tuple[list[Finding], Counter[str]]:
        wire = Wire(self._question.endpoint_url)
        found: list[Finding] = []
        counts: Counter[str] = Counter()
        try:
            for pair in side_by_side(wire, part):
                counts["compared"] += 1
                counts[SOURCE] += pair.source is not None
                counts[TARGET] += pair.target is not None
                found += self._pair(pair, counts)
        finally:
            wire.close()
        return found, counts

    def _pair(self, pair: Pair, counts: Counter[str]) -> Iterator[Finding]:
        number = pair.key.number
        if number >= self._question.items:
            self._found_new.add(number)
        elif key_of(number) == pair.key:
            self._found[number] = 1
        seeded = number < self._question.items and key_of(number) == pair.key
        history = self._evidence.histories.get(pair.key)
        final = pair.source if self._question.authority == SOURCE else pair.target
        if history is None:
            yield from judge_untouched(pair.key, final, seeded=seeded)
        else:
            yield from judge(pair.key, history, final, seeded=seeded)
        if self._kept_equal(history or NOTHING):
            yield from differences(pair)
        else:
            counts["in one table alone"] += 1
            yield from pair.wrong

    def _kept_equal(self, history: History) -> bool:
        since = self._question.alone_since
        return since is None or all(write.told < since for write in history.writes)

    def _absent(self) -> Iterator[Finding]:
        """Judge the documents that are in neither table."""
        histories = self._evidence.histories
        for number in (n for n, found in enumerate(self._found) if not found):
            key = key_of(number)
            if key in histories:
                yield from judge(key, histories[key], None, seeded=True)
            else:
                yield from judge_untouched(key, None, seeded=True)
        for key, history in histories.items():
            if key.number >= self._question.items and key.number not in self._found_new:
                yield from judge(key, history, None, seeded=False)

    def _outside(self, counts: Counter[str]) -> Iterator[Finding]:
        """Items that no question for the shop's customers finds."""
        wire = Wire(self._question.endpoint_url)
        for table in (SOURCE, TARGET):
            held = count(wire, table)
            if held != counts[table]:
                said = f"it holds {held} items, of which {counts[table]} are documents of known customers"
                yield finding(Wrong.UNKNOWN_WRITER, f"table {table}", said)
        wire.close()

    def _pages(self) -> Iterator[Finding]:
        """Documents that are never deleted are in every page that reaches over them."""
        wanted = {page.customer for page in self._evidence.pages}
        permanent: defaultdict[str, list[str]] = defaultdict(list)
        for number in range(self._question.items):
            key = key_of(number)
            if key.customer in wanted and key.kind != "hold":
                permanent[key.customer].append(key.document)
        for documents in permanent.values():
            documents.sort()
        for page in self._evidence.pages:
            yield from judge_page(page, permanent[page.customer])
