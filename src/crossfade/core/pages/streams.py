"""One partition of one side after another, each a stream of images in its order.

What a merged page is made of: where each partition is begun behind the caller's cursor, what has been fetched of it,
and how DynamoDB orders items within one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crossfade.core.effects import Request
from crossfade.core.expressions.keys import KeyNames, SortCondition, names_of_key
from crossfade.core.items import AttributeValue, Item, parse_number, same
from crossfade.core.pages.lanes import from_sort_value, lane_of
from crossfade.core.pages.page import Asked, key_condition_in
from crossfade.core.pages.page_ends import Answered
from crossfade.core.pages.prefixes import NO_MATCH, bounds_there, is_prefixed
from crossfade.core.request.capacity import capacity_asked
from crossfade.core.request.cursor import INVALID_CURSOR, MARK, cursor_in
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Image, Pair
from crossfade.core.tables.schema import WHOLE_ITEMS, IndexSchema, TableShape
from crossfade.errors import ServiceRejected

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
PAGE_BYTES_MAX: Final = 1024 * 1024

OUTSIDE: Final = "The provided starting key is outside query boundaries based on provided conditions"


@dataclass(frozen=True, slots=True)
class Course:
    """The order in which a Query reads a partition: by the table's own sort key, or a local index's."""

    keys: KeyNames  # the caller's names of the partition key and of what is sorted by
    sort_there: str | None  # the other table's name of what is sorted by
    index: str | None = None  # its name in the other table
    schema: IndexSchema = WHOLE_ITEMS  # what it holds there


def own_course(pair: Pair, side: Side) -> Course:
    return Course(key_names(pair), pair.table(side).sort_key)


def key_names(pair: Pair) -> KeyNames:
    return names_of_key(pair.caller.key_names)


def partition_of(asked: Asked) -> AttributeValue:
    return asked.of_query.partition[1]


def key_of_one(pair: Pair, asked: Asked) -> Item:
    """The caller's key of the one item that a Query of the table can be about; nothing where there may be several, or
    where both tables' keys are needed to find it."""
    (name, value), sort, sort_key = asked.of_query.partition, asked.of_query.sort, pair.caller.sort_key
    if pair.mapping.source_key_extras or pair.mapping.target_key_extras:
        return {}
    if sort_key is None:
        return {name: value}
    return {name: value, sort_key: sort.operands[0]} if sort is not None and sort.operator == "=" else {}


def key_there(pair: Pair, asked: Asked, side: Side) -> Item:
    """Return the key of the one item that the Query means in the other table. Raises MappingError."""
    key = key_of_one(pair, asked) if side != pair.view and pair.mapping.sort == "other" else {}
    return pair.key(side, pair.callers_key(key)) if key else {}


def partitions(pair: Pair, asked: Asked, side: Side) -> tuple[AttributeValue, ...]:
    """The partitions of a table that may hold items of the one asked for."""
    if side == pair.view:
        return (partition_of(asked),)
    if key := key_there(pair, asked, side):
        return (key[pair.table(side).partition_key],)
    return pair.mapping.partitions(partition_of(asked), back=side == "source")


@dataclass(slots=True)
class Stream:
    """What has been fetched of one partition and not yet merged. `goes_beyond`: it is asked for more than the caller's
    condition lets in, at its end."""

    request: Request
    goes_beyond: bool = False
    held: list[Item] = field(default_factory=list[Item])  # images, the next one last
    ended: bool = False
    answered: Answered | None = None  # the page that they are of

    def take(self, asked: Asked, images: Iterable[Image], answered: Answered) -> None:
        """A page. A partition may hold items of other partitions of the caller's table too."""
        self.answered, token = answered, answered.token
        name, value = asked.of_query.partition
        found = [image for image in images if image is not None and same(image[name], value)]
        within = [image for image in found if asked.of_query.holds(image)]
        self.ended = token is None or (self.goes_beyond and len(within) < len(found))
        if token is not None:
            self.request = {**self.request, "ExclusiveStartKey": token}
        self.held = within[::-1]

    @property
    def needs_more(self) -> bool:
        return not self.held and not self.ended


def streams(pair: Pair, asked: Asked, request: Request, side: Side, course: Course, size: int | None) -> list[Stream]:
    """Return a stream for every partition of one side, each starting behind the caller's cursor."""
    start = checked_start(pair, asked, request, course)
    given: Item = request.get("ExclusiveStartKey", {})
    there = cursor_in(given)  # of the partition where it lies
    keep = ("ConsistentRead", "ScanIndexForward")
    base: Request = {name: request[name] for name in keep if name in request} | capacity_asked(request)
    base["TableName"] = pair.table(side).name
    if course.index is not None:
        base["IndexName"] = course.index
    if size is not None:
        base["Limit"] = size
    values = partitions(pair, asked, side)
    each: list[tuple[AttributeValue, Asked, Item | None]] = [(value, asked, start) for value in values]
    at: int | None = None
    if start is not None and course.index is not None and may_lie_here(pair, request, asked, start, course):
        at, backwards = lane_of(pair, side, values, start), request.get("ScanIndexForward") is False
        for n, value in enumerate(values):
            if n != at:
                (part,) = from_sort_value(asked, course.keys.sort, start, backwards=backwards, inclusive=n > at)
                each[n] = value, part, None
    made: list[Stream] = []
    if course.index is None and (key := key_there(pair, asked, side)):
        # Behind the one item there is nothing.
        return [] if start is not None else [Stream({**base, **by_whole_key(pair, asked, side, key)})]
    for n, (value, part, begin) in enumerate(each):
        if is_prefixed(pair, side):
            bounds = bounds_there(pair, side, part.of_query, begin, request, of_index=course.index is not None)
            if bounds is None:
                return []
            sort, begin = bounds
            part = replace(part, where=replace(part.of_query, sort=sort))
        one = narrowed(pair, part, pair.table(side), course, value, begin)
        if n == at and MARK in given:
            one["ExclusiveStartKey"] = there or {**one["ExclusiveStartKey"], MARK: given[MARK]}
        made.append(Stream({**base, **one}, goes_beyond=at is not None and n != at))
    return made


def checked_start(pair: Pair, asked: Asked, request: Request, course: Course) -> Item | None:
    """The caller's token. Raises ServiceRejected for one that does not belong to the Query."""
    given: Item | None = request.get("ExclusiveStartKey")
    name, value = asked.of_query.partition
    if given is None:
        return None
    start = given if course.index is None else {name: part for name, part in given.items() if name != MARK}
    if start.keys() != {*pair.caller.key_names, *course.keys.sort}:
        raise ServiceRejected("ValidationException", INVALID_CURSOR)
    if not same(start.get(name), value):
        raise ServiceRejected("ValidationException", OUTSIDE)
    if course.index is None and pair.mapping.sort == "other" and not asked.of_query.holds(start):
        raise ServiceRejected("ValidationException", NO_MATCH)
    return start


def by_whole_key(pair: Pair, asked: Asked, side: Side, key: Item) -> Request:
    """The condition that the other table's item with this key fulfils, and no other."""
    table = pair.table(side)
    sort = None if table.sort_key is None else SortCondition(table.sort_key, "=", (key[table.sort_key],))
    part = replace(asked, where=replace(asked.of_query, sort=sort))
    return key_condition_in(part, table.partition_key, key[table.partition_key], table.sort_key)


def may_lie_here(pair: Pair, request: Request, asked: Asked, start: Item, course: Course) -> bool:
    """Whether a token of an index may be one; what cannot be one is DynamoDB's to refuse."""
    declared, sort = pair.caller.index(request["IndexName"]), course.keys.sort
    kinds_fit = declared is not None and all(declared.kinds[name] in start[name] for name in sort)
    return bool(sort) and kinds_fit and asked.of_query.holds(start)


def narrowed(
    pair: Pair, asked: Asked, table: TableShape, course: Course, partition: AttributeValue, start: Item | None
) -> Request:
    """The key condition, and the token, in terms of one partition of the other table."""
    request = key_condition_in(asked, table.partition_key, partition, course.sort_there)
    if start is not None:
        token: Item = {table.partition_key: partition}
        if table.sort_key is not None and pair.caller.sort_key is not None:
            token[table.sort_key] = start[pair.caller.sort_key]
        if course.sort_there is not None and course.keys.sort:
            token[course.sort_there] = start[course.keys.sort[0]]
        request["ExclusiveStartKey"] = token
    return request


def rank_by(names: tuple[str, ...]) -> Callable[[Item], Any]:
    """How DynamoDB orders items within a partition: numbers by value, text by UTF-8 bytes, binary by unsigned bytes."""

    def rank(image: Item) -> Any:
        return [rank_of(image[name]) for name in names]

    return rank


def rank_of(value: AttributeValue) -> Any:
    ((kind, held),) = value.items()
    return parse_number(held) if kind == "N" else held.encode() if kind == "S" else held
