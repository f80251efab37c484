"""The two tables of a migration and the mapping between them, as a routine sees them.

Inside the core an item is always an **image**: the item as the source would hold it, or None for its absence. What the
target stores is the mapped image plus a stamp, and only this file turns one into the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from crossfade.core.effects import Call, Request, Routine, Stamp
from crossfade.core.items import Item, canonical_value, same_item
from crossfade.core.mapping import STAMP, CompiledMapping
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.core.stages import Side
from crossfade.errors import MappingError

Image = Item | None

# How long after it was sent a request whose outcome is unknown may still be carried out, when nothing better is known:
# one attempt's connect and read timeouts in botocore's defaults (60 s each).
LANDING_SECONDS_DEFAULT: Final = 120.0

# A guard names at most this many attributes: DynamoDB takes 300 operators and 4 KB an expression.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
GUARDED_MAX: Final = 60


class TableShape(Protocol):
    """What a routine must know of a table; `crossfade.Table` is one."""

    @property
    def name(self) -> str: ...
    @property
    def key_names(self) -> tuple[str, ...]: ...
    @property
    def partition_key(self) -> str: ...
    @property
    def sort_key(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Stored:
    """What one side holds under one key, as that side holds it, and the stamp of its last writer (target only)."""

    item: Item | None
    stamp: str | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition with its placeholders, ready to be put into a request."""

    expression: str
    names: dict[str, str]
    values: Item


@dataclass(frozen=True, slots=True)
class Pair:
    source: TableShape
    target: TableShape
    mapping: CompiledMapping
    rules: Rules = ALL_RULES
    landing_seconds: float = LANDING_SECONDS_DEFAULT

    def table(self, side: Side) -> TableShape:
        return self.source if side == "source" else self.target

    def source_key(self, item: Item) -> Item:
        """The key of an image. KeyError where an attribute is missing: callers have validated by then."""
        return {name: item[name] for name in self.source.key_names}

    def key(self, side: Side, source_key: Item) -> Item:
        return source_key if side == "source" else self.mapping.forward_key(source_key)

    def stored(self, side: Side, item: Item | None) -> Stored:
        """What was read, its stamp apart."""
        if side == "source" or item is None:
            return Stored(item)
        rest = dict(item)
        stamp = rest.pop(STAMP, None)
        return Stored(rest, None if stamp is None else stamp.get("S"))

    def image(self, side: Side, stored: Stored) -> Image:
        """As the source would hold it. Raises MappingError for a target item that no source item maps to."""
        if side == "source" or stored.item is None:
            return stored.item
        return self.mapping.backward(stored.item)

    def equal(self, source: Stored, target: Stored) -> bool:
        """Whether target == mapping(source), which is what must hold at rest. Sets, numbers: by meaning."""
        if source.item is None or target.item is None:
            return source.item is target.item
        try:
            return same_item(self.mapping.forward(source.item), target.item)
        except MappingError:
            return False

    def read(self, side: Side, source_key: Item) -> Routine[Stored]:
        """One strongly consistent read."""
        request: Request = {
            "TableName": self.table(side).name,
            "Key": self.key(side, source_key),
            "ConsistentRead": True,
        }
        reply = yield from Call(side, "GetItem", request)
        return self.stored(side, reply.get("Item"))

    def stored_form(self, side: Side, image: Item) -> Routine[Item]:
        """The image as `side` holds it; a fresh stamp goes with every write to the target."""
        if side == "source":
            return image
        stamp = yield from Stamp()
        return {**self.mapping.forward(image), STAMP: {"S": stamp}}

    def put_or_delete(self, side: Side, source_key: Item, image: Image, guard: Guard | None = None) -> Routine[Request]:
        """The request that makes `side` hold this image. As a transaction's action it is a Put or a Delete."""
        request: Request = {"TableName": self.table(side).name}
        if image is None:
            request["Key"] = self.key(side, source_key)
        else:
            request["Item"] = yield from self.stored_form(side, image)
        return with_guard(request, guard)

    def unchanged(self, side: Side, before: Stored) -> Guard:
        """The optimistic lock: this side still holds what was read.

        On the target the stamp tells, which is fresh with every write. The source has none, so there the attributes do.
        """
        if side == "source":
            return self.still(before.item, frozenset(before.item or ()))
        if before.item is None:
            return Guard("attribute_not_exists(#xf_key)", {"#xf_key": self.target.partition_key}, {})
        if before.stamp is None:  # an item that crossfade has not written yet
            return Guard(
                "attribute_exists(#xf_key) AND attribute_not_exists(#xf_stamp)",
                {"#xf_key": self.target.partition_key, "#xf_stamp": STAMP},
                {},
            )
        return Guard("#xf_stamp = :xf_stamp", {"#xf_stamp": STAMP}, {":xf_stamp": {"S": before.stamp}})

    def still(self, image: Image, attributes: frozenset[str]) -> Guard:
        """The source still has (or has not) the item, and these attributes of it are as they were."""
        names = {"#xf_key": self.source.partition_key}
        if image is None:
            return Guard("attribute_not_exists(#xf_key)", names, {})
        clauses = ["attribute_exists(#xf_key)"]
        values: Item = {}
        for n, name in enumerate(sorted(attributes.difference(self.source.key_names))[:GUARDED_MAX]):
            names[f"#xf{n}"] = name
            if name in image:
                values[f":xf{n}"] = image[name]
                clauses.append(f"#xf{n} = :xf{n}")
            else:
                clauses.append(f"attribute_not_exists(#xf{n})")
        return Guard(" AND ".join(clauses), names, values)


def operation_name(request: Request) -> str:
    """PutItem for a request with an Item, DeleteItem for one with a Key alone."""
    return "PutItem" if "Item" in request else "DeleteItem"


def with_guard(request: Request, guard: Guard | None) -> Request:
    """The request with the guard added to whatever condition it has."""
    if guard is None:
        return request
    own = request.get("ConditionExpression")
    guarded = {**request, "ConditionExpression": f"({own}) AND {guard.expression}" if own else guard.expression}
    if guard.names:
        guarded["ExpressionAttributeNames"] = {**request.get("ExpressionAttributeNames", {}), **guard.names}
    if guard.values:
        guarded["ExpressionAttributeValues"] = {**request.get("ExpressionAttributeValues", {}), **guard.values}
    return guarded


def key_name(key: Item) -> str:
    """One name for one key, in every process, whatever form its numbers have."""
    return repr([(name, canonical_value(key[name])) for name in sorted(key)])
