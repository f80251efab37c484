"""HTTP/1.1 as far as DynamoDB's clients and the engine speak it: bodies of a known length, connections that stay."""

from __future__ import annotations

import asyncio
import socket
import struct
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from tests.service.answers import JSON, Answer

HEAD_BYTES_MAX: Final = 1 << 16
UNSIGNED: Final = {  # what a request of our own has in the place of a signature
    "authorization": "AWS4-HMAC-SHA256 Credential=service/20120810/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0",
    "x-amz-date": "20120810T000000Z",
}
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER of no time: what is closed is reset


@dataclass(frozen=True, slots=True)
class Message:
    """The first line, the headers by their names in small letters, and the body."""

    line: str
    headers: Mapping[str, str]
    content: bytes


async def read(reader: asyncio.StreamReader) -> Message:
    """Read a request or an answer. Raises IncompleteReadError where the other side is gone."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.split("\r\n")
    pairs = (each.partition(":") for each in lines if each)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Message(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def request_bytes(target: str, content: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a request to the engine, which checks no signature but wants one."""
    kept = {name: headers.get(name, own) for name, own in UNSIGNED.items()}
    return _message(
        "POST / HTTP/1.1", {"host": "engine", "content-type": JSON, "x-amz-target": target, **kept}, content
    )


def answer_bytes(answer: Answer, at: float) -> bytes:
    headers = {
        "Server": "Server",
        "Date": formatdate(at, usegmt=True),
        "Content-Type": answer.content_type,
        "x-amzn-RequestId": uuid.uuid4().hex.upper(),
        "x-amz-crc32": str(zlib.crc32(answer.body)),
    }
    phrase = next((known.phrase for known in HTTPStatus if known == answer.status), "Unknown")
    return _message(f"HTTP/1.1 {answer.status} {phrase}", headers, answer.body)


def _message(line: str, headers: Mapping[str, str], content: bytes) -> bytes:
    lines = [line, *(f"{name}: {value}" for name, value in headers.items()), f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection so that the client hears of a reset."""
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@dataclass
class Engine:
    """Connections to the engine behind the service, used one request at a time and then kept."""

    host: str
    port: int
    _free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    )

    async def ask(self, target: str, content: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body. A request is sent once: one that is lost is not sent again."""
        reader, writer = await self._connection()
        try:
            writer.write(request_bytes(target, content, headers))
            await writer.drain()
            answer = await read(reader)
        except BaseException:
            writer.transport.abort()
            raise
        self._free.append((reader, writer))
        return int(answer.line.split()[1]), answer.content

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer = self._free.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
        return await asyncio.open_connection(self.host, self.port, limit=HEAD_BYTES_MAX)

    def close(self) -> None:
        while self._free:
            self._free.pop()[1].transport.abort()
