"""move: take a value out of a nested map to the root, into one, or from one to another.

Where a value leaves, its parent map stays, even empty. Where a value arrives, missing parents are made, and on the way
back unmade again if they are empty then. So an item where it would arrive in a parent that is there and empty would not
come back, and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossfade.core.items import CONTAINERS_MAX, AttributeValue, Item, container_levels
from crossfade.core.mapping.paths import (
    Blocked,
    Path,
    PathLike,
    covers,
    lands_in_an_empty_map,
    look,
    parse_path,
    put,
    show,
    take,
)
from crossfade.core.mapping.piece import Piece, unmappable, value_at
from crossfade.core.mapping.plain import rename
from crossfade.errors import MappingError, MappingInvalid


@dataclass(frozen=True, slots=True)
class Move(Piece):
    old: Path
    new: Path

    @property
    def takes(self) -> tuple[Path, ...]:
        return (self.old,)

    @property
    def gives(self) -> tuple[Path, ...]:
        return (self.new,)

    def forward(self, item: Item) -> None:
        value = value_at(self, item, self.old)
        if len(self.new) == 1 and self.new[0] not in item:  # which needs no walk
            if value is None:
                return
            item[self.new[0]] = value
        else:
            self._must_be_free(item, self.new, needed=value is not None)
            if value is None:
                return
            if lands_in_an_empty_map(item, self.new):
                raise unmappable(
                    self, self.new, "would arrive in a map that is there and empty, which would not come back as it is"
                )
            put(item, self.new, value)
        self._must_not_be_too_deep(self.new, self.old, value)
        take(item, self.old, prune=False)

    def backward(self, item: Item) -> None:
        try:
            value = look(item, self.new)
        except Blocked:
            return
        if value is None:
            return
        self._must_be_free(item, self.old, needed=True)
        self._must_not_be_too_deep(self.old, self.new, value)
        put(item, self.old, value)
        take(item, self.new, prune=True)

    def _must_not_be_too_deep(self, there: Path, here: Path, value: AttributeValue) -> None:
        if len(there) > len(here) and len(there) - 1 + container_levels(value) > CONTAINERS_MAX:
            raise unmappable(
                self,
                there,
                f"would lie in more than {CONTAINERS_MAX + 1} levels of lists and maps, the most that DynamoDB takes",
                "make it flatter in the source, or move it to a place less deep",
            )

    def _must_be_free(self, item: Item, path: Path, *, needed: bool) -> None:
        try:
            there = value_at(self, item, path)
        except MappingError:
            if needed:
                raise
            return
        if there is not None:
            raise unmappable(self, path, "is already there", "rename or drop it first")

    def describe(self) -> str:
        return f"move: {show(self.old)} -> {show(self.new)}"


def move(old: PathLike, new: PathLike) -> Piece:
    """Move a value: `move("detail.status", "status")`, either end nested or a root attribute.

    Nothing happens to an item without the value. A parent that is no map, or a value already at the new place, makes
    the item unmappable.
    """
    old_path, new_path = parse_path(old), parse_path(new)
    if covers(old_path, new_path) or covers(new_path, old_path):
        raise MappingInvalid(f"move: {show(old_path)} and {show(new_path)} lie inside one another")
    if len(old_path) == len(new_path) == 1:
        return rename(old_path, new_path)
    return Move(old_path, new_path)
