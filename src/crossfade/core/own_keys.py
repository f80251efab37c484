"""Keys that carry the attributes of both tables, as applications give them that write to both: each side takes its own.

Where the caller's own request goes out as it is, to the caller's own table, that table takes no attribute more.
"""

from __future__ import annotations

from typing import Any, cast

from crossfade.core.effects import Call, Effect, Forward, Reply, Request, Routine, relayed
from crossfade.core.items import Item
from crossfade.core.pair import Pair
from crossfade.core.requests import is_of_both, plain_name


def with_own_keys(pair: Pair, operation: str, request: Request) -> Request:
    """The request with the caller's table's own key attributes alone; the request itself where it has no others."""
    if pair.source.key_names == pair.target.key_names:
        return request
    changed = _of_table(pair, operation, request)
    return request if changed is None else changed


def _of_table(pair: Pair, operation: str, request: Request) -> Request | None:
    if operation in ("BatchGetItem", "BatchWriteItem"):
        entries: dict[str, Any] = dict(request["RequestItems"])
        for name, given in entries.items():
            if plain_name(name) == pair.caller.name:
                entries[name] = _keys_of_batch(pair, given)
        return {**request, "RequestItems": entries} if entries != request["RequestItems"] else None
    if operation in ("TransactGetItems", "TransactWriteItems"):
        items = [{kind: _named(pair, given) for kind, given in action.items()} for action in request["TransactItems"]]
        return {**request, "TransactItems": items} if items != request["TransactItems"] else None
    changed = _named(pair, request)
    return None if changed is request else changed


def _named(pair: Pair, request: Request) -> Request:
    key = request.get("Key")
    if not key or not is_of_both(pair, key) or plain_name(request.get("TableName", "")) != pair.caller.name:
        return request
    return {**request, "Key": {name: key[name] for name in pair.caller.key_names}}


def _keys_of_batch(pair: Pair, given: Any) -> Any:
    """What is malformed stays as it is, for the service to refuse."""
    name = pair.caller.name
    if isinstance(given, list):
        return [_own_delete(pair, entry) for entry in cast("list[Request]", given)]
    if "Keys" not in given:
        return given
    keys: list[Item] = given["Keys"]
    return {**given, "Keys": [_named(pair, {"TableName": name, "Key": key})["Key"] for key in keys]}


def _own_delete(pair: Pair, entry: Request) -> Request:
    given: Request = entry.get("DeleteRequest") or {}
    own = _named(pair, {"TableName": pair.caller.name, **given})
    return {**entry, "DeleteRequest": {**given, "Key": own["Key"]}} if "Key" in given else entry


def in_own_keys(routine: Routine[Reply] | None, given: Request, own: Request) -> Routine[Reply]:
    """The same routine; where the request goes out as it was given, it goes out with its own keys."""
    if routine is None:
        return (yield from Forward(own))

    def with_own(effect: Effect[Any]) -> Effect[Any]:
        if isinstance(effect, Forward) and effect.request is None:
            return Forward(own)
        if isinstance(effect, Call) and effect.request is given:  # once more
            return Call(effect.place, effect.operation, own)
        return effect

    return (yield from relayed(routine, with_own))


def makes_whole_key(pair: Pair, operation: str, request: Request) -> bool:
    """Whether this may make an item, which is to have the attributes of both keys, as it has in the other stages."""
    if not pair.mapping.kept:
        return False
    updates = [request] if operation == "UpdateItem" else []
    if operation == "TransactWriteItems":
        updates = [action["Update"] for action in request["TransactItems"] if "Update" in action]
    return any(
        plain_name(update.get("TableName", "")) == pair.caller.name and is_of_both(pair, update.get("Key", {}))
        for update in updates
    )
