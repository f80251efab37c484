"""Answers in HTTP/1.1 however they arrive, and what is none."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade.aws.lean.chunks import LINE_BYTES_MAX, ChunkedBody
from crossfade.aws.lean.connection import BODY_BYTES_MAX, HEAD_BYTES_MAX, Answer, Connection, parse_head, parse_length
from crossfade.aws.lean.failures import Failure, FailureKind
from tests.aws.lean.scripted import GET, http, in_turn, lean

ITEM = {"Item": {"pk": {"S": "a" * 50}}}
BODY = json.dumps(ITEM).encode()


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%X;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\ntrailer: x\r\n\r\n"


FORMS: dict[str, bytes] = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(BODY, 7),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY),
    "no reason": b"HTTP/1.1 200\r\ncontent-length:%d\r\n\r\n%b" % (len(BODY), BODY),
}


class Transport:
    """As much of one as a connection asks for."""

    def __init__(self) -> None:
        self.written = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def is_closing(self) -> bool:
        return bool(self.ended)


def arrived(pieces: list[bytes], *, end: bool = False) -> tuple[Answer | Failure | None, Transport]:
    """What a connection makes of these pieces after a request; None when it still waits."""

    async def scenario() -> tuple[Answer | Failure | None, Transport]:
        lost: list[Connection] = []
        connection = Connection(asyncio.get_running_loop(), lost.append)
        transport = Transport()
        connection.connection_made(cast("Any", transport))
        waiter = connection.exchange(b"request")
        for piece in pieces:
            connection.data_received(piece)
        if end:
            connection.connection_lost(None)
            assert lost == [connection]
        if not waiter.done():
            return None, transport
        failure = waiter.exception()
        return (failure if isinstance(failure, Failure) else waiter.result()), transport

    return asyncio.run(scenario())


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted({each % len(data) for each in at}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a != b]


@pytest.mark.parametrize("form", sorted(FORMS))
@settings(deadline=None)
@given(at=st.lists(st.integers(0, 10_000), max_size=12))
def test_an_answer_may_arrive_in_any_pieces(form: str, at: list[int]) -> None:
    """Wherever it is cut, it is the same answer, and the connection is kept."""
    found, transport = arrived(cut(FORMS[form], at))
    assert isinstance(found, Answer)
    assert (found.status_code, found.body) == (200, BODY)
    assert transport.ended == ""


@pytest.mark.parametrize("form", sorted(FORMS))
def test_an_answer_is_awaited_to_its_end(form: str) -> None:
    """One byte less is no answer yet, and when the connection ends then, it never is one."""
    found, _ = arrived([FORMS[form][:-1]])
    assert found is None
    found, _ = arrived([FORMS[form][:-1]], end=True)
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.BROKEN


def test_without_a_length_the_end_of_the_connection_ends_the_answer() -> None:
    """As HTTP/1.0 has it; such a connection is not used again."""
    found, _ = arrived([b"HTTP/1.0 200 OK\r\n\r\n", BODY], end=True)
    assert isinstance(found, Answer)
    assert found.body == BODY


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
    ],
)
def test_a_connection_is_kept_as_the_server_says(head: bytes, *, kept: bool) -> None:
    """By its version and its Connection header."""
    found, transport = arrived([head])
    assert isinstance(found, Answer)
    assert (transport.ended == "") is kept


NONSENSE: dict[str, bytes] = {
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "no status": b"HTTP/1.1 what\r\n\r\n",
    "no header": b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "a length beyond all": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
    "more than its length": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"a" * (HEAD_BYTES_MAX + 1),
    "a size that is none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a size below zero": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    "a chunk too long": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "a chunk beyond all": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%X\r\n" % (BODY_BYTES_MAX + 1),
    "a trailer without end": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"a" * (LINE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("name", sorted(NONSENSE))
def test_nonsense_ends_the_connection(name: str) -> None:
    """The outcome is unknown, and nothing that follows is read."""
    found, transport = arrived([NONSENSE[name]])
    assert isinstance(found, Failure)
    assert found.kind is FailureKind.BROKEN
    assert transport.ended == "aborted"


def test_what_nobody_asked_for_ends_the_connection() -> None:
    """It would be taken for the answer to the next request."""

    async def scenario() -> None:
        lost: list[Connection] = []
        connection = Connection(asyncio.get_running_loop(), lost.append)
        transport = Transport()
        connection.connection_made(cast("Any", transport))
        connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        assert transport.ended == "aborted"
        _ = connection.exchange(b"a")
        with pytest.raises(RuntimeError, match="not free"):
            _ = connection.exchange(b"b")

    asyncio.run(scenario())


def test_heads_are_read_as_botocore_reads_them() -> None:
    """Names in lower case, values trimmed, and what is given twice joined."""
    version, status_code, headers = parse_head(b"HTTP/1.1 400 Bad Request\r\nA-b:  c \r\nX: 1\r\nx: 2\r\nEmpty:")
    assert (version, status_code) == ("HTTP/1.1", 400)
    assert headers == {"a-b": "c", "x": "1, 2", "empty": ""}
    assert parse_length("12") == 12


def test_a_chunked_body_knows_its_size() -> None:
    """Announced sizes count, so that the limit holds before the bytes are there."""
    body = ChunkedBody()
    assert not body.feed(b"ff\r\nabc")
    assert body.size == 255
    with pytest.raises(ValueError, match="longer than it says"):
        _ = body.feed(b"x" * 300)


def test_a_server_that_closes_after_each_answer_is_served() -> None:
    """Each call has a connection of its own then, and none is retried."""

    async def scenario() -> None:
        async with lean(in_turn(http(body=ITEM, connection="close"))) as (client, server):
            for _ in range(3):
                reply = await client.call("GetItem", GET)
                assert reply["Item"] == ITEM["Item"]
                assert reply["ResponseMetadata"]["RetryAttempts"] == 0
        assert server.connections == 3

    asyncio.run(scenario())
