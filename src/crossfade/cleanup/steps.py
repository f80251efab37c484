"""The steps of retiring the old table as data: their order, what each needs, what each does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.errors import CrossfadeError


class Step(StrEnum):
    VERIFY = "verify"
    SNAPSHOT = "snapshot"
    READ_BACK = "read-back"
    THROUGHPUT = "throughput"
    QUIET = "quiet"
    STAMPS = "stamps"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Row:
    """`needs` are steps that must be done, and whose present run this one's work rests on: when one of them is done
    anew, so must this one be."""

    needs: tuple[Step, ...]
    does: str
    way_back: str


STEPS: dict[Step, Row] = {
    Step.VERIFY: Row((), "accept the last verify as the proof that the new table holds everything", "nothing changes"),
    Step.SNAPSHOT: Row(
        (Step.VERIFY,), "write every item of the old table to a folder or to S3", "delete the snapshot's files"
    ),
    Step.READ_BACK: Row(
        (Step.SNAPSHOT,),
        "read the whole snapshot, check every file, and compare each item with the old table, in both directions",
        "nothing changes",
    ),
    Step.THROUGHPUT: Row(
        (Step.READ_BACK,),
        "lower the old table and its indexes to one read and one write unit (or make it on-demand)",
        "aws dynamodb update-table, with the figures that the step's record keeps",
    ),
    Step.QUIET: Row(
        (Step.THROUGHPUT,), "see that nobody has read or written the old table for some days", "nothing changes"
    ),
    Step.STAMPS: Row(
        (Step.VERIFY,),
        "remove the attribute _crossfade from the items of the new table",
        "none is needed: nothing of the applications' own is touched",
    ),
    Step.DELETE: Row((Step.READ_BACK, Step.QUIET), "delete the old table", "crossfade restore, with the snapshot"),
}


ANOTHER_SNAPSHOT: Final = (
    "this snapshot cannot be relied on; while the table is there, make another one:"
    " crossfade cleanup --step snapshot --again --execute"
)


class SnapshotDamaged(CrossfadeError):
    """A snapshot is not whole: `file` is what is wrong, named as in the snapshot."""

    def __init__(self, file: str, reason: str, *, next_step: str = ANOTHER_SNAPSHOT) -> None:
        super().__init__(f"{file}: {reason}", next_step=next_step)
        self.file = file
        self.reason = reason
