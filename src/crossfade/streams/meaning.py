"""What a write of the source means in a stage, told by how writes are made in it, and what it means of one record.

In dual-write and freeze what is written to the source carries no mark, so in most stages a write is told by what
follows it: crossfade's own reach both tables, and so both agree within moments; a stray write leaves a difference
behind. In copy-on-write the two differ anyway, but there crossfade's writes leave a fresh stamp in the source, from
`prepare` on; after it there are none but deletions. Where the source is no longer written at all, each write is a stray
one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.core.stages import ALL_LADDERS, Row, Side, Stage, Writes
from crossfade.streams.changes import Change


class Meaning(StrEnum):
    UNTOLD = "untold"  # nothing tells a stray write: clients of crossfade write the source alone, as all others do
    COMPARED = "compared"  # a stray write is one after which the two sides stay different
    STAMPED = "stamped"  # a stray write is one that leaves no fresh stamp
    STRAY = "stray"  # crossfade does not write there, so every write is a stray one


OF_WRITES: Final = {
    Writes.STAMPED: Meaning.STAMPED,
    Writes.MIRRORED: Meaning.COMPARED,
    Writes.HELD: Meaning.COMPARED,
    Writes.LOCKSTEP: Meaning.COMPARED,
    Writes.PREPARED: Meaning.STAMPED,
    Writes.DRAINED: Meaning.STAMPED,
    Writes.DELETING: Meaning.STAMPED,
}


def meaning_of(row: Row) -> Meaning:
    if row.writes is Writes.PLAIN:
        return Meaning.UNTOLD if row.authority == "source" else Meaning.STRAY
    return OF_WRITES[row.writes]


MEANINGS: Final = {
    strategy: {stage: meaning_of(row) for stage, row in rows.items()} for strategy, rows in ALL_LADDERS.items()
}


class Judgement(StrEnum):
    PASS = "pass"  # noqa: S105 - nothing can be said of it
    TELL = "tell"  # it is reported as it is, without a verdict
    COMPARE = "compare"  # both sides are looked at
    READ_STAMP = "read stamp"  # its stamp is looked at
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Look:
    """The migration at one moment. `settled_at`: since when every client writes as `meaning` says (seconds since 1970);
    None: not all of them do yet. `backfilled`: the target has held everything of the source since a complete backfill.
    """

    stage: Stage
    epoch: int
    authority: Side
    meaning: Meaning
    settled_at: float | None
    backfilled: bool
    stamped: bool = False  # what crossfade has written to the source lately may be told by its stamp


def judge(look: Look, change: Change) -> Judgement:
    """The time of a change is that of its second's beginning, so what happened within that second is looked at closer.

    - Before everybody mirrored, a write reached the source alone; what it left is for the backfill to copy, and only
      when that is complete does a difference mean something.
    - Before everybody was in a stage without writes to the source, mirrors went there, or writes with a stamp.
    - Before everybody was in `prepare`, clients in `off` left no stamp.
    """
    match look.meaning:
        case Meaning.UNTOLD:
            return Judgement.PASS if change.expired else Judgement.TELL
        case Meaning.COMPARED:
            mirrored = look.settled_at is not None and change.at >= math.ceil(look.settled_at)
            return Judgement.COMPARE if mirrored or look.backfilled else Judgement.PASS
        case Meaning.STAMPED:
            prepared = look.settled_at is not None and change.at >= math.ceil(look.settled_at)
            return Judgement.READ_STAMP if prepared else Judgement.PASS
        case Meaning.STRAY:
            if change.expired:
                return Judgement.PASS
            if look.settled_at is None or change.at == math.floor(look.settled_at):
                return Judgement.READ_STAMP if look.stamped else Judgement.COMPARE
            return Judgement.STRAY if change.at > look.settled_at else Judgement.PASS
