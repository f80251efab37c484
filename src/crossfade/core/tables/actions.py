"""Actions of a TransactWriteItems that are made here."""

from __future__ import annotations

from crossfade.core.effects import Request, Routine
from crossfade.core.items import Item
from crossfade.core.stages import Side
from crossfade.core.tables.guards import Guard, with_guard
from crossfade.core.tables.pair import Image, Pair


def as_action(request: Request) -> Request:
    return {"Put" if "Item" in request else "Delete": request}


def image_action(pair: Pair, side: Side, key: Item, image: Image, guard: Guard | None = None) -> Routine[Request]:
    return as_action((yield from pair.put_or_delete(side, key, image, guard)))


def delete_action(pair: Pair, side: Side, key: Item, guard: Guard | None = None) -> Request:
    guard = guard or pair.own_guard(side, key)
    return {"Delete": with_guard({"TableName": pair.table(side).name, "Key": pair.key(side, key)}, guard)}


def condition_check(pair: Pair, side: Side, key: Item, guard: Guard) -> Request:
    return {"ConditionCheck": with_guard({"TableName": pair.table(side).name, "Key": pair.key(side, key)}, guard)}
