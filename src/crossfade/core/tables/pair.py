"""The two tables of a migration and the mapping between them, as a routine sees them.

Inside the core an item is always an **image**: the item as the caller sees it, or None for its absence. A caller speaks
the source's key shape (the usual view) or already the target's. What is stored may carry a stamp besides; only this
file turns one form into the other. Whatever the view, an item is told by its source key; where the target's key is an
attribute that the source's key does not lead to, together with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

from crossfade.core.effects import Call, Request, Routine, Stamp
from crossfade.core.items import Item, canonical_value, same, same_item
from crossfade.core.mapping import STAMP, CompiledMapping, compile_mapping
from crossfade.core.mapping.compiled import KeySchema
from crossfade.core.mapping.plain import Identity
from crossfade.core.mapping.values import show_key, show_value
from crossfade.core.rules import ALL_RULES, Rules
from crossfade.core.stages import Side
from crossfade.core.tables.guards import Guard, attributes_guard, joined_guards, stamp_as_read, with_guard
from crossfade.core.tables.index_keys import IndexKey
from crossfade.core.tables.schema import IndexSchema, TableShape
from crossfade.core.tables.stamps import Stored
from crossfade.errors import MappingError, invalid_request

Image = Item | None

# How long after it was sent a request whose outcome is unknown may still be carried out, when nothing better is known:
# one attempt's connect and read timeouts in botocore's defaults (60 s each).
LANDING_SECONDS_DEFAULT: Final = 120.0

NEEDS_BOTH: Final = (
    "The provided key element does not match the schema: {name} is missing, by which {table} has the item; until the"
    " migration is complete, a key carries the attributes of both tables"
)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The control table, where the tokens of the caller's transactions are kept while they count."""

    table: str
    migration: str


@cache
def identity_of(key: KeySchema) -> CompiledMapping:
    return compile_mapping(Identity(), dict(key), dict(key))


@dataclass(frozen=True, slots=True)
class Pair:
    source: TableShape
    target: TableShape
    mapping: CompiledMapping
    rules: Rules = ALL_RULES
    landing_seconds: float = LANDING_SECONDS_DEFAULT
    view: Side = "source"  # whose key shape and table name the caller speaks
    ledger: Ledger | None = None  # where tokens of transactions are kept; None: nowhere
    indexes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Names of indexes of the source -> of the target, where they differ."""
    schemas: dict[tuple[Side, str], IndexSchema] = field(default_factory=dict[Any, Any], compare=False, repr=False)
    """Of the indexes of tables that were described, by the side and the name there."""
    index_keys: dict[Side, tuple[IndexKey, ...]] = field(default_factory=dict[Any, Any], compare=False, repr=False)
    """Of tables that were described."""
    expiry: dict[Side, str] = field(default_factory=dict[Any, Any], compare=False, repr=False)
    """The TTL attribute of each table that was asked, "" for none."""
    stamps_source: bool = False  # in this stage writes to the source leave stamps too
    stamps_target: bool = True  # not where applications write there past crossfade, whose updates would keep a stamp
    is_followed: bool = False  # the target is the source of a later migration, which answers what is asked of it
    caller: TableShape = field(init=False, compare=False, repr=False)
    """The table that the caller means to speak to."""
    callers_schema: KeySchema = field(init=False, compare=False, repr=False)
    """The key schema of the caller's table."""
    callers_names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """The attributes that name one of the caller's items."""

    def __post_init__(self) -> None:
        of_source = self.view == "source"
        object.__setattr__(self, "caller", self.source if of_source else self.target)
        object.__setattr__(self, "callers_schema", self.mapping.source_key if of_source else self.mapping.target_key)
        object.__setattr__(self, "callers_names", self.whole_key_names(self.view))

    def of_caller_alone(self) -> Pair:
        """For a stage in which the caller's table is all that counts: its items need no counterpart."""
        table = self.caller
        return replace(self, source=table, target=table, mapping=identity_of(self.callers_schema), indexes={})

    def table(self, side: Side) -> TableShape:
        return self.source if side == "source" else self.target

    def source_key(self, item: Item) -> Item:
        """The key of an item of the source. KeyError where an attribute is missing: callers have validated by then."""
        key = {name: item[name] for name in self.source.key_names}
        for name, _ in self.mapping.target_key_extras:
            if name in item:  # an item without it cannot be mapped, which others say
                key[name] = item[name]
        return key

    def whole_key_names(self, side: Side) -> tuple[str, ...]:
        """What tells an item of one side in both tables: mostly the key, and that alone."""
        if side == "source":
            own, more = self.source.key_names, self.mapping.target_key_extras
        else:
            own, more = self.target.key_names, self.mapping.source_key_extras
        return (*own, *(name for name, _ in more)) if more else own

    def index_name(self, side: Side, index: str) -> str:
        """The name on one side of an index that the caller names."""
        if side == self.view:
            return index
        if side == "target":
            return self.indexes.get(index, index)
        return self._source_indexes.get(index, index)

    def callers_index_name(self, index: str) -> str:
        """The caller's name of an index of the other table."""
        return self._source_indexes.get(index, index) if self.view == "source" else self.indexes.get(index, index)

    @property
    def _source_indexes(self) -> dict[str, str]:
        return {target: source for source, target in self.indexes.items()}

    def attribute_name(self, side: Side, name: str) -> str | None:
        """The name on one side of a root attribute that the caller names, its value untouched; None where it is not."""
        return name if side == self.view else self.name_across(side, name)

    def name_across(self, side: Side, name: str) -> str | None:
        """Return a root attribute's name on `side`, given the other side's name of it, or None."""
        return self.mapping.arrives(name) if side == "target" else self.mapping.came_from(name)

    def callers_key(self, given: Item) -> Item:
        """The source key of an image, or of a key as the caller gives it; other attributes do not matter. Raises
        ServiceRejected where a key lacks what it needs in the other table."""
        if self.view == "source":
            return {name: given[name] for name in self.callers_names}
        for name, _ in self.mapping.source_key_extras:
            if name not in given:
                raise invalid_request(NEEDS_BOTH.format(name=name, table=self.source.name))
        return self.mapping.backward_key({name: given[name] for name in self.callers_names})

    def callers_whole_key(self, source_key: Item) -> Item:
        """The reverse: what the caller has to give so that the item is found in both tables."""
        if self.view == "source":
            return source_key
        extras = {name: source_key[name] for name, _ in self.mapping.source_key_extras}
        return self.mapping.forward_key(source_key) | extras

    def whole_key_of(self, side: Side, item: Item) -> Item:
        """The source key of an item of one side, whoever looks. Raises MappingError where it lacks what it needs."""
        if side == "source":
            return self.source_key(item)
        names = self.whole_key_names("target")
        return self.mapping.backward_key({name: item[name] for name in names if name in item})

    def key(self, side: Side, source_key: Item) -> Item:
        if side == "target":
            return self.mapping.forward_key(source_key)
        if not self.mapping.target_key_extras:
            return source_key
        return {name: source_key[name] for name in self.source.key_names}

    def stored(self, side: Side, item: Item | None) -> Stored:  # noqa: ARG002 - both sides have the same form
        """What was read, its stamp apart. A stamp is nobody's data; the source has one where a copying migration, or
        an earlier one, has left it."""
        if item is None or STAMP not in item:
            return Stored(item)
        rest = dict(item)
        stamp = rest.pop(STAMP)
        return Stored(rest, stamp.get("S"))

    def image(self, side: Side, stored: Stored) -> Image:
        """Return the stored item as the caller sees it. Raises MappingError where it has no counterpart."""
        if side == self.view or stored.item is None:
            return stored.item
        return self.mapping.backward(stored.item) if side == "target" else self.mapping.forward(stored.item)

    def image_under(self, side: Side, stored: Stored, source_key: Item) -> Image:
        """The image of what was read under this key. Raises MappingError where it is an item with another key in the
        other table: two must never become one."""
        if self.mapping.target_key_extras:
            self.check_whole_key(side, stored, source_key)
        return self.image(side, stored)

    def check_whole_key(self, side: Side, stored: Stored, source_key: Item) -> None:
        """Raises MappingError where what was read under this key is another item."""
        if (other := self.another(side, stored, source_key)) is not None:
            raise MappingError(other)

    def is_another(self, side: Side, stored: Stored, source_key: Item) -> bool:
        """Whether what was read under this key is an item with another key in the other table."""
        return self.another(side, stored, source_key) is not None

    def another(self, side: Side, stored: Stored, source_key: Item) -> str | None:
        """Which other item it is that was read under this key, one with another key in the other table; None for the
        very item, or none."""
        item = stored.item
        if item is None or not self.mapping.target_key_extras:
            return None
        names = self.whole_key_names(side)
        for name in names:
            if name not in item or name not in source_key or not same(item[name], source_key[name]):
                found = show_value(item[name]) if name in item else "missing"
                return (
                    f"the item that {self.table(side).name} has under this key has another {name!r}: {found}; it is"
                    f" {show_key({part: item[part] for part in names if part in item})}, not {show_key(source_key)}"
                )
        return None

    def own_guard(self, side: Side, source_key: Item) -> Guard | None:
        """What is there, if anything, is the item with this whole key: for a write that nobody has looked before. None
        where one key leads to the other."""
        names = [name for name in self.whole_key_names(side) if name not in self.table(side).key_names]
        if not self.mapping.target_key_extras or not names:
            return None
        placeholders = {f"xf_own{n}": name for n, name in enumerate(names)}
        same_key = " AND ".join(f"#{place} = :{place}" for place in placeholders)
        return Guard(
            f"(attribute_not_exists(#xf_key) OR {same_key})",
            {"#xf_key": self.table(side).partition_key} | {f"#{place}": name for place, name in placeholders.items()},
            {f":{place}": source_key[name] for place, name in placeholders.items()},
        )

    def equal(self, source: Stored, target: Stored) -> bool:
        """Whether target == mapping(source), which is what must hold at rest. Sets, numbers: by meaning."""
        if source.item is None or target.item is None:
            return source.item is target.item
        try:
            return same_item(self.mapping.forward(source.item), target.item)
        except MappingError:
            return False

    def is_covered(self, source: Stored, target: Stored) -> bool:
        """Whether the target has an item of its own where the source has one: all that must hold where items are
        copied, and go on in the target alone."""
        if source.item is None or target.item is None:
            return source.item is None
        return not self.is_another("target", target, self.source_key(source.item))

    def read(self, side: Side, source_key: Item) -> Routine[Stored]:
        reply = yield from Call(side, "GetItem", self.get_request(side, source_key))
        return self.stored(side, reply.get("Item"))

    def get_request(self, side: Side, source_key: Item) -> Request:
        """A strongly consistent read."""
        return {"TableName": self.table(side).name, "Key": self.key(side, source_key), "ConsistentRead": True}

    def stored_form(self, side: Side, image: Item, *, exactly: bool = True) -> Routine[Item]:
        """The image as `side` holds it; a fresh stamp goes with every write to the target. Raises MappingError; with
        `exactly`, also where what the source would hold stands for another image, so that a part of it was lost."""
        form = image
        if side != self.view:
            back = self.mapping.backward_exactly if exactly else self.mapping.backward
            form = back(image) if side == "source" else self.mapping.forward(image)
        if not self.stamps(side):
            return form
        stamp = yield from Stamp()
        return {**form, STAMP: {"S": stamp}}

    def stamps(self, side: Side) -> bool:
        """Whether writes to this side leave a fresh stamp."""
        return self.stamps_target if side == "target" else self.stamps_source

    def is_ours(self, stored: Stored) -> bool:
        """Whether crossfade has put what the target holds there, as far as that can be told."""
        return stored.stamp is not None or not self.stamps_target

    def put_or_delete(
        self, side: Side, source_key: Item, image: Image, guard: Guard | None = None, *, exactly: bool = True
    ) -> Routine[Request]:
        """The request that makes `side` hold this image. As a transaction's action it is a Put or a Delete."""
        request: Request = {"TableName": self.table(side).name}
        if image is None:
            request["Key"] = self.key(side, source_key)
        else:
            request["Item"] = yield from self.stored_form(side, image, exactly=exactly)
        return with_guard(request, guard)

    def unchanged(self, side: Side, before: Stored, named: frozenset[str] = frozenset()) -> Guard:
        """The optimistic lock: this side still holds what was read. On the target the stamp tells, which is fresh with
        every write; elsewhere the attributes do, and those `named` are still absent where they were."""
        if side == "source" or not self.stamps_target:
            return self.as_it_was(side, before.item, named)
        names = {"#xf_key": self.target.partition_key}
        if before.item is None:
            return Guard("attribute_not_exists(#xf_key)", names, {})
        if before.stamp is None:  # an item that crossfade has not written yet
            names["#xf_stamp"] = STAMP
            return Guard("attribute_exists(#xf_key) AND attribute_not_exists(#xf_stamp)", names, {})
        return Guard("#xf_stamp = :xf_stamp", {"#xf_stamp": STAMP}, {":xf_stamp": {"S": before.stamp}})

    def locked(self, side: Side, before: Stored, named: frozenset[str] = frozenset()) -> Guard:
        """`unchanged`, and on the target the attributes too: an application that has left the source behind sets no
        stamps. They alone tell where none was seen: a later migration, whose source the target is, hides stamps."""
        attributes = self.as_it_was(side, before.item, named)
        if side == "source" or (before.item is not None and before.stamp is None):
            return attributes
        return joined_guards(self.unchanged(side, before, named), attributes)

    def source_as_read(self, before: Stored, named: frozenset[str] = frozenset()) -> Guard:
        """The source is what was read, its stamp or its lack of one included. Whoever writes it under the eyes of
        others sets a fresh one; the attributes tell of whoever sets none."""
        attributes = self.as_it_was("source", before.item, named)
        return attributes if before.item is None else joined_guards(stamp_as_read(before), attributes)

    def as_it_was(self, side: Side, item: Item | None, named: frozenset[str] = frozenset()) -> Guard:
        """The item is there (or not) with these very attributes, and without those `named` that it did not have."""
        return attributes_guard(self.table(side), item, named.union(item or ()), named)

    def still(self, image: Image, attributes: frozenset[str]) -> Guard:
        """The source still has (or has not) the item, and these attributes of it are as they were."""
        return attributes_guard(self.source, image, attributes)


def operation_name(request: Request) -> str:
    """PutItem for a request with an Item, DeleteItem for one with a Key alone."""
    return "PutItem" if "Item" in request else "DeleteItem"


def key_name(key: Item) -> str:
    """One name for one key, in every process, whatever form its numbers have."""
    return repr([(name, canonical_value(key[name])) for name in sorted(key)])
