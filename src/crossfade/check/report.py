"""What a check found. Plain frozen values, so that the command line, a JSON file and a test see the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "info"]

SAMPLES_MAX = 5  # enough to see what is meant; the count says how many there are
ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    severity: Severity
    code: str  # a stable short name, for programs: "item-too-large"
    what: str
    count: int = 0  # items concerned, out of the sample; 0 where it is not about items
    samples: tuple[str, ...] = ()
    next_step: str = ""


@dataclass(slots=True)
class Tally:
    """How many were found, the first few, and what to do if it is not what is said of all of this code."""

    count: int = 0
    samples: list[str] = field(default_factory=list[str])
    next_step: str = ""

    def add(self, sample: str) -> None:
        self.count += 1
        if len(self.samples) < SAMPLES_MAX:
            self.samples.append(sample)


class Tallies:
    """What was found, by code and what is concerned. `sayings`: by code the severity, what is said, the next step."""

    def __init__(self, sayings: Mapping[str, tuple[Severity, str, str]]) -> None:
        self._sayings = sayings
        self._tallies: dict[tuple[str, str], Tally] = {}

    def of(self, code: str, about: str) -> Tally:
        return self._tallies.setdefault((code, about), Tally())

    def findings(self) -> Iterator[Finding]:
        for (code, about), tally in self._tallies.items():
            severity, what, step = self._sayings[code]
            said = what.format(about=about)
            yield Finding(severity, code, said, tally.count, tuple(tally.samples), tally.next_step or step)


@dataclass(frozen=True, slots=True)
class CheckReport:
    migration: str
    fingerprint: str  # of the mapping that was checked
    mapping: tuple[str, ...]  # one readable line a piece
    sampled_items: int
    whole_table: bool  # whether the sample is all that the source holds
    findings: tuple[Finding, ...]  # errors first

    @property
    def ok(self) -> bool:
        """No error was found. Warnings and notes may have been."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The report as json.dumps takes it."""
        return {"ok": self.ok, **asdict(self)}


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings, then notes; otherwise as found."""
    return tuple(sorted(findings, key=lambda finding: ORDER[finding.severity]))
