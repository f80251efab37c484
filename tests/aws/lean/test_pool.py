"""The places in a pool: none is lost, whatever becomes of a connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from crossfade.aws.lean.connection import Connection
from crossfade.aws.lean.failures import Failure, FailureKind, NotSent, failed
from crossfade.aws.lean.opening import Lost, Opener
from crossfade.aws.lean.pool import Pool
from tests.aws.lean.scripted import http


class Transport:
    """Answers each request at once, while it is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._closing = False

    def write(self, data: bytes) -> None:  # noqa: ARG002
        _ = asyncio.get_running_loop().call_soon(self._connection.data_received, http())

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        if not self._closing:
            self._closing = True
            _ = asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


class Opening:
    """In place of an Opener: what it says happens to one connection after the other, and then they are good."""

    host = "here"

    def __init__(self, *fates: str) -> None:
        self._fates = list(fates)
        self.count = 0

    async def open(self, on_lost: Lost) -> Connection:
        self.count += 1
        fate = self._fates.pop(0) if self._fates else "good"
        await asyncio.sleep(0)
        if fate == "refused":
            raise failed(FailureKind.UNSENT, "refused")
        connection = Connection(asyncio.get_running_loop(), on_lost)
        connection.connection_made(cast("Any", Transport(connection)))
        if fate == "ended":
            connection.abort()
            await asyncio.sleep(0)
        return connection


def pool_of(opening: Opening, connections_max: int = 1) -> Pool:
    return Pool(
        cast("Opener", opening),
        connections_max=connections_max,
        queue_max=100,
        connect_timeout_seconds=1.0,
        read_timeout_seconds=1.0,
    )


@pytest.mark.parametrize("fate", ["refused", "ended"])
def test_a_connection_that_never_was_leaves_its_place(fate: str) -> None:
    """Who tried is told that nothing was sent; who waited tries for itself."""

    async def scenario() -> None:
        opening = Opening(fate)
        pool = pool_of(opening)
        first, *others = await asyncio.gather(*(pool.exchange(b"x") for _ in range(5)), return_exceptions=True)
        assert isinstance(first, Failure)
        assert isinstance(first.outcome, NotSent)
        assert all(not isinstance(each, BaseException) for each in others)
        assert opening.count == 2
        assert pool.connections == 1
        pool.close()
        await pool.closed()

    asyncio.run(scenario())


def test_a_cancelled_opening_leaves_its_place() -> None:
    """The next call opens another."""

    async def scenario() -> None:
        opening = Opening()
        pool = pool_of(opening)
        first = asyncio.create_task(pool.exchange(b"x"))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(pool.exchange(b"x"))
        await asyncio.sleep(0)
        assert first.cancel()
        assert (await waiting).status_code == 200
        pool.close()
        await pool.closed()

    asyncio.run(scenario())


def test_the_last_used_is_the_next() -> None:
    """One call after the other stays on one connection, however many are open."""

    async def scenario() -> None:
        opening = Opening()
        pool = pool_of(opening, connections_max=8)
        _ = await asyncio.gather(*(pool.exchange(b"x") for _ in range(4)))
        assert pool.connections == opening.count == 4
        for _ in range(10):
            _ = await pool.exchange(b"x")
        assert opening.count == 4
        pool.close()
        await pool.closed()
        assert pool.connections == 0
        with pytest.raises(NotSent, match="closed"):
            _ = await pool.exchange(b"x")

    asyncio.run(scenario())
