"""The partitions of one side that may hold what a Query of the table asks for, and what each of them is asked.

One partition of one side may be spread over several of the other (write sharding). Each is queried with the caller's
own sort condition, from behind the caller's cursor. Of an index, behind an item of one partition, those before it go on
behind its sort value, and those after it begin with its sort value (see core/pages/lanes.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from crossfade.core.effects import Request
from crossfade.core.expressions.keys import KeyCondition, SortCondition, names_of_key
from crossfade.core.items import AttributeValue, Item, same
from crossfade.core.key_names import KeyNames
from crossfade.core.pages.asked import Asked, key_condition_in, paging_there
from crossfade.core.pages.lanes import Lane, is_backwards
from crossfade.core.pages.prefixes import NO_MATCH, bounds_there
from crossfade.core.request.cursor import INVALID_CURSOR, MARK, cursor_in
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema
from crossfade.errors import invalid_request

OUTSIDE: Final = "The provided starting key is outside query boundaries based on provided conditions"


@dataclass(frozen=True, slots=True)
class Course:
    """The order in which a Query reads a partition of one side: by the table's own sort key, or a local index's."""

    side: Side
    keys: KeyNames  # the caller's names of the partition key and of what is sorted by
    sort_there: str | None  # that side's name of what is sorted by
    index: str | None = None  # its name there
    schema: IndexSchema = WHOLE_ITEMS  # what it holds there


def own_course(pair: Pair, side: Side) -> Course:
    return Course(side, names_of_key(pair.caller.key_names), pair.table(side).sort_key)


def key_of_one(pair: Pair, where: KeyCondition) -> Item:
    """The caller's key of the one item that a Query of the table can be about; nothing where there may be several, or
    where both tables' keys are needed to find it."""
    (name, value), sort, sort_key = where.partition, where.sort, pair.caller.sort_key
    if pair.mapping.source_key_extras or pair.mapping.target_key_extras:
        return {}
    if sort_key is None:
        return {name: value}
    return {name: value, sort_key: sort.operands[0]} if sort is not None and sort.operator == "=" else {}


def key_there(pair: Pair, where: KeyCondition, side: Side) -> Item:
    """Return the key of the one item that the Query means in the other table. Raises MappingError."""
    key = key_of_one(pair, where) if side != pair.view and pair.mapping.sort == "other" else {}
    return pair.key(side, pair.callers_key(key)) if key else {}


def partitions(pair: Pair, where: KeyCondition, side: Side) -> tuple[AttributeValue, ...]:
    """The partitions of a table that may hold items of the one asked for."""
    _, value = where.partition
    if side == pair.view:
        return (value,)
    if key := key_there(pair, where, side):
        return (key[pair.table(side).partition_key],)
    return pair.mapping.partitions(value, back=side == "source")


def lanes_of(
    pair: Pair, asked: Asked, request: Request, course: Course, limit: int | None, *, shares: bool = False
) -> list[Lane]:
    """Return a lane for every partition of one side, each starting behind the caller's cursor. `limit`: of a page; with
    `shares`, of those of all lanes together."""
    side, where = course.side, asked.of_query
    start = checked_start(pair, where, request, course)
    values = partitions(pair, where, side)
    if shares and limit is not None and len(values) > 1:
        limit = min(limit, limit // len(values) + 2)
    base = paging_there(pair, side, request, course.index, limit)
    if course.index is None and (key := key_there(pair, where, side)):
        # Behind the one item there is nothing.
        return [] if start is not None else [Lane(side, base | by_whole_key(pair, asked, side, key))]
    if start is None or course.index is None or not may_lie_here(pair, request, where, start, course):
        return begun(pair, asked, course, base, values, start)
    at, lanes = lane_of(pair, side, values, start), list[Lane]()
    parts = parts_around(at, len(values), asked, course.keys.sort, start, backwards=is_backwards(request))
    for n, (value, (part,)) in enumerate(zip(values, parts, strict=True)):
        (lane,) = begun(pair, part, course, base, (value,), start if n == at else None)
        lane.goes_beyond = n != at
        lanes.append(lane)
    given: Item = request["ExclusiveStartKey"]
    if MARK in given:
        own: Item = lanes[at].request["ExclusiveStartKey"]
        lanes[at].request["ExclusiveStartKey"] = cursor_in(given) or {**own, MARK: given[MARK]}
    return lanes


def begun(
    pair: Pair, asked: Asked, course: Course, base: Request, values: Sequence[AttributeValue], start: Item | None
) -> list[Lane]:
    """Lanes that are asked the same, each behind the caller's cursor, if there is one."""
    side, table, own = course.side, pair.table(course.side), pair.caller.sort_key
    if side != pair.view and pair.mapping.sort_prefix:
        bounds = bounds_there(pair, side, asked.of_query, start, base, of_index=course.index is not None)
        if bounds is None:
            return []
        sort, start = bounds
        asked = replace(asked, where=replace(asked.of_query, sort=sort))
    lanes: list[Lane] = []
    for value in values:
        lane = Lane(side, base | key_condition_in(asked, table.partition_key, value, course.sort_there))
        if start is not None:
            token: Item = {table.partition_key: value}
            if table.sort_key is not None and own is not None:
                token[table.sort_key] = start[own]
            if course.sort_there is not None and course.keys.sort:
                token[course.sort_there] = start[course.keys.sort[0]]
            lane.request["ExclusiveStartKey"] = token
        lanes.append(lane)
    return lanes


def checked_start(pair: Pair, where: KeyCondition, request: Request, course: Course) -> Item | None:
    """The caller's token. Raises ServiceRejected for one that does not belong to the Query."""
    given: Item | None = request.get("ExclusiveStartKey")
    if given is None:
        return None
    start = given if course.index is None else {name: part for name, part in given.items() if name != MARK}
    names = {*pair.caller.key_names, *course.keys.sort}
    is_ordered = course.index is not None or pair.mapping.sort != "other"
    check_start(where, start, has_names=start.keys() == names, is_ordered=is_ordered)
    return start


def check_start(where: KeyCondition, start: Item, *, has_names: bool, is_ordered: bool) -> None:
    """Raises ServiceRejected for a token of a table that does not belong to the Query. `is_ordered`: it may be beyond
    the condition."""
    name, value = where.partition
    if not has_names:
        raise invalid_request(INVALID_CURSOR)
    if not same(start[name], value):
        raise invalid_request(OUTSIDE)
    if not (is_ordered or where.holds(start)):
        raise invalid_request(NO_MATCH)


def by_whole_key(pair: Pair, asked: Asked, side: Side, key: Item) -> Request:
    """The condition that the other table's item with this key fulfils, and no other."""
    table = pair.table(side)
    sort = None if table.sort_key is None else SortCondition(table.sort_key, "=", (key[table.sort_key],))
    part = replace(asked, where=replace(asked.of_query, sort=sort))
    return key_condition_in(part, table.partition_key, key[table.partition_key], table.sort_key)


def may_lie_here(pair: Pair, request: Request, where: KeyCondition, start: Item, course: Course) -> bool:
    """Whether a token of an index may be one; what cannot be one is DynamoDB's to refuse."""
    declared, sort = pair.caller.index(request["IndexName"]), course.keys.sort
    kinds_fit = declared is not None and all(declared.kinds[name] in start[name] for name in sort)
    return bool(sort) and kinds_fit and where.holds(start)


def lane_of(pair: Pair, side: Side, values: Sequence[AttributeValue], token: Item) -> int:
    """Return the index of the partition, among `values`, in which the caller's cursor lies."""
    if len(values) == 1:
        return 0
    value = pair.key(side, pair.callers_key(token))[pair.table(side).partition_key]
    return next(n for n, each in enumerate(values) if same(each, value))


def parts_around(
    at: int, count: int, asked: Asked, names: Sequence[str], token: Item, *, backwards: bool
) -> list[list[Asked]]:
    """What each of so many partitions is asked, one Query after another, where the token lies in the one `at`: that one
    is asked for all, those before it for what is behind the sort value of the token, those after it from there on.
    Nothing is asked where nothing can follow. Raises ServiceRejected where the token has no such value."""
    parts: list[list[Asked]] = []
    for n in range(count):
        if n == at or not names:
            parts.append([asked] if n >= at else [])
        else:
            parts.append(from_sort_value(asked, names, token, backwards=backwards, inclusive=n > at))
    return parts


def from_sort_value(
    asked: Asked, names: Sequence[str], token: Item, *, backwards: bool, inclusive: bool
) -> list[Asked]:
    """What is behind a sort value: of several sort attributes each can be compared only while those before it are
    equal. What the caller's own condition then does not let in ends it."""
    where = asked.of_query
    free = [name for name in names if name not in where.equal]
    if any(name not in token for name in free):
        raise invalid_request(INVALID_CURSOR)
    parts: list[Asked] = []
    for n in range(len(free) - 1, -1, -1):
        operator = ("<" if backwards else ">") + ("=" if inclusive and n == len(free) - 1 else "")
        equal = {**where.equal, **{name: token[name] for name in free[:n]}}
        sort = SortCondition(free[n], operator, (token[free[n]],))
        parts.append(replace(asked, where=replace(where, equal=equal, sort=sort)))
    return parts
