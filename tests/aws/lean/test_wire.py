"""TLS and proxies, as botocore's client is configured for them."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.failures import NotSent
from tests.aws.lean.scripted import GET, PUT, botocore_client, http, in_turn, scripted


@dataclass(frozen=True, slots=True)
class Certificates:
    """An authority of our own, and what it has signed: a server at 127.0.0.1 and a client."""

    folder: Path

    @property
    def authority(self) -> str:
        return str(self.folder / "authority.pem")

    def pair(self, name: str) -> tuple[str, str]:
        return str(self.folder / f"{name}.pem"), str(self.folder / f"{name}.key")

    def server_context(self, *, client_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.pair("server"))
        if client_certificate:
            context.load_verify_locations(self.authority)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def openssl(*arguments: str) -> None:
    _ = subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Made anew for each run."""
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority, authority_key = made.pair("authority")
    usage = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    openssl(
        "req",
        "-x509",
        *key,
        "-keyout",
        authority_key,
        "-out",
        authority,
        "-days",
        "2",
        "-subj",
        "/CN=authority",
        *usage,
    )
    for name in ("server", "client"):
        certificate, own_key = made.pair(name)
        request, extensions = str(made.folder / f"{name}.csr"), made.folder / f"{name}.txt"
        _ = extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        openssl("req", *key, "-keyout", own_key, "-out", request, "-subj", f"/CN={name}")
        signing = [
            "-CA",
            authority,
            "-CAkey",
            authority_key,
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            str(extensions),
        ]
        openssl("x509", "-req", "-in", request, "-out", certificate, *signing)
    return made


def test_a_bundle_of_ones_own_is_believed(certificates: Certificates) -> None:
    """`verify=path`, and the connection is kept."""

    async def scenario() -> None:
        async with scripted(in_turn(http()), certificates.server_context()) as server:
            theirs = botocore_client(server.url, verify=certificates.authority)
            async with BulkClient.like(theirs) as client:
                _ = await client.call("GetItem", GET)
                _ = await client.call("PutItem", PUT)
        assert [each.connection for each in server.received] == [1, 1]

    asyncio.run(scenario())


def test_an_unknown_authority_is_not_believed(certificates: Certificates) -> None:
    """Nothing is sent, and it is not tried again: it would not verify in a second either."""

    async def scenario() -> None:
        async with scripted(in_turn(http()), certificates.server_context()) as server:
            theirs = botocore_client(server.url)
            async with BulkClient.like(theirs) as client:
                with pytest.raises(NotSent, match="certificate verify failed"):
                    _ = await client.call("PutItem", PUT)
        assert server.received == []
        assert server.connections <= 1

    asyncio.run(scenario())


def test_verification_can_be_off(certificates: Certificates) -> None:
    """`verify=False`, as people have it against emulators."""

    async def scenario() -> None:
        async with scripted(in_turn(http()), certificates.server_context()) as server:
            theirs = botocore_client(server.url, verify=False)
            async with BulkClient.like(theirs) as client:
                _ = await client.call("GetItem", GET)

    asyncio.run(scenario())


def test_a_client_shows_its_certificate(certificates: Certificates) -> None:
    """`Config(client_cert=...)`; without one a server that asks for it does not serve."""

    async def scenario(**options: Any) -> None:
        async with scripted(in_turn(http()), certificates.server_context(client_certificate=True)) as server:
            theirs = botocore_client(server.url, verify=certificates.authority, **options)
            async with BulkClient.like(theirs, attempts_max=1) as client:
                _ = await client.call("GetItem", GET)

    asyncio.run(scenario(client_cert=certificates.pair("client")))
    with pytest.raises(Exception, match=r"connection|certificate"):
        asyncio.run(scenario())


@dataclass
class Proxy:
    """Makes tunnels, or forwards to one server; keeps what it was asked."""

    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    heads: list[str] = field(default_factory=list[str])
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        writer.write(self.answer)
        host, _, port = head.split(" ")[1].rpartition(":")
        if b" 200 " not in self.answer.partition(b"\r\n")[0]:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        _ = await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
    finally:
        writer.close()


@asynccontextmanager
async def proxy(made: Proxy, context: ssl.SSLContext | None = None) -> AsyncGenerator[Proxy]:
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def test_https_goes_through_a_tunnel(certificates: Certificates) -> None:
    """CONNECT with the proxy's credentials, which the endpoint does not see, and TLS with the endpoint inside."""

    async def scenario() -> None:
        async with scripted(in_turn(http()), certificates.server_context()) as server, proxy(Proxy()) as between:
            url = f"http://user:p%40ss@127.0.0.1:{between.port}"
            theirs = botocore_client(server.url, verify=certificates.authority, proxies={"https": url})
            async with BulkClient.like(theirs) as client:
                _ = await client.call("PutItem", PUT)
                _ = await client.call("PutItem", PUT)
        assert len(between.heads) == 1
        assert between.heads[0].startswith(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in between.heads[0]
        assert [each.line for each in server.received] == ["POST / HTTP/1.1"] * 2
        assert "proxy-authorization" not in server.received[0].headers

    asyncio.run(scenario())


def test_a_proxy_may_have_tls_itself(certificates: Certificates) -> None:
    """TLS in TLS, with a bundle for the proxy alone."""

    async def scenario() -> None:
        context = certificates.server_context()
        async with scripted(in_turn(http()), context) as server, proxy(Proxy(), context) as between:
            theirs = botocore_client(
                server.url,
                verify=certificates.authority,
                proxies={"https": f"https://127.0.0.1:{between.port}"},
                proxies_config={"proxy_ca_bundle": certificates.authority},
            )
            async with BulkClient.like(theirs) as client:
                _ = await client.call("GetItem", GET)
        assert len(server.received) == 1

    asyncio.run(scenario())


def test_a_proxy_that_says_no(certificates: Certificates) -> None:
    """Nothing was sent, and its own words are told."""

    async def scenario() -> None:
        refusing = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        async with scripted(in_turn(http()), certificates.server_context()) as server, proxy(refusing) as between:
            theirs = botocore_client(server.url, proxies={"https": f"http://127.0.0.1:{between.port}"})
            async with BulkClient.like(theirs, attempts_max=2) as client:
                with pytest.raises(NotSent, match="407 Proxy Authentication Required"):
                    _ = await client.call("PutItem", PUT)
        assert len(between.heads) == 2
        assert server.received == []

    asyncio.run(scenario())


def test_http_is_forwarded() -> None:
    """Without TLS the proxy gets the request itself, with the whole URL; what is signed is as without a proxy."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:  # the proxy
            proxies = {"http": f"http://user:pass@127.0.0.1:{server.port}"}
            theirs = botocore_client("http://dynamodb.example:8000", proxies=proxies)
            async with BulkClient.like(theirs) as client:
                _ = await client.call("GetItem", GET)
        request = server.received[0]
        assert request.line == "POST http://dynamodb.example:8000/ HTTP/1.1"
        assert request.headers["host"] == "dynamodb.example:8000"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwYXNz"
        assert "proxy-authorization" not in request.headers["authorization"]

    asyncio.run(scenario())


def test_a_server_that_never_greets_is_a_timeout(certificates: Certificates) -> None:
    """The connect timeout holds for the handshake too; nothing was sent."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _ = await reader.read()
        writer.close()

    async def scenario() -> None:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        theirs = botocore_client(url, verify=certificates.authority, connect_timeout=0.1)
        async with BulkClient.like(theirs, attempts_max=1) as client:
            with pytest.raises(NotSent, match=r"no connection to 127\.0\.0\.1 in 0\.1 seconds"):
                _ = await client.call("PutItem", PUT)
        server.close()

    asyncio.run(scenario())
