"""Where a page of ours ends in the midst of one that a table has answered: that table's own token for this place.

A plain table's token is the key of the item. Where the table is the source of a later migration of a chain, its tokens
say more (see core/request/cursor.py). So it is asked once more for what it has answered, up to this item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crossfade.core.effects import Call, Reply, Request, Routine
from crossfade.core.items import Item, same
from crossfade.core.read.lookup import TOO_FAST
from crossfade.core.stages import Side
from crossfade.core.tables.pair import key_name
from crossfade.errors import ServiceRejected

ANEW_MAX: Final = 10  # times a page is made anew, each because somebody has written in between
ASKED_MAX: Final = 20  # times: a Scan of two tables may answer less than it was asked for


class ChangedError(Exception):
    """What was answered a moment ago has changed since."""


def pages_too_busy() -> ServiceRejected:
    """What is told where that does not end; SDKs retry it."""
    return ServiceRejected("ProvisionedThroughputExceededException", TOO_FAST)


@dataclass(frozen=True, slots=True)
class Answered:
    """One page of one side: what was asked, and what came back."""

    side: Side
    operation: str
    request: Request
    reply: Reply

    @property
    def token(self) -> Item | None:
        last: Item | None = self.reply.get("LastEvaluatedKey")
        return last

    @property
    def entries(self) -> Sequence[Item]:
        entries: list[Item] = self.reply["Items"]
        return entries

    def place_of(self, key: Item) -> int:
        """How many entries it takes up to the one of the item with this key; 0 where it is not there: then its table
        has it under a key that it should not have."""
        return next((n for n, entry in enumerate(self.entries, 1) if is_of(entry, key)), 0)


def is_of(entry: Item, key: Item) -> bool:
    """Whether an entry, or a token, is of the item with this key."""
    return all(name in entry and same(entry[name], value) for name, value in key.items())


def cursor_behind(answered: Answered, key: Item, sent: list[Reply]) -> Routine[Item | None]:
    """Return that side's cursor behind the item with this key in its page; None where nothing follows, or
    the page has no such item. Raises ChangedError where what comes before is not what it was."""
    place = answered.place_of(key)
    if not place:
        return None
    request: Request = {**answered.request, "Limit": place}
    found: list[Item] = []
    for _ in range(ASKED_MAX):
        reply = yield from Call(answered.side, answered.operation, request)
        sent.append(reply)
        found += reply["Items"]
        last: Item | None = reply.get("LastEvaluatedKey")
        if last is None or len(found) >= place:
            break
        request = {**request, "ExclusiveStartKey": last, "Limit": place - len(found)}
    else:
        raise ChangedError
    names = [
        {key_name({name: entry[name] for name in key}) for entry in entries}
        for entries in (found, answered.entries[:place])
    ]
    if names[0] != names[1] or not is_of(found[-1], key):
        raise ChangedError
    return last
