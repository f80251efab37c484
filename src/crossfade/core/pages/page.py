"""A page of a Query or a Scan that is made here: what was asked for, apart from its paging, and the answer.

Filters and projections are evaluated over the image, because what a filter drops still counts towards the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Later, Note, Reply, Request, Routine
from crossfade.core.expressions import KeyCondition, KeyNames, bind, condition, key_condition, projection
from crossfade.core.items import AttributeValue, Item
from crossfade.core.request.capacity import consumed
from crossfade.core.request.projection import PROJECTING, IndexView, check_filter, check_shown, selected, whole_image
from crossfade.core.stages import Side
from crossfade.core.sync.compare import shadow_compare
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected

PAGING: Final = ("Limit", "ConsistentRead", "ScanIndexForward", "Segment", "TotalSegments")
COMPARED_MAX: Final = 25  # keys of one page that are compared one by one


@dataclass(frozen=True, slots=True)
class Asked:
    """A Query's or Scan's meaning, apart from its paging. `where` is None for a Scan."""

    where: KeyCondition | None
    keep: Callable[[Item], bool]
    project: Callable[[Item], Item]
    needed: frozenset[str] | None  # what it reads and shows of an item; None: all
    entry: Callable[[Item], Item]  # what the caller's own index holds of an item

    @property
    def of_query(self) -> KeyCondition:
        """The key condition, which every Query has."""
        if self.where is None:
            raise AssertionError("a Query has a key condition")
        return self.where


def understood(operation: str, request: Request, key_names: KeyNames | None, index: IndexView | None = None) -> Asked:
    """`request` has no legacy parameters. Raises ServiceRejected for what DynamoDB would not take either.

    `key_names` are those of the table or index that is queried; None where they are not known. `index`: what the
    caller's own index holds, once that is known. Items are given whole, or with all that is `needed`.
    """
    bindings = bind(request.get("ExpressionAttributeNames"), request.get("ExpressionAttributeValues"))
    text: str | None = request.get("FilterExpression")
    keep = None if text is None else condition(text, bindings, kind="FilterExpression")
    paths: str | None = request.get("ProjectionExpression")
    shown = None if paths is None else projection(paths, bindings)
    where = None
    if operation == "Query":  # read last, as DynamoDB does
        where = key_condition(request.get("KeyConditionExpression", ""), bindings, key_names=key_names)
    bindings.finish()
    filtered = frozenset[str]() if keep is None else keep.paths
    if where is not None and key_names is not None:
        for name in key_names.every:
            if name in filtered:
                raise ServiceRejected("ValidationException", f"{KEY_FILTERED}{name}")
    if where is not None and index is not None:
        check_filter(sorted(filtered), index)
    chosen = selected(request, index)
    if shown is not None and index is not None:
        check_shown(sorted(shown.attributes), index)
    entry = entry_of(None if index is None else index.attributes)
    return Asked(
        where,
        (lambda image: keep.holds(entry(image))) if keep is not None else everything,
        chosen if shown is None else shown.apply,
        attributes_needed(request, filtered, None if shown is None else shown.attributes, index),
        entry,
    )


def entry_of(held: frozenset[str] | None) -> Callable[[Item], Item]:
    if held is None:
        return whole_image
    return lambda item: {name: value for name, value in item.items() if name in held}


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
KEY_FILTERED: Final = "Filter Expression can only contain non-primary key attributes: Primary key attribute: "


def everything(_image: Item) -> bool:
    return True


def page(
    pair: Pair,
    asked: Asked,
    request: Request,
    kept: Sequence[Item],
    looked_at: int,
    last: Item | None,
    sent: Iterable[Reply],
) -> Reply:
    """The answer: `kept` are the images that passed the filter, `last` the token in the caller's terms."""
    reply: Reply = {"Count": len(kept), "ScannedCount": looked_at}
    if request.get("Select") != "COUNT":
        reply["Items"] = [asked.project(image) for image in kept]
    if last is not None:
        reply["LastEvaluatedKey"] = last
    return {**reply, **consumed(pair, sent, request.get("TableName"))}


def compare_items_later(pair: Pair, side: Side, request: Request, reply: Reply, name: str) -> Routine[None]:
    """After the answer: what the page shows is compared, key by key. Items that show no key say nothing."""
    whole = side == pair.view == "source" and "IndexName" not in request
    whole = whole and not any(parameter in request for parameter in PROJECTING)
    items: list[Item] = reply.get("Items", [])
    shown = [item for item in items if all(part in item for part in pair.caller.key_names)][:COMPARED_MAX]
    if shown:
        yield from Later("compare", name, compare_items(pair, shown, whole=whole))


def compare_items(pair: Pair, shown: Sequence[Item], *, whole: bool) -> Routine[None]:
    for item in shown:
        yield from shadow_compare(pair, pair.callers_key(item), Stored(item) if whole else None)


def note_matching() -> Routine[None]:
    yield from Note("compare", {"outcome": "matching"})
