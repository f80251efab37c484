"""A server that does to requests what a test says: it answers, is silent, hangs up, or answers nonsense."""

from __future__ import annotations

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import botocore.session
from botocore.config import Config

from crossfade.aws.lean.client import BulkClient

REGION: Final = "eu-west-1"
ACCESS_KEY: Final = "AKIDEXAMPLE"
SECRET_KEY: Final = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # noqa: S105 - the example of AWS's documents
GET: Final[dict[str, Any]] = {"TableName": "table", "Key": {"pk": {"S": "a"}}}
PUT: Final[dict[str, Any]] = {"TableName": "table", "Item": {"pk": {"S": "a"}}}


@dataclass(frozen=True, slots=True)
class Received:
    """One request, as it came."""

    connection: int  # from 1, in the order in which they were made
    line: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def operation(self) -> str:
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class HangUp:
    """Close the connection without an answer."""


class Silence:
    """No answer, ever."""


Act = bytes | HangUp | Silence
Plan = Callable[[Received], Act]


def http(status_code: int = 200, body: bytes | dict[str, Any] = b"{}", **headers: str) -> bytes:
    """An answer with its length and checksum; `x_amz_crc32="1"` is a header as well."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {
        "content-length": str(len(content)),
        "x-amzn-requestid": "REQUEST",
        "x-amz-crc32": str(zlib.crc32(content)),
    }
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status_code} Whatever", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def refusal(code: str, status_code: int = 400, message: str = "no", **headers: str) -> bytes:
    return http(status_code, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message}, **headers)


def in_turn(*acts: Act) -> Plan:
    """One for each request; the last for all that follow."""
    left = list(acts)

    def plan(_: Received) -> Act:
        return left.pop(0) if len(left) > 1 else left[0]

    return plan


@dataclass
class Scripted:
    plan: Plan
    port: int = 0
    scheme: str = "http"
    received: list[Received] = field(default_factory=list[Received])
    connections: int = 0
    open: int = 0
    peak: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list[asyncio.StreamWriter])
    silenced: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.peak = max(self.peak, self.open)
        self.writers.append(writer)
        try:
            await self._answer_all(reader, writer, self.connections)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client has gone
        finally:
            self.open -= 1
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        while True:
            request = await read_request(reader, connection)
            self.received.append(request)
            act = self.plan(request)
            if isinstance(act, HangUp):
                return
            if isinstance(act, Silence):
                self.silenced.set()
                _ = await reader.read()
                return
            writer.write(act)
            await writer.drain()


async def read_request(reader: asyncio.StreamReader, connection: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(connection, head[0], headers, body)


@asynccontextmanager
async def scripted(plan: Plan, context: ssl.SSLContext | None = None) -> AsyncGenerator[Scripted]:
    made = Scripted(plan, scheme="https" if context else "http")
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made.writers:
            writer.close()


def botocore_client(url: str | None, *, service: str = "dynamodb", token: str | None = None, **options: Any) -> Any:
    """A client from a session of its own; options of `Config` by their names, the client's own besides."""
    session: Any = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY, token)
    own = {name: options.pop(name) for name in ("verify", "aws_session_token") if name in options}
    config = Config(**options)
    return session.create_client(service, region_name=REGION, endpoint_url=url, config=config, **own)


@asynccontextmanager
async def lean(
    plan: Plan, *, connections_max: int = 4, queue_max: int = 100, attempts_max: int | None = 3, **options: Any
) -> AsyncGenerator[tuple[BulkClient, Scripted]]:
    """A lean client of a scripted server."""
    async with scripted(plan) as server:
        theirs = botocore_client(server.url, **options)
        async with BulkClient.like(
            theirs, connections_max=connections_max, queue_max=queue_max, attempts_max=attempts_max
        ) as client:
            yield client, server
