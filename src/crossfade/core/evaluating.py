"""What one plain table would do with a PutItem, UpdateItem or DeleteItem: the new item, and the answer.

Used where the stored form differs from the caller's view, or where one write goes to two sides: the item is read, the
caller's own request is evaluated here over the image, and the result is written under an optimistic lock.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

from crossfade.core.effects import Reply, Request
from crossfade.core.expressions import bind, condition, update
from crossfade.core.expressions.updates import ReturnMode
from crossfade.core.items import Item, validate_item
from crossfade.core.pair import Image
from crossfade.errors import Refused, Rejected

WriteName = Literal["PutItem", "UpdateItem", "DeleteItem"]

# The parameters that expressions replaced in 2014; only a plain call carries them.
LEGACY: Final = (
    "Expected",
    "ConditionalOperator",
    "AttributeUpdates",
    "AttributesToGet",
    "KeyConditions",
    "QueryFilter",
)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`image`: what the table holds afterwards; `reply`: the answer, without its metadata; `shown`: the attributes
    whose former or new values the answer shows."""

    image: Image
    reply: Reply
    shown: frozenset[str]


def evaluate(operation: WriteName, request: Request, before: Image, key_names: Collection[str]) -> Evaluated:
    """Raises Rejected exactly as DynamoDB would (the conditional check, a malformed expression, a wrong operand)."""
    refuse_legacy(request)
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text: str | None = request.get("ConditionExpression")
    parsed = None if text is None else condition(text, bindings)
    result = EVALUATORS[operation](request, before, key_names, bindings)
    bindings.finish()
    if parsed is not None and not parsed.holds(before):
        raise failed_check(request, before)
    return result()


def put(request: Request, before: Image, _key_names: Collection[str], _bindings: Any) -> Callable[[], Evaluated]:
    item: Item = request["Item"]

    def result() -> Evaluated:
        validate_item(item)
        return Evaluated(item, returned_old(request, before), shown_whole(request, before))

    return result


def delete(request: Request, before: Image, _key_names: Collection[str], _bindings: Any) -> Callable[[], Evaluated]:
    return lambda: Evaluated(None, returned_old(request, before), shown_whole(request, before))


def change(request: Request, before: Image, key_names: Collection[str], bindings: Any) -> Callable[[], Evaluated]:
    mode: ReturnMode = request.get("ReturnValues", "NONE")
    text: str | None = request.get("UpdateExpression")
    parsed = None if text is None else update(text, bindings)

    def result() -> Evaluated:
        start: Item = request["Key"] if before is None else before
        if parsed is None:
            attributes = returned_unchanged(mode, before, start)
            return Evaluated(start, as_reply(attributes), shown_whole(request, before))
        applied = parsed.apply(start, key_names, existed=before is not None)
        validate_item(applied.new)
        attributes = parsed.returned(applied, mode)
        touched: frozenset[str] = parsed.attributes if mode != "NONE" else frozenset()
        shown = shown_whole(request, before) | touched
        after = None if before is None and parsed.only_removes else applied.new
        return Evaluated(after, as_reply(attributes), shown)

    return result


EVALUATORS: Final[dict[str, Callable[..., Callable[[], Evaluated]]]] = {
    "PutItem": put,
    "UpdateItem": change,
    "DeleteItem": delete,
}


def returned_old(request: Request, before: Image) -> Reply:
    return as_reply(before if request.get("ReturnValues", "NONE") == "ALL_OLD" else None)


def returned_unchanged(mode: str, before: Image, start: Item) -> Image:
    """An UpdateItem without an expression: it creates the item, or changes nothing."""
    return {"ALL_NEW": start, "ALL_OLD": before}.get(mode)


def shown_whole(request: Request, before: Image) -> frozenset[str]:
    """Every attribute, where the caller asked to see the whole item."""
    if before is None or request.get("ReturnValues", "NONE") not in ("ALL_OLD", "ALL_NEW"):
        return frozenset()
    return frozenset(before)


def as_reply(attributes: Item | None) -> Reply:
    return {} if not attributes else {"Attributes": attributes}


def failed_check(request: Request, before: Image) -> Rejected:
    text = "The conditional request failed"
    response: Reply = {
        "Error": {"Code": "ConditionalCheckFailedException", "Message": text},
        "message": text,
    }
    if request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and before is not None:
        response["Item"] = before
    return Rejected("ConditionalCheckFailedException", text, response)


def refuse_legacy(request: Request) -> None:
    """Legacy parameters are carried by plain calls only."""
    found = [name for name in LEGACY if name in request]
    if found:
        raise Refused(
            f"{', '.join(found)}: these parameters cannot be carried out on two tables; nothing was written",
            next_step="write the request with an expression (ConditionExpression, UpdateExpression, ...)",
        )
