"""One key made equal again, toward the authority of the present stage.

A repair is the same routine as a mirror (`sync`), so it cannot overwrite a newer write: its own is locked on what it
read, and the authority is read again after it. Four things it leaves alone, because it could destroy the only copy:

- an item of the target without crossfade's stamp, where it leaves one: somebody else put it there, before the
  migration or beside it;
- an item that only the source has, while the target decides and the backfill was never complete (somebody forced the
  gate): it may never have been copied;
- an item of the target that stands under the key of another item of the source (see use_as_key): one of the two is to
  be corrected, by somebody who knows which;
- an item that one side alone has and whose time is over, where the other expires its items (TTL): that one may have
  deleted it for that, and then there is nothing to carry over, in neither direction.
"""

from __future__ import annotations

from enum import StrEnum

from crossfade.core.effects import Routine
from crossfade.core.items import Item
from crossfade.core.request.error_codes import ABOUT_THE_ITEM
from crossfade.core.stages import Row
from crossfade.core.sync.compare import Difference, compare_key
from crossfade.core.sync.expiring import overdue
from crossfade.core.sync.sync import read_patiently, sync
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import MappingError, ServiceRejected


class Repair(StrEnum):
    """What became of one difference; the texts are what people read."""

    REPAIRED = "repaired"
    FAILED = "could not be repaired"
    NOT_OURS = "not written by crossfade, left alone"
    MAYBE_NEVER_COPIED = "only the source has it and the backfill was not complete, left alone"
    EXPIRED = "past its time, and expired on one side, left alone"
    ANOTHER = "the target has another item under its key, left alone"


def repair_key(pair: Pair, row: Row, source_key: Item, *, backfilled: bool) -> Routine[Repair]:
    """Under a ticket of a stage whose writes are not plain. `backfilled`: the backfill was complete."""
    try:
        target = yield from read_patiently(pair, "target", source_key)
        source = yield from read_patiently(pair, "source", source_key)
        leave = yield from reason_to_leave(pair, row, source, target, backfilled=backfilled)
        if leave is not None:
            return leave
        yield from sync(pair, row.authority, source_key)
        remains = yield from compare_key(pair, source_key)
    except MappingError:
        return Repair.FAILED
    except ServiceRejected as error:
        if error.code not in ABOUT_THE_ITEM:
            raise
        return Repair.FAILED
    return outcome_of(remains)


def reason_to_leave(
    pair: Pair, row: Row, source: Stored, target: Stored, *, backfilled: bool
) -> Routine[Repair | None]:
    """Why a difference is left alone; None where it is to be repaired."""
    if (yield from overdue(pair, source.item, target.item)) is not None:
        return Repair.EXPIRED
    if row.authority == "source" and source.item is None and target.item is not None and not pair.is_ours(target):
        return Repair.NOT_OURS
    if row.authority == "target" and target.item is None and source.item is not None and not backfilled:
        return Repair.MAYBE_NEVER_COPIED
    return None


def outcome_of(remains: Difference | None) -> Repair:
    """What a repair has come to, after which this is left. Writes in flight since then are others' to follow."""
    if remains is None or remains.in_flight:
        return Repair.REPAIRED
    return Repair.FAILED if remains.overdue_seconds is None else Repair.EXPIRED
