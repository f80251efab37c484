"""The service's asyncio side: requests come in, are decided upon, and go to the engine or not.

In the order of the real one: whether the caller's time is over, whether they may, whether a quota is used up, whether
there is capacity; and only then whether the request is good, which is the engine's to say.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import orjson

from tests.service import expiry, streams, units
from tests.service.answers import Answer, Body, in_progress, refusal
from tests.service.capacity import Capacity, throttled
from tests.service.clock import Clock
from tests.service.expiry import Expiry
from tests.service.log import Log
from tests.service.names import Names
from tests.service.partial import Conflicting, Hindrance, may_conflict, outcome
from tests.service.requests import Received, attempt_of, key_id_of, parts_of
from tests.service.rights import Roles
from tests.service.rules import Conflict, Delay, Failing, Lost, Rule, Throttling
from tests.service.streams import Streams
from tests.service.wire import HEAD_BYTES_MAX, Engine, Message, answer_bytes, read, reset

OF_TABLES: Final = "DynamoDB_20120810."
OF_STREAMS: Final = "DynamoDBStreams_20120810."
TOO_FAST: Final = "Rate of requests exceeds the allowed throughput."
MEASURED: Final = (None, "NONE", "TOTAL", "INDEXES")  # anything else is the engine's to refuse
OK: Final = 200

Plan: TypeAlias = Callable[[Received], Awaitable["Answer | Lost | None"]]


class Silent(Exception):
    """No answer is sent. `carried_out` was decided before."""

    def __init__(self, lost: Lost) -> None:
        super().__init__()
        self.lost = lost


async def no_plan(_received: Received) -> Answer | Lost | None:
    """Let every request go on."""
    return None


class Doors:
    """Tables that are closed to writes for a moment, while an item expires."""

    def __init__(self) -> None:
        self._inside: Counter[str] = Counter()
        self._closed: set[str] = set()
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def writing(self, tables: Iterable[str]) -> AsyncGenerator[None]:
        names = list(tables)
        async with self._changed:
            _ = await self._changed.wait_for(lambda: not self._closed.intersection(names))
            self._inside.update(names)
        try:
            yield
        finally:
            async with self._changed:
                self._inside.subtract(names)
                self._changed.notify_all()

    @asynccontextmanager
    async def closed(self, table: str) -> AsyncGenerator[None]:
        async with self._changed:
            _ = await self._changed.wait_for(lambda: table not in self._closed)
            self._closed.add(table)
            _ = await self._changed.wait_for(lambda: self._inside[table] == 0)
        try:
            yield
        finally:
            async with self._changed:
                self._closed.discard(table)
                self._changed.notify_all()


@dataclass
class Front:
    """`measured`: what requests consume is asked for and counted, and names are the service's; without it, requests and
    answers pass as they came, and the engine keeps its own streams and times of expiry."""

    engine: Engine
    clock: Clock
    seed: int
    measured: bool = True
    plan: Plan = no_plan
    roles: Roles = field(default_factory=Roles)
    rules: list[Rule] = field(default_factory=list[Rule])
    capacities: list[Capacity] = field(default_factory=list[Capacity])
    log: Log = field(default_factory=Log)
    names: Names = field(default_factory=Names)
    doors: Doors = field(default_factory=Doors)
    streams: Streams = field(init=False)
    expiry: Expiry = field(init=False)
    _hash_names: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _described: set[str] = field(default_factory=set[str])
    _number: int = 0
    _connections: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    def __post_init__(self) -> None:
        self.streams = Streams(self.ask_streams, self.clock, self.names)
        self.expiry = Expiry(self.ask, self.expire, self.clock, self.seed)

    # --- the engine

    async def ask(self, operation: str, body: Body, headers: Mapping[str, str] | None = None) -> tuple[int, Body]:
        status, content = await self.engine.ask(f"{OF_TABLES}{operation}", orjson.dumps(body), headers or {})
        return status, orjson.loads(content or b"{}")

    async def ask_streams(self, operation: str, body: Body) -> tuple[int, Body]:
        status, content = await self.engine.ask(f"{OF_STREAMS}{operation}", orjson.dumps(body), {})
        return status, orjson.loads(content or b"{}")

    async def stream_of(self, table: str) -> str:
        """Return the engine's ARN of a table's stream, or nothing."""
        status, told = await self.ask("DescribeTable", {"TableName": table})
        if status != OK or not told["Table"].get("StreamSpecification", {}).get("StreamEnabled"):
            return ""
        return str(told["Table"].get("LatestStreamArn", ""))

    async def expire(self, table: str, key: Body, unless: Body) -> bool:
        """Delete an item as the service does whose time has come."""
        arn = await self.stream_of(table)
        async with self.doors.closed(table):
            if arn:
                _ = await self.streams.pull(self.streams.of(arn))
            status, _ = await self.ask("DeleteItem", {"TableName": table, "Key": key, **unless})
            if arn:
                for record in await self.streams.pull(self.streams.of(arn)):
                    if record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"] == key:
                        record["userIdentity"] = dict(streams.OWN_IDENTITY)
        return status == OK

    # --- connections

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while True:
                await self._one(await read(reader), reader, writer)
        except Silent:
            reset(writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._connections.discard(task)
            with suppress(Exception):
                writer.close()

    async def listen(self, port: int) -> asyncio.Server:
        return await asyncio.start_server(self.serve, "127.0.0.1", port, limit=HEAD_BYTES_MAX, backlog=512)

    async def end(self, server: asyncio.Server) -> None:
        """Listen no more, and cut all connections."""
        server.close()
        tasks = list(self._connections)
        for task in tasks:
            _ = task.cancel()
        _ = await asyncio.gather(*tasks, return_exceptions=True)
        self.engine.close()

    async def _one(self, message: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = self._received(message)
        fault: list[str] = []
        try:
            answer = await self._answer(received, fault)
        except Silent as silent:
            self.log.note(received, None, "silent" if silent.lost.silent else "reset")
            if silent.lost.silent:
                _ = await reader.read()  # until the client, or the service, ends the connection
            raise
        self.log.note(received, answer, " ".join(fault))
        writer.write(answer_bytes(answer, self.clock.now()))
        await writer.drain()

    def _received(self, message: Message) -> Received:
        service, _, operation = message.headers.get("x-amz-target", "").partition(".")
        content = message.content
        try:
            body: Any = orjson.loads(content or b"{}")
            parts = parts_of(operation, body)
        except (ValueError, TypeError, AttributeError, KeyError):  # the engine says what is wrong with it
            body, parts = {}, ()
        if not content.lstrip().startswith(b"{"):
            body, parts = {}, ()
        if not parts and self.measured:
            text = content.decode("utf-8", "replace")
            engines = self.names.engines(text)
            if engines != text:
                content, body = engines.encode(), orjson.loads(engines)
        self._number += 1
        key_id = key_id_of(message.headers)
        role = self.roles.of_key(key_id).name
        return Received(
            self._number, self.clock.now(), operation, key_id, role, attempt_of(message.headers), message.headers,
            content, body, parts, "Streams" in service,
        )  # fmt: skip

    # --- what becomes of a request

    async def _answer(self, received: Received, fault: list[str]) -> Answer:
        planned = await self.plan(received)
        if isinstance(planned, Lost):
            raise Silent(planned)
        if planned is not None:
            return planned
        refused = await self._refused(received)
        if refused is not None:
            fault.append(refused.code)
            return refused
        afterwards: Answer | Lost | None = None
        hindered: dict[int, Hindrance] = {}
        for rule in list(self.rules):
            played = await self._played(rule, received, hindered, fault)
            if isinstance(played, Answer) and played.code and not getattr(rule.effect, "carried_out", False):
                return played
            afterwards = played or afterwards
        await self._short(received, hindered, fault)
        answer = await self._carry_out(received, hindered)
        if isinstance(afterwards, Lost):
            raise Silent(afterwards)
        return afterwards or answer

    async def _refused(self, received: Received) -> Answer | None:
        if any("Condition" in str(document) for document in self.roles.of_key(received.key_id).policies):
            await self._describe(received)
        stream = self.streams.arn_asked(received.body) if received.operation in streams.OPERATIONS else ""
        return self.roles.refusal(received, self._hash_names, stream)

    async def _played(
        self, rule: Rule, received: Received, hindered: dict[int, Hindrance], fault: list[str]
    ) -> Answer | Lost | None:
        """Let a rule come to pass. An answer is told in place of the engine's."""
        effect = rule.effect
        if isinstance(effect, Throttling | Conflict) and received.parts:
            if isinstance(effect, Conflict) and not may_conflict(received):
                return None
            if isinstance(effect, Conflict) and effect.in_progress:
                strikes = received.operation == "TransactWriteItems" and rule.strikes(received)
                return self._fault(fault, "in progress", in_progress()) if strikes else None
            for part in rule.struck(received):
                _ = hindered.setdefault(
                    part.place,
                    Conflicting()
                    if isinstance(effect, Conflict)
                    else throttled(part, effect.limit, effect.code, rule.where.index or ""),
                )
                fault.append("conflict" if isinstance(effect, Conflict) else "throttled")
            return None
        if isinstance(effect, Conflict) or (isinstance(effect, Throttling) and rule.where.operation is None):
            return None  # of requests on tables and streams: where it is asked for by the operation's name
        if not rule.strikes(received):
            return None
        match effect:
            case Throttling():
                return self._fault(fault, "throttled", refusal("ThrottlingException", TOO_FAST))
            case Delay():
                fault.append("delay")
                await asyncio.sleep(rule.seconds(received))
                return None
            case Lost(carried_out=False):
                raise Silent(effect)
            case Lost():
                return effect
            case Failing():
                return self._fault(fault, str(effect.status), effect.answer())

    def _fault(self, fault: list[str], name: str, answer: Answer) -> Answer:
        fault.append(name)
        return answer

    async def _short(self, received: Received, hindered: dict[int, Hindrance], fault: list[str]) -> None:
        """Note which parts there is no capacity for."""
        if not self.capacities or not received.parts:
            return
        if any(capacity.by_key for capacity in self.capacities):
            await self._describe(received)
        for part in received.parts:
            for capacity in self.capacities:
                name = self._hash_names.get((part.table, capacity.index), "")
                refused = capacity.refuses(part, name, self.clock.now())
                if refused is not None and part.place not in hindered:
                    hindered[part.place] = refused
                    fault.append("throttled")

    async def _carry_out(self, received: Received, hindered: dict[int, Hindrance]) -> Answer:
        if not self.measured and not hindered:
            return await self._as_it_came(received)
        if received.operation in expiry.OPERATIONS:
            return await self.expiry.answer(received.operation, received.body)
        if received.of_streams and received.operation in streams.OPERATIONS:
            return await self.streams.answer(received.operation, received.body)
        if not received.parts:
            return await self._of_tables(received)
        less = outcome(received, hindered) if hindered else None
        if isinstance(less, Answer):
            return less
        body = received.body if less is None else less.body
        told: Body = {}
        if body is not None:
            status, told = await self._measured(received, body)
            if status != OK:
                return Answer(status, orjson.dumps(told))
            self._count(received, told, hindered)
        told = less.complete(told) if less else told
        return Answer(OK, orjson.dumps(units.as_asked(told, str(received.body.get(units.ASKED)))))

    async def _measured(self, received: Received, body: Body) -> tuple[int, Body]:
        asked = units.asking(body) if body.get(units.ASKED) in MEASURED else body
        if received.parts[0].kind == "Read":
            return await self.ask(received.operation, asked, received.headers)
        async with self.doors.writing(received.tables):
            return await self.ask(received.operation, asked, received.headers)

    async def _as_it_came(self, received: Received) -> Answer:
        service = OF_STREAMS if received.of_streams else OF_TABLES
        async with self.doors.writing(received.tables if received.parts else ()):
            status, content = await self.engine.ask(
                f"{service}{received.operation}", received.content, received.headers
            )
        return Answer(status, content)

    async def _of_tables(self, received: Received) -> Answer:
        """A request on tables, or one that nothing can be made of."""
        answer = await self._as_it_came(received)
        if received.operation in ("DeleteTable", "UpdateTable", "CreateTable"):
            for table in received.tables:
                self._described.discard(table)
                if received.operation == "DeleteTable":
                    self.expiry.forget(table)
        shown = self.names.shown(answer.body.decode("utf-8", "replace")).encode()
        return Answer(answer.status, shown)

    def _count(self, received: Received, told: Body, hindered: Mapping[int, Hindrance]) -> None:
        consumed = list(units.consumed(told))
        self.log.units.update(units.counted(received, consumed))
        now = self.clock.now()
        for each in consumed:
            parts = [part for part in received.parts if part.table == each.table and part.place not in hindered]
            for capacity in self.capacities:
                for part in parts:
                    if (capacity.table, capacity.index) == (each.table, each.index) and capacity.is_about(part):
                        name = self._hash_names.get((part.table, capacity.index), "")
                        capacity.take(part, name, each.units / len(parts), now)

    async def _describe(self, received: Received) -> None:
        """Learn what the partition keys of the tables are called, and of their indexes."""
        for table in received.tables:
            if table in self._described:
                continue
            status, told = await self.ask("DescribeTable", {"TableName": table})
            if status != OK:
                continue
            self._described.add(table)
            description = told["Table"]
            indexes = [
                *description.get("GlobalSecondaryIndexes", ()), *description.get("LocalSecondaryIndexes", ()),
            ]  # fmt: skip
            for schema, index in [(description, ""), *((each, each["IndexName"]) for each in indexes)]:
                (name,) = (each["AttributeName"] for each in schema["KeySchema"] if each["KeyType"] == "HASH")
                self._hash_names[table, index] = name
