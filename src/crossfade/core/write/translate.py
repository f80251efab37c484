"""The caller's own request on a table that is not the one it names, or that keeps a stamp with each item.

It may go out rekeyed where the server then evaluates its expressions as the caller's own table would have; the answer,
and an item that a refusal shows, are turned into the caller's terms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine, Stamp
from crossfade.core.evaluate.plain_table import WHOLE_ITEM, ActionName, WriteName, as_reply, check_form
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.request.cancellation import cancellation, reason_at, reasons_of
from crossfade.core.request.capacity import consumed, with_metrics
from crossfade.core.request.limits import is_allowed, size_explained
from crossfade.core.request.stamp_names import names_stamp
from crossfade.core.stages import Fallback, Row, Side
from crossfade.core.sync.retry import calmly
from crossfade.core.sync.source_fallback import look_later
from crossfade.core.tables.guards import with_guard
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected

EXISTENCE: Final = re.compile(r"attribute_(?:not_)?exists\s*\(\s*([#\w]+)\s*\)")
NAME: Final = re.compile(r"[#\w]+")
# Clauses are reserved words, so that as bare words they are nothing else.
MAKES_ITEMS: Final = re.compile(r"(?<![#:\w.])(?:SET|ADD)\b", re.IGNORECASE)


def server_evaluates(pair: Pair, side: Side, operation: str, request: Request) -> bool:
    """Whether the caller's expressions mean the same on the item that `side` holds: there are none; or it holds what
    the caller sees; or only keys differ and nothing looks at the value of a key (whether it exists is the same on both
    sides, where its name is). When in doubt, no."""
    if operation != "UpdateItem" and "ConditionExpression" not in request:
        return True
    if side != pair.view and not pair.mapping.keys_only:
        return False
    if operation == "UpdateItem" and len(pair.whole_key_names(side)) > len(pair.table(side).key_names):
        return False  # an item that it makes has the whole key
    if names_stamp(request) and (side != pair.view or pair.stamps(side)):
        return False  # an earlier migration's stamp, or what it believes of one: ours is another
    change: str = request.get("UpdateExpression", "")
    if change and pair.stamps(side) and not (MAKES_ITEMS.search(change) and is_allowed(with_stamp(change))):
        return False  # of an absent item it makes none, and with the stamp's SET it would; or there is no room for that
    asked: str = request.get("ConditionExpression", "")
    if pair.mapping.target_key_extras and not is_allowed(f"{asked}{' ' * GUARD_BYTES}"):
        return False  # nor for what is asked about the key
    if side == pair.view:
        return True
    names: dict[str, str] = request.get("ExpressionAttributeNames", {})
    keys = {*pair.source.key_names, *pair.target.key_names}
    kept = set(pair.source.key_names) & set(pair.target.key_names)
    for path in EXISTENCE.findall(asked):
        if names.get(path, path) in kept:
            asked = asked.replace(path, "", 1)
    words = NAME.findall(f"{asked} {change}")
    return not any(names.get(word, word) in keys for word in words)


GUARD_BYTES: Final = 200  # more than Pair.own_guard takes: two attributes at most, by their placeholders


def translate_request(
    pair: Pair, row: Row, operation: WriteName, request: Request, key: Item, *, by_ourselves: bool = False
) -> Routine[Reply]:
    """The caller's own call (or, `by_ourselves`, one of ours) with the authority's table and key, and a fresh stamp on
    the target; answered in its terms. Where the stage looks behind an absence, it is told by the answer (see
    `telling`)."""
    side, looks = row.authority, row.fallback is Fallback.LOOKED_UP
    check_form(operation, request)
    moved = yield from translate_action(pair, side, operation, request, key)
    if looks:
        moved = telling(operation, moved)
    moved = looked_at(pair, side, moved, key)
    try:
        own = Call(side, operation, moved)
        reply = yield from calmly(own if by_ourselves else Forward(moved), own)
    except ServiceRejected as error:
        pair.check_whole_key(side, pair.stored(side, error.response.get("Item")), key)
        if looks and error.code == "ConditionalCheckFailedException" and "Item" not in error.response:
            yield from look_later(pair, row, [key], written=True)
        if pair.stamps(side):
            error = size_explained(error, pair.table(side).name, request.get("Item"))
        raise error_restored(pair, side, as_asked(request, error)) from None
    if looks:
        if moved.get(RETURN_VALUES) in OLD and "Attributes" not in reply:  # it found no item
            yield from look_later(pair, row, [key], written=True)
        reply = answer_as_asked(request, reply)
    return reply_in_callers_terms(pair, side, request, reply)


def translate_action(pair: Pair, side: Side, operation: ActionName, request: Request, key: Item) -> Routine[Request]:
    """Return the write for `side`'s table, as a request or as an action of a transaction."""
    moved: Request = {**request, "TableName": pair.table(side).name}
    if operation == "PutItem":
        moved["Item"] = yield from pair.stored_form(side, request["Item"])
    else:
        moved["Key"] = pair.key(side, key)
    if operation == "UpdateItem" and pair.stamps(side):
        stamp = yield from Stamp()
        moved = stamped_update(moved, stamp)
    return moved


def looked_at(pair: Pair, side: Side, moved: Request, key: Item) -> Request:
    """Return the write, carried out only on the item that the request names by its whole key; what stands in
    its way is told then. Nothing is added where the key of one table leads to that of the other."""
    guard = pair.own_guard(side, key)
    return moved if guard is None else {**with_guard(moved, guard), RETURN_VALUES_ON_FAILURE: "ALL_OLD"}


SET_CLAUSE: Final = re.compile(r"(?<![#:\w.])SET\b", re.IGNORECASE)
ASSIGNMENT: Final = "#xf_stamp = :xf_stamp"


@lru_cache(1_000)  # a program has few: what varies is in the values
def with_stamp(update: str) -> str:
    if SET_CLAUSE.search(update):
        return SET_CLAUSE.sub(f"SET {ASSIGNMENT},", update, count=1)
    return f"{update} SET {ASSIGNMENT}".strip()


def stamped_update(request: Request, stamp: str) -> Request:
    return {
        **request,
        "UpdateExpression": with_stamp(request.get("UpdateExpression", "")),
        "ExpressionAttributeNames": {**request.get("ExpressionAttributeNames", {}), "#xf_stamp": STAMP},
        "ExpressionAttributeValues": {**request.get("ExpressionAttributeValues", {}), ":xf_stamp": {"S": stamp}},
    }


def reply_in_callers_terms(pair: Pair, side: Side, request: Request, reply: Reply) -> Reply:
    """The answer of `side` in the caller's terms: whole items mapped, the stamp never shown."""
    if side != pair.view:
        reply = {**reply, **consumed(pair, [reply], request.get("TableName"))}
        reply = with_metrics(pair, reply, request.get("Item") or request["Key"])
    attributes: Item | None = reply.get("Attributes")
    if attributes is None or (side == pair.view and STAMP not in attributes):
        return reply
    rest = {name: value for name, value in reply.items() if name != "Attributes"}
    stored = pair.stored(side, attributes)
    if side != pair.view and request.get("ReturnValues") in WHOLE_ITEM:
        return {**rest, "Attributes": pair.image(side, stored)}
    return {**rest, **as_reply(stored.item)}


def error_restored(pair: Pair, side: Side, error: ServiceRejected) -> ServiceRejected:
    """A refusal, with the item that it shows as the caller would see it."""
    item: Item | None = error.response.get("Item")
    if side != pair.view:
        error = index_error_of(pair, error)
    if item is None or (side == pair.view and STAMP not in item):
        return error
    shown = pair.image(side, pair.stored(side, item))
    return ServiceRejected(error.code, error.text, {**error.response, "Item": shown})


def index_error_of(pair: Pair, error: ServiceRejected) -> ServiceRejected:
    """Return the error with the caller's name of an index that it is about."""
    return error.with_text(index_error_restored(pair, error.text)) if error.code == "ValidationException" else error


def index_errors_of(pair: Pair, error: ServiceRejected, places: Iterable[int]) -> ServiceRejected:
    """The refusal of a transaction, naming the caller's indexes: `places` are those of its actions on our tables."""
    reasons = list(reasons_of(error))
    for place in places:
        text: str | None = reason_at(reasons, place).get("Message")
        if text is not None:
            reasons[place] = {**reasons[place], "Message": index_error_restored(pair, text)}
    return index_error_of(pair, error) if reasons == reasons_of(error) else cancellation(reasons)


def index_error_restored(pair: Pair, text: str) -> str:
    """A message about an index, which with its key attribute may have another name in the caller's table."""
    for told in ABOUT_INDEX:
        if (found := told.search(text)) is not None:
            index = pair.callers_index_name(found["index"])
            attribute = pair.name_across(pair.view, found["key"]) or found["key"]
            names = {found.span("index"): index, found.span("key"): attribute}
            for (start, end), name in sorted(names.items(), reverse=True):
                text = f"{text[:start]}{name}{text[end:]}"
            return text
    return text


ABOUT_INDEX: Final = (
    re.compile(r"IndexName: (?P<index>\S+), IndexKey: (?P<key>\S+)"),
    re.compile(r"Index Key (?P<key>\S+) Expected: .* IndexName: (?P<index>\S+)"),
)
RETURN_VALUES = "ReturnValues"
RETURN_VALUES_ON_FAILURE = "ReturnValuesOnConditionCheckFailure"
OLD = ("ALL_OLD", "UPDATED_OLD")


def telling(operation: str, request: Request) -> Request:
    """Return the write, made to tell in its answer whether there was an item."""
    told = dict(request)
    if "ConditionExpression" in request:
        told[RETURN_VALUES_ON_FAILURE] = "ALL_OLD"
    decided = operation == "UpdateItem" or "ConditionExpression" in request
    if decided and request.get(RETURN_VALUES, "NONE") == "NONE":
        told[RETURN_VALUES] = "ALL_OLD"
    return told


def answer_as_asked(request: Request, reply: Reply) -> Reply:
    """Return the reply without the old item, where only we asked for it."""
    if request.get(RETURN_VALUES, "NONE") != "NONE" or "Attributes" not in reply:
        return reply
    return {name: value for name, value in reply.items() if name != "Attributes"}


def as_asked(request: Request, error: ServiceRejected) -> ServiceRejected:
    """Return the error without the old item, where only we asked for it."""
    if request.get(RETURN_VALUES_ON_FAILURE, "NONE") != "NONE" or "Item" not in error.response:
        return error
    return ServiceRejected(
        error.code, error.text, {name: value for name, value in error.response.items() if name != "Item"}
    )
