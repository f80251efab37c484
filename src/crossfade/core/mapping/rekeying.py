"""use_as_key and derive_key: a target key that is no other form of the source's key, but an attribute of its own.

An item of the source is found by `publication` and `external_id`; in the target its key is `guid`, which the item holds
already (use_as_key), or which follows from the source's key (derive_key: UUID version 5, RFC 9562). A `guid` alone does
not lead back. So the source's key attributes stay on the item, under their own names, and whoever names an item of the
target names them as well: each side takes its own. Such a key is the **whole key** of an item.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping.paths import Path, PathLike, parse_name
from crossfade.core.mapping.piece import KeyPart, Keys, Kind, Piece, unmappable
from crossfade.core.mapping.values import show_value
from crossfade.errors import MappingInvalid


@dataclass(frozen=True, slots=True)
class UseAsKey(Piece):
    name: str

    @property
    def content(self) -> tuple[object, ...]:
        return (self.name,)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        kind = _kind_of_new_key(self, self.name, keys, target)
        kept = {name: part if name in target else replace(part, is_source_extra=True) for name, part in keys.items()}
        return self, {**kept, self.name: KeyPart(kind, is_target_extra=True)}

    def forward(self, item: Item) -> None:
        if self.name not in item:
            raise unmappable(self, self.name, "is missing", "every item of the source must hold it")

    def backward(self, item: Item) -> None:
        pass

    def describe(self) -> str:
        return f"use_as_key: {self.name}, which every item holds"


@dataclass(frozen=True, slots=True)
class DeriveKey(Piece):
    name: str
    by: tuple[str, ...]
    namespace: uuid.UUID
    separator: str

    @property
    def gives(self) -> tuple[Path, ...]:
        return ((self.name,),)

    @property
    def content(self) -> tuple[object, ...]:
        return (self.name, self.by, str(self.namespace), self.separator)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        if _kind_of_new_key(self, self.name, keys, target) != "S":
            raise MappingInvalid(f"{self.describe()}: a UUID is a text, so the target's {self.name!r} must be S")
        for name in self.by:
            if name not in keys or keys[name].kind != "S":
                raise MappingInvalid(
                    f"{self.describe()}: by={name!r} is no text of the source's key",
                    next_step="derive the key from key attributes of type S; for others, such as a guid that the item"
                    " holds, there is use_as_key()",
                )
        kept = {name: replace(p, is_source_extra=name in self.by and name not in target) for name, p in keys.items()}
        return self, {**kept, self.name: KeyPart("S")}

    def forward(self, item: Item) -> None:
        if self.name in item:
            raise unmappable(self, self.name, "is already there", "use_as_key() takes what items hold already")
        item[self.name] = self._derived(item)

    def backward(self, item: Item) -> None:
        held = item.pop(self.name, None)
        wanted = self._derived(item)
        if held != wanted:
            said = "missing" if held is None else show_value(held)
            raise unmappable(self, self.name, f"is {said}, but {', '.join(self.by)} make {wanted['S']}")

    def spread(self, partial: Item) -> tuple[Item, ...]:
        return Piece.spread(self, partial) if all(name in partial for name in self.by) else (partial,)

    def spread_back(self, partial: Item) -> tuple[Item, ...]:
        return ({name: value for name, value in partial.items() if name != self.name},)

    def _derived(self, item: Item) -> AttributeValue:
        texts: list[str] = []
        for name in self.by:
            text = item.get(name, {}).get("S")
            if text is None:
                raise unmappable(self, name, f"is {show_value(item[name])}, no text" if name in item else "is missing")
            if self.separator in text and len(texts) < len(self.by) - 1:
                raise unmappable(self, name, f"is {text!r}: it holds the separator {self.separator!r}")
            texts.append(text)
        return {"S": str(uuid.uuid5(self.namespace, self.separator.join(texts)))}

    def describe(self) -> str:
        return f"derive_key: {self.name} = uuid5 of {f' {self.separator} '.join(self.by)}"


def use_as_key(name: PathLike) -> Piece:
    """Make an attribute that every item of the source holds the key of the target. The source's key stays on the item.

    The value must be one item's alone, and never change; `check` looks for items that share one.
    """
    return UseAsKey(parse_name(name))


def derive_key(name: PathLike, by: Sequence[str], namespace: uuid.UUID | str, separator: str = "#") -> Piece:
    """Make a key for the target out of the source's: the UUID version 5 of a namespace and of the values of `by`,
    joined by the separator. The source's key stays on the item.

    `by`: key attributes of the source, all of type S. A value, other than the last, that holds the separator cannot be
    mapped: two items could become one.
    """
    given: Any = by  # migration files are not type-checked
    if isinstance(given, str):
        given = (given,)
    names = tuple(parse_name((one,)) for one in given)
    if not names or len(set(names)) < len(names):
        raise MappingInvalid(f"derive_key: by={by!r} must name one or more attributes", next_step='by=("a", "b")')
    sign: Any = separator
    if not isinstance(sign, str) or len(sign) != 1:
        raise MappingInvalid(f"derive_key: separator {separator!r} must be one character")
    try:
        space = namespace if isinstance(namespace, uuid.UUID) else uuid.UUID(namespace)
    except (ValueError, AttributeError, TypeError):
        raise MappingInvalid(
            f"derive_key: namespace {namespace!r} is no UUID", next_step="make one, once: python -m uuid"
        ) from None
    return DeriveKey(parse_name(name), names, space, separator)


def _kind_of_new_key(piece: Piece, name: str, keys: Keys, target: Mapping[str, Kind]) -> Kind:
    if name in keys:
        raise MappingInvalid(f"{piece.describe()}: {name!r} already holds a part of the key")
    if name not in target:
        raise MappingInvalid(
            f"{piece.describe()}: {name!r} is no key attribute of the target ({', '.join(target)})",
            next_step="declare it in key= of the target",
        )
    return target[name]
