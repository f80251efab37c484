"""How a connection comes about: straight, or through a proxy, with TLS where the endpoint or the proxy has it.

A proxy is asked for a tunnel to an endpoint with TLS (CONNECT); to one without, it forwards, as it does to one with TLS
where botocore is told so (`proxy_use_forwarding_for_https`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path  # pyright: ignore[reportUnknownVariableType]

from crossfade.aws.botocore_private import Wire
from crossfade.aws.lean.connection import Connection, parse_head
from crossfade.aws.lean.endpoints import PORTS, Endpoint
from crossfade.aws.lean.failures import FailureKind, failed

Certificate: TypeAlias = str | tuple[str, str]
Lost: TypeAlias = Callable[[Connection], None]
CONNECT_HEAD_BYTES_MAX: Final = 64 * 1024
OK_FROM, OK_BELOW = 200, 300


@dataclass(frozen=True, slots=True)
class Proxy:
    host: str
    port: int
    context: ssl.SSLContext | None  # for TLS to the proxy itself
    headers: str  # lines for the proxy
    forwards: bool  # no tunnel: the request is addressed to the proxy


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens connections to one endpoint."""

    host: str
    port: int
    context: ssl.SSLContext | None
    proxy: Proxy | None
    keepalive: bool

    async def open(self, on_lost: Lost) -> Connection:
        """Raises Failure: nothing was sent."""
        loop = asyncio.get_running_loop()
        try:
            if self.proxy is None:
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, on_lost), self.host, self.port, ssl=self.context
                )
            elif self.proxy.forwards:
                _, connection = await loop.create_connection(
                    lambda: Connection(loop, on_lost), self.proxy.host, self.proxy.port, ssl=self.proxy.context
                )
            else:
                connection = await self._through(self.proxy, loop, on_lost)
        except ssl.SSLCertVerificationError as error:
            raise failed(FailureKind.HOPELESS, f"{self.host}: {error}") from error
        except (OSError, EOFError) as error:
            raise failed(
                FailureKind.UNSENT, f"no connection to {self.host}:{self.port}: {error or 'closed'}"
            ) from error
        if self.keepalive:
            connection.keep_alive()
        return connection

    async def _through(self, proxy: Proxy, loop: asyncio.AbstractEventLoop, on_lost: Lost) -> Connection:
        transport, tunnel = await loop.create_connection(Tunnel, proxy.host, proxy.port, ssl=proxy.context)
        try:
            await tunnel.ask(f"{bracketed(self.host)}:{self.port}", proxy.headers)
            connection = Connection(loop, on_lost)
            transport.set_protocol(connection)
            if self.context is not None:
                upgraded = await loop.start_tls(transport, connection, self.context, server_hostname=self.host)
                if upgraded is None:
                    raise EOFError("the tunnel closed")
                transport = upgraded
            connection.connection_made(transport)
        except BaseException:
            transport.abort()
            raise
        return connection


class Tunnel(asyncio.Protocol):
    """A connection to a proxy until it is one to the endpoint."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._head = b""
        self._answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def ask(self, authority: str, headers: str) -> None:
        """Raises Failure, or OSError, unless the tunnel stands."""
        self._transport.write(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{headers}\r\n".encode("latin-1"))
        head = await self._answered
        try:
            _, status_code, _ = parse_head(head)
        except ValueError as error:
            raise failed(FailureKind.UNSENT, f"the proxy does not speak HTTP: {error}") from error
        if not OK_FROM <= status_code < OK_BELOW:
            first = head.partition(b"\r\n")[0].decode("latin-1")
            raise failed(FailureKind.UNSENT, f"the proxy makes no tunnel to {authority}: {first}")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._head += data
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if self._answered.done():
            return
        if end:
            self._answered.set_result(head)
        elif len(self._head) > CONNECT_HEAD_BYTES_MAX:
            self._answered.set_exception(OSError("the proxy's answer does not end"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc or OSError("the proxy closed the connection"))


def opener_of(endpoint: Endpoint, wire: Wire, certificate: Certificate | None, *, keepalive: bool) -> Opener:
    context = tls_context(wire.verify, certificate) if endpoint.scheme == "https" else None
    proxy = proxy_of(wire, endpoint.scheme) if wire.proxy_url else None
    if proxy is not None and proxy.forwards:
        context = None
    return Opener(endpoint.host, endpoint.port, context, proxy, keepalive)


def is_for_proxy(wire: Wire, scheme: str) -> bool:
    """Whether requests are addressed to the proxy itself."""
    if wire.proxy_url is None:
        return False
    return scheme == "http" or bool(wire.proxy_settings.get("proxy_use_forwarding_for_https"))


def header_lines(wire: Wire) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in wire.proxy_headers.items())


def proxy_of(wire: Wire, scheme: str) -> Proxy:
    parts = urlsplit(wire.proxy_url or "")
    context = None
    if parts.scheme == "https":
        settings = wire.proxy_settings
        context = tls_context(settings.get("proxy_ca_bundle") or wire.verify, settings.get("proxy_client_cert"))
    port = parts.port or PORTS.get(parts.scheme, 80)
    return Proxy(parts.hostname or "", port, context, header_lines(wire), is_for_proxy(wire, scheme))


def tls_context(verify: bool | str, certificate: Certificate | None) -> ssl.SSLContext:
    """`verify` as botocore has it: True for its own certificates, a path to others, False for none."""
    if verify is False:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        path: Any = os.fspath(get_cert_path(verify))
        context = (
            ssl.create_default_context(capath=path) if Path(path).is_dir() else ssl.create_default_context(cafile=path)
        )
    if isinstance(certificate, str):
        context.load_cert_chain(certificate)
    elif certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
