"""What a check found. Plain frozen values, so that the command line, a JSON file and a test see the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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
