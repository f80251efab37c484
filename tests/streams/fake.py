"""A stream that splits its shards, drops old records and lets iterators expire, in the place of a table's own.

The embedded engine has one shard for each table, so this is where lineage is seen. Everything but the stream is real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crossfade.core.effects import Reply, Request
from crossfade.core.items import Item
from crossfade.errors import ServiceRejected
from crossfade.jobs.connecting import Connection
from tests.backfill.setting import connect

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/{}/stream/2026-01-01T00:00:00.000"
SHARDS_A_PAGE = 2
TTL = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


@dataclass
class FakeShard:
    parent: str | None = None
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    closed: bool = False
    dropped: int = 0  # records that it no longer holds


class FakeStream:
    """`shards` by name. `reads` is what was read, in order: the shard, and how many records."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.arn = ARN.format(table)
        self.shards: dict[str, FakeShard] = {"root": FakeShard()}
        self.generation = 0  # of iterators; older ones have expired
        self.records_a_page = 3
        self.empty_pages = 0  # to be answered before any that is not
        self.reads: list[tuple[str, int]] = []
        self.types: list[tuple[str, str]] = []  # of the iterators that were asked for
        self.date = ""  # by the service's clock, as the header of an answer has it
        self.before_read: Callable[[str], None] = lambda _: None
        self._written = 0

    # --- what happens to it

    def write(self, key: Item, shard: str, *, event: str = "MODIFY", at: float = 0.0, expired: bool = False) -> None:
        self._written += 1
        number = hashlib.sha256(str(self._written).encode()).hexdigest()[
            :21
        ]  # in no order that could be read out of it
        when = datetime.fromtimestamp(int(at), UTC) if at else datetime.now(UTC).replace(microsecond=0)
        record = {
            "eventName": event,
            "dynamodb": {"Keys": key, "SequenceNumber": number, "ApproximateCreationDateTime": when},
            **({"userIdentity": TTL} if expired else {}),
        }
        self.shards[shard].records.append(record)

    def split(self, shard: str, *children: str) -> None:
        self.shards[shard].closed = True
        for child in children:
            # Before its parent in what is listed: the order of a description means nothing.
            self.shards = {child: FakeShard(parent=shard), **self.shards}

    def drop(self, shard: str, records: int) -> None:
        self.shards[shard].dropped = records

    def forget(self, shard: str) -> None:
        del self.shards[shard]

    # --- the service

    def answer(self, operation: str, request: Request) -> Reply:
        return {
            "DescribeStream": self._describe,
            "GetShardIterator": self._iterator,
            "GetRecords": self._records,
        }[operation](request)

    def _describe(self, request: Request) -> Reply:
        names = list(self.shards)
        start = names.index(request["ExclusiveStartShardId"]) + 1 if "ExclusiveStartShardId" in request else 0
        page = names[start : start + SHARDS_A_PAGE]
        listed = [
            {"ShardId": name, **({"ParentShardId": parent} if (parent := self.shards[name].parent) else {})}
            for name in page
        ]
        more = {"LastEvaluatedShardId": page[-1]} if start + SHARDS_A_PAGE < len(names) else {}
        description = {"StreamStatus": "ENABLED", "Shards": listed, **more}
        return {"StreamDescription": description, "ResponseMetadata": {"HTTPHeaders": {"date": self.date}}}

    def _iterator(self, request: Request) -> Reply:
        name = request["ShardId"]
        shard = self.shards.get(name)
        if shard is None:
            raise ServiceRejected("ResourceNotFoundException", "no such shard")
        kind = request["ShardIteratorType"]
        self.types.append((name, kind))
        if kind == "TRIM_HORIZON":
            place = shard.dropped
        else:
            numbers = [record["dynamodb"]["SequenceNumber"] for record in shard.records]
            place = numbers.index(request["SequenceNumber"]) + 1
            if place < shard.dropped:
                raise ServiceRejected("TrimmedDataAccessException", "older than the trim point")
        return {"ShardIterator": f"{name}|{place}|{self.generation}"}

    def _records(self, request: Request) -> Reply:
        name, place, generation = request["ShardIterator"].split("|")
        self.before_read(name)
        if int(generation) != self.generation:
            raise ServiceRejected("ExpiredIteratorException", "the iterator has expired")
        shard = self.shards[name]
        if int(place) < shard.dropped:
            raise ServiceRejected("TrimmedDataAccessException", "beyond the trim point")
        if self.empty_pages:
            self.empty_pages -= 1
            return {"Records": [], "NextShardIterator": request["ShardIterator"]}
        end = min(int(place) + self.records_a_page, len(shard.records))
        records = shard.records[int(place) : end]
        self.reads.append((name, len(records)))
        at_end = shard.closed and end == len(shard.records)
        following = {} if at_end else {"NextShardIterator": f"{name}|{end}|{self.generation}"}
        return {"Records": records, **following}


class FakeConnection:
    """Streams are the fakes'; everything else goes to the database."""

    def __init__(self, streams: tuple[FakeStream, ...], connection: Connection) -> None:
        self._of_table = {stream.table: stream for stream in streams}
        self._connection = connection

    async def call(self, operation: str, request: Request) -> Reply:
        if operation == "DescribeTable" and request["TableName"] in self._of_table:
            reply = await self._connection.call(operation, request)
            stream = self._of_table[request["TableName"]]
            reply["Table"] |= {"StreamSpecification": {"StreamEnabled": True}, "LatestStreamArn": stream.arn}
            return reply
        if operation in ("DescribeStream", "GetShardIterator"):
            (stream,) = (each for each in self._of_table.values() if each.arn == request["StreamArn"])
            return stream.answer(operation, request)
        if operation == "GetRecords":
            name = request["ShardIterator"].partition("|")[0]
            stream = next(each for each in self._of_table.values() if name in each.shards)
            return stream.answer(operation, request)
        return await self._connection.call(operation, request)

    async def aclose(self) -> None:
        await self._connection.aclose()


def faked(*streams: FakeStream) -> Callable[[Any, int], Connection]:
    """For `connect`."""
    return lambda client, calls_max: FakeConnection(streams, connect(client, calls_max))
