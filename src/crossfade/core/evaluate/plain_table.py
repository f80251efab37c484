"""What one plain table would do with a PutItem, UpdateItem or DeleteItem: the new item, and the answer.

Used where the stored form differs from the caller's view, or where one write goes to two sides: the item is read, the
caller's own request is evaluated here over the image, and the result is written under an optimistic lock. A request is
read once (`prepare` raises what is wrong with it, whatever the item) and may be tried on several images (`on` raises
what does not fit the item).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from crossfade.core.effects import Reply, Request
from crossfade.core.expressions import Bindings, Condition, bind, condition, update
from crossfade.core.expressions.updates import ReturnMode
from crossfade.core.items import Item, validate_item
from crossfade.core.request.capacity import consumed, with_metrics
from crossfade.core.request.legacy import modern
from crossfade.core.request.names import uses_no_expression
from crossfade.core.request.projection import NAMES_ALONE
from crossfade.core.tables.pair import Image, Pair
from crossfade.errors import ServiceRejected, invalid_request

WriteName = Literal["PutItem", "UpdateItem", "DeleteItem"]
ActionName = Literal["PutItem", "UpdateItem", "DeleteItem", "ConditionCheck"]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`image`: what the table holds afterwards; `reply`: the answer, without its metadata; `shown`: the attributes
    whose former or new values the answer shows."""

    image: Image
    reply: Reply
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that has been read. `names`: the root attributes that its expressions name."""

    operation: ActionName
    request: Request
    names: frozenset[str]
    _condition: Condition | None
    _result: Callable[[Image], Evaluated]

    @property
    def shows_whole(self) -> bool:
        """Whether the answer is to show the item as a whole."""
        return self.request.get("ReturnValues", "NONE") in WHOLE_ITEM

    def on(self, before: Image) -> Evaluated:
        """Raises ServiceRejected as DynamoDB would: the conditional check, a wrong operand, an item that grew too
        large."""
        if self._condition is not None and not self._condition.holds(before):
            raise failed_check(self.request, before)
        return self._result(before)


def prepare(operation: ActionName, request: Request, key_names: Collection[str]) -> Prepared:
    """`request` has no legacy parameters any more (see `modern`); `key_names`: the caller's. Raises ServiceRejected for
    what DynamoDB refuses whatever the item."""
    check_form(operation, request)
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text: str | None = request.get("ConditionExpression")
    parsed = None if text is None else condition(text, bindings)
    result = result_of(operation, request, key_names, bindings)
    bindings.finish()
    return Prepared(operation, request, frozenset(bindings.attributes), parsed, result)


WHOLE_ITEM: Final = frozenset({"ALL_OLD", "ALL_NEW"})
RETURN_VALUES_OF: Final[dict[str, frozenset[str]]] = {
    "PutItem": frozenset({"NONE", "ALL_OLD"}),
    "DeleteItem": frozenset({"NONE", "ALL_OLD"}),
    "UpdateItem": frozenset({"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"}),
}
CHOICES: Final[dict[str, frozenset[str]]] = {
    "ReturnValuesOnConditionCheckFailure": frozenset({"NONE", "ALL_OLD"}),
    "ReturnConsumedCapacity": frozenset({"NONE", "TOTAL", "INDEXES"}),
}


def check_form(operation: ActionName, request: Request) -> None:
    """What no expression says. Raises ServiceRejected."""
    allowed = {**CHOICES, "ReturnValues": RETURN_VALUES_OF.get(operation, frozenset({"NONE"}))}
    for name, choices in allowed.items():
        if request.get(name, "NONE") not in choices:
            raise invalid_request(f"{name} cannot be {request[name]!r}")
    if operation == "ConditionCheck" and "ConditionExpression" not in request:
        raise invalid_request("a ConditionCheck needs a ConditionExpression")
    if request.get("UpdateExpression") == "":
        raise invalid_request("Invalid UpdateExpression: The expression can not be empty;")
    if uses_no_expression(request):
        if "ExpressionAttributeNames" in request:
            raise invalid_request(NAMES_ALONE)
        if "ExpressionAttributeValues" in request:
            which = "UpdateExpression and ConditionExpression are null"
            which = which if operation == "UpdateItem" else "ConditionExpression is null"
            raise invalid_request(f"{VALUES_ALONE}: {which}")


VALUES_ALONE: Final = "ExpressionAttributeValues can only be specified when using expressions"


def evaluate(operation: WriteName, request: Request, before: Image, key_names: Collection[str]) -> Evaluated:
    """Both steps at once, of a request that may have legacy parameters."""
    return prepare(operation, modern(operation, request), key_names).on(before)


def several(prepared: Sequence[Prepared]) -> Prepared:
    """Return what stands for several requests that have been evaluated one upon the other: an update of all that they
    name."""
    names = frozenset[str]().union(*(one.names for one in prepared))
    return Prepared("UpdateItem", {}, names, None, lambda before: Evaluated(before, {}, frozenset()))


def result_of(
    operation: ActionName, request: Request, key_names: Collection[str], bindings: Bindings
) -> Callable[[Image], Evaluated]:
    if operation == "UpdateItem":
        return updated(request, key_names, bindings)
    if operation == "ConditionCheck":
        return lambda before: Evaluated(before, {}, frozenset())
    item: Image = request["Item"] if operation == "PutItem" else None
    if item is not None:
        validate_item(item)
    shows_old = request.get("ReturnValues") == "ALL_OLD"
    return lambda before: Evaluated(item, as_reply(before if shows_old else None), shown_whole(request, before))


def updated(request: Request, key_names: Collection[str], bindings: Bindings) -> Callable[[Image], Evaluated]:
    mode: ReturnMode = request.get("ReturnValues", "NONE")
    text: str | None = request.get("UpdateExpression")
    parsed = None if text is None else update(text, bindings)
    key: Item = {name: request["Key"][name] for name in key_names}

    def result(before: Image) -> Evaluated:
        start = key if before is None else before
        if parsed is None:  # it makes the item, or changes nothing
            attributes = {"ALL_NEW": start, "ALL_OLD": before}.get(mode)
            return Evaluated(start, as_reply(attributes), shown_whole(request, before))
        applied = parsed.apply(start, key_names, existed=before is not None)
        validate_item(applied.new)
        attributes = parsed.returned(applied, mode)
        touched: frozenset[str] = parsed.attributes if mode != "NONE" else frozenset()
        shown = shown_whole(request, before) | touched
        after = None if before is None and parsed.only_removes else applied.new
        return Evaluated(after, as_reply(attributes), shown)

    return result


def shown_whole(request: Request, before: Image) -> frozenset[str]:
    """Every attribute, where the caller asked to see the whole item."""
    if before is None or request.get("ReturnValues", "NONE") not in WHOLE_ITEM:
        return frozenset()
    return frozenset(before)


def as_reply(attributes: Item | None) -> Reply:
    return {} if not attributes else {"Attributes": attributes}


def failed_check(request: Request, before: Image) -> ServiceRejected:
    text = "The conditional request failed"
    response: Reply = {"Error": {"Code": "ConditionalCheckFailedException", "Message": text}, "message": text}
    if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
        response["Item"] = before
    return ServiceRejected("ConditionalCheckFailedException", text, response)


def whole_answer(pair: Pair, request: Request, done: Evaluated, replies: Sequence[Reply]) -> Reply:
    """The answer to a write that took all these requests."""
    reply: Reply = {**done.reply, **consumed(pair, replies, request.get("TableName"))}
    metrics = [part["ItemCollectionMetrics"] for part in replies if part.get("ItemCollectionMetrics")]
    if metrics:
        reply["ItemCollectionMetrics"] = metrics[-1]
        return with_metrics(pair, reply, request.get("Item") or request["Key"])
    return reply
