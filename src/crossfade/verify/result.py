"""What a verify was asked to do, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal

from crossfade.jobs.options import PAGE_ITEMS_MAX, JobOptions
from crossfade.verify.compare import RECHECK_SECONDS

SAMPLES_MAX: Final = 10  # enough to see what is wrong; the counts say how often
SEGMENTS_MAX: Final = 5_000  # the control table numbers 10,000, and there are two tables
PAGE_ITEMS: Final = 100  # one bulk read; more of them at a time fall out of the cache, and take longer

EXIT_EQUAL: Final = 0
EXIT_DIFFERENCES: Final = 1
EXIT_NO_VERDICT: Final = 2


VerifyStatus = Literal["clean", "differences", "repaired", "stopped"]


def exit_status_of(status: VerifyStatus) -> int:
    if status in ("clean", "repaired"):  # what was repaired was looked at again, and was equal
        return EXIT_EQUAL
    return EXIT_NO_VERDICT if status == "stopped" else EXIT_DIFFERENCES


def verdict(
    differences: int, repaired: int, *, whole: bool, repair: bool, backfill_first: bool
) -> tuple[VerifyStatus, str]:
    """Return the verdict, and what to do next. `backfill_first`: what is missing is the backfill's to bring."""
    if not whole:
        return "stopped", "run the same command again: these counts are of a part of the tables"
    if not differences:
        return "clean", "crossfade status"
    if repaired == differences:
        return "repaired", "run verify once more: only a run that finds nothing opens the gate"
    if repair:
        return "differences", "look at what was left alone or failed, correct it, and run verify again"
    first = "crossfade backfill --execute" if backfill_first else "crossfade verify --repair --execute"
    return "differences", f"{first}, then crossfade verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions(JobOptions):
    """`repair` makes equal what differs; `segments` are those of each table. `items_per_second`: of both together."""

    job: ClassVar = "verify"
    greatest: ClassVar = {"segments": SEGMENTS_MAX, "page_items": PAGE_ITEMS_MAX}
    rates: ClassVar = ("items_per_second",)

    repair: bool = False
    page_items: int = PAGE_ITEMS
    items_per_second: float | None = None
    recheck_seconds: tuple[float, ...] = RECHECK_SECONDS


@dataclass(frozen=True, slots=True)
class DifferenceSample:
    """One difference, readable: `lines` are a diff (see `verify.diff`)."""

    kind: Literal["missing", "extra", "mismatched", "stale part"]  # the last of a verify of rows
    key: str
    lines: tuple[str, ...]

    def text(self) -> str:
        return "\n".join((f"{self.kind:<10}  {self.key}", *(f"  {line}" for line in self.lines)))


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Counts of keys: missing and extra are meant of the target. A repaired difference counts there as well, and in
    `repaired`; `left_alone` and `not_repaired` are the rest of what a repair met. `expiring` are no differences: one
    table has expired the item (TTL) and the other is about to. Nor are those `in_flight`: both sides were written at
    every look, and neither ever stood still."""

    status: VerifyStatus
    source_items: int
    target_items: int
    matching: int
    missing: int
    extra: int
    mismatched: int
    expiring: int
    in_flight: int
    repaired: int
    left_alone: int
    not_repaired: int
    samples: tuple[DifferenceSample, ...]
    segments: int
    segments_done: int
    seconds: float
    observer_errors: int
    next_step: str

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.mismatched

    @property
    def exit_status(self) -> int:
        return exit_status_of(self.status)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
