"""Partitions of an index that are read beside one another, each a lane, and merged by what the index sorts by.

Items with one sort value come in an order that DynamoDB does not tell, and that each table has for itself. So nothing
is made of it: of one sort value first comes all that the first lane has, in the order in which it comes, then all of
the second. Behind an item of one lane, the lanes before it go on behind its sort value, and the lanes after it begin
with its sort value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crossfade.core.expressions.keys import SortCondition
from crossfade.core.items import AttributeValue, Item, same
from crossfade.core.pages.page import Asked
from crossfade.core.request.cursor import INVALID_CURSOR
from crossfade.core.stages import Side
from crossfade.core.tables.pair import Pair
from crossfade.errors import ServiceRejected


def lane_of(pair: Pair, side: Side, values: Sequence[AttributeValue], token: Item) -> int:
    """Return the index of the partition, among `values`, in which the caller's cursor lies."""
    if len(values) == 1:
        return 0
    value = pair.key(side, pair.callers_key(token))[pair.table(side).partition_key]
    return next(n for n, each in enumerate(values) if same(each, value))


def from_sort_value(
    asked: Asked, names: Sequence[str], token: Item, *, backwards: bool, inclusive: bool
) -> list[Asked]:
    """What a lane that does not hold the token is asked for, one Query after another: of several sort attributes each
    can be compared only while those before it are equal. What the caller's own condition then does not let in ends it.
    Raises ServiceRejected where the token has not all of them."""
    where = asked.of_query
    free = [name for name in names if name not in where.equal]
    if any(name not in token for name in free):
        raise ServiceRejected("ValidationException", INVALID_CURSOR)
    parts: list[Asked] = []
    for n in range(len(free) - 1, -1, -1):
        operator = ("<" if backwards else ">") + ("=" if inclusive and n == len(free) - 1 else "")
        equal = {**where.equal, **{name: token[name] for name in free[:n]}}
        sort = SortCondition(free[n], operator, (token[free[n]],))
        parts.append(replace(asked, where=replace(where, equal=equal, sort=sort)))
    return parts
