"""A server that answers DynamoDB's requests from memory without looking at them: what is measured is the client.

Every answer is made before the first request comes, checksum included. `python -m benchmarks.null_server` prints its
port and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, cast

import orjson

ITEM_BYTES: Final = 1000
SCAN_ITEMS: Final = 1000
ATTRIBUTES: Final = 12


def item(number: int) -> dict[str, Any]:
    """About 1 KB in twelve attributes."""
    filler = (ITEM_BYTES - 240) // (ATTRIBUTES - 4)
    texts = {f"text_{n}": {"S": "x" * filler} for n in range(ATTRIBUTES - 4)}
    return {
        "pk": {"S": f"p{number % 97}"},
        "sk": {"S": f"s{number:08d}"},
        "n": {"N": str(number)},
        "b": {"BOOL": True},
    } | texts


def answers() -> dict[str, dict[str, Any]]:
    items = [item(n) for n in range(SCAN_ITEMS)]
    return {
        "GetItem": {"Item": item(1)},
        "BatchGetItem": {"Responses": {"table": items[:100]}, "UnprocessedKeys": {}},
        "Query": {"Items": items[:100], "Count": 100, "ScannedCount": 100},
        "Scan": {"Items": items, "Count": SCAN_ITEMS, "ScannedCount": SCAN_ITEMS},
        "BatchWriteItem": {"UnprocessedItems": {}},
        "TransactGetItems": {"Responses": [{"Item": item(1)}]},
    }


def whole(body: bytes, status: str = "200 OK") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nServer: null\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\nConnection: keep-alive\r\n"
        f"x-amzn-RequestId: {'A' * 52}\r\nx-amz-crc32: {zlib.crc32(body)}\r\n\r\n"
    )
    return head.encode() + body


Answers = Callable[[bytes, bytes], bytes]  # from an operation in lower case, and a body, to a whole answer


class NullProtocol(asyncio.Protocol):
    """One connection; requests are told apart by their X-Amz-Target."""

    def __init__(self, answers: Answers, delay_seconds: float) -> None:
        self._answers = answers
        self._delay_seconds = delay_seconds
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(self._buffer) < end + 4 + size:
                return
            target = head.partition(b"x-amz-target:")[2].partition(b"\r\n")[0].rpartition(b".")[2]
            body, self._buffer = self._buffer[end + 4 : end + 4 + size], self._buffer[end + 4 + size :]
            self._answer(self._answers(target, body))

    def _answer(self, answer: bytes) -> None:
        if self._transport is None:
            return
        if self._delay_seconds:
            _ = asyncio.get_running_loop().call_later(self._delay_seconds, self._transport.write, answer)
        else:
            self._transport.write(answer)


def prepared() -> Answers:
    """The same answer to each request of an operation."""
    known = {name.lower().encode(): whole(orjson.dumps(answer)) for name, answer in answers().items()}
    other = whole(b"{}")
    return lambda operation, _body: known.get(operation, other)


async def serve(answers: Answers, delay_seconds: float = 0.0) -> None:
    """Prints its port; until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: NullProtocol(answers, delay_seconds), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    _ = await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def running(
    *options: str, module: str = "benchmarks.null_server", delay_seconds: float = 0.0, core: int | None = None
) -> Generator[str]:
    """The endpoint URL of a null server in a process of its own, on one core where given."""
    command = [sys.executable, "-m", module, *options, "--delay-seconds", str(delay_seconds)]
    if core is not None:
        command += ["--core", str(core)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        if process.stdout is None or process.stdin is None:
            raise RuntimeError("the null server has no pipes")
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            _ = process.wait(timeout=10)


def server_arguments() -> argparse.ArgumentParser:
    """What every null server takes."""
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--delay-seconds", type=float, default=0.0)
    _ = parser.add_argument("--core", type=int, help="the only core to run on")
    return parser


def serve_with(arguments: argparse.Namespace, answers: Answers) -> None:
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    asyncio.run(serve(answers, arguments.delay_seconds))


def main() -> None:
    serve_with(server_arguments().parse_args(), prepared())


if __name__ == "__main__":
    main()
