"""The null server with tables: enough of a migration that an attached client finds what it expects, and no more.

GetItem and BatchGetItem find an item under every key, or none in the table that is behind; PutItem and all else is
answered with nothing. The control table alone keeps what is put into it, so that a program can join, poll and be moved
from stage to stage. `python -m benchmarks.null_migration` prints its port
and serves until its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, cast

import orjson
from benchmarks.null_server import item, whole

from crossfade import Migration, Table
from crossfade.control.records import SORT_KEY
from crossfade.core.mapping import STAMP
from crossfade.mapping import suffix

KEY: Final[dict[str, Any]] = {"pk": "S", "sk": "S"}
CONTROL: Final = "control"
SOURCE: Final = "orders"
EQUAL: Final = "orders-v2"  # holds what the source holds
BEHIND: Final = "orders-behind"  # never holds anything, so that each mirror has something to write
ITEM: Final = item(1)
CONTROL_TABLE: Final = re.compile(rb'"TableName": ?"control"')


def migration(target: str) -> Migration:
    """From the one source to one of the two targets, spread over ten partitions."""
    return Migration(
        name=target,
        source=Table(SOURCE, key=KEY),
        target=Table(target, key=KEY),
        mapping=[suffix("pk", count=10, by="sk")],
        control_table=CONTROL,
    )


class Tables:
    """What each request is answered with."""

    def __init__(self) -> None:
        moved = migration(EQUAL).compiled.forward(ITEM) | {STAMP: {"S": "0" * 32}}
        self._items: dict[str, dict[str, Any] | None] = {SOURCE: ITEM, EQUAL: moved, BEHIND: None}
        self._empty = whole(b"{}")
        self._records: dict[str, bytes] = {}

    def answered(self, operation: bytes, body: bytes) -> bytes:
        if operation == b"batchgetitem":
            asked: dict[str, Any] = orjson.loads(body)["RequestItems"]
            found = {name: [self._item(name, key) for key in table["Keys"]] for name, table in asked.items()}
            return whole(orjson.dumps({"Responses": {name: [i for i in items if i] for name, items in found.items()}}))
        if operation == b"getitem":
            request = orjson.loads(body)
            if request["TableName"] == CONTROL:
                return self._records.get(record_name(request["Key"]), self._empty)
            return answer(self._item(request["TableName"], request["Key"]))
        if operation == b"putitem" and CONTROL_TABLE.search(body):
            record = orjson.loads(body)["Item"]
            self._records[record_name(record)] = answer(record)
        return self._empty

    def _item(self, table: str, key: dict[str, Any]) -> dict[str, Any] | None:
        item = self._items[table]
        return None if item is None else {**item, **key}


def record_name(record: dict[str, Any]) -> str:
    return f"{record['migration']['S']} {record[SORT_KEY]['S']}"


def answer(found: dict[str, Any] | None) -> bytes:
    return whole(orjson.dumps({} if found is None else {"Item": found}))


class TablesProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            until = end + 4 + int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(self._buffer) < until:
                return
            operation = head.partition(b"x-amz-target:")[2].partition(b"\r\n")[0].rpartition(b".")[2]
            body, self._buffer = self._buffer[end + 4 : until], self._buffer[until:]
            if self._transport is not None:
                self._transport.write(self._tables.answered(operation, body))


async def serve() -> None:
    tables = Tables()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: TablesProtocol(tables), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    _ = await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def running(core: int | None = None) -> Generator[str]:
    """The endpoint URL of such a server in a process of its own, on one core where given."""
    command = [sys.executable, "-m", "benchmarks.null_migration"]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _ = parser.add_argument("--core", type=int, help="the only core to run on")
    core: int | None = parser.parse_args().core
    if core is not None:
        os.sched_setaffinity(0, {core})
    asyncio.run(serve())


if __name__ == "__main__":
    main()
