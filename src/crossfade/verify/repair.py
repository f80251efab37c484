"""One key made equal again, toward the authority of the present stage.

A repair is the same routine as a mirror (`sync`), so it cannot overwrite a newer write: its own is locked on what it
read, and the authority is read again after it. Two things it leaves alone, because deleting them could destroy the only
copy:

- an item of the target without crossfade's stamp: somebody else put it there, before the migration or beside it;
- an item that only the source has, while the target decides and the backfill was never complete (somebody forced the
  gate): it may never have been copied.
"""

from __future__ import annotations

from enum import StrEnum

from crossfade.core.copying import Outcome, copy_key
from crossfade.core.effects import Call, Request, Routine
from crossfade.core.fallback import fence
from crossfade.core.items import Item
from crossfade.core.mirroring import compare_key, patiently, read_patiently, sync
from crossfade.core.pair import Pair, with_guard
from crossfade.core.stages import Row, Writes
from crossfade.errors import MappingError, Rejected
from crossfade.jobs.bulk import ABOUT_THE_ITEM
from crossfade.verify.compare import Stray, read_stray


class Repair(StrEnum):
    """What became of one difference; the texts are what people read."""

    REPAIRED = "repaired"
    FAILED = "could not be repaired"
    NOT_OURS = "not written by crossfade, left alone"
    MAYBE_NEVER_COPIED = "only the source has it and the backfill was not complete, left alone"


def repair_key(pair: Pair, row: Row, source_key: Item, *, backfilled: bool) -> Routine[Repair]:
    """Under a ticket of a stage whose writes are not plain. `backfilled`: the backfill was complete."""
    try:
        target = yield from read_patiently(pair, "target", source_key)
        source = yield from read_patiently(pair, "source", source_key)
        if row.authority == "source" and source.item is None and target.item is not None and target.stamp is None:
            return Repair.NOT_OURS
        if row.authority == "target" and target.item is None and source.item is not None and not backfilled:
            return Repair.MAYBE_NEVER_COPIED
        yield from sync(pair, row.authority, source_key)
        remains = yield from compare_key(pair, source_key)
    except MappingError:
        return Repair.FAILED
    except Rejected as error:
        if error.code not in ABOUT_THE_ITEM:
            raise
        return Repair.FAILED
    return Repair.REPAIRED if remains is None else Repair.FAILED


def repair_uncovered(pair: Pair, row: Row, source_key: Item) -> Routine[Repair]:
    """Copy what the target lacks, under a ticket of a stage that drains the source: nothing of it is overwritten."""
    result = yield from copy_key(pair, source_key, fence(pair) if row.writes is Writes.DELETING else None)
    done = result is None or result.outcome in (Outcome.COPIED, Outcome.THERE)
    return Repair.REPAIRED if done else Repair.FAILED


def repair_stray(pair: Pair, row: Row, stray: Stray) -> Routine[Repair]:
    """Delete what no source item maps to, if crossfade wrote it, the source decides, and it is still what was read."""
    stored = yield from read_stray(pair, stray)
    if stored.item is None:
        return Repair.REPAIRED
    if stored.stamp is None:
        return Repair.NOT_OURS
    if row.authority == "target":
        return Repair.FAILED  # the target decides that it is there, and the source cannot hold it
    request: Request = {"TableName": pair.target.name, "Key": stray.target_key}
    try:
        _ = yield from patiently(Call("target", "DeleteItem", with_guard(request, pair.unchanged("target", stored))))
    except Rejected as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return Repair.FAILED
    return Repair.REPAIRED
