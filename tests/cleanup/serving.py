"""A service on a port of this machine, for as long as a `with` lasts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Handler(BaseHTTPRequestHandler):
    """One connection, which is kept open from request to request."""

    protocol_version = "HTTP/1.1"
    service: Served

    def answer(
        self,
        status: int,
        body: bytes,
        content_type: str = "",
        *,
        sent: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`sent`: end in the middle, after so many bytes."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in {"Content-Type": content_type, **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        _ = self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.service.handle(self, body)

    do_GET = do_PUT = do_POST = _handle  # noqa: N815 - the base's names


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nobody is told where the peer was killed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@dataclass
class Served:
    _server: Server = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kind = type("BoundHandler", (Handler,), {"service": self})
        self._server = Server(("127.0.0.1", 0), kind)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def handle(self, handler: Handler, body: bytes) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
