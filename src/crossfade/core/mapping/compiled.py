"""A mapping made ready: its pieces bound to their places, and what follows from them for the key.

The way of the key is followed once, here, so that a request costs nothing but the pieces themselves, and a single key
can be mapped without its item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from crossfade.core.items import AttributeValue, Item, same_item
from crossfade.core.mapping.custom import difference
from crossfade.core.mapping.piece import Kind, Piece, kind_of
from crossfade.core.mapping.stamp import STAMP
from crossfade.core.mapping.values import show_value
from crossfade.errors import MappingError, NotPossibleInStage

Sort: TypeAlias = Literal["none", "same", "other"]
KeySchema: TypeAlias = tuple[tuple[str, Kind], ...]  # partition, then sort
Steps: TypeAlias = tuple[Callable[[Item], None], ...]  # each changes a fresh item in place


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """Turns source items and keys into target items and keys, and back. Made by `compile_mapping`; never mutates."""

    pieces: tuple[Piece, ...]
    key_pieces: tuple[Piece, ...]  # those that touch the key: all that a key alone goes through
    source_key: KeySchema
    target_key: KeySchema
    keys_only: bool
    """Whether only key attributes change: all else is stored as it is."""
    sort: Sort
    """`same`: the target's sort key holds the very value of the source's, perhaps under another name and behind the
    text `sort_prefix`, so conditions and order carry over; `none`: neither has one; `other`: anything else."""
    fingerprint: str
    """Changes with what the mapping does; see the module of that name."""
    sort_prefix: str = ""
    source_key_extras: KeySchema = ()
    """Attributes of the source's key that stay on the item because the target's key does not lead back to them."""
    target_key_extras: KeySchema = ()
    """Attributes of the target's key that are the item's own, so that the source's key does not lead to them."""
    touched: frozenset[str] = field(init=False, repr=False, compare=False)
    """The root attributes, of either side, that a piece takes, gives or alters."""
    _forward_steps: Steps = field(init=False, repr=False, compare=False)  # the pieces, ready to be called
    _backward_steps: Steps = field(init=False, repr=False, compare=False)
    _key_forward_steps: Steps = field(init=False, repr=False, compare=False)
    _key_backward_steps: Steps = field(init=False, repr=False, compare=False)
    _source_whole: KeySchema = field(init=False, repr=False, compare=False)  # what tells an item in both tables
    _target_whole: KeySchema = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (
            ("touched", frozenset[str]().union(*(piece.touched for piece in self.pieces))),
            ("_forward_steps", tuple(piece.forward for piece in self.pieces)),
            ("_backward_steps", tuple(piece.backward for piece in self.pieces[::-1])),
            ("_key_forward_steps", tuple(piece.forward for piece in self.key_pieces)),
            ("_key_backward_steps", tuple(piece.backward for piece in self.key_pieces[::-1])),
            ("_source_whole", self.source_key + self.target_key_extras),
            ("_target_whole", self.target_key + self.source_key_extras),
        ):
            object.__setattr__(self, name, value)

    @property
    def source_partition_key(self) -> str:
        return self.source_key[0][0]

    @property
    def target_partition_key(self) -> str:
        return self.target_key[0][0]

    def forward(self, item: Item) -> Item:
        """A whole source item, with or without the stamp of an earlier migration, as a whole target item. Raises
        MappingError."""
        return _mapped(item, self.source_key, "source", self._forward_steps, self.target_key, "target")

    def backward(self, item: Item) -> Item:
        """A whole target item, with or without its stamp, as a whole source item. Raises MappingError."""
        return _mapped(item, self.target_key, "target", self._backward_steps, self.source_key, "source")

    def backward_exactly(self, item: Item) -> Item:
        """Map back an item that will be stored so: mapped forward it must be the same item. Raises MappingError."""
        back = self.backward(item)
        again = self.forward(back)
        if not same_item({name: value for name, value in item.items() if name != STAMP}, again):
            name, said = difference(item, again)
            raise MappingError(
                f"the mapping cannot take {name!r} back: it {said}",
                next_step="before the stage live, write what the old form of the item can hold",
                told=f"attribute {name!r}, on the way back",
            )
        return back

    def forward_key(self, key: Item) -> Item:
        """The target key of a source key (exactly the key attributes, and those held). Raises MappingError."""
        return _map_key(key, self._source_whole, "source", self._key_forward_steps, self.target_key, "target")

    def backward_key(self, key: Item) -> Item:
        """The source key (and what is held) of a target key (exactly the key attributes, and those kept). Raises
        MappingError."""
        return _map_key(key, self._target_whole, "target", self._key_backward_steps, self._source_whole, "source")

    def partitions(self, value: AttributeValue, *, back: bool = False) -> tuple[AttributeValue, ...]:
        """Every target partition that may hold items of one source partition, perhaps beside others; `back`: the
        reverse. Raises NotPossibleInStage where they cannot be listed, MappingError where the value cannot be a
        partition.
        """
        here, there = (self.target_key, self.source_key) if back else (self.source_key, self.target_key)
        key: Item = {here[0][0]: value}
        _check_key(key, here[:1], "target" if back else "source")
        partials: tuple[Item, ...] = (key,)
        for piece in self.key_pieces[::-1] if back else self.key_pieces:
            spread = piece.spread_back if back else piece.spread
            partials = tuple(made for partial in partials for made in spread(partial))
        name = there[0][0]
        if any(name not in partial for partial in partials):
            raise NotPossibleInStage(
                f"where the items of one {here[0][0]!r} are stored cannot be told: {name!r} is also"
                " made from the rest of the key",
                next_step="ask for single items by their whole key, or choose a target key whose partition follows from"
                " the source's partition",
            )
        return tuple(partial[name] for partial in partials)

    def arrives(self, name: str) -> str | None:
        """Return the target's name of a root attribute of the source whose value stays untouched, or None."""
        return _followed(name, (piece.arrives for piece in self.pieces))

    def came_from(self, name: str) -> str | None:
        """The reverse: where a root attribute of the target is found in the source."""
        return _followed(name, (piece.came_from for piece in self.pieces[::-1]))

    def roots(self, names: frozenset[str], *, back: bool = False) -> frozenset[str]:
        """The root attributes of the target that hold anything of these of the source; `back`: the reverse."""
        found = set(names)
        for piece in self.pieces[::-1] if back else self.pieces:
            gone, made = (piece.gives, piece.takes) if back else (piece.takes, piece.gives)
            if found.intersection(path[0] for path in gone):
                found -= {path[0] for path in gone if len(path) == 1}
                found |= {path[0] for path in made}
        return frozenset(found)

    def describe(self) -> list[str]:
        return [piece.describe() for piece in self.pieces]


def _mapped(item: Item, before: KeySchema, here: str, steps: Steps, after: KeySchema, there: str) -> Item:
    fresh = dict(item)
    _ = fresh.pop(STAMP, None)
    _check_key(fresh, before, here)
    for step in steps:
        step(fresh)
    _check_key(fresh, after, there)
    return fresh


def _map_key(key: Item, before: KeySchema, here: str, steps: Steps, after: KeySchema, there: str) -> Item:
    if len(key) != len(before):
        _check_key(key, before, here)
        raise MappingError(f"{here} key {sorted(key)}: the key attributes are {[name for name, _ in before]}")
    made = _mapped(key, before, here, steps, after, there)
    return made if len(made) == len(after) else {name: made[name] for name, _ in after}


def _followed(name: str, steps: Iterable[Callable[[str], str | None]]) -> str | None:
    for step in steps:
        if (found := step(name)) is None:
            return None
        name = found
    return name


def _check_key(item: Mapping[str, AttributeValue], schema: KeySchema, place: str) -> None:
    """What DynamoDB demands of key attributes, said before it does. Sizes are left to DynamoDB."""
    for name, kind in schema:
        value = item.get(name)
        if value is None or not value.get(kind):
            told = f"{place} key attribute {name!r}"
            raise MappingError(f"{told} is {_wrong_key(value, kind)}", told=told)


def _wrong_key(value: AttributeValue | None, kind: Kind) -> str:
    if value is None:
        return "missing"
    return "empty" if kind in value else f"{show_value(value)}: {kind_of(value)}, not {kind}"
