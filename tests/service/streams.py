"""Streams with a lineage: shards that are split, closed and trimmed, iterators that expire, and quotas.

The engine has one shard a table. Its records are taken over and given to the open shards by the hash of their keys, so
that the records of one item stay in order from a parent to its child. The API:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB_Streams.html; what shards
and their parents are: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
"""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, TypeAlias

from tests.service.answers import Answer, Body, answered, dumped, refusal
from tests.service.clock import Clock
from tests.service.names import Names

Ask: TypeAlias = Callable[[str, Body], Awaitable[tuple[int, Body]]]  # the engine: an operation on streams, its request

RETENTION_SECONDS: Final = 24 * 3600.0
ITERATOR_SECONDS: Final = 15 * 60.0
SHARDS_MAX: Final = 100  # of one DescribeStream, and as many where nothing is said
RECORDS_MAX: Final = 1_000
PAGE_BYTES_MAX: Final = 1 << 20
DESCRIBES_A_SECOND: Final = 10.0  # API_streams_DescribeStream.html
READS_A_SECOND: Final = 5.0  # of one shard, as Kinesis has it, which GetRecords follows
SLOTS: Final = 1 << 16
OWN_IDENTITY: Final = {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"}
OPERATIONS: Final = frozenset({"DescribeStream", "GetShardIterator", "GetRecords"})
TRIMMED: Final = "The operation attempted to read past the oldest stream record in a shard."
EXPIRED: Final = "The shard iterator has expired and can no longer be used to retrieve stream records."


@dataclass
class Shard:
    """`slots`: which hashes of keys are its. `trimmed`: how many of its records are held no more."""

    id: str
    parent: str
    slots: range
    starts: int
    ends: int | None = None
    closed_at: float = 0.0
    trimmed: int = 0
    records: list[Body] = field(default_factory=list[Body])

    @property
    def description(self) -> Body:
        numbers = {"StartingSequenceNumber": str(self.starts)}
        if self.ends is not None:
            numbers["EndingSequenceNumber"] = str(self.ends)
        parent = {"ParentShardId": self.parent} if self.parent else {}
        return {"ShardId": self.id, "SequenceNumberRange": numbers, **parent}

    def place_of(self, kind: str, number: str) -> int | None:
        """Return where an iterator of this kind begins; None where that is behind the trim point."""
        if kind == "TRIM_HORIZON":
            return self.trimmed
        if kind == "LATEST":
            return len(self.records)
        numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in self.records]
        if any(each >= int(number) for each in numbers[: self.trimmed]):
            return None
        after = kind == "AFTER_SEQUENCE_NUMBER"
        return sum(each < int(number) or (after and each == int(number)) for each in numbers)

    def trim(self, now: float) -> None:
        """Let go of what is older than a stream keeps."""
        while self.trimmed < len(self.records) and made_at(self.records[self.trimmed]) < now - RETENTION_SECONDS:
            self.trimmed += 1


@dataclass
class Stream:
    """The stream of one table. `engine_arn`: as the engine names it; `iterator`: the engine's, for what comes next."""

    arn: str
    engine_arn: str
    shards: dict[str, Shard] = field(default_factory=dict[str, Shard])
    iterator: str = ""
    last: int = 0
    made: int = 0  # shards
    forgotten_at: int = 0  # when what is old was last let go of
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def open(self) -> list[Shard]:
        return [shard for shard in self.shards.values() if shard.ends is None]

    def new_shard(self, parent: str, slots: range, starts: int, now: float) -> Shard:
        self.made += 1
        made = zlib.crc32(f"{self.arn}.{self.made}".encode())
        shard = Shard(f"shardId-{int(now * 1000):020d}-{made:08x}", parent, slots, starts)
        self.shards[shard.id] = shard
        return shard

    def add(self, record: Body) -> None:
        slot = zlib.crc32(json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()) % SLOTS
        (shard,) = (each for each in self.open if slot in each.slots)
        shard.records.append(record)
        self.last = int(record["dynamodb"]["SequenceNumber"])


@dataclass
class Quotas:
    """How often streams may be described, all of an account together, and a shard be read in a second; None: as often
    as one likes.

    GetRecords declares LimitExceededException; a DescribeStream too many is told as ThrottlingException. Which codes
    are told can be changed, since clients have met others.
    """

    describes: float | None = None
    reads: float | None = None
    describe_code: str = "ThrottlingException"
    read_code: str = "LimitExceededException"


class Streams:
    """All streams, and the answers about them."""

    def __init__(self, ask: Ask, clock: Clock, names: Names) -> None:
        self.quotas = Quotas()
        self.iterators_from = 0.0  # older ones have expired
        self._ask = ask
        self._clock = clock
        self._names = names
        self._streams: dict[str, Stream] = {}  # by the engine's ARN
        self._reads: dict[str, deque[float]] = {}  # by shard
        self._described: deque[float] = deque()  # all of them: there is one account

    # --- what becomes of them

    def of(self, engine_arn: str) -> Stream:
        """Return a stream. It begins with one shard."""
        if engine_arn not in self._streams:
            stream = self._streams[engine_arn] = Stream(self._names.shown(engine_arn), engine_arn)
            _ = stream.new_shard("", range(SLOTS), 1, self._clock.now())
        return self._streams[engine_arn]

    async def pull(self, stream: Stream) -> list[Body]:
        """Take over what the engine has written since the last time; return it."""
        async with stream.lock:
            found: list[Body] = []
            if not stream.iterator:
                stream.iterator = await self._engines_iterator(stream)
            while True:
                status, page = await self._ask("GetRecords", {"ShardIterator": stream.iterator})
                if status != 200:
                    return found  # the table is gone
                for record in page["Records"]:
                    shown = self._names.shown_record(record)
                    shown["dynamodb"]["ApproximateCreationDateTime"] = int(self._clock.of(made_at(record)))
                    stream.add(shown)
                    found.append(shown)
                before, stream.iterator = stream.iterator, page.get("NextShardIterator") or stream.iterator
                if not page["Records"] and stream.iterator == before:
                    return found

    async def _engines_iterator(self, stream: Stream) -> str:
        status, told = await self._ask("DescribeStream", {"StreamArn": stream.engine_arn})
        assert status == 200, told
        shard = told["StreamDescription"]["Shards"][0]["ShardId"]
        wanted = {"StreamArn": stream.engine_arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
        _, made = await self._ask("GetShardIterator", wanted)
        return str(made["ShardIterator"])

    async def split(self, engine_arn: str, into: int, shards: int | None) -> list[str]:
        """Close every open shard, or the first so many, and let that many follow it; return the ids of the new ones."""
        stream = self.of(engine_arn)
        _ = await self.pull(stream)
        children: list[str] = []
        now = self._clock.now()
        for shard in stream.open[:shards]:
            shard.ends, shard.closed_at = max(stream.last, shard.starts), now
            starts, parts = shard.ends + 1, divided(shard.slots, into)
            children += [stream.new_shard(shard.id, slots, starts, now).id for slots in parts]
        return children

    async def trim(self, engine_arn: str) -> None:
        """Let go of all that is there now. A closed shard is then listed no more."""
        stream = self.of(engine_arn)
        _ = await self.pull(stream)
        for shard in list(stream.shards.values()):
            shard.trimmed = len(shard.records)
            if shard.ends is not None:
                del stream.shards[shard.id]

    def expire_iterators(self) -> None:
        """Let every iterator that was given out be too old."""
        self.iterators_from = self._clock.now()

    # --- answers

    async def answer(self, operation: str, body: Body) -> Answer:
        """Answer one of OPERATIONS; ARNs in `body` are the engine's."""
        if operation == "DescribeStream":
            return await self._describe(body)
        if operation == "GetShardIterator":
            return await self._iterator(body)
        return await self._records(body)

    def arn_asked(self, body: Body) -> str:
        """Return the ARN, as it is shown, of the stream that a request is about."""
        if "StreamArn" in body:
            return self._names.shown(str(body["StreamArn"]))
        return self._names.shown(str(body.get("ShardIterator", "")).partition("|")[0])

    async def _known(self, engine_arn: str) -> tuple[Answer | None, Body]:
        status, told = await self._ask("DescribeStream", {"StreamArn": engine_arn})
        if status == 200:
            return None, told["StreamDescription"]
        text = f"Requested resource not found: Stream: {self._names.shown(engine_arn)} not found"
        return refusal("ResourceNotFoundException", text), {}

    async def _describe(self, body: Body) -> Answer:
        refused, told = await self._known(str(body.get("StreamArn", "")))
        if refused is not None:
            return refused
        stream = self.of(str(body["StreamArn"]))
        if over(self._described, self.quotas.describes, self._clock.now()):
            return refusal(self.quotas.describe_code, "Rate exceeded")
        _ = await self.pull(stream)
        self._forget_old(stream)
        shards = list(self._asked_for(stream, body))
        page = shards[: min(int(body.get("Limit", SHARDS_MAX)), SHARDS_MAX)]
        more = {"LastEvaluatedShardId": page[-1].id} if len(page) < len(shards) else {}
        shown: Body = json.loads(self._names.shown(json.dumps(told)))
        description = {**shown, "Shards": [shard.description for shard in page], **more}
        return answered({"StreamDescription": description})

    def _asked_for(self, stream: Stream, body: Body) -> Iterator[Shard]:
        begun = "ExclusiveStartShardId" not in body
        kind: Body = body.get("ShardFilter") or {}
        for shard in stream.shards.values():
            if begun and (kind.get("Type") != "CHILD_SHARDS" or shard.parent == kind.get("ShardId")):
                yield shard
            begun = begun or shard.id == body["ExclusiveStartShardId"]

    def _forget_old(self, stream: Stream) -> None:
        now = self._clock.now()
        if stream.forgotten_at == int(now):
            return
        stream.forgotten_at = int(now)
        for shard in list(stream.shards.values()):
            shard.trim(now)
            if shard.ends is not None and shard.closed_at < now - RETENTION_SECONDS:
                del stream.shards[shard.id]

    async def _iterator(self, body: Body) -> Answer:
        refused, _ = await self._known(str(body.get("StreamArn", "")))
        if refused is not None:
            return refused
        stream = self.of(str(body["StreamArn"]))
        _ = await self.pull(stream)
        self._forget_old(stream)
        shard = stream.shards.get(str(body.get("ShardId")))
        if shard is None:
            return refusal("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
        place = shard.place_of(str(body["ShardIteratorType"]), str(body.get("SequenceNumber", "0")))
        if place is None:
            return refusal("TrimmedDataAccessException", TRIMMED)
        return answered({"ShardIterator": self._iterator_to(stream, shard.id, place)})

    def _iterator_to(self, stream: Stream, shard: str, place: int) -> str:
        told = dumped({"stream": stream.engine_arn, "shard": shard, "place": place, "at": self._clock.now()})
        return f"{stream.arn}|1|{base64.b64encode(told).decode()}"

    async def _records(self, body: Body) -> Answer:
        try:
            told: Body = json.loads(base64.b64decode(str(body["ShardIterator"]).split("|")[2]))
            stream = self._streams[told["stream"]]
        except (KeyError, IndexError, ValueError):
            return refusal("ValidationException", "Invalid ShardIterator")
        now = self._clock.now()
        if told["at"] < max(now - ITERATOR_SECONDS, self.iterators_from):
            return refusal("ExpiredIteratorException", EXPIRED)
        _ = await self.pull(stream)
        self._forget_old(stream)
        shard = stream.shards.get(told["shard"])
        if shard is None:
            return refusal("ResourceNotFoundException", "Requested resource not found: Shard does not exist")
        if over(self._reads.setdefault(shard.id, deque()), self.quotas.reads, now):
            return refusal(self.quotas.read_code, f"Rate exceeded for shard {shard.id}")
        if told["place"] < shard.trimmed:
            return refusal("TrimmedDataAccessException", TRIMMED)
        page = within(shard.records[told["place"] :], min(int(body.get("Limit", RECORDS_MAX)), RECORDS_MAX))
        end = told["place"] + len(page)
        ended = shard.ends is not None and end == len(shard.records)
        following = {} if ended else {"NextShardIterator": self._iterator_to(stream, shard.id, end)}
        return answered({"Records": page, **following})


def made_at(record: Body) -> float:
    told: Any = record["dynamodb"]["ApproximateCreationDateTime"]
    if isinstance(told, int | float):
        return float(told)
    return datetime.fromisoformat(told).astimezone(UTC).timestamp()


def within(records: list[Body], most: int) -> list[Body]:
    """Return as many as one page holds."""
    page: list[Body] = []
    size = 0
    for record in records[:most]:
        size += len(json.dumps(record))
        if page and size > PAGE_BYTES_MAX:
            break
        page.append(record)
    return page


def divided(slots: range, into: int) -> list[range]:
    edges = [slots.start + len(slots) * n // into for n in range(into + 1)]
    return [range(start, stop) for start, stop in pairwise(edges)]


def over(times: deque[float], per_second: float | None, now: float) -> bool:
    """Return whether this would be one too many within a second; if not, it counts."""
    while times and times[0] <= now - 1.0:
        _ = times.popleft()
    if per_second is not None and len(times) >= per_second:
        return True
    times.append(now)
    return False
