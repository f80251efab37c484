"""Queries of an index, page by page, and what may be said of their pages.

An item has its place by an attribute that changes, so that it may move while a walk goes on, ahead of it or behind its
back: then it may be missing, or come twice. One that has not moved is on exactly one page. And what a page shows is a
read: the item had this entry, at some moment of the page or, eventually consistent, at one not long before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.core.stages import Order
from crossfade.core.tables.pair import Pair, key_name
from crossfade.sim.applications import Application
from crossfade.sim.calls import key_of, name_of
from crossfade.sim.history import KeyName, Missed, Operation, Repeated
from crossfade.sim.indexed import IndexPlan
from crossfade.sim.model import Action, Answer, seen
from crossfade.sim.network import STALE_SECONDS_MAX
from crossfade.sim.pages import Walk
from crossfade.sim.target_pages import by_target_key, target_partition

ENDLESS: Final = float("inf")
IN_TARGETS_ORDER: Final = frozenset({Order.TARGET, Order.TARGET_MARKED})


@dataclass(frozen=True, slots=True)
class Asked:
    """One Query of the index: a partition, and of what is sorted by the lowest and the highest value asked for."""

    plan: IndexPlan
    pair: Pair
    value: str
    low: float
    high: float
    forward: bool

    def value_of(self, key: KeyName) -> str:
        return partition_of(self.plan, self.pair, key)

    def request(self) -> Request:
        values: Item = {":value": {"S": self.value}}
        text = "#by = :value"
        if self.high < ENDLESS:
            text += " AND n BETWEEN :low AND :high"
            values |= {":low": {"N": str(self.low)}, ":high": {"N": str(self.high)}}
        elif self.low > -ENDLESS:
            text += " AND n >= :low"
            values[":low"] = {"N": str(self.low)}
        return {
            "IndexName": self.plan.name_of(self.pair.view),
            "KeyConditionExpression": text,
            "ExpressionAttributeNames": {"#by": self.plan.attribute_of(self.pair)},
            "ExpressionAttributeValues": values,
            "ScanIndexForward": self.forward,
        }


def partition_of(plan: IndexPlan, pair: Pair, key: KeyName) -> str:
    """Return the partition of the caller's own index that an item is in."""
    if pair.view == "target" and plan.partition == "pk" and plan.attribute_of(pair) == pair.target.partition_key:
        return target_partition(pair, key)
    return key[0] if plan.partition == "pk" else key[1]


def draw_asked(random: Random, plan: IndexPlan, key: KeyName, pair: Pair) -> Asked:
    low, high = -ENDLESS, ENDLESS
    if plan.by_n and random.random() < 0.3:
        low = random.choice((1, 2))
        if random.random() < 0.5:
            high = low + random.choice((0, 1, 3))
    return Asked(plan, pair, partition_of(plan, pair, key), low, high, forward=random.random() < 0.5)


@dataclass(slots=True)
class IndexWalk(Walk):
    """One Query of an index from its first page to its last."""

    asked: Asked = field(kw_only=True)
    at: float | None = None  # where the last page ended
    since_first: int | None = None  # the oldest moment that any page may be of
    in_targets_order: bool = False

    def _since(self, client: Application) -> int | None:
        """Return the earliest moment that a page may be of. One in the order of the side that decides is fresh."""
        calls = self.calls
        if not self.action.is_eventual:
            return None
        seconds, row = calls.stale_seconds, client.row
        if not self.pages:
            self.in_targets_order = row.order in IN_TARGETS_ORDER
        if row.keeps_equal or row.is_single:
            is_fresh = row.authority == ("target" if self.in_targets_order else "source")
            seconds = STALE_SECONDS_MAX if is_fresh else seconds
        since = calls.history.since(calls.deadline(client) - seconds)
        self.since_first = since if self.since_first is None else min(since, self.since_first)
        return since

    # --- one page

    def _judge(self, reply: Reply, read: Callable[[KeyName, Answer], None], window: tuple[int, int]) -> None:
        places: list[tuple[KeyName, float]] = []
        items: list[Item] = reply["Items"]
        for item in self._in_source_form(items):
            key, answer = name_of(item), of_entry(item)
            read(key, answer)
            self.times[key] = self.times.get(key, 0) + 1
            n = float(item["n"]["N"]) if "n" in item and self.asked.plan.by_n else 0.0
            places.append((key, n))
        last: Item | None = reply.get("LastEvaluatedKey")
        before, self.at = self.at, None if last is None or not self.asked.plan.by_n else float(last["n"]["N"])
        if (odd := self._odd_page(reply, places, before)) is not None:
            read(self.left[0], ("odd", odd))
        elif self.asked.plan.by_n:
            self._miss({key for key, _ in places}, self._between(before, self.at), window)

    def _in_source_form(self, entries: list[Item]) -> list[Item]:
        """What an application that speaks of the target is shown, by the old key."""
        pair = self.asked.pair
        if pair.view == "source":
            return entries
        keys = by_target_key(pair, list(self.calls.history.initial))
        of_keys = {*pair.target.key_names, *pair.whole_key_names("source")}
        return [
            {name: value for name, value in entry.items() if name not in of_keys}
            | key_of(keys[key_name({name: entry[name] for name in pair.target.key_names})])
            for entry in entries
        ]

    def _odd_page(self, reply: Reply, places: list[tuple[KeyName, float]], before: float | None) -> str | None:
        if (odd := self._odd(reply, len(places))) is not None:
            return odd
        asked = self.asked
        stray = [key for key, _ in places if asked.value_of(key) != asked.value]
        if stray:
            return f"entries of another partition: {stray}"
        values = [n for _, n in places] if asked.plan.by_n else []
        if values != sorted(values, reverse=not asked.forward):
            return f"a page that is not in order: {values}"
        ends = [at for at in (before, *values, self.at) if at is not None]
        if ends != sorted(ends, reverse=not asked.forward) or any(not asked.low <= n <= asked.high for n in values):
            return f"a page from {before} to {self.at} of {asked.low} to {asked.high} shows {values}"
        return None

    def _between(self, before: float | None, at: float | None) -> tuple[float, float]:
        """The values that a page has covered wholly: items with that of a cursor may be before it or behind it."""
        low, high = (before, at) if self.asked.forward else (at, before)
        return (
            self.asked.low if low is None else max(low + 1, self.asked.low),
            self.asked.high if high is None else min(high - 1, self.asked.high),
        )

    def _miss(self, there: set[KeyName], inside: tuple[float, float], window: tuple[int, int]) -> None:
        """Note that the items which were not shown were outside, if they have not moved."""
        if inside[0] > inside[1]:
            return
        action = replace(self.action, name="outside", inside=inside)
        for key in self.left:
            if key not in there:
                self._missed(key, action, ("ok", False), window)

    def _missed(self, key: KeyName, action: Action, answer: Answer, window: tuple[int, int]) -> None:
        called, since = window
        operation = Operation("a walk", key, action, called, self.begun_at, since=since)
        operation.answer, operation.answered, operation.answered_at = answer, self.calls.world.order(), self._now
        self.calls.history.missed.append(Missed(operation, moves=self.asked.plan.by_n))

    @property
    def _now(self) -> float:
        return self.calls.world.now

    # --- all of them

    def _end(self, client: Application) -> None:
        begun = self.begun if self.since_first is None else min(self.since_first, self.begun)
        window = self.begun, begun
        if self.asked.plan.by_n:
            self._miss(set(self.times), (self.asked.low, self.asked.high), window)
        else:
            for key in self.left:
                if key not in self.times:
                    self._missed(key, self.action, ("ok", None), window)
        ended, by_n = self.calls.world.order(), self.asked.plan.by_n
        repeated = [key for key, times in self.times.items() if times > 1]
        self.calls.history.repeated += [
            Repeated(client.process.name, key, begun, ended, moves=by_n) for key in repeated
        ]


def of_entry(item: Item) -> Answer:
    """What an entry shows of its item."""
    try:
        return "ok", seen(item)
    except (ValueError, KeyError, TypeError) as error:
        return "odd", f"{item!r}: {error}"
