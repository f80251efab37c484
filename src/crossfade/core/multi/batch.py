"""BatchGetItem and BatchWriteItem in every stage. What they say of other tables passes along untouched.

A batch is not one operation but many, so in lockstep each of our writes is a transaction of its own, as PutItem or
DeleteItem would be; what the whole batch would be refused for is looked for first, before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from crossfade.core.effects import Forward, Later, Reply, Request, Routine
from crossfade.core.evaluate.plain_table import WriteName
from crossfade.core.items import AttributeValue, Item, validate_item
from crossfade.core.multi.actions import check_apart
from crossfade.core.read.both_tables import behind_target
from crossfade.core.read.lookup import look_under
from crossfade.core.request.capacity import accounting_asked, capacity_asked, consumed_by_table, one_a_collection
from crossfade.core.request.keys import checked_key, checked_keys
from crossfade.core.request.legacy import modern
from crossfade.core.request.limits import size_explained
from crossfade.core.request.names import plain_name
from crossfade.core.request.own_keys import needs_whole_key
from crossfade.core.request.projection import PROJECTING, projector_alone
from crossfade.core.stages import Fallback, Row, Side
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.sync.ramp import serving_side
from crossfade.core.sync.retry import is_passing
from crossfade.core.sync.sync import mirrored
from crossfade.core.tables.pair import Pair, key_name
from crossfade.core.tables.schema import TableShape
from crossfade.core.tables.stamps import Stored, item_without_stamp
from crossfade.core.write.evaluated import write_evaluated
from crossfade.core.write.fitting import check_fits
from crossfade.core.write.malformed import refuse_malformed
from crossfade.core.write.translate import index_error_of, translate_request
from crossfade.errors import MappingError, NotPossibleInStage, ServiceRejected, UnknownOutcome, invalid_request

DUPLICATES: Final = "Provided list of item keys contains duplicates"


def names_in_batch(pair: Pair, request: Request) -> list[str]:
    """The caller's table as this batch names it: by its name, by its ARN, or, which is refused, by both."""
    return [name for name in request["RequestItems"] if plain_name(name) == pair.caller.name]


def named_twice(pair: Pair) -> ServiceRejected:
    return invalid_request(f"a batch names the table {pair.caller.name} twice: put it into one part")


def elsewhere(pair: Pair, request: Request, side: Side, name: str, entry: Any) -> Request:
    """The batch with our part in the other table."""
    others = {other: given for other, given in request["RequestItems"].items() if other != name}
    table = pair.table(side).name
    if any(plain_name(other) == table for other in others):
        raise NotPossibleInStage(
            f"a batch on {pair.caller.name} and {table} at once: they are two sides of one migration",
            next_step="put what is for each of them into a batch of its own",
        )
    return {**request, "RequestItems": {**others, table: entry}}


def batch_get(pair: Pair, row: Row, ramp_percent: int, request: Request) -> Routine[Reply]:
    """One BatchGetItem; after the answer, the comparison of our keys with the other side."""
    name, *more = names_in_batch(pair, request)
    if more:
        return (yield from refuse_malformed(pair, row, "BatchGetItem", request, named_twice(pair)))
    entry: Request = request["RequestItems"][name]
    decides = row.decides(pair.view)
    keys = checked_keys(pair, decides, [{"Key": key} for key in entry.get("Keys", ())])
    if keys is None or (not keys and decides == pair.view):
        return batch_without_stamps(name, (yield from Forward()))
    if not keys:
        raise invalid_request("a BatchGetItem asks for one key or more")
    side = serving_side(row, ramp_percent, entry, key_name(keys[0]))
    if side == pair.view and row.fallback is Fallback.NONE:
        reply = batch_without_stamps(name, (yield from Forward()))
    else:
        reply = yield from batch_get_elsewhere(pair, row, side, request, name, keys)
    if row.compare:
        served: dict[str, Item] | None = None
        left = len(reply.get("UnprocessedKeys", {}).get(name, {}).get("Keys", ()))
        if side == pair.view == "source" and not left and not any(parameter in entry for parameter in PROJECTING):
            served = {key_name(pair.callers_key(item)): item for item in reply["Responses"].get(name, ())}
        yield from Later("compare", f"batch {key_name(keys[0])}", compare_keys(pair, keys, served))
    return reply


def batch_without_stamps(name: str, reply: Reply) -> Reply:
    items: list[Item] = reply.get("Responses", {}).get(name, [])
    if not items:
        return reply
    return {**reply, "Responses": {**reply["Responses"], name: [item_without_stamp(item) for item in items]}}


def batch_get_elsewhere(
    pair: Pair, row: Row, side: Side, request: Request, name: str, keys: Sequence[Item]
) -> Routine[Reply]:
    """Read the keys from one side; where items are in both tables, read what it lacks from the source."""
    given: Request = request["RequestItems"][name]
    entry = modern("BatchGetItem", given)
    wanted = projector_alone(entry)
    moved: Request = {"Keys": [pair.key(side, key) for key in keys]}
    moved |= {parameter: entry[parameter] for parameter in ("ConsistentRead",) if parameter in entry}
    reply = yield from Forward(elsewhere(pair, request, side, name, moved))
    table = pair.table(side).name
    found: list[Item] = reply["Responses"].get(table, ())
    images = [pair.image(side, pair.stored(side, item)) for item in found]
    replies = [reply]
    if row.fallback is not Fallback.NONE:
        told = [*found, *reply.get("UnprocessedKeys", {}).get(table, {}).get("Keys", ())]
        names = {key_name({part: item[part] for part in pair.table(side).key_names}) for item in told}
        missing = [key for key, there in zip(keys, moved["Keys"], strict=True) if key_name(there) not in names]
        images += yield from behind_target(pair, row, missing, replies, capacity_asked(request))
    answer: Reply = {**reply, **consumed_by_table(pair, replies, name)}
    others = {other: items for other, items in reply["Responses"].items() if other != table}
    answer["Responses"] = {**others, name: [wanted(image) for image in images if image is not None]}
    left: dict[str, Request] = {**reply.get("UnprocessedKeys", {})}
    ours = left.pop(table, None)
    if ours is not None:
        again = {key_name(key) for key in ours["Keys"]}
        pairs = zip(given["Keys"], moved["Keys"], strict=True)
        left[name] = {**given, "Keys": [key for key, there in pairs if key_name(there) in again]}
    answer["UnprocessedKeys"] = left
    return answer


def compare_keys(pair: Pair, keys: Sequence[Item], served: dict[str, Item] | None) -> Routine[None]:
    """`served`: what the source has just answered, by key; None where that does not tell."""
    for key in keys:
        name = key_name(key)
        held = None if served is None else Stored(served.get(name))
        yield from shadow_compare(pair, key, held)


def batch_write(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    """One BatchWriteItem, and the mirrors of our keys."""
    name, *more = names_in_batch(pair, request)
    if more:
        return (yield from refuse_malformed(pair, row, "BatchWriteItem", request, named_twice(pair)))
    entries: list[Request] = request["RequestItems"][name]
    if any(len(entry or {}) > 1 for entry in entries):
        raise invalid_request("a WriteRequest is one of PutRequest and DeleteRequest, not both")
    if not entries or not all(is_well_formed(entry) for entry in entries):
        return (yield from Forward())  # nothing that could be written: the service words its own error
    decides = row.decides(pair.view, whole=bool(pair.mapping.source_key_extras))
    keys = checked_keys(pair, decides, [single(entry)[1] for entry in entries])
    if keys is None:
        return (yield from Forward())
    deletes = any("DeleteRequest" in entry for entry in entries)
    alone = row.takes_as_it_is(pair.view) and not needs_whole_key(pair, "BatchWriteItem", request)
    one_each = row.may_write_both(deletes=deletes) or (pair.mapping.target_key_extras and not alone)
    send = one_by_one if one_each else batch_on_authority
    return (yield from mirrored(pair, row, keys, send(pair, row, request, name, keys)))


def is_well_formed(entry: Request) -> bool:
    needed = {"PutRequest": "Item", "DeleteRequest": "Key"}
    return len(entry) == 1 and all(needed.get(kind) in (given or {}) for kind, given in entry.items())


def single(entry: Request) -> tuple[WriteName, Request]:
    """A part of a batch as the operation that it stands for."""
    if "PutRequest" in entry:
        return "PutItem", entry["PutRequest"]
    return "DeleteItem", entry["DeleteRequest"]


def batch_on_authority(pair: Pair, row: Row, request: Request, name: str, keys: Sequence[Item]) -> Routine[Reply]:
    side = row.authority
    if row.takes_as_it_is(pair.view):
        return (yield from Forward())
    entries: list[Request] = request["RequestItems"][name]
    moved: list[Request] = []
    for entry, key in zip(entries, keys, strict=True):
        operation, given = single(entry)
        if operation == "PutItem":
            validate_item(given["Item"])
            moved.append({"PutRequest": {"Item": (yield from pair.stored_form(side, given["Item"]))}})
        else:
            moved.append({"DeleteRequest": {"Key": pair.key(side, key)}})
    table, is_own = pair.table(side).name, side == pair.view
    own: Request = {**request, "RequestItems": {**request["RequestItems"], name: moved}}
    try:
        reply = yield from Forward(own if is_own else elsewhere(pair, request, side, name, moved))
    except ServiceRejected as error:
        if pair.stamps(side):
            error = size_explained(error, table)
        raise (error if is_own else index_error_of(pair, error)) from None
    return written_answer(pair, reply, name, name if is_own else table, entries, moved)


def written_answer(
    pair: Pair, reply: Reply, name: str, table: str, entries: Sequence[Request], moved: Sequence[Request]
) -> Reply:
    answer: Reply = {**reply, **consumed_by_table(pair, [reply], name)}
    left: dict[str, Any] = {**reply.get("UnprocessedItems", {})}
    ours = left.pop(table, None)
    if ours:
        # Told by their keys alone: the service may write a number in another form than we did.
        again = {entry_name(pair, table, entry) for entry in ours}
        both = zip(entries, moved, strict=True)
        left[name] = [entry for entry, there in both if entry_name(pair, table, there) in again]
    answer["UnprocessedItems"] = left
    metrics: dict[str, list[Reply]] = {**(reply.get("ItemCollectionMetrics") or {})}
    told = metrics.pop(table, None)
    if told is not None:
        partitions = partitions_of(pair, table, entries, moved)
        metrics[name] = one_a_collection(callers_metrics(pair, partitions, entry) for entry in told)
    if "ItemCollectionMetrics" in reply:
        answer["ItemCollectionMetrics"] = metrics
    return answer


def entry_name(pair: Pair, table: str, entry: Request) -> str:
    held = held_in(entry)
    return key_name({part: held[part] for part in table_shape(pair, table).key_names})


def table_shape(pair: Pair, table: str) -> TableShape:
    return pair.source if plain_name(table) == pair.source.name else pair.target


def held_in(entry: Request) -> Item:
    _, given = single(entry)
    held: Item = given.get("Item") or given["Key"]
    return held


def partitions_of(
    pair: Pair, table: str, entries: Sequence[Request], moved: Sequence[Request]
) -> dict[str, AttributeValue]:
    """Return the caller's partition value for each partition of `table` that the entries write to."""
    own, there = pair.caller.partition_key, table_shape(pair, table).partition_key
    return {
        key_name({there: held_in(after)[there]}): held_in(before)[own]
        for before, after in zip(entries, moved, strict=True)
    }


def callers_metrics(pair: Pair, partitions: dict[str, AttributeValue], entry: Reply) -> Reply:
    """Metrics of a partition of the other table, about the caller's partition that its items belong to."""
    key: Item = entry.get("ItemCollectionKey") or {}
    own = partitions.get(key_name(key))
    return entry if own is None else {**entry, "ItemCollectionKey": {pair.caller.partition_key: own}}


def one_by_one(pair: Pair, row: Row, request: Request, name: str, keys: Sequence[Item]) -> Routine[Reply]:
    """Each of ours by itself: where a write takes a transaction, a condition, or a look at what is there."""
    entries: list[Request] = request["RequestItems"][name]
    check_apart(pair, keys, DUPLICATES)
    puts = [entry["PutRequest"]["Item"] for entry in entries if "PutRequest" in entry]
    yield from check_fits(pair, row, puts, keys)
    if pair.mapping.target_key_extras:
        yield from check_whole_keys(pair, row, keys)
    others = {other: given for other, given in request["RequestItems"].items() if other != name}
    sent: list[Reply] = []
    left: dict[str, list[Request]] = {}
    metrics: dict[str, list[Reply]] = {}
    if others:  # first: what is wrong with them is then said before any of ours is written
        reply = yield from Forward({**request, "RequestItems": others})
        sent.append(reply)
        left |= reply.get("UnprocessedItems", {})
        metrics |= reply.get("ItemCollectionMetrics") or {}
    for entry in entries:
        operation, given = single(entry)
        one: Request = {**given, "TableName": name, **accounting_asked(request)}
        try:
            reply = yield from write_one(pair, row, operation, one)
        except (ServiceRejected, MappingError) as error:
            if isinstance(error, MappingError) or not is_passing(error):
                raise after_a_part(error) if sent else error from None
            left.setdefault(name, []).append(entry)
        else:
            sent.append(reply)
            if "ItemCollectionMetrics" in reply:
                metrics.setdefault(name, []).append(reply["ItemCollectionMetrics"])
    answer: Reply = {"UnprocessedItems": left, **consumed_by_table(pair, sent, name)}
    if name in metrics:
        metrics[name] = one_a_collection(metrics[name])
    return {**answer, "ItemCollectionMetrics": metrics} if metrics else answer


def after_a_part(error: ServiceRejected | MappingError) -> UnknownOutcome:
    """A refusal says that nothing was written; of a batch that is written in part nobody can say that."""
    return UnknownOutcome(f"refused after a part of the batch was written: {error}")


def write_one(pair: Pair, row: Row, operation: WriteName, request: Request) -> Routine[Reply]:
    key = checked_key(pair, request)
    if row.may_write_both(deletes=operation == "DeleteItem"):
        return (yield from write_evaluated(pair, row, operation, request, key, both=True))
    return (yield from translate_request(pair, row, operation, request, key, by_ourselves=True))


def check_whole_keys(pair: Pair, row: Row, keys: Sequence[Item]) -> Routine[None]:
    """No entry stands under a key of another item, where both tables' keys are needed to tell an item. Raises
    MappingError."""
    sides: tuple[Side, ...] = ("target", "source") if row.may_write_both(deletes=True) else (row.authority,)
    for side in sides:
        held = yield from look_under(pair, side, [pair.key(side, key) for key in keys], [], {})
        for stored, key in zip(held, keys, strict=True):
            pair.check_whole_key(side, stored, key)
