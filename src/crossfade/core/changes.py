"""A write that was decided upon a read, as an action that leaves alone what it does not know of.

No condition of DynamoDB says "and nothing else is in the item". So an attribute that somebody adds between the read and
the write goes unnoticed, unless writes leave stamps, which those of applications on their own table do not. Therefore
an update writes what it changes and nothing else; every attribute that a decision may depend on is in the lock, those
that were absent too; and the answer that shows a whole item is made of what the service says the write has found.
"""

from __future__ import annotations

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.evaluating import Evaluated, Prepared
from crossfade.core.items import Item, same
from crossfade.core.limits import is_allowed
from crossfade.core.locking import as_action
from crossfade.core.mapping import STAMP
from crossfade.core.pair import Guard, Image, Pair, Stored, with_guard
from crossfade.core.stages import Side
from crossfade.errors import MappingError, Rejected


def change(
    pair: Pair, side: Side, key: Item, before: Stored, prepared: Prepared, after: Image, lock: Guard
) -> Routine[Request]:
    """What makes `after` of `before`: a Put, Update or Delete, or, where nothing changes, a ConditionCheck. The `lock`
    has the attributes of `decided_on` in it."""
    if after is None or before.item is None or prepared.operation != "UpdateItem":
        return as_action((yield from pair.put_or_delete(side, key, after, lock)))
    held: Item = before.item
    item = yield from pair.stored_form(side, after)
    names = pair.table(side).key_names
    put = {name: value for name, value in item.items() if name not in held or not same(value, held[name])}
    gone = sorted(held.keys() - item.keys())
    whole: Request = {"TableName": pair.table(side).name, "Item": item}
    if any(name in put for name in names):
        return as_action(with_guard(whole, lock))
    request: Request = {"TableName": pair.table(side).name, "Key": {name: held[name] for name in names}}
    if not put and not gone:
        return {"ConditionCheck": with_guard(request, lock)}
    sets = {f"#xf_set{n}": name for n, name in enumerate(put)}
    removes = {f"#xf_remove{n}": name for n, name in enumerate(gone)}
    clauses = [f"SET {', '.join(f'{place} = :{place[1:]}' for place in sets)}"] if sets else []
    clauses += [f"REMOVE {', '.join(removes)}"] if removes else []
    request["UpdateExpression"] = " ".join(clauses)
    if not is_allowed(request["UpdateExpression"]):  # what changes more is put as a whole
        return as_action(with_guard(whole, lock))
    request["ExpressionAttributeNames"] = {**sets, **removes}
    if sets:
        request["ExpressionAttributeValues"] = {f":{place[1:]}": put[name] for place, name in sets.items()}
    return {"Update": with_guard(request, lock)}


def decided_on(pair: Pair, side: Side, prepared: Prepared) -> frozenset[str]:
    """The attributes of one side, there or not, on which it may depend what a request does, its whole key included. The
    stamp that an earlier migration names is not the one that is there."""
    names = prepared.names - {STAMP}
    whole = pair.whole_key_names(side)
    if side == pair.view:
        return names.union(whole)
    there = (pair.name_across(side, name) for name in names)
    return pair.mapping.touched.union(whole, (name for name in there if name is not None))


def new_stamp(action: Request) -> str | None:
    """The stamp that an action leaves, if it does."""
    ((_, request),) = action.items()
    if "Item" in request:
        stamp: dict[str, str] = request["Item"].get(STAMP, {})
        return stamp.get("S")
    for place, name in request.get("ExpressionAttributeNames", {}).items():
        if name == STAMP and place.startswith("#xf_set"):
            value: Item = request["ExpressionAttributeValues"]
            return str(value[f":{place[1:]}"]["S"])
    return None


def asking_for_all(prepared: Prepared) -> Request:
    """What else the one request must ask for, where the answer shows a whole item."""
    return {"ReturnValues": "ALL_OLD"} if prepared.shows_whole else {}


def as_found(pair: Pair, side: Side, key: Item, prepared: Prepared, done: Evaluated, reply: Reply) -> Evaluated:
    """Decide again upon the item that the write met, as the reply's attributes show it."""
    if "Attributes" not in reply:
        return done
    try:
        return prepared.on(pair.image_under(side, pair.stored(side, reply["Attributes"]), key))
    except (MappingError, Rejected):
        return done  # the attribute that was added since fits neither: it was written a moment later, then
