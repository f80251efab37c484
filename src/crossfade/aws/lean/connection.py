"""One HTTP/1.1 connection: a request out, an answer in, and again.

Requests are not pipelined: with one at a time a connection that breaks leaves one request open and no more.
Nearly every answer arrives in one piece and with its length, so that case is short.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from crossfade.aws.lean.chunks import ChunkedBody
from crossfade.aws.lean.failures import Failure, FailureKind, failed

HEAD_BYTES_MAX: Final = 64 * 1024
BODY_BYTES_MAX: Final = 128 * 1024 * 1024  # of JSON; DynamoDB's largest answer is 16 MB of items (BatchGetItem)
LOOK_AFTER_SECONDS: Final = 0.05  # idle for longer: look whether the other end has gone before something is sent
INTERIM_BELOW: Final = 200
BODYLESS: Final = frozenset({204, 304})


class Answer(NamedTuple):
    status_code: int
    headers: dict[str, str]  # names in lower case
    body: bytes


class Connection(asyncio.Protocol):
    """After `connection_made`; `on_lost` is called once, when it has ended."""

    __slots__ = (
        "_body",
        "_buffer",
        "_chunked",
        "_headers",
        "_keep",
        "_left",
        "_loop",
        "_on_lost",
        "_status_code",
        "_transport",
        "_until_end",
        "_waiter",
        "heard_at",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, on_lost: Callable[[Connection], None]) -> None:
        self._loop = loop
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self.heard_at = 0.0
        self._reset()

    def _reset(self) -> None:
        self._buffer = b""
        self._headers: dict[str, str] | None = None  # None: the head is not there yet
        self._status_code = 0
        self._keep = True
        self._body: list[bytes] = []
        self._left = BODY_BYTES_MAX  # of the body, that may still come
        self._until_end = False  # whether the body ends with the connection
        self._chunked: ChunkedBody | None = None

    # --- for the pool

    @property
    def busy(self) -> bool:
        return self._waiter is not None

    @property
    def reusable(self) -> bool:
        return self._waiter is None and self._transport is not None and not self._transport.is_closing()

    def usable(self, now: float) -> bool:
        """Whether a request may be sent: nothing has been left of this connection unread, its end least of all."""
        transport = self._transport
        if transport is None or not self.reusable:
            return False
        if now - self.heard_at < LOOK_AFTER_SECONDS:
            return True
        if _readable(transport):
            transport.abort()
            return False
        return True

    def exchange(self, data: bytes) -> asyncio.Future[Answer]:
        """Send a request. The future raises Failure; who gives it up closes the connection."""
        transport = self._transport
        if transport is None or self._waiter is not None:
            raise RuntimeError("a request to a connection that is not free")
        self._waiter = waiter = self._loop.create_future()
        self.heard_at = self._loop.time()
        transport.write(data)
        return waiter

    def fail(self, failure: Failure) -> None:
        """Give the request up, and with it the connection: its answer might still come."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(failure)
        self.abort()

    def keep_alive(self) -> None:
        """Have the operating system look now and then whether the other end is there."""
        sock = None if self._transport is None else self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def abort(self) -> None:
        """Close at once: with TLS the other end might otherwise be waited for, to say that it closes as well."""
        if self._transport is not None:
            self._transport.abort()

    # --- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.heard_at = self._loop.time()

    def eof_received(self) -> bool:
        return False  # the transport closes itself, and `connection_lost` tells

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None:
            if self._until_end and exc is None:
                self._finish(b"".join(self._body))
            else:
                self.fail(failed(FailureKind.BROKEN, f"the connection ended before the answer: {exc or 'closed'}"))
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._waiter is None:  # nobody has asked: whatever follows would be taken for the next one's answer
            self.abort()
            return
        try:
            if self._headers is None:
                self._take_head(self._buffer + data if self._buffer else data)
            else:
                self._take_body(data)
        except ValueError as error:
            self.fail(failed(FailureKind.BROKEN, f"no answer in HTTP: {error}"))

    # --- reading

    def _take_head(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > HEAD_BYTES_MAX:
                raise ValueError("the head of the answer does not end")
            self._buffer = data
            return
        self._buffer = b""
        version, status_code, headers = parse_head(data[:end])
        rest = data[end + 4 :]
        if status_code < INTERIM_BELOW:
            if rest:
                self._take_head(rest)
            return
        self._status_code, self._headers = status_code, headers
        connection = headers.get("connection", "").lower()
        self._keep = (version != "HTTP/1.0" and "close" not in connection) or "keep-alive" in connection
        length = headers.get("content-length")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            self._chunked = ChunkedBody()
        elif status_code in BODYLESS:
            self._left = 0
        elif length is not None:
            self._left = parse_length(length)
            if len(rest) == self._left:
                self._finish(rest)
                return
        else:
            self._until_end, self._keep = True, False
        self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        if self._chunked is not None:
            if self._chunked.feed(data):
                self._finish(self._chunked.whole())
            elif self._chunked.size > BODY_BYTES_MAX:
                raise ValueError("the answer is too long")
            return
        self._body.append(data)
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("the answer is longer than it says, or may be")
        if self._left == 0 and not self._until_end:
            self._finish(b"".join(self._body))

    def _finish(self, body: bytes) -> None:
        waiter, self._waiter = self._waiter, None
        answer = Answer(self._status_code, self._headers or {}, body)
        keep = self._keep
        self._reset()
        if not keep:
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(answer)


def parse_head(head: bytes) -> tuple[str, int, dict[str, str]]:
    """Version, status and headers; a header given several times is joined as botocore does it. Raises ValueError."""
    lines = head.decode("latin-1").split("\r\n")
    version, _, rest = lines[0].partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"{lines[0][:60]!r} is no status line")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(f"{line[:60]!r} is no header")
        name = name.lower()
        value = value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return version, int(rest[:3]), headers


def parse_length(text: str) -> int:
    """Raises ValueError for what is no length, or more than any answer of DynamoDB."""
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is no length of a body")
    length = int(text)
    if length > BODY_BYTES_MAX:
        raise ValueError("the answer is too long")
    return length


def _readable(transport: asyncio.Transport) -> bool:
    """Whether something has arrived at an idle connection: its end, or what nobody asked for."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
