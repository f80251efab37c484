"""Applications for servers of WSGI and ASGI, as docs/processes.md has them: each request is one write.

They attach where they are imported, or at the first request of a process (ATTACH). `asgi` detaches at the end of its
lifespan, and `asgi_plain` not at all.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiobotocore.session import AioSession

from tests.processes.setting import Journal, Writers, attached, item, migration

WRITERS = Writers()
NUMBERS = itertools.count()
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

if os.environ.get("ATTACH") == "at import":
    _ = WRITERS.one()


def write() -> None:
    WRITERS.one().write(f"{os.getpid()}-{next(NUMBERS)}")


def wsgi(_environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], Any]) -> Iterable[bytes]:
    write()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


async def asgi(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A client of boto3 behind ASGI: its router is detached on a thread, when the server has answered all requests."""
    if scope["type"] != "lifespan":
        await asyncio.to_thread(write)
        await answer(send)
        return
    _ = await receive()
    await send({"type": "lifespan.startup.complete"})
    _ = await receive()
    for writer in WRITERS.made:
        _ = await writer.router.aclose()
    await send({"type": "lifespan.shutdown.complete"})


async def asgi_plain(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The same without a lifespan."""
    if scope["type"] == "http":
        await asgi(scope, receive, send)
        return
    raise NotImplementedError


async def asgi_aio(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """A client of aiobotocore, from the lifespan's beginning to its end."""
    if scope["type"] != "lifespan":
        client, order = scope["state"]["client"], f"{os.getpid()}-{next(NUMBERS)}"
        await client.put_item(TableName=migration().source.name, Item=item(order))
        Journal(os.environ["JOURNAL"]).note(order)
        await answer(send)
        return
    _ = await receive()
    session: Any = AioSession()
    async with session.create_client("dynamodb") as client, attached(client):
        scope["state"]["client"] = client
        await send({"type": "lifespan.startup.complete"})
        _ = await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
