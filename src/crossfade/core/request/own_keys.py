"""Keys that carry the attributes of both tables, as applications give them that write to both: each side takes its own.

Where the caller's own request goes out as it is, to the caller's own table, that table takes no attribute more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from crossfade.core.effects import Call, Effect, Forward, Reply, Request, Routine, relayed
from crossfade.core.items import Item, same
from crossfade.core.mapping.values import show_key
from crossfade.core.request.keys import invalid_key, is_of_both
from crossfade.core.request.names import plain_name
from crossfade.core.tables.pair import Pair
from crossfade.errors import MappingError


def with_own_keys(pair: Pair, operation: str, request: Request) -> Request:
    """The request with the caller's table's own key attributes alone; the request itself where it has no others. Raises
    ServiceRejected where a key names one item for the source and another for the target."""
    if pair.source.key_names == pair.target.key_names:
        return request
    if operation in ("BatchGetItem", "BatchWriteItem"):
        entries: dict[str, Any] = dict(request["RequestItems"])
        for name, given in entries.items():
            if plain_name(name) == pair.caller.name:
                entries[name] = _keys_of_batch(pair, given)
        return {**request, "RequestItems": entries} if entries != request["RequestItems"] else request
    if operation in ("TransactGetItems", "TransactWriteItems"):
        items = [{kind: _named(pair, given) for kind, given in action.items()} for action in request["TransactItems"]]
        return {**request, "TransactItems": items} if items != request["TransactItems"] else request
    return _named(pair, request)


def _named(pair: Pair, request: Request) -> Request:
    key = request.get("Key")
    if not key or not is_of_both(pair, key) or plain_name(request.get("TableName", "")) != pair.caller.name:
        return request
    check_agreement(pair, key)
    return {**request, "Key": {name: key[name] for name in pair.caller.key_names}}


def check_agreement(pair: Pair, key: Item) -> None:
    """What is malformed in a key with the attributes of both tables is said elsewhere."""
    mapping = pair.mapping
    try:
        there = mapping.forward_key({name: key[name] for name in pair.whole_key_names("source")})
    except MappingError:
        return
    if all(same(value, key[name]) for name, value in there.items()):
        return
    try:
        _ = mapping.backward_key({name: key[name] for name in pair.whole_key_names("target")})
    except MappingError as error:
        raise invalid_key(error.message) from None
    raise invalid_key(f"{show_key(key)} is no key of one item: in {pair.target.name} it would have {show_key(there)}")


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
    """Run the routine, but send the given request with its table's own keys."""
    if routine is None:
        return (yield from Forward(own))

    def with_own(effect: Effect[Any]) -> Effect[Any]:
        if isinstance(effect, Forward) and effect.request is None:
            return Forward(own)
        if isinstance(effect, Call) and effect.request is given:  # once more
            return Call(effect.place, effect.operation, own)
        return effect

    return (yield from relayed(routine, with_own))


def needs_whole_key(pair: Pair, operation: str, request: Request) -> bool:
    """Whether a write of the caller's own table needs the attributes of both keys: an item that an update makes is to
    have them; and what else names an item by both is not about another that has one of them."""
    if not pair.mapping.source_key_extras:
        return False
    return any(
        plain_name(given.get("TableName", "")) == pair.caller.name and is_of_both(pair, given.get("Key") or {})
        for kind, given in _named_parts(operation, request)
        if kind == "Update" or pair.mapping.target_key_extras
    )


def _named_parts(operation: str, request: Request) -> Iterator[tuple[str, Request]]:
    """What may name an item by its key, each with its kind of action."""
    if operation == "BatchWriteItem":
        by_table: dict[str, list[Request]] = request["RequestItems"]
        for name, entries in by_table.items():
            for entry in entries or ():
                given: Request = (entry or {}).get("DeleteRequest") or {}
                yield "Delete", {"TableName": name, **given}
    elif operation == "TransactWriteItems":
        actions: list[dict[str, Request]] = request["TransactItems"]
        for action in actions:
            yield from action.items()
    else:
        yield operation.removesuffix("Item"), request
