"""What DynamoDB does not promise to do at one moment, done at two: the entries of a batch, the items of a page.

A batch may leave entries undone, and a page may end before its limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from crossfade.core.effects import Reply, Request

TWO_MOMENTS: Final = 0.5
ENDS_EARLY: Final = 0.1  # of the pages
MEMBERS: Final = {"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}
Entries = list[tuple[str, Any]]  # the table, and a key or a write


@dataclass(slots=True)
class Parts:
    """A request as it is. `first`, if any, is carried out before the rest."""

    request: Request
    first: Request | None = None

    def second(self, replies: list[Reply]) -> Request | None:
        """The rest, after these replies; None if nothing is left."""
        del replies
        return self.request

    def whole(self, replies: list[Reply]) -> Reply:
        return replies[-1]


def parts_of(operation: str, request: Request, random: Random, *, partly: bool) -> Parts:
    if operation in MEMBERS:
        return batch_parts(operation, request, random, partly=partly)
    if operation in ("Query", "Scan"):
        return page_parts(request, random)
    return Parts(request)


# --- batches ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class BatchParts(Parts):
    left: Request | None = None
    member: str = ""

    def whole(self, replies: list[Reply]) -> Reply:
        reply: Reply = {**replies[-1]}
        if len(replies) > 1 and "Responses" in reply:
            tables = {name: None for each in replies for name in each["Responses"]}
            reply["Responses"] = {
                name: [item for each in replies for item in each["Responses"].get(name, ())] for name in tables
            }
        return reply if self.left is None else {**reply, self.member: self.left["RequestItems"]}


def batch_parts(operation: str, request: Request, random: Random, *, partly: bool) -> Parts:
    entries = entries_of(operation, request)
    if len(entries) < 2 or not (partly or random.random() < TWO_MOMENTS):
        return Parts(request)
    random.shuffle(entries)
    member = MEMBERS[operation]
    some = random.randrange(1, len(entries))
    if partly:
        left = batch_of(operation, request, entries[some:])
        return BatchParts(batch_of(operation, request, entries[:some]), None, left, member)
    return BatchParts(
        batch_of(operation, request, entries[some:]), batch_of(operation, request, entries[:some]), None, member
    )


def entries_of(operation: str, request: Request) -> Entries:
    items = request["RequestItems"].items()
    if operation == "BatchGetItem":
        return [(name, key) for name, wanted in items for key in wanted["Keys"]]
    return [(name, entry) for name, entries in items for entry in entries]


def batch_of(operation: str, request: Request, entries: Entries) -> Request:
    """Return the batch with these entries alone."""
    given: Request = request["RequestItems"]
    chosen: dict[str, list[Any]] = {}
    for name, entry in entries:
        chosen.setdefault(name, []).append(entry)
    reads = operation == "BatchGetItem"
    some = {name: {**given[name], "Keys": of_it} if reads else of_it for name, of_it in chosen.items()}
    return {**request, "RequestItems": some}


# --- pages ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class PageParts(Parts):
    ends_early: bool = False

    def second(self, replies: list[Reply]) -> Request | None:
        if not replies:
            return self.request
        last = replies[0].get("LastEvaluatedKey")
        if last is None or self.ends_early:
            return None
        request: Request = {**self.request, "ExclusiveStartKey": last}
        if "Limit" in request:
            request["Limit"] -= replies[0]["ScannedCount"]
        return request

    def whole(self, replies: list[Reply]) -> Reply:
        if len(replies) == 1:
            return replies[0]
        first, last = replies
        counts = {name: first[name] + last[name] for name in ("Count", "ScannedCount")}
        items = {"Items": [*first["Items"], *last["Items"]]} if "Items" in first else {}
        return {**last, **counts, **items}


def page_parts(request: Request, random: Random) -> Parts:
    limit: int | None = request.get("Limit")
    if limit == 1 or random.random() >= TWO_MOMENTS:
        return Parts(request)
    return PageParts(request, {**request, "Limit": 1}, ends_early=random.random() < ENDS_EARLY / TWO_MOMENTS)
