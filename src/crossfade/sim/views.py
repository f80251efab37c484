"""An application that is written for the target already: what it asks and is told, from the other form and back.

What is asked of a client is in the source's form, since one item has one history. Where the target holds another form
of an attribute, not everything can be said of it: a number that is a text there cannot be added to.
"""

from __future__ import annotations

from typing import Any, Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.pages.seals import PAGED
from crossfade.core.tables.pair import Pair, key_name
from crossfade.errors import ServiceRejected
from crossfade.sim.model import ActionName
from crossfade.sim.own_keys import BY_OLD_KEY, with_own_key, without_own_key

OF_ANOTHER_FORM: Final[frozenset[ActionName]] = frozenset({"append", "append_if", "add", "label", "mark", "unmark"})


def can_ask(pair: Pair, name: ActionName) -> bool:
    return pair.view == "source" or has_same_form(pair) or name not in OF_ANOTHER_FORM


def has_same_form(pair: Pair) -> bool:
    """Whether the target has the same attributes beside the key."""
    return pair.name_across("target", "n") == "n"


def asked(pair: Pair, operation: str, request: Request) -> Request:
    """Return the request as one of the target; a page is asked for in its terms already."""
    if operation in PAGED:
        return request
    name = pair.target.name
    if operation.startswith("Transact"):
        actions = [{kind: of_target(pair, one) for kind, one in entry.items()} for entry in request["TransactItems"]]
        return {**request, "TransactItems": actions}
    if operation == "BatchGetItem":
        wanted: Request = request["RequestItems"][pair.source.name]
        keys = [whole_key(pair, key) for key in wanted["Keys"]]
        return {**request, "RequestItems": {name: {**wanted, "Keys": keys}}}
    if operation == "BatchWriteItem":
        entries: list[Request] = request["RequestItems"][pair.source.name]
        return {**request, "RequestItems": {name: [entry_there(pair, entry) for entry in entries]}}
    return of_target(pair, request)


def of_target(pair: Pair, request: Request) -> Request:
    there: Request = {**request, "TableName": pair.target.name}
    if "Key" in request:
        there["Key"] = whole_key(pair, request["Key"])
    if "Item" in request:
        there["Item"] = forward(pair, request["Item"])
    if "ConditionExpression" in request:
        there["ConditionExpression"] = request["ConditionExpression"].replace("(pk)", f"({pair.target.partition_key})")
    if "#log" in request.get("ExpressionAttributeNames", {}):
        there["ExpressionAttributeNames"] = {"#log": pair.name_across("target", "log")}
    values: Item = request.get("ExpressionAttributeValues", {})
    if ":seen" in values and not has_same_form(pair):
        there["ExpressionAttributeValues"] = {":seen": {"S": values[":seen"]["N"]}}
    return there


def whole_key(pair: Pair, key: Item) -> Item:
    """Return what is given of both tables' keys."""
    return pair.callers_whole_key(with_own_key(pair.mapping, key))


def forward(pair: Pair, item: Item) -> Item:
    return pair.mapping.forward(with_own_key(pair.mapping, item))


def backward(pair: Pair, item: Item) -> Item:
    return without_own_key(pair.mapping, pair.mapping.backward(item))


def entry_there(pair: Pair, entry: Request) -> Request:
    if "DeleteRequest" in entry:
        return {"DeleteRequest": {"Key": whole_key(pair, entry["DeleteRequest"]["Key"])}}
    return {"PutRequest": {"Item": forward(pair, entry["PutRequest"]["Item"])}}


def told(pair: Pair, request: Request, reply: Reply) -> Reply:
    """Return the answer as the source's."""
    here = seen(pair, reply)
    if "Items" in here and request.get("IndexName", BY_OLD_KEY) == BY_OLD_KEY:
        here["Items"] = [backward(pair, item) for item in here["Items"]]
    for name in ("Responses", "UnprocessedKeys", "UnprocessedItems"):
        of: list[Reply] | dict[str, Any] = here.get(name) or {}
        if isinstance(of, list):
            here[name] = [seen(pair, one) for one in of]
        elif of:
            here[name] = {pair.source.name: entries_here(pair, request, of[pair.target.name])}
    return here


def seen(pair: Pair, answer: Reply) -> Reply:
    """One with the item, or the attributes, that it shows; parts of an item are the same on both sides."""
    here = dict(answer)
    for name in ("Item", "Attributes"):
        item: Item | None = here.get(name)
        if item is not None and item.keys() >= set(pair.target.key_names):
            here[name] = backward(pair, item)
    return here


def entries_here(pair: Pair, request: Request, of: list[Reply] | dict[str, list[Item]]) -> list[Any] | Request:
    """The items of a batch; or what was left undone of it, told by the target's own key."""
    if isinstance(of, list) and not any("PutRequest" in one or "DeleteRequest" in one for one in of):
        return [backward(pair, item) for item in of]
    given: Any = request["RequestItems"][pair.source.name]
    left = {own_key(pair, entry) for entry in (of["Keys"] if isinstance(of, dict) else of)}
    if isinstance(of, dict):
        return {
            "Keys": [
                key
                for key in given["Keys"]
                if own_key(pair, pair.mapping.forward_key(with_own_key(pair.mapping, key))) in left
            ]
        }
    return [entry for entry in given if own_key(pair, entry_there(pair, entry)) in left]


def own_key(pair: Pair, entry: Any) -> str:
    """Name the key of a key, a put or a delete in the target."""
    item: Item = entry
    if "PutRequest" in entry:
        item = entry["PutRequest"]["Item"]
    elif "DeleteRequest" in entry:
        item = entry["DeleteRequest"]["Key"]
    return key_name({name: item[name] for name in pair.target.key_names})


def refused(pair: Pair, error: ServiceRejected) -> ServiceRejected:
    """Return the error as the source's."""
    response = seen(pair, dict(error.response))
    reasons: list[Reply] = response.get("CancellationReasons", [])
    if reasons:
        response["CancellationReasons"] = [seen(pair, reason) for reason in reasons]
    return ServiceRejected(error.code, error.text, response)
