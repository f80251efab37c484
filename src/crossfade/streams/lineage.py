"""Which shard may be read next: a child only after its parent has been read to its end.

A shard is split, or simply followed by another one, every few hours. Whoever reads a child before its parent sees the
writes of one item in the wrong order; whoever forgets an idle shard loses the next write to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from crossfade.control.records import Reader, ShardPosition
from crossfade.core.stages import Side

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html: "a stream record is available for 24 h"
RETENTION_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the stream describes it.

    `parent` is empty for none, and may be a shard that the stream no longer lists. `closed`: nothing more is written to
    it, so its children are there.
    """

    id: str
    parent: str
    closed: bool = False


def discovered(
    reader: Reader, run: str, side: Side, shards: Iterable[Shard], known: Mapping[str, ShardPosition], since: int
) -> list[ShardPosition]:
    """The position of each shard that is seen for the first time: its beginning. `since`: when it was not there yet."""
    return [ShardPosition(reader, side, s.id, run, "", False, since) for s in shards if s.id not in known]


def readable(shards: Iterable[Shard], known: Mapping[str, ShardPosition]) -> list[str]:
    """The shards that may be read now. One that is listed no longer stays: asking for it tells what became of it."""
    parents = {shard.id: shard.parent for shard in shards}
    listed = parents.keys()

    def waits(shard: str) -> bool:
        parent = parents.get(shard, "")
        position = known.get(parent)
        return (position is not None and not position.finished) or (position is None and parent in listed)

    return [shard for shard, position in known.items() if not position.finished and not waits(shard)]


def forgettable(shards: Iterable[Shard], known: Mapping[str, ShardPosition]) -> list[ShardPosition]:
    """Positions that nobody needs: read to the end, and dropped by the stream."""
    listed = {shard.id for shard in shards}
    return [position for shard, position in known.items() if position.finished and shard not in listed]


def may_have_dropped(position: ShardPosition, now: float) -> bool:
    """Whether a shard that is still unread may have lost its first records: asked for, it would not say so."""
    return not position.sequence_number and now - position.since >= RETENTION_SECONDS
