"""The pieces that handle whole root attributes: identity, rename, set_default, drop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from crossfade.core.items import AttributeValue, Item, same
from crossfade.core.mapping.paths import Path, PathLike, parse_name
from crossfade.core.mapping.piece import KEY_KINDS, KeyPart, Keys, Kind, Piece, kind_of, unmappable
from crossfade.core.mapping.values import Plain, attribute_value, show_value
from crossfade.errors import MappingInvalid


@dataclass(frozen=True, slots=True)
class Identity(Piece):
    def forward(self, item: Item) -> None:
        pass

    def backward(self, item: Item) -> None:
        pass

    def describe(self) -> str:
        return "identity: every item as it is"


@dataclass(frozen=True, slots=True)
class Rename(Piece):
    old: str
    new: str

    @property
    def takes(self) -> tuple[Path, ...]:
        return ((self.old,),)

    @property
    def gives(self) -> tuple[Path, ...]:
        return ((self.new,),)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        del target
        if self.new in keys:
            raise MappingInvalid(
                f"{self.describe()}: {self.new!r} already holds a part of the key",
                next_step=f"rename {self.new!r} out of the way first, or choose another name",
            )
        return self, {self.new if name == self.old else name: part for name, part in keys.items()}

    def forward(self, item: Item) -> None:
        if self.new in item:
            raise unmappable(self, self.new, "is already there", "rename or drop it first")
        value = item.pop(self.old, None)
        if value is not None:
            item[self.new] = value

    def backward(self, item: Item) -> None:
        if self.old in item:
            raise unmappable(self, self.old, "is already there (on the way back)")
        value = item.pop(self.new, None)
        if value is not None:
            item[self.old] = value

    def arrives(self, name: str) -> str | None:
        return self.new if name == self.old else Piece.arrives(self, name)

    def came_from(self, name: str) -> str | None:
        return self.old if name == self.new else Piece.came_from(self, name)

    def describe(self) -> str:
        return f"rename: {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class SetDefault(Piece):
    name: str
    value: AttributeValue
    is_key: bool = False  # whether the value becomes a part of the target's key; told when compiled

    @property
    def gives(self) -> tuple[Path, ...]:
        return ((self.name,),)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.name, self.value)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        bound, keys = Piece.bind(self, keys, target)
        kind = KEY_KINDS.get(kind_of(self.value))
        if kind is not None:
            text = cast("str | None", self.value.get("S"))
            return bound, {**keys, self.name: KeyPart(kind, constant=True, text=text)}
        if self.name in target:
            raise MappingInvalid(f"{self.describe()}: a key attribute is S, N or B, not {kind_of(self.value)}")
        return bound, keys

    def forward(self, item: Item) -> None:
        if self.name in item:
            raise unmappable(self, self.name, "is already there", "drop or rename it first")
        item[self.name] = self.value

    def backward(self, item: Item) -> None:
        value = item.pop(self.name, None)
        # An ordinary attribute goes whatever it holds by now. A key that is another is another item: not ours to drop.
        if self.is_key and value is not None and not same(value, self.value):
            raise unmappable(self, self.name, f"is {show_value(value)}: no item of the source has that key")

    def describe(self) -> str:
        return f"set_default: {self.name} = {show_value(self.value)}"


@dataclass(frozen=True, slots=True)
class Drop(Piece):
    name: str
    default: AttributeValue | None

    @property
    def takes(self) -> tuple[Path, ...]:
        return ((self.name,),)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.name, self.default)

    def forward(self, item: Item) -> None:
        _ = item.pop(self.name, None)

    def backward(self, item: Item) -> None:
        if self.name in item:
            raise unmappable(self, self.name, "is already there (on the way back)")
        if self.default is not None:
            item[self.name] = self.default

    def describe(self) -> str:
        back = "nothing" if self.default is None else show_value(self.default)
        return f"drop: {self.name} (what it held is lost; the way back puts {back})"


def identity() -> Piece:
    """Store every item as it is. Has to be said: an empty mapping is an error."""
    return Identity()


def rename(old: PathLike, new: PathLike) -> Piece:
    """Give a root attribute another name; key attributes too. An item that has `new` already cannot be mapped."""
    old_name, new_name = parse_name(old), parse_name(new)
    if old_name == new_name:
        raise MappingInvalid(f"rename: {old_name!r} to itself", next_step="remove the piece")
    return Rename(old_name, new_name)


def set_default(name: PathLike, value: Plain) -> Piece:
    """Add a root attribute with one value to every item; the way back removes it.

    `value` is an attribute value (`{"S": "new"}`) or a plain str, int, Decimal, bool, bytes or None. An item that has
    the attribute already cannot be mapped. On an attribute of the target's key this gives every key the same part.
    """
    return SetDefault(parse_name(name), attribute_value(value))


def drop(name: PathLike, default: Plain = None) -> Piece:
    """Remove a root attribute: the one piece that loses something.

    The way back gives every item `default`, or nothing when it is None (`{"NULL": True}` for a null), whether or not
    the attribute was there: a rollback does not bring the old values back. `check` counts the items that lose one.
    """
    return Drop(parse_name(name), None if default is None else attribute_value(default))
