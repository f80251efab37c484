"""Whether a difference is but an expiry that one table has carried out and the other has not yet.

The table that lacks the item must be one that would have deleted it: what the other one holds, as the mapping has it,
is past its time by the attribute of the table that lacks it. So an item whose time was put off on the side that decides
is missed on the other, and so is one whose time TTL does not take.
"""

from __future__ import annotations

from typing import Final

from crossfade.core.effects import Call, Note, Routine, Today
from crossfade.core.items import Item
from crossfade.core.stages import Side
from crossfade.core.sync.retry import read_again
from crossfade.core.tables.expiry import expiry_attribute, overdue_seconds
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError, ServiceRejected

EXPIRY_UNKNOWN: Final = "expiry_unknown"  # the event; its facts: key (the table), error
NO_SUCH_OPERATION: Final = "UnknownOperationException"  # of a database that stands in for DynamoDB


def overdue(pair: Pair, source: Item | None, target: Item | None) -> Routine[int | None]:
    """Return for how many seconds the time has been over of an item that one table alone holds, where the other one may
    have deleted it for that; else None."""
    held = source if target is None else target
    if held is None or (source is not None and target is not None):
        return None
    lacking: Side = "target" if target is None else "source"
    attribute = yield from expiry_of(pair, lacking)
    if not attribute:
        return None
    try:
        there = pair.mapping.forward(held) if lacking == "target" else pair.mapping.backward(held)
    except MappingError:
        return None
    return overdue_seconds(there, attribute, (yield from Today()))


def expiry_of(pair: Pair, side: Side) -> Routine[str]:
    """The attribute by which the table expires its items, "" for none; asked for once, and remembered. Where that is
    denied it counts as none, and is told."""
    if side not in pair.expiry:
        table = pair.table(side).name
        try:
            reply = yield from read_again(Call(side, "DescribeTimeToLive", {"TableName": table}))
        except ServiceRejected as error:
            pair.expiry[side] = ""
            if error.code != NO_SUCH_OPERATION:
                yield from Note(EXPIRY_UNKNOWN, {"key": table, "error": error.text})
        else:
            pair.expiry[side] = expiry_attribute(reply)
    return pair.expiry[side]
