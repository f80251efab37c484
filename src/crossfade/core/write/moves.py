"""What a write that is evaluated here does to the tables: an action on one side or on each, carried out only upon what
was read. A single write sends them by themselves, a transaction among its others.

Copy-on-write: an item moves to the target with the first write that finds it in the source. Under one key the item is
what the target holds, or else what the source holds. Three rules keep that true whoever else is at work:

- nothing is written to the source once the target has the item, and what is decided upon the source alone is carried
  out in one transaction with "the target has no such item";
- a copy is made in one transaction with "the source still is what was read", which a fresh stamp tells, set by every
  write to the source from `prepare` on;
- a delete takes both sides in one transaction, so that nothing is left in the source to come back.

So whoever looks at the target first, and then, if it has none, at the source, has seen the item as it was at some
moment between the two looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from crossfade.core.effects import Request, Routine, Stamp
from crossfade.core.evaluate.plain_table import Evaluated, Prepared
from crossfade.core.items import Item, same
from crossfade.core.mapping import STAMP
from crossfade.core.request.limits import is_allowed
from crossfade.core.request.names import PLACEHOLDERS
from crossfade.core.request.stamp_names import names_stamp
from crossfade.core.stages import Row, Side, Writes
from crossfade.core.tables.actions import as_action, condition_check, delete_action, image_action
from crossfade.core.tables.guards import Guard, joined_guards, stamp_as_read, with_guard
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.stamps import ABSENT, Stored
from crossfade.core.write.translate import stamped_update

Held: TypeAlias = dict[Side, Stored]  # under one key, at one moment; of a side that nobody looked at, nothing
Moves: TypeAlias = dict[Side, Request]  # actions of a transaction


@dataclass(frozen=True, slots=True)
class Decision:
    """What an operation makes of what is held under a key. `changes`: something is to be another than it is. `joint`:
    `prepared` stands for several."""

    prepared: Prepared
    key: Item
    held: Held
    done: Evaluated
    changes: bool = True
    joint: bool = False


def image_of(pair: Pair, row: Row, held: Held, key: Item) -> Image:
    """The item that a stage goes by. Raises MappingError where another one stands under this key."""
    if "source" in held:
        pair.check_whole_key("source", held["source"], key)
    side: Side = "source" if row.merges and held.get("target", ABSENT).item is None else row.authority
    return pair.image_under(side, held.get(side, ABSENT), key)


def moves_of(pair: Pair, row: Row, decision: Decision, *, both: bool) -> Routine[Moves]:
    """What has been decided, as actions that are carried out only while that is how things are. `both`: it may be of
    both sides."""
    if row.writes is Writes.LOCKSTEP:
        return (yield from lockstep_moves(pair, row.authority, decision))
    if both:
        return (yield from copying_moves(pair, row.writes, decision))
    side = row.authority
    lock = pair.locked(side, decision.held[side], decided_on(pair, side, decision.prepared))
    if not decision.changes:
        return {side: condition_check(pair, side, decision.key, lock)}
    return {side: (yield from locked_action(pair, side, decision, lock))}


def lockstep_moves(pair: Pair, side: Side, decision: Decision) -> Routine[Moves]:
    """Both sides in one transaction, the target's stamp as the lock. Where the source decides, its action is the
    caller's own expression, because clients still in the stage before write the source without a lock; it is guarded by
    what the answer shows and by the item's existence (without that, an item deleted and mirrored between our reads
    would come back in the target: an absence has no stamp)."""
    key, held, image = decision.key, decision.held, decision.done.image
    if not decision.changes:
        guard = pair.unchanged(side, held[side], decided_on(pair, side, decision.prepared))
        return {side: condition_check(pair, side, key, guard)}
    if side == "source":
        source = yield from deciding_action(pair, decision)
    else:
        source = yield from image_action(pair, "source", key, image)
    lock = pair.unchanged("target", held["target"]) if pair.rules.stamp else None
    return {"source": source, "target": (yield from image_action(pair, "target", key, image, lock))}


def copying_moves(pair: Pair, writes: Writes, decision: Decision) -> Routine[Moves]:
    prepared, key, held, image = decision.prepared, decision.key, decision.held, decision.done.image
    moves: Moves
    if not held:  # nobody has looked: a put to the target, or a deletion wherever it is
        if image is None:
            return {"target": delete_action(pair, "target", key), "source": delete_action(pair, "source", key)}
        return {"target": (yield from image_action(pair, "target", key, image))}
    target = held["target"]
    if target.item is not None:
        if not decision.changes:
            return {"target": condition_check(pair, "target", key, pair.unchanged("target", target))}
        lock = pair.locked("target", target) if pair.rules.stamp else None
        moves = {"target": (yield from image_action(pair, "target", key, image, lock))}
        if image is None and pair.rules.delete_both:
            moves["source"] = delete_action(pair, "source", key)
        return moves
    absent = pair.unchanged("target", ABSENT)
    here = condition_check(pair, "target", key, absent)
    if writes is Writes.DELETING:  # what the source may still have of it was nobody's to see
        if image is not None:
            return {"target": (yield from image_action(pair, "target", key, image, absent))}
        deletes = prepared.operation == "DeleteItem"
        return {"target": here, "source": delete_action(pair, "source", key)} if deletes else {"target": here}
    source = held["source"]
    if not decision.changes:
        guard = pair.source_as_read(source, decided_on(pair, "source", prepared))
        return {"target": here, "source": condition_check(pair, "source", key, guard)}
    if writes is Writes.PREPARED:
        return {"target": here, "source": (yield from deciding_action(pair, decision))}
    as_read = pair.source_as_read(source) if pair.rules.stamp else None
    if image is None:
        return {"target": here, "source": delete_action(pair, "source", key, as_read)}
    moves = {"target": (yield from image_action(pair, "target", key, image, absent))}
    if as_read is not None:
        moves["source"] = condition_check(pair, "source", key, as_read)
    return moves


OWN_PARAMETERS: Final = ("TableName", "Key", "Item", "UpdateExpression", "ConditionExpression", *PLACEHOLDERS)


def deciding_action(pair: Pair, decision: Decision) -> Routine[Request]:
    """What the transaction does to a source that decides: the caller's own request, on what the source then holds.
    Where there is no item, or the caller speaks of another form or of a stamp that is not the one there, or several
    callers are served at once, it writes what was evaluated. Where writes leave stamps on the source, the stamp is part
    of the lock if the answer depends on what was read: of an attribute that somebody has added meanwhile, nothing else
    tells.
    """
    prepared, before, done, key = decision.prepared, decision.held["source"], decision.done, decision.key
    stamped = pair.stamps_source and pair.rules.stamp
    operation, request = prepared.operation, prepared.request
    if pair.view == "target" or decision.joint or (stamped and names_stamp(request)):
        return (yield from as_evaluated(pair, decision))
    shown = done.shown - {STAMP}
    guard = pair.still(before.item, shown)
    if before.item is None:
        return (yield from image_action(pair, "source", key, done.image, guard))
    if stamped and shown:
        guard = joined_guards(stamp_as_read(before), guard)
    given: Request = {name: request[name] for name in OWN_PARAMETERS if name in request}
    own: Request = with_guard({**given, "TableName": pair.source.name}, guard)
    if "Key" in own:
        own["Key"] = key
    if operation == "UpdateItem" and "UpdateExpression" not in request:
        return {"ConditionCheck": own}
    if pair.stamps_source and operation != "DeleteItem":
        stamp = yield from Stamp()
        own = {**own, "Item": {**own["Item"], STAMP: {"S": stamp}}} if "Item" in own else stamped_update(own, stamp)
    texts = [own[name] for name in ("ConditionExpression", "UpdateExpression") if name in own]
    if not all(map(is_allowed, texts)):  # what is added is too much: what was evaluated says the same in few words
        return (yield from as_evaluated(pair, decision))
    return {operation.removesuffix("Item"): own}


def as_evaluated(pair: Pair, decision: Decision) -> Routine[Request]:
    """What was decided upon what the source holds, under a lock on all of it."""
    before, named = decision.held["source"], decided_on(pair, "source", decision.prepared)
    stamped = pair.stamps_source and pair.rules.stamp
    lock = pair.source_as_read(before, named) if stamped else pair.unchanged("source", before, named)
    return (yield from locked_action(pair, "source", decision, lock))


def locked_action(pair: Pair, side: Side, decision: Decision, lock: Guard) -> Routine[Request]:
    """What makes the decided image of what one side holds: a Put, Update or Delete, or, where nothing changes, a
    ConditionCheck. The `lock` has the attributes of `decided_on` in it."""
    after, held, table = decision.done.image, decision.held[side].item, pair.table(side)
    if after is None or held is None or decision.prepared.operation != "UpdateItem":
        return (yield from image_action(pair, side, decision.key, after, lock))
    item = yield from pair.stored_form(side, after)
    put = {name: value for name, value in item.items() if name not in held or not same(value, held[name])}
    gone = sorted(held.keys() - item.keys())
    whole: Request = {"TableName": table.name, "Item": item}
    if any(name in put for name in table.key_names):
        return as_action(with_guard(whole, lock))
    request: Request = {"TableName": table.name, "Key": {name: held[name] for name in table.key_names}}
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
    ((_, request),) = action.items()
    written: Item = request.get("Item", {})
    for place, name in request.get("ExpressionAttributeNames", {}).items():
        if name == STAMP and place.startswith("#xf_set"):
            written = {STAMP: request["ExpressionAttributeValues"][f":{place[1:]}"]}
    return written[STAMP]["S"] if STAMP in written else None
