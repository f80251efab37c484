"""A segment of the backfill, page after page.

The checkpoint of a page is written after its data, and after everything in it is settled: killed at any moment, the
next runner repeats at most this one page, and that is harmless. A segment in which something failed is begun again by
the next run, since only reading it again tells whether it has been corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from crossfade.backfill.copy import Copied, Limits, copy_images
from crossfade.backfill.moving import move_images
from crossfade.control.jobs import ALL_THERE, way_to_equal
from crossfade.control.records import SegmentCheckpoint
from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.stages import ALL_LADDERS, Row, Stage
from crossfade.core.tables.pair import Pair
from crossfade.errors import NotPossibleInStage
from crossfade.jobs.bulk import Segment, scan_page

PAGE_ITEMS: Final = 1_000  # about 1 MB, the most that a Scan answers; what a kill repeats, at most
PART_ITEMS: Final = 100  # one bulk read
COUNTS: Final = ("items", "changed", "failed", "pages")


@dataclass(slots=True)
class PageCopy:
    """A page whose data is in the target, perhaps with something unsettled, and which is not checkpointed yet."""

    last_key: Item | None
    copied: Copied


def check_stage(strategy: str, stage: Stage) -> None:
    """Raises NotPossibleInStage where the source is not the authority that clients mirror to the target."""
    row = ALL_LADDERS[strategy][stage]
    if row.takes_backfill:
        return
    behind = row.leaves_target_behind
    next_step = way_to_equal(strategy) if behind else whether_missing(row)
    if strategy == "copy-on-write":
        raise NotPossibleInStage(
            f"the backfill runs in the stage drain, when nothing new is written to the source; now it is {stage}",
            next_step=next_step,
        )
    raise NotPossibleInStage(
        f"the backfill runs in the stages dualwrite and shadow; now it is {stage}"
        + (", and nobody mirrors what is written" if behind else ""),
        next_step=next_step,
    )


def whether_missing(row: Row) -> str:
    """What to do above the stages of the backfill."""
    if row.is_final:
        return ALL_THERE
    return "crossfade verify tells whether anything is missing; --repair puts it there"


def fresh_start(checkpoint: SegmentCheckpoint) -> SegmentCheckpoint:
    """Return where to begin: after the last page, or from the start if something failed before."""
    if checkpoint.counts.get("failed"):
        return replace(checkpoint, last_key=None, done=False, counts={})
    return checkpoint


def copy_page(
    pair: Pair,
    checkpoint: SegmentCheckpoint,
    segments: int,
    limits: Limits,
    page_items: int = PAGE_ITEMS,
    *,
    strategy: str = "dual-write",
) -> Routine[PageCopy]:
    """`strategy`: whether what is on the page is copied beside mirrors, or moved."""
    segment = Segment(checkpoint.number, segments)
    moves = strategy == "copy-on-write"  # what a stale page lacks, nobody else brings
    page = yield from scan_page(pair, "source", segment, checkpoint.last_key, page_items, strongly=moves)
    copied = Copied()
    put = move_images if moves else copy_images
    while page.items:  # a part at a time: each is in the processor's cache until it is done with, and then freed
        part = page.items[-PART_ITEMS:]
        del page.items[-PART_ITEMS:]
        copied.add((yield from put(pair, part, limits)))
    return PageCopy(page.last_key, copied)


def after_page(checkpoint: SegmentCheckpoint, page: PageCopy) -> SegmentCheckpoint:
    """The checkpoint that stands for one page more. With a failure in it, a segment is never done."""
    new = (page.copied.items, page.copied.changed, len(page.copied.failures), 1)
    counts = {name: checkpoint.counts.get(name, 0) + more for name, more in zip(COUNTS, new, strict=True)}
    done = page.last_key is None and not counts["failed"]
    return replace(checkpoint, last_key=page.last_key, done=done, counts=counts)
