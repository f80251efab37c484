"""custom: two functions over whole items, for what the other pieces cannot say.

Nothing is known of such a function beforehand, so everything is checked on each item: that the key attributes are as
they were, and that the way back gives the same item. Both functions get an item of their own, free to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

from crossfade.core.items import Item, copy_item, same, same_item
from crossfade.core.mapping.piece import Keys, Kind, Piece, unmappable
from crossfade.core.mapping.stamp import STAMP
from crossfade.core.mapping.values import show_value
from crossfade.core.mapping.versions import check_version, told_by
from crossfade.errors import MappingError, MappingInvalid

ItemChange: TypeAlias = Callable[[Item], Item]


@dataclass(frozen=True, slots=True)
class Custom(Piece):
    name: str
    there: ItemChange
    back: ItemChange
    version: str | None = None  # what tells its functions from others, where it is not to be found in them
    keys: tuple[str, ...] = ()  # filled in when bound

    @property
    def opaque(self) -> bool:
        return True

    @property
    def content(self) -> tuple[object, ...]:
        return (self.name, *told_by(self.version, self.there, self.back))

    def bind(self, keys: Keys, target: Mapping[str, Kind]) -> tuple[Piece, Keys]:
        del target
        return replace(self, keys=tuple(keys)), keys

    def forward(self, item: Item) -> None:
        changed = self._apply(self.there, item)
        again = self._apply(self.back, changed)
        if not same_item(again, item):
            raise unmappable(self, *difference(item, again))
        self._become(item, changed)

    def backward(self, item: Item) -> None:
        self._become(item, self._apply(self.back, item))

    def _apply(self, change: ItemChange, item: Item) -> Item:
        try:
            changed: Any = change(copy_item(item))
        except MappingError:
            raise
        except Exception as error:
            raise unmappable(self, "(the item)", f"raised {type(error).__name__}: {error}") from error
        if not isinstance(changed, dict):
            raise unmappable(self, "(the item)", f"became {changed!r}; the functions must return an item")
        made = cast("Item", changed)
        for name in self.keys:
            before, after = item.get(name), made.get(name)
            if not same(before, after):
                raise unmappable(
                    self, name, "holds a part of the key and was changed", "change keys with the other pieces"
                )
        if STAMP in made:
            raise unmappable(self, STAMP, "is crossfade's own name")
        return made

    def _become(self, item: Item, changed: Item) -> None:
        item.clear()
        item.update(changed)

    def describe(self) -> str:
        return f"custom: {self.name}"


def custom(forward: ItemChange, backward: ItemChange, *, name: str | None = None, version: str | None = None) -> Piece:
    """Any change of the ordinary attributes: `forward(item) -> item` and its exact inverse.

    Items are in DynamoDB's own form (`{"total": {"N": "1.5"}}`). Both must be plain functions of the item alone: no
    database, no clock, no chance, because they run on every request and again in each check. `version`: what tells
    these functions from others, where they use what no fingerprint can cover.
    """
    if not callable(forward) or not callable(backward):
        raise MappingInvalid(
            "custom: the function and its inverse are both needed", next_step="write custom(forward, backward)"
        )
    check_version(version, "custom")
    return Custom(name or str(getattr(forward, "__qualname__", type(forward).__name__)), forward, backward, version)


def difference(item: Item, again: Item) -> tuple[str, str]:
    """An attribute that is not the same in both, and how."""
    for name in sorted({*item, *again}):
        before, after = item.get(name), again.get(name)
        if before is None and after is not None:
            return name, f"is absent, but would come back as {show_value(after)}"
        if before is not None and after is None:
            return name, f"is {show_value(before)}, but would not come back"
        if before is not None and after is not None and not same(before, after):
            return name, f"is {show_value(before)}, which would come back as {show_value(after)}"
    return "(the item)", "would not come back the same"
