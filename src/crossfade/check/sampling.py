"""Items from all over a table, for little: small pages, one at a time, from many segments in turn.

A parallel-scan segment is a contiguous part of the hash space, so the first items of each of many segments are spread
over the partitions, where the first thousand of a plain scan may come from a single one. Reads are eventually
consistent: half the price, and what is looked for here does not come and go within a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from crossfade.core.items import Item

SEGMENTS_MAX = 64  # a small table then costs 64 nearly empty reads: half a read unit each
ITEMS_A_SEGMENT = 16  # a smaller sample takes fewer segments, so that no page is for one item only


@dataclass(frozen=True, slots=True)
class Sample:
    items: tuple[Item, ...]
    whole_table: bool  # nothing was left unread


def sample(client: Any, table: str, items_max: int) -> Sample:
    """Up to `items_max` items. `client` is a botocore DynamoDB client; its errors pass through."""
    segments = max(1, min(SEGMENTS_MAX, items_max // ITEMS_A_SEGMENT))
    page = -(-items_max // segments)
    found: list[Item] = []
    waiting = deque[tuple[int, Item | None]]((segment, None) for segment in _spread(segments))
    while waiting and len(found) < items_max:
        segment, start = waiting.popleft()
        request: dict[str, Any] = {} if start is None else {"ExclusiveStartKey": start}
        limit = min(page, items_max - len(found))
        answer = client.scan(TableName=table, Segment=segment, TotalSegments=segments, Limit=limit, **request)
        found += answer["Items"]
        if answer.get("LastEvaluatedKey"):
            waiting.append((segment, answer["LastEvaluatedKey"]))
    return Sample(tuple(found), whole_table=not waiting)


def _spread(segments: int) -> list[int]:
    """The segments in an order where neighbours are far apart, so that a few are spread as well."""
    width = max(1, (segments - 1).bit_length())
    mirrored = (int(f"{number:0{width}b}"[::-1], 2) for number in range(1 << width))
    return [segment for segment in mirrored if segment < segments]
