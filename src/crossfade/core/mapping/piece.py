"""What a mapping is made of: named pieces, each with its exact inverse.

A piece changes a fresh item in place (root entries only: a nested value is replaced, never altered, because values are
shared with the caller's item). It declares what it touches, so that conflicts are found before anything runs:

    takes    paths that are gone afterwards
    gives    paths that were absent and now exist
    alters   paths whose value is replaced

and `bind` follows the key through it: given the attributes that hold the key at this point, which hold it afterwards.
A piece that says nothing about keys may not touch one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from crossfade.core.items import AttributeValue, Item
from crossfade.core.mapping.paths import Blocked, Path, look, show
from crossfade.errors import MappingError, MappingInvalid

Kind: TypeAlias = Literal["S", "N", "B"]

KEY_KINDS: Final[Mapping[str, Kind]] = {"S": "S", "N": "N", "B": "B"}


@dataclass(frozen=True, slots=True)
class KeyPart:
    """What is known of one attribute that holds a part of the key at some point of the mapping."""

    kind: Kind
    unchanged: str | None = None  # the source key attribute whose very value this is, if it is
    prefix: str = ""  # a constant text before that value: the order is kept
    constant: bool = False  # the same in every item: made by set_default, so it may become a part of the key
    text: str | None = None  # of a constant, where it is a text
    is_source_extra: bool = False  # of the source's key alone: stays on the item, because the target's key is another
    is_target_extra: bool = False  # of the target's key alone: the item's own, which the source's key does not tell


Keys: TypeAlias = Mapping[str, KeyPart]


class Piece:
    """The base of all pieces; each is a frozen dataclass behind a lower-case function."""

    __slots__ = ()

    @property
    def takes(self) -> tuple[Path, ...]:
        return ()

    @property
    def gives(self) -> tuple[Path, ...]:
        return ()

    @property
    def alters(self) -> tuple[Path, ...]:
        return ()

    @property
    def touched(self) -> frozenset[str]:
        """The root attributes that it takes, gives or alters."""
        return frozenset(path[0] for path in (*self.takes, *self.gives, *self.alters))

    @property
    def opaque(self) -> bool:
        """Whether it may touch anything but the key, so that nothing is known of other attributes after it."""
        return False

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two pieces of one kind the same piece: plain values, converters and functions."""
        return (*self.takes, *self.gives, *self.alters)

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        """This piece, complete for the place where it stands, and what holds the key after it, or MappingInvalid."""
        touched = self.touched & keys.keys()
        for name in sorted(touched):
            if not keys[name].constant or name in target:
                raise MappingInvalid(
                    f"{self.describe()}: {name!r} holds a part of the key, which this piece may not touch",
                    next_step="key attributes are changed by rename, convert, split, join and suffix only",
                )
        return self, {name: part for name, part in keys.items() if name not in touched}

    def forward(self, item: Item) -> None:
        """Change a fresh source-side item in place. Raises MappingError."""
        raise NotImplementedError

    def backward(self, item: Item) -> None:
        """Undo `forward` in place. Raises MappingError."""
        raise NotImplementedError

    def spread(self, partial: Item) -> tuple[Item, ...]:
        """All that `forward` can make of an item of which only some key attributes are known."""
        return _spread(partial, (*self.takes, *self.alters), self.forward)

    def spread_back(self, partial: Item) -> tuple[Item, ...]:
        """All that `backward` can make of one, likewise."""
        return _spread(partial, (*self.gives, *self.alters), self.backward)

    def arrives(self, name: str) -> str | None:
        """Return the name that an untouched root attribute has after this piece, or None where that is unknown."""
        return None if self.opaque or name in self.touched else name

    def came_from(self, name: str) -> str | None:
        """The reverse: where a root attribute was before this piece."""
        return Piece.arrives(self, name)

    def describe(self) -> str:
        raise NotImplementedError


def _spread(partial: Item, paths: Sequence[Path], step: Callable[[Item], None]) -> tuple[Item, ...]:
    fresh = dict(partial)
    if all(path[0] in partial for path in paths):
        step(fresh)
    else:
        for path in paths:
            _ = fresh.pop(path[0], None)
    return (fresh,)


def value_at(piece: Piece, item: Item, path: Path) -> AttributeValue | None:
    """The value at a path, None where there is none. Raises MappingError where a parent is no map."""
    try:
        return look(item, path)
    except Blocked as blocked:
        raise unmappable(piece, blocked.at, "is no map") from None


def unmappable(piece: Piece, attribute: Path | str, why: str, next_step: str = "") -> MappingError:
    """The error for one item that a piece cannot map."""
    name = attribute if isinstance(attribute, str) else show(attribute)
    told = f"{piece.describe()}: attribute {name!r}"
    return MappingError(f"{told} {why}", next_step=next_step, told=told)


def kind_of(value: AttributeValue) -> str:
    return next(iter(value))
