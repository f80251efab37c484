"""What a backfill was asked to do, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal

from crossfade.backfill.segment import PAGE_ITEMS
from crossfade.jobs.options import PAGE_ITEMS_MAX, JobOptions

SAMPLES_MAX: Final = 10  # enough to see what is wrong; the counts say how often
SEGMENTS_MAX: Final = 10_000  # what the control table numbers

EXIT_COMPLETE: Final = 0
EXIT_INCOMPLETE: Final = 1
EXIT_STOPPED: Final = 2


BackfillStatus = Literal["complete", "incomplete", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions(JobOptions):
    """`again` copies everything once more."""

    job: ClassVar = "backfill"
    greatest: ClassVar = {"segments": SEGMENTS_MAX, "page_items": PAGE_ITEMS_MAX}
    rates: ClassVar = ("items_per_second", "units_per_second")

    page_items: int = PAGE_ITEMS
    items_per_second: float | None = None
    units_per_second: float | None = None
    stop_at_first_error: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class FailureSample:
    """An item that could not be copied: its source key and why, readable."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """`items`, `changed` and `failed` are those of all runs of this backfill; the rate is that of this one.

    changed  items that a client had changed between the scan and the write, and that were synced
    """

    status: BackfillStatus
    items: int
    changed: int
    failed: int
    samples: tuple[FailureSample, ...]
    segments: int
    segments_done: int
    resumed: bool
    seconds: float
    items_per_second: float
    observer_errors: int
    next_step: str

    @property
    def exit_status(self) -> int:
        return {"complete": EXIT_COMPLETE, "incomplete": EXIT_INCOMPLETE, "stopped": EXIT_STOPPED}[self.status]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
