"""What no source item maps to, removed from the target; keys that both sides may hold are for `jobs.repair`."""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Call, Request, Routine
from crossfade.core.items import Item
from crossfade.core.stages import Row, Writes
from crossfade.core.sync.compare import compare_key
from crossfade.core.sync.copy import CopyOutcome, copy_key
from crossfade.core.sync.retry import patiently
from crossfade.core.sync.source_fallback import fence
from crossfade.core.tables.guards import with_guard
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected
from crossfade.jobs.repair import Repair, outcome_of
from crossfade.verify.compare import Stray, read_stray

LEFT: Final = {
    CopyOutcome.ANOTHER: Repair.ANOTHER,
    CopyOutcome.EXPIRED: Repair.EXPIRED,
    CopyOutcome.FAILED: Repair.FAILED,
    CopyOutcome.FENCED: Repair.FAILED,
}


def repair_uncovered(pair: Pair, row: Row, source_key: Item) -> Routine[Repair]:
    """Copy what the target lacks, under a ticket of a stage that drains the source: nothing of it is overwritten."""
    result = yield from copy_key(pair, source_key, fence(pair) if row.writes is Writes.DELETING else None)
    if result is not None and result.outcome in LEFT:
        return LEFT[result.outcome]
    remains = yield from compare_key(pair, source_key, agreed=pair.is_covered)
    return outcome_of(remains)


def repair_stray(pair: Pair, row: Row, stray: Stray) -> Routine[Repair]:
    """Delete what no source item maps to, if crossfade wrote it, the source decides, and it is still what was read."""
    stored = yield from read_stray(pair, stray)
    if stored.item is None:
        return Repair.REPAIRED
    if not pair.is_ours(stored):
        return Repair.NOT_OURS
    if row.authority == "target":
        return Repair.FAILED  # the target decides that it is there, and the source cannot hold it
    request: Request = {"TableName": pair.target.name, "Key": stray.target_key}
    try:
        _ = yield from patiently(Call("target", "DeleteItem", with_guard(request, pair.unchanged("target", stored))))
    except ServiceRejected as error:
        if error.code != "ConditionalCheckFailedException":
            raise
        return Repair.FAILED
    remains = yield from read_stray(pair, stray)
    return Repair.REPAIRED if remains.item is None else Repair.FAILED
