"""Queries and Scans, page by page, with pauses in which stages move, each page perhaps by another process.

Of a Query the order is known, so each page is a read of every key that it covers; and so is each of a strongly
consistent Scan that goes through one table, whose order the simulated table tells. Of another Scan, an item that is
shown is a read within its page, and one that the whole walk has not shown was absent at some moment of the walk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.request.cursor import is_marked, mark_of, said_by
from crossfade.core.stages import Order, Row, Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import CrossfadeError
from crossfade.sim.applications import Application
from crossfade.sim.calls import Calls, key_of, shown
from crossfade.sim.history import KeyName, Operation, Repeated
from crossfade.sim.model import Action, Answer
from crossfade.sim.own_keys import with_own_key
from crossfade.sim.table import Key, partition_hash, value_key

# Where a token without a mark is taken for one of the target's order.
PAGES_MAX: Final = 40  # of a few items: a walk that takes more goes in circles

Place = tuple[int, Key]

Successor = Callable[[Application], Application | None]


@dataclass(frozen=True, slots=True)
class Places:
    """The order of one table's items in a Scan of it, by their keys in the caller's view."""

    pair: Pair
    side: Side

    def of(self, key: KeyName) -> Place:
        whole = with_own_key(self.pair.mapping, key_of(key))
        return self._place(whole if self.side == "source" else self.pair.mapping.forward_key(whole))

    def of_cursor(self, cursor: Item) -> Place:
        pair = self.pair
        return self._place(cursor if pair.view == self.side else pair.key(self.side, pair.callers_key(cursor)))

    def _place(self, key: Item) -> Place:
        place = tuple([value_key(key[name]) for name in self.pair.table(self.side).key_names])
        return partition_hash(place), place


@dataclass(slots=True)
class Walk:
    """One Query or Scan from its first page to its last. `left` are the keys that no page has covered yet."""

    calls: Calls
    operation: str
    request: Request
    action: Action  # what a page shows of an item: a read, perhaps with a filter, perhaps of the recent past
    left: list[KeyName]
    pause_seconds: float
    successor: Successor  # who asks for the next page, if anybody can
    sort: str = "sk"  # what the sort key is called in a cursor
    begun: int = 0
    begun_at: float = 0.0
    since: int | None = None
    pages: int = 0
    times: dict[KeyName, int] = field(default_factory=dict[KeyName, int])  # how often an item was shown
    by: Places | None = None  # of a Scan whose order is known

    def begin(self, client: Application) -> None:
        world = self.calls.world
        self.begun, self.begun_at = world.order(), world.now
        self.calls.history.begins(self.begun, self.begun_at)
        if self.operation == "Scan" and not self.action.is_eventual:
            self.by = places_of(client, self.request["TableName"])
        self.since = self._since(client)
        self._page(client)

    def _since(self, client: Application) -> int | None:
        return self.calls.history.since(self.calls.oldest(client)) if self.action.is_eventual else None

    def _page(self, client: Application) -> None:
        world = self.calls.world
        called, called_at = world.order(), world.now
        self.calls.history.begins(called, called_at)
        since = self._since(client)
        window = called, called if since is None else since
        of_both = self.action.name == "entry" and self.action.is_eventual and client.row.stamped_source

        def read(key: KeyName, answer: Answer) -> None:
            who = client.process.name
            operation = Operation(who, key, self.action, called, called_at, since=since, of_both=of_both)
            self.calls.history.operations.append(operation)
            self.calls.ended([operation], [answer])

        def told(reply: Reply | None, error: CrossfadeError | None, sent: bool) -> None:
            del error, sent
            if reply is None:
                return
            self.pages += 1
            if self.by is not None and self.pages == 1:
                self.by = Places(self.by.pair, side_begun(reply, client.row))
            self._judge(reply, read, window)
            last: Item | None = reply.get("LastEvaluatedKey")
            if last is None:
                self._end(client)
            else:
                self.request = {**self.request, "ExclusiveStartKey": last}
                seconds = world.random.random() * self.pause_seconds
                given = client.row
                world.after(seconds, lambda: self._go_on(client, given))

        keys = self.left if self.operation == "Query" or self.by else list(self.calls.history.initial)
        self.calls.send(client, self.operation, dict(self.request), keys, told)

    def _go_on(self, client: Application, given: Row) -> None:
        following = self.successor(client)
        if following is None:
            return
        row = following.row
        is_consistent = row.keeps_equal and row.authority == "target" and not self.action.is_eventual
        if given.order is Order.SOURCE and (row.order.side == "target" or is_consistent):
            return  # a token that was kept for so long is worth nothing: docs/attach.md
        self._page(following)

    def _judge(self, reply: Reply, read: Callable[[KeyName, Answer], None], window: tuple[int, int]) -> None:
        """`window`: the places in the order of everything from which on the page was asked for, and may date."""
        del window
        last: Item | None = reply.get("LastEvaluatedKey")
        found = shown(reply["Items"])
        if (odd := self._odd(reply, len(found))) is not None:
            read(self.left[0] if self.left else next(iter(self.calls.history.initial)), ("odd", odd))
        for key in found:
            self.times[key] = self.times.get(key, 0) + 1
        if self.operation == "Scan" and self.by is None:
            for key, answer in found.items():
                read(key, answer)
            return
        covered = self.left if last is None else [key for key in self.left if self._reaches(key, last)]
        self.left = [key for key in self.left if key not in covered]
        for key in covered:
            read(key, found.pop(key, ("ok", None)))
        for key, answer in found.items():
            # By an index, one that was put anew may be behind itself: that it was is looked at in the end.
            again = "IndexName" in self.request and self.times[key] > 1
            read(key, answer if again else ("odd", f"the page shows an item out of its range: {answer}"))

    def _odd(self, reply: Reply, shown_items: int) -> str | None:
        """What no page of a plain table would be."""
        limit: int | None = self.request.get("Limit")
        if limit is not None and reply["ScannedCount"] > limit:
            return f"a page of {reply['ScannedCount']} items, of {limit} at most"
        if reply["Count"] != shown_items or reply["ScannedCount"] < shown_items:
            return f"a page of {shown_items} items that counts {reply['Count']} of {reply['ScannedCount']}"
        if self.pages > PAGES_MAX:
            return f"a {self.operation} that has not ended after {PAGES_MAX} pages"
        return None

    def _reaches(self, key: KeyName, last: Item) -> bool:
        """Whether a page that ended at `last` has looked at this key."""
        if self.by is not None:
            return self.by.of(key) <= self.by.of_cursor(last)
        end: str = last[self.sort]["S"] if self.sort else key[1]
        return key[1] <= end if self.request["ScanIndexForward"] else key[1] >= end

    def _end(self, client: Application) -> None:
        """The whole walk: what it has never shown was absent at some moment of it."""
        for key in self.calls.history.initial if self.operation == "Scan" and self.by is None else ():
            if key in self.times:
                continue
            operation = Operation(client.process.name, key, self.action, self.begun, self.begun_at, since=self.since)
            self.calls.history.operations.append(operation)
            self.calls.ended([operation], [("ok", None)])
        begun, ended = self.begun if self.since is None else self.since, self.calls.world.order()
        repeated = [key for key, times in self.times.items() if times > 1]
        self.calls.history.repeated += [Repeated(client.process.name, key, begun, ended) for key in repeated]


def places_of(client: Application, table: str) -> Places | None:
    """Return the order of a strongly consistent Scan that begins now; None where it goes through two tables, or along a
    chain of migrations."""
    pair, row = client.pair, client.row
    if row.stamped_source or pair.caller.name != table:
        return None
    return Places(pair, row.authority)


def side_begun(reply: Reply, row: Row) -> Side:
    """Return whose order a strongly consistent Scan has begun in. The cursor of its first page says so where a stage
    that is near has the other one: a client that has slept may follow the fleet before it sends."""
    request: Request = {"ExclusiveStartKey": reply.get("LastEvaluatedKey") or {}}
    mark = mark_of(said_by(request)) if is_marked(request) else ""
    begun: dict[str, Side] = {"source": "source", "target": "target"}
    return begun.get(mark, row.authority)


def query_of(table: str, partition: str, *, forward: bool, by: str = "pk") -> Request:
    return {
        "TableName": table,
        "KeyConditionExpression": f"{by} = :pk",
        "ExpressionAttributeValues": {":pk": {"S": partition}},
        "ScanIndexForward": forward,
    }


def with_filter(request: Request, expected: int) -> Request:
    """Only what has an `n` of this or more."""
    values: Item = {**request.get("ExpressionAttributeValues", {}), ":least": {"N": str(expected)}}
    return {**request, "FilterExpression": "n >= :least", "ExpressionAttributeValues": values}
