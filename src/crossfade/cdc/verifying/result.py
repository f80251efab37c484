"""What a verify of rows was asked to do, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

from crossfade.jobs.options import JobOptions
from crossfade.verify.result import DifferenceSample, VerifyStatus, exit_status_of

SEGMENTS: Final = 16  # of the target, and of the table of parts
SEGMENTS_MAX: Final = 4_000  # the control table numbers 10,000, and a table of the source is one
WORKERS_MAX: Final = 64  # each reads by a connection of its own
PAGE_ROWS: Final = 500  # with their children; one SELECT, and some bulk reads
PAGE_ROWS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowVerifyOptions(JobOptions):
    """`repair` mends what differs. `rows_per_second`: of rows and items that are looked at, None for no limit."""

    job: ClassVar = "verify"
    greatest: ClassVar = {"segments": SEGMENTS_MAX, "workers": WORKERS_MAX, "page_rows": PAGE_ROWS_MAX}
    rates: ClassVar = ("rows_per_second",)

    repair: bool = False
    segments: int = SEGMENTS
    page_rows: int = PAGE_ROWS
    rows_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class RowVerifyResult:
    """`rows` were read, and make `items`; the target holds `target_items`, beside `tombstones`.

    Missing, extra and mismatched are items of the target. `stale_parts` are rows that are kept for items of several
    rows, otherwise than the source has them. `in_motion` were written between any two looks. A repaired difference
    counts where it was found as well, and in `repaired`; `left_alone` and `not_repaired` are the rest, with `reasons`.
    `not_ours` (without crossfade's stamp, and no row makes it) and `unmapped` (its row cannot be mapped) are those of
    the differences that no repair mends, also where none was asked for.
    """

    status: VerifyStatus
    rows: int
    items: int
    target_items: int
    tombstones: int
    parts: int
    missing: int
    extra: int
    mismatched: int
    stale_parts: int
    in_motion: int
    repaired: int
    left_alone: int
    not_repaired: int
    not_ours: int
    unmapped: int
    reasons: dict[str, int]
    samples: tuple[DifferenceSample, ...]
    segments: int
    segments_done: int
    seconds: float
    observer_errors: int
    next_step: str

    @property
    def differences(self) -> int:
        return self.missing + self.extra + self.mismatched + self.stale_parts

    @property
    def matching(self) -> int:
        """Items that rows make and that the target holds."""
        return self.items - self.missing - self.mismatched

    @property
    def exit_status(self) -> int:
        return exit_status_of(self.status)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"matching": self.matching}
