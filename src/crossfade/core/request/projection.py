"""Select: what a Query or Scan shows of each item, and the combinations that DynamoDB refuses.

Without Select it is what the other parameters say: the paths of a projection, all that an index holds, or all there is.
A global index shows only what is projected into it; a local one fetches what it lacks from the table.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html#DDB-Query-request-Select
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.expressions import bind, projection
from crossfade.core.items import INVALID_VALUES, Item, ValidationError
from crossfade.errors import invalid_request

_SELECTS: Final = ("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")


@dataclass(frozen=True, slots=True)
class IndexView:
    """What an index holds of an item: its own key, the table's, and `attributes`; all if `attributes` is None."""

    name: str
    is_global: bool
    attributes: frozenset[str] | None

    def lacking(self, attributes: Iterable[str]) -> list[str]:
        """Return the attributes that the index does not hold, in the order given."""
        held = self.attributes
        return [] if held is None else [name for name in attributes if name not in held]


def selected(request: Request, index: IndexView | None = None) -> Callable[[Item], Item]:
    """What Select leaves of an item; a projection is applied by itself. `index`: that of IndexName, where what it holds
    is known. Raises as `check_select`."""
    check_select(request, index)
    if index is None or index.attributes is None or "ProjectionExpression" in request:
        return whole_image
    held = index.attributes
    if request.get("Select") == "ALL_ATTRIBUTES":  # of a local index: it fetches the rest
        return whole_image
    return lambda item: {name: value for name, value in item.items() if name in held}


def check_select(request: Request, index: IndexView | None = None) -> None:
    """ValidationError for a Select that does not go with the other parameters, or with what the index holds.

    DynamoDB looks at this after it has read every expression and understood the key condition.
    """
    select: str | None = request.get("Select")
    if select is not None:
        _check_combination(select, request)
    if select == "ALL_ATTRIBUTES" and index is not None and index.is_global and index.attributes is not None:
        raise ValidationError(
            f"{INVALID_VALUES}Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} "
            "because its projection type is not ALL"
        )


def check_shown(shown: Iterable[str], index: IndexView) -> None:
    """ValidationError if a projection shows attributes (top-level names) that a global index does not hold."""
    lacking = index.lacking(shown)
    if index.is_global and lacking:
        raise ValidationError(
            f"{INVALID_VALUES}Global secondary index {index.name} does not project [{', '.join(lacking)}]"
        )


def check_filter(filtered: Iterable[str], index: IndexView) -> None:
    """ValidationError if a Query's filter reads attributes that the index does not hold. A Scan's may."""
    lacking = index.lacking(filtered)
    if lacking:
        raise ValidationError(
            f"{INVALID_VALUES}Secondary index {index.name} does not project one or more filter attributes: "
            f"[{', '.join(lacking)}]"
        )


def _check_combination(select: str, request: Request) -> None:
    if select not in _SELECTS:
        raise ValidationError(
            f"1 validation error detected: Value '{select}' at 'select' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{', '.join(_SELECTS)}]"
        )
    chosen = next((name for name in ("AttributesToGet", "ProjectionExpression") if name in request), None)
    if select == "SPECIFIC_ATTRIBUTES":
        if chosen is None:
            raise ValidationError(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
            )
    elif chosen is not None:
        what = "only the Count" if select == "COUNT" else select
        raise ValidationError(f"Cannot specify the {chosen} when choosing to get {what}")
    elif select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in request:
        raise ValidationError("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")


PROJECTING = ("ProjectionExpression", "AttributesToGet")


def whole_image(image: Item) -> Item:
    return image


def projector_alone(request: Request) -> Callable[[Item], Item]:
    """What the projection of a request without another expression leaves of an item."""
    if "ExpressionAttributeNames" in request and "ProjectionExpression" not in request:
        raise invalid_request(NAMES_ALONE)
    bindings = bind(request.get("ExpressionAttributeNames"), None)
    text: str | None = request.get("ProjectionExpression")
    wanted = whole_image if text is None else projection(text, bindings).apply
    bindings.finish()
    return wanted


NAMES_ALONE: Final = "ExpressionAttributeNames can only be specified when using expressions"
