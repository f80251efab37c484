"""Cursors without a mark while items are in both tables: on which side the page ended, as far as the tables tell.

Libraries and APIs often keep no more of a LastEvaluatedKey than its key attributes. A page ended in the source if that
has the item at that place, copied or not; or else in the target, if that has it. Where the item is deleted, nothing
tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crossfade.core.effects import Reply, Request, Routine
from crossfade.core.items import Item
from crossfade.core.pages.index import MergedIndex
from crossfade.core.read.lookup import look_up
from crossfade.core.request.cursor import INVALID_CURSOR
from crossfade.core.stages import SIDES, Side
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import Stored
from crossfade.errors import ServiceRejected, invalid_request

# A page ends after so many entries that stand for nothing (of an item that is elsewhere now, or was given already): a
# caller must not wait for long. Only the mark of its cursor tells the place, so where marks are cut off it goes on.
DROPPED_MAX: Final = 1_000
DROPPED_UNMARKED_MAX: Final = 100_000

ADVICE: Final = (
    "keep the whole LastEvaluatedKey, with its attribute _crossfade, as ExclusiveStartKey, and begin the Scan or Query"
    " anew"
)


class Dropped:
    """The entries of one page that stand for nothing."""

    def __init__(self, start: Item | None = None, mark: str = "") -> None:
        self._is_marked = start is None or bool(mark)
        self._count = 0

    def ends(self, more: int = 1) -> bool:
        """Whether the page ends after so many more, with nothing to show. Raises ServiceRejected where no mark could
        tell the place."""
        self._count += more
        if self._count < (DROPPED_MAX if self._is_marked else DROPPED_UNMARKED_MAX):
            return False
        if not self._is_marked:
            raise too_far()
        return True


def is_whole(pair: Pair, index: MergedIndex | None, start: Item) -> bool:
    """Whether the cursor has all that it takes; what is wrong with another is DynamoDB's to say."""
    return start.keys() == {*pair.callers_names, *(() if index is None else index.names.every)}


def check_kinds(pair: Pair, request: Request) -> None:
    """Raises ServiceRejected, before anything is read, for a cursor whose attributes are not of the types of its
    keys."""
    kinds = dict(pair.callers_schema) | {key.attribute: key.kind for key in pair.index_keys.get(pair.view, ())}
    start: Item = request.get("ExclusiveStartKey", {})
    if any(name in kinds and kinds[name] not in value for name, value in start.items()):
        raise invalid_request(INVALID_CURSOR)


def side_of(
    pair: Pair, start: Item, gives: Callable[[Stored], bool], sent: list[Reply], counted: Request
) -> Routine[Side | None]:
    """The side where the page ended; None if neither has the item. `gives`: an item of the source has its place
    there."""
    key = pair.callers_key(start)
    held: dict[Side, bool] = {}
    for side in SIDES:
        (stored,) = yield from look_up(pair, side, [key], sent, counted)
        held[side] = stored.item is not None and not pair.is_another(side, stored, key)
        if side == "source" and held[side] and gives(stored):
            return "source"
    if held["target"]:
        return "target"
    return "source" if held["source"] else None  # it has moved since


def unknown() -> ServiceRejected:
    return invalid_request(
        "The provided starting key is invalid: it lacks the attribute _crossfade of the LastEvaluatedKey that it was"
        f" made of, and its item is deleted, so that nothing tells in which of two tables to go on; {ADVICE}"
    )


def too_far() -> ServiceRejected:
    return invalid_request(
        f"{DROPPED_UNMARKED_MAX} items that earlier pages have given follow, and a starting key without the attribute"
        f" _crossfade of the LastEvaluatedKey that it was made of cannot tell a place among them; {ADVICE}"
    )
