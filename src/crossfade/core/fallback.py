"""What `rampdown` does about an item that the target does not have: it looks in the source, after the answer."""

from __future__ import annotations

from collections.abc import Iterable

from crossfade.core.copying import Outcome, copy_key
from crossfade.core.effects import Later, Note, Request, Routine
from crossfade.core.items import Item
from crossfade.core.pair import Pair, key_name
from crossfade.core.stages import Fallback, Row, Stage


def look_later(pair: Pair, row: Row, missing: Iterable[Item]) -> Routine[None]:
    """The source keys of what was read and not found; in the other stages nobody looks."""
    if row.fallback is Fallback.LOOKED_UP:
        for key in missing:
            yield from Later("compare", key_name(key), look_behind(pair, key))


def look_behind(pair: Pair, source_key: Item) -> Routine[None]:
    """After the target had no such item: has the source? That is an alert, and is put right.

    A client that is in `complete` already deletes in the target alone, and what the source then still holds is nobody's
    any more. So the repair is carried out only while the fleet is in `rampdown`, and only what it has put right counts.
    """
    result = yield from copy_key(pair, source_key, fence(pair) if pair.rules.fence else None)
    if result is not None and result.outcome in (Outcome.COPIED, Outcome.FAILED):
        facts = {"key": source_key, "outcome": result.outcome.value, "reason": result.reason}
        yield from Note("fallback", facts)


def fence(pair: Pair) -> Request:
    """The fleet is in rampdown, and nobody may have entered complete."""
    if pair.ledger is None:
        raise AssertionError("a fence needs the control table")
    return {
        "ConditionCheck": {
            "TableName": pair.ledger.table,
            "Key": {"migration": {"S": pair.ledger.migration}, "record": {"S": "state"}},
            "ConditionExpression": "#stage = :stage",
            "ExpressionAttributeNames": {"#stage": "stage"},
            "ExpressionAttributeValues": {":stage": {"S": Stage.RAMPDOWN.value}},
        }
    }
