"""Writes of the source in a migration that copies on write: told by their stamps, brought over where that is right.

The source's item counts only while the target has none. So what a stray write has left is carried to a target that has
no such item, by the backfill's own transaction, and is only named where it has one. In `prepare` applications see it
anyway, and copying has not begun.

A deletion leaves no stamp, and those by crossfade take both sides. So one that the target has followed is nobody's to
ask about, and of one that it has not nothing can be said: the target's item counts, whoever deleted its old twin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.stages import Row, Writes
from crossfade.core.sync.compare import Difference
from crossfade.core.sync.copy import CopyOutcome, copy_key
from crossfade.core.sync.source_fallback import fence
from crossfade.core.sync.sync import read_patiently
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.jobs.repair import Repair
from crossfade.streams.changes import Change
from crossfade.streams.result import Verdict

REMOVE: Final = "REMOVE"
ONE_TABLE: Final = "left alone: in this stage only one table is written"
SERVED: Final = "left alone: the source's item is the one that applications see, and is copied from drain on"
TARGET_COUNTS: Final = "left alone: the target has an item of its own, which counts"
GONE: Final = "left alone: it is gone again"


@dataclass(frozen=True, slots=True)
class Seen:
    """One key's writes, with what is there now. `verdict` None: they are crossfade's, or nothing is left of them."""

    verdict: Verdict | None
    change: Change
    difference: str


def with_whole_key(pair: Pair, change: Change) -> Change:
    """Return the change with the attributes that name its item in the target, where the record shows them."""
    if not pair.mapping.target_key_extras or change.image is None:
        return change
    key = pair.source_key({**change.image, **change.key})
    return replace(change, key=key)


def found_now(pair: Pair, changes: Sequence[Change]) -> Routine[list[Change]]:
    """The changes of one key; where they do not tell its whole key, the item that is there now may."""
    source = yield from read_patiently(pair, "source", changes[-1].key)
    return [with_whole_key(pair, replace(change, image=source.item)) for change in changes]


def seen(pair: Pair, changes: Sequence[Change]) -> Routine[Seen]:
    """What to say of the writes of one key that are read together, the last one last."""
    unmarked = [change for change in changes if change.stamped is not True]
    if not unmarked:
        return Seen(None, changes[-1], "")
    target = yield from read_patiently(pair, "target", unmarked[-1].key)
    source = yield from read_patiently(pair, "source", unmarked[-1].key)
    agree = pair.equal(source, target)
    difference = "" if agree else Difference(unmarked[-1].key, source.item, target.item).kind
    strays = [change for change in unmarked if is_stray(change, source)]
    if strays:
        return Seen("stray", strays[-1], difference)
    removals = [change for change in unmarked if change.event == REMOVE]
    if not removals or difference != "extra":
        return Seen(None, changes[-1], difference)
    return Seen("expired" if removals[-1].expired else "untold", removals[-1], difference)


def is_stray(change: Change, source: Stored) -> bool:
    """True if the write is a stray one. Without images the present item tells: a stamp may be crossfade's."""
    if change.event == REMOVE:
        return False
    return change.stamped is False or (source.item is not None and source.stamp is None)


def bring_over(pair: Pair, row: Row, source_key: Item) -> Routine[str]:
    """Under a ticket: copy what a stray write has left, if the target has nothing there; what became of it."""
    target = yield from read_patiently(pair, "target", source_key)
    if target.item is not None:
        return Repair.ANOTHER if pair.is_another("target", target, source_key) else TARGET_COUNTS
    if row.writes is Writes.PREPARED:
        return SERVED
    if not row.drains:
        return ONE_TABLE
    result = yield from copy_key(pair, source_key, fence(pair) if row.writes is Writes.DELETING else None)
    return GONE if result is None else OUTCOMES[result.outcome]


OUTCOMES: Final[dict[CopyOutcome, str]] = {
    CopyOutcome.COPIED: Repair.REPAIRED,
    CopyOutcome.THERE: TARGET_COUNTS,
    CopyOutcome.ANOTHER: Repair.ANOTHER,
    CopyOutcome.CHANGED: Repair.FAILED,
    CopyOutcome.EXPIRED: Repair.EXPIRED,
    CopyOutcome.FENCED: ONE_TABLE,
    CopyOutcome.FAILED: Repair.FAILED,
}
