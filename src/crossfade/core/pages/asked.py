"""What a Query or a Scan asks for, apart from its paging; and how the same is asked of either side.

Filters and projections are evaluated over the image, because what a filter drops still counts towards the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.expressions import Condition, KeyCondition, bind, condition, key_condition, projection
from crossfade.core.items import AttributeValue, Item
from crossfade.core.key_names import KeyNames
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.projection import IndexView, check_filter, check_shown, selected
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import invalid_request

PAGING: Final = ("Limit", "ConsistentRead", "ScanIndexForward", "Segment", "TotalSegments")


@dataclass(frozen=True, slots=True)
class Asked:
    """A Query's or Scan's meaning, apart from its paging. `where` is None for a Scan."""

    where: KeyCondition | None
    kept: Condition | None  # the filter
    project: Callable[[Item], Item]
    needed: frozenset[str] | None  # what it reads and shows of an item; None: all
    held: frozenset[str] | None  # what the caller's own index holds of an item; None: all

    @property
    def of_query(self) -> KeyCondition:
        """The key condition, which every Query has."""
        if self.where is None:
            raise AssertionError("a Query has a key condition")
        return self.where

    def entry(self, image: Item) -> Item:
        """What the caller's own table or index holds of an item."""
        return image if self.held is None else {name: value for name, value in image.items() if name in self.held}

    def keeps(self, image: Item) -> bool:
        return self.kept is None or self.kept.holds(self.entry(image))


def understood(operation: str, request: Request, key_names: KeyNames | None, index: IndexView | None = None) -> Asked:
    """`request` has no legacy parameters. Raises ServiceRejected for what DynamoDB would not take either. `key_names`:
    of the table or index that is queried, where they are known. `index`: what the caller's own index holds, once that
    is known. Items are given whole, or with all that is `needed`."""
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text: str | None = request.get("FilterExpression")
    kept = None if text is None else condition(text, bindings, kind="FilterExpression")
    paths: str | None = request.get("ProjectionExpression")
    shown = None if paths is None else projection(paths, bindings)
    where = None
    if operation == "Query":  # read last, as DynamoDB does
        where = key_condition(request.get("KeyConditionExpression", ""), bindings, key_names=key_names)
    bindings.finish()
    filtered = frozenset[str]() if kept is None else kept.paths
    if where is not None and key_names is not None:
        for name in key_names.every:
            if name in filtered:
                raise invalid_request(f"{KEY_FILTERED}{name}")
    if where is not None and index is not None:
        check_filter(sorted(filtered), index)
    chosen = selected(request, index)
    if shown is not None and index is not None:
        check_shown(sorted(shown.attributes), index)
    return Asked(
        where,
        kept,
        chosen if shown is None else shown.apply,
        attributes_needed(request, filtered, None if shown is None else shown.attributes, index),
        None if index is None else index.attributes,
    )


KEY_FILTERED: Final = "Filter Expression can only contain non-primary key attributes: Primary key attribute: "


def attributes_needed(
    request: Request, filtered: frozenset[str], shown: frozenset[str] | None, index: IndexView | None
) -> frozenset[str] | None:
    """The root attributes that are read or shown; None: all."""
    select = request.get("Select")
    if shown is None and select == "COUNT":
        shown = frozenset()
    if shown is None and select != "ALL_ATTRIBUTES" and index is not None:
        shown = index.attributes
    return None if shown is None else shown | filtered


def paging_there(pair: Pair, side: Side, request: Request, index: str | None, limit: int | None) -> Request:
    """What is the same for every page of one side. `index`: its name there; None: the table. `limit`: of a page."""
    there: Request = {name: request[name] for name in PAGING if name in request} | capacity_asked(request)
    there["TableName"] = pair.table(side).name
    if index is not None:
        there["IndexName"] = index
    if limit is not None:
        there["Limit"] = limit
    return there


def key_condition_in(
    asked: Asked, partition_name: str, partition: AttributeValue, sort_name: str | None, equal: Item | None = None
) -> Request:
    """The caller's key condition under other names, about one partition; without a name for what is sorted by, about
    all of it. `equal`: what else is given by equality, under its names there."""
    names = {"#xf_p": partition_name}
    values: Item = {":xf_p": partition}
    text = "#xf_p = :xf_p"
    for n, (name, value) in enumerate((equal or {}).items()):
        names[f"#xf_e{n}"] = name
        values[f":xf_e{n}"] = value
        text += f" AND #xf_e{n} = :xf_e{n}"
    sort = asked.of_query.sort
    if sort is not None and sort_name is not None:
        names["#xf_s"] = sort_name
        values |= {f":xf_s{n}": operand for n, operand in enumerate(sort.operands)}
        text += f" AND {SORT_FORMS.get(sort.operator, '#xf_s {} :xf_s0').format(sort.operator)}"
    return {"KeyConditionExpression": text, "ExpressionAttributeNames": names, "ExpressionAttributeValues": values}


SORT_FORMS: Final = {"BETWEEN": "#xf_s {} :xf_s0 AND :xf_s1", "begins_with": "{}(#xf_s, :xf_s0)"}
