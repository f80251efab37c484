"""The requests to a stream, as routines.

What a stream has dropped is a gap, and a gap is an error: to go on behind it would look like having read everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from crossfade.control.calls import answered_at
from crossfade.control.records import ShardPosition
from crossfade.core.effects import Call, Request, Routine
from crossfade.core.stages import Side
from crossfade.core.sync.retry import read_again
from crossfade.errors import ServiceRejected, StreamGap
from crossfade.streams.changes import Change, change_of, sequence_number
from crossfade.streams.lineage import Shard, may_have_dropped

SWITCHED_OFF: Final = frozenset({"DISABLED", "DISABLING"})
# The service's most, with 1 MB. https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
PAGE_RECORDS: Final = 1_000
ITERATORS_MAX: Final = 5  # in a row that were refused before they were used; each lives for 15 minutes


@dataclass(frozen=True, slots=True)
class Stream:
    """The stream of one table. `advice`: what to do about a gap in it."""

    side: Side
    table: str
    arn: str
    advice: str

    @property
    def since(self) -> float:
        """When it was switched on, by its label, in seconds since 1970; 0 where that does not tell. It holds no older
        change, whatever the times of its records are rounded down to."""
        label = self.arn.rpartition("/")[2]
        try:
            if label.count("-") < 2:  # of the embedded engine: these seconds themselves
                return float(label)
            return datetime.fromisoformat(label).replace(tzinfo=UTC).timestamp()
        except ValueError:
            return 0.0

    def gap(self, what: str) -> StreamGap:
        return StreamGap(f"the stream of table {self.table} {what}", next_step=self.advice)


@dataclass(frozen=True, slots=True)
class Page:
    """What one GetRecords answered, which may be nothing though more is to come. `iterator` None: the shard ends."""

    changes: Sequence[Change]
    last: str  # the sequence number of the last change; "" where there is none
    iterator: str | None


@dataclass(frozen=True, slots=True)
class Described:
    """One page of what a stream lists. `last`: where the next one begins; "" for the last page. `at`: when, by the
    service's clock and to the second, in seconds since 1970; None where it does not say."""

    shards: Sequence[Shard]
    last: str
    at: float | None


def describe(stream: Stream, *, after: str = "", children_of: str = "") -> Routine[Described]:
    """The next page of all shards, or of the children of one. StreamGap: the stream was switched off, or is no more."""
    request: Request = {"StreamArn": stream.arn}
    if after:
        request = {**request, "ExclusiveStartShardId": after}
    if children_of:
        request = {**request, "ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": children_of}}
    try:
        reply = yield from read_again(Call(stream.side, "DescribeStream", request))
    except ServiceRejected as error:
        if error.code != "ResourceNotFoundException":
            raise
        raise stream.gap("is gone") from error
    description: Any = reply["StreamDescription"]
    if description.get("StreamStatus") in SWITCHED_OFF:
        raise stream.gap("was switched off: what is written now is in no stream")
    shards = [_shard(each) for each in description.get("Shards", ())]
    return Described(shards, description.get("LastEvaluatedShardId") or "", answered_at(reply))


def _shard(told: Any) -> Shard:
    numbers: Any = told.get("SequenceNumberRange") or {}
    return Shard(told["ShardId"], told.get("ParentShardId") or "", closed="EndingSequenceNumber" in numbers)


def read_page(stream: Stream, position: ShardPosition, iterator: str | None, now: float) -> Routine[Page]:
    """The next page of a shard, from `iterator` or, where there is none or it has expired, after `position`.

    `now` is seconds since 1970. StreamGap: what comes next is no longer held.
    """
    for _ in range(ITERATORS_MAX):
        if iterator is None:
            iterator = yield from _iterator(stream, position, now)
        try:
            request = {"ShardIterator": iterator, "Limit": PAGE_RECORDS}
            reply = yield from read_again(Call(stream.side, "GetRecords", request))
        except ServiceRejected as error:
            if error.code == "TrimmedDataAccessException" and position.sequence_number:
                raise _dropped(stream, position) from error
            if error.code == "ResourceNotFoundException":
                raise _dropped(stream, position) from error
            if error.code not in ("ExpiredIteratorException", "TrimmedDataAccessException"):
                raise
            iterator = None
            continue
        records: Any = reply.get("Records") or ()
        last = sequence_number(records[-1]) if records else ""
        since = stream.since
        changes = [change_of(stream.side, each, since) for each in records]
        return Page(changes, last, reply.get("NextShardIterator"))
    raise stream.gap(f"refused {ITERATORS_MAX} iterators of shard {position.shard} in a row")


def _iterator(stream: Stream, position: ShardPosition, now: float) -> Routine[str]:
    if may_have_dropped(position, now):
        raise _dropped(stream, position)
    request: Request = {"StreamArn": stream.arn, "ShardId": position.shard, "ShardIteratorType": "TRIM_HORIZON"}
    if position.sequence_number:
        after = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position.sequence_number}
        request = {**request, **after}
    try:
        reply = yield from read_again(Call(stream.side, "GetShardIterator", request))
    except ServiceRejected as error:
        if error.code not in ("TrimmedDataAccessException", "ResourceNotFoundException"):
            raise
        raise _dropped(stream, position) from error
    iterator: str = reply["ShardIterator"]
    return iterator


def _dropped(stream: Stream, position: ShardPosition) -> StreamGap:
    where = f"after {position.sequence_number}" if position.sequence_number else "at its beginning"
    return stream.gap(
        f"may have lost what was to be read next (shard {position.shard}, {where}): it keeps changes for 24 hours"
    )
