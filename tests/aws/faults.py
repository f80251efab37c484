"""Faults on the way of a request. Nothing is timed.

A caller's requests meet them in botocore's own before-send event; those of the background, which meet no event, on a
detour between the client and the database.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

WAIT_SECONDS_MAX = 20.0  # how long a test waits for what must come; only a failing test waits so long


@dataclass(frozen=True, slots=True)
class Sent:
    """One attempt, as it goes out. It keeps nothing of botocore's alive: a call's context must end with the call."""

    operation: str
    body: dict[str, Any]
    url: str
    headers: dict[str, str]
    content: bytes

    @property
    def table(self) -> str:
        return str(self.body.get("TableName", ""))

    def carry_out(self) -> tuple[int, bytes]:
        """Have the server carry it out: status and body."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_SECONDS_MAX)
        connection.request("POST", parts.path or "/", body=self.content, headers=self.headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


NO_HEADERS: dict[str, str] = {}


def refusal(sent: Sent, status_code: int, code: str) -> AWSResponse:
    """An answer of the service, made up."""
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": code}).encode()
    return AWSResponse(sent.url, status_code, NO_HEADERS, Raw(body))


def timed_out(sent: Sent) -> ReadTimeoutError:
    return ReadTimeoutError(endpoint_url=sent.url)


def go_on(_sent: Sent) -> None:
    """No fault."""


Fault = Callable[[Sent], Any]  # None: it goes on; an AWSResponse: that is the answer; or it raises


@dataclass
class Faults:
    """Registered on one client. `plan` gets every attempt; `sent` lists them."""

    client: Any
    plan: Fault = go_on
    sent: list[Sent] = field(default_factory=list[Sent])

    def __post_init__(self) -> None:
        self.client.meta.events.register("before-send.dynamodb", self._before_send)

    def _before_send(self, request: Any, **_: Any) -> Any:
        headers = {name: text(value) for name, value in request.headers.items()}
        operation = headers["X-Amz-Target"].partition(".")[2]
        sent = Sent(operation, json.loads(request.body), request.url, headers, request.body)
        self.sent.append(sent)
        return self.plan(sent)


class Detour:
    """A server before the database. `plan` gets every request: None, and it goes on; an AWSResponse: that is the
    answer; or it raises, and the connection ends without one."""

    def __init__(self, endpoint_url: str) -> None:
        self.plan: Fault = go_on
        self.sent: list[Sent] = []
        self.endpoint_url = endpoint_url
        self._server = DetourServer(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class DetourServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, detour: Detour) -> None:
        self.detour = detour
        super().__init__(("127.0.0.1", 0), DetourHandler)


class DetourHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        detour = cast("DetourServer", self.server).detour
        content = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        headers = dict(self.headers.items())
        sent = Sent(operation, json.loads(content), detour.endpoint_url, headers, content)
        detour.sent.append(sent)
        try:
            planned: Any = detour.plan(sent)
            status, body = sent.carry_out() if planned is None else (planned.status_code, planned.content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            _ = self.wfile.write(body)
        except Exception:  # noqa: BLE001 - whatever it is, it is no answer, or nobody waits for one
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name above
        """The tests say what went wrong."""


@dataclass
class Gate:
    """Holds requests to one table until it is opened."""

    table: str
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, sent: Sent) -> None:
        if sent.table == self.table:
            self.reached.set()
            assert self.opened.wait(WAIT_SECONDS_MAX)


def once(fault: Fault, when: Callable[[Sent], bool]) -> Fault:
    """The fault for the first attempt that `when` is about; the others go on."""
    done: list[Sent] = []

    def plan(sent: Sent) -> Any:
        if done or not when(sent):
            return None
        done.append(sent)
        return fault(sent)

    return plan
