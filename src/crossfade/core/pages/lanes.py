"""Partitions that are read beside one another, each a lane, page by page; merged by what they are sorted by.

DynamoDB sorts items within a partition: numbers by value, text by UTF-8 bytes, binary by unsigned bytes. For items of
an index with one sort value each table has an order of its own, which nothing tells: so first comes all that the first
lane has, as it comes, then all of the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crossfade.core.effects import Call, Gather, Reply, Request, Routine
from crossfade.core.expressions import KeyCondition
from crossfade.core.items import AttributeValue, Item, parse_number, same
from crossfade.core.pages.page_ends import Answered
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Image


class Entry(NamedTuple):
    """What a lane has next: its place, and the item that is to be given for it, if any."""

    place: Item
    shown: Image


@dataclass(slots=True)
class Lane:
    """What has been fetched of one partition of one side, and not yet merged. `goes_beyond`: it is asked for more than
    the caller's condition lets in, at its end."""

    side: Side
    request: Request
    following: list[Request] = field(default_factory=list[Request])  # what is asked next, the next one last
    goes_beyond: bool = False
    held: list[Entry] = field(default_factory=list[Entry])  # the next one last
    ended: bool = False
    answered: Answered | None = None  # the page that they are of

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended

    def take(self, where: KeyCondition, images: Iterable[Item], reply: Reply) -> list[Item]:
        """Take a page, and return what of it the caller's condition lets in. A partition may hold items of other
        partitions of the caller's table too."""
        self.answered = Answered(self.side, "Query", self.request, reply)
        token, (name, value) = reply.get("LastEvaluatedKey"), where.partition
        found = [image for image in images if name in image and same(image[name], value)]
        within = [image for image in found if where.holds(image)]
        self.ended = (token is None and not self.following) or (self.goes_beyond and len(within) < len(found))
        if token is not None:
            self.request = {**self.request, "ExclusiveStartKey": token}
        elif self.following:
            self.request = self.following.pop()
        self.held = [Entry(image, image) for image in reversed(within)]
        return within


def ask_lanes(side: Side, lanes: Sequence[Lane], sent: list[Reply]) -> Routine[list[tuple[Lane, Reply]]]:
    hungry = [lane for lane in lanes if lane.needs_more]
    replies = yield from Gather(tuple(Call(side, "Query", lane.request) for lane in hungry))
    sent += replies
    return list(zip(hungry, replies, strict=True))


def next_lane(lanes: Iterable[Lane], rank: Callable[[Item], Any], *, backwards: bool) -> Lane | None:
    """Return the lane of the next entry; among equals, the first lane that has any."""
    waiting = [lane for lane in lanes if lane.held]
    if len(waiting) < 2:
        return waiting[0] if waiting else None
    choose = max if backwards else min  # of equals, the first
    return choose(waiting, key=lambda lane: rank(lane.held[-1].place))


def is_backwards(request: Request) -> bool:
    return request.get("ScanIndexForward") is False


def rank_by(names: tuple[str, ...]) -> Callable[[Item], Any]:
    """How DynamoDB orders items within a partition."""

    def rank(image: Item) -> Any:
        return [rank_of(image[name]) for name in names]

    return rank


def rank_of(value: AttributeValue) -> Any:
    ((kind, held),) = value.items()
    return parse_number(held) if kind == "N" else held.encode() if kind == "S" else held
