"""For an application that reads and writes a table which a row log has filled: it sees neither tombstones nor versions.

    hide_versions(client, "shop")

A tombstone (see `applying`) is an item to DynamoDB, and no item to the application. So a read leaves it out, a
condition holds or not as it would where nothing is, and an update of it begins with nothing. What the application
writes carries no version any more: it is for stages in which the log is not applied, as `live` is.

An index of the table's own key attributes must project `_crossfade`, or its tombstones cannot be told from items.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, cast

from crossfade.core.effects import Reply, Request
from crossfade.core.expressions.bindings import bind
from crossfade.core.expressions.conditions import condition, parsed_condition
from crossfade.core.expressions.projections import parsed_projection
from crossfade.core.expressions.updates import parsed_update
from crossfade.core.items import Item, ValidationError
from crossfade.core.mapping import STAMP
from crossfade.core.request.legacy.modern import modern
from crossfade.core.request.names import PARTIQL, READS, WRITES, names_any, plain_name
from crossfade.core.request.placeholders import avoid_placeholder_clash
from crossfade.errors import NotPossibleInStage, ServiceRejected

NAMES: Final = {"#xfs": STAMP, "#xfd": "deleted"}
IS_THERE: Final = "attribute_not_exists(#xfs.#xfd)"
IS_GONE: Final = "attribute_exists(#xfs.#xfd)"
PENDING: Final = "crossfade:hiding"  # in a call's context: the caller's request
REMOVE_CLAUSE: Final = re.compile(r"(?<![#:\w.])REMOVE\b", re.IGNORECASE)


def hide_versions(client: Any, table: str) -> Callable[[], None]:
    """Make the client show only the application's items of the table. Returns what undoes it.

    The client is one of boto3, botocore or aiobotocore; that of a resource is `resource.meta.client`.
    """
    tables = frozenset({table})

    def asked(params: Any, model: Any, context: Any, **_: Any) -> None:
        if model.name in READS | WRITES and names_any(model.name, params, tables):
            given = dict(params)
            wanted = request_sent(model.name, given, tables)
            params.clear()
            params.update(wanted)
            context[PENDING] = given

    def answered(parsed: Any, model: Any, context: Any, **_: Any) -> None:
        if context is not None and PENDING in context:
            shown = reply_shown(model.name, context[PENDING], parsed, tables)
            parsed.clear()
            parsed.update(shown)

    events = client.meta.events
    handlers: list[tuple[Callable[..., None], str, Callable[..., None]]] = [
        # Last, and of the service: the parameters of a resource are attribute values by then.
        (events.register_last, "before-parameter-build.dynamodb", asked),
        (events.register_first, "after-call.dynamodb", answered),
    ]
    for register, event, handler in handlers:
        register(event, handler, unique_id=f"crossfade-hiding:{event}:{table}")

    def undo() -> None:
        for _, event, handler in handlers:
            events.unregister(event, handler, unique_id=f"crossfade-hiding:{event}:{table}")

    return undo


# --- what is sent


def request_sent(operation: str, request: Request, tables: frozenset[str]) -> Request:
    """The request that has, of a table with tombstones, the outcome that this one has of a table without. One that
    DynamoDB is going to refuse goes out as it is. Raises NotPossibleInStage for PartiQL."""
    if operation in PARTIQL:
        raise NotPossibleInStage(
            f"{operation}: a statement about {', '.join(tables)} would see what was deleted there",
            next_step="use the operations on items (GetItem, Query, ...), or purge the tombstones first:"
            " crossfade cleanup",
        )
    try:
        return _rewritten(operation, avoid_placeholder_clash(request).request, tables)
    except (ValidationError, ServiceRejected):
        return request


def _rewritten(operation: str, request: Request, tables: frozenset[str]) -> Request:
    match operation:
        case "BatchGetItem":
            asked = {
                name: _read(modern(operation, part)) if plain_name(name) in tables else part
                for name, part in request["RequestItems"].items()
            }
            return {**request, "RequestItems": asked}
        case "TransactGetItems" | "TransactWriteItems":
            return {**request, "TransactItems": [_action(entry, tables) for entry in request["TransactItems"]]}
        case "GetItem":
            return _read(modern(operation, request))
        case "Query" | "Scan":
            return _filtered(modern(operation, request))
        case _:
            return _written(operation == "UpdateItem", modern(operation, request))


def _action(entry: Request, tables: frozenset[str]) -> Request:
    ((kind, part),) = entry.items()
    if plain_name(part["TableName"]) not in tables:
        return entry
    return {kind: _read(part) if kind == "Get" else _written(kind == "Update", part)}


def _read(part: Request) -> Request:
    """What tells a tombstone is read as well."""
    text = part.get("ProjectionExpression")
    if text is None:
        return part
    _ = parsed_projection(text)
    return _named({**part, "ProjectionExpression": f"{text}, #xfs"}, "#xfs")


def _filtered(part: Request) -> Request:
    text = part.get("FilterExpression")
    if text is not None:
        _ = parsed_condition("FilterExpression", text)
    wanted = IS_THERE if text is None else f"({text}) AND {IS_THERE}"
    return _named({**part, "FilterExpression": wanted}, "#xfs", "#xfd")


def _written(updates: bool, part: Request) -> Request:
    """What it is conditional on holds of a tombstone as of no item; what is updated carries no version any more."""
    found = dict(part)
    text = part.get("ConditionExpression")
    if text is not None:
        bindings = bind(part.get("ExpressionAttributeNames"), part.get("ExpressionAttributeValues"))
        of_nothing = condition(text, bindings).holds(None)
        found["ConditionExpression"] = f"{IS_GONE} OR ({text})" if of_nothing else f"{IS_THERE} AND ({text})"
        found = _named(found, "#xfs", "#xfd")
    if updates:
        found = _named({**found, "UpdateExpression": _removing(part.get("UpdateExpression"))}, "#xfs")
    return found


def _removing(update: str | None) -> str:
    """An update expression that removes the version, too."""
    if update is None:
        return "REMOVE #xfs"
    _ = parsed_update(update)
    if REMOVE_CLAUSE.search(update):
        return REMOVE_CLAUSE.sub("REMOVE #xfs,", update, count=1)
    return f"{update} REMOVE #xfs"


def _named(part: Request, *placeholders: str) -> Request:
    given: dict[str, str] = part.get("ExpressionAttributeNames") or {}
    names = {**given, **{name: NAMES[name] for name in placeholders}}
    return {**part, "ExpressionAttributeNames": names}


# --- what is shown


def reply_shown(operation: str, request: Request, reply: Reply, tables: frozenset[str]) -> Reply:
    """The answer, or the error in its place, as a table without tombstones and versions gives it."""
    shown: Reply = dict(reply)
    match operation:
        case "BatchGetItem":
            answers = cast("dict[str, list[Item]]", reply.get("Responses", {}))
            shown["Responses"] = {
                name: _all_shown(items) if plain_name(name) in tables else items for name, items in answers.items()
            }
            _restore_unprocessed(shown, request)
        case "TransactGetItems":
            shown["Responses"] = [
                _entry_shown(answer) if plain_name(entry["Get"]["TableName"]) in tables else answer
                for entry, answer in zip(request["TransactItems"], reply.get("Responses", ()), strict=False)
            ]
        case "TransactWriteItems":
            if reasons := reply.get("CancellationReasons"):
                entries = [next(iter(entry.values())) for entry in request["TransactItems"]]
                shown["CancellationReasons"] = [
                    _entry_shown(reason) if plain_name(entry["TableName"]) in tables else reason
                    for entry, reason in zip(entries, reasons, strict=False)
                ]
        case _:
            shown = _entry_shown(shown)
            if "Items" in shown:
                shown["Items"] = _all_shown(shown["Items"])
    if "Error" in reply:
        return {name: value for name, value in shown.items() if name in reply}
    return shown


def _restore_unprocessed(shown: Reply, request: Request) -> None:
    """What is left of a batch is asked again by the caller, in the caller's terms."""
    asked = request["RequestItems"]
    left: dict[str, Any] = shown.get("UnprocessedKeys") or {}
    shown["UnprocessedKeys"] = {name: {**asked.get(name, part), "Keys": part["Keys"]} for name, part in left.items()}


def _entry_shown(entry: Reply) -> Reply:
    """Return an entry without its version: `Item` of a read or an error, `Attributes` of a write."""
    shown = dict(entry)
    for member in ("Item", "Attributes"):
        item: Item | None = entry.get(member)
        if item is None or STAMP not in item:
            continue
        rest = {name: value for name, value in item.items() if name != STAMP}
        if _is_tombstone(item) or (member == "Attributes" and not rest):
            del shown[member]
        else:
            shown[member] = rest
    return shown


def _all_shown(items: list[Item]) -> list[Item]:
    return [{n: v for n, v in item.items() if n != STAMP} for item in items if not _is_tombstone(item)]


def _is_tombstone(item: Item) -> bool:
    stamp: Any = item.get(STAMP, {})
    return "deleted" in stamp.get("M", {})
