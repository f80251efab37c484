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
from typing import Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError

from tests.service import Answer, FakeService, Lost, Received

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
    """A service before the database, with nothing of its own but a plan that gets every request: None, and it goes on;
    an AWSResponse: that is the answer; or it raises, and the connection ends without one."""

    def __init__(self, endpoint_url: str) -> None:
        self.plan: Fault = go_on
        self.sent: list[Sent] = []
        self.endpoint_url = endpoint_url
        self._service = FakeService.start(endpoint_url, measured=False)
        self._service.plan(self._planned)

    @property
    def url(self) -> str:
        return self._service.endpoint_url

    def stop(self) -> None:
        self._service.stop()

    def _planned(self, received: Received) -> Answer | Lost | None:
        headers = {name.title(): value for name, value in received.headers.items()}
        sent = Sent(received.operation, received.body, self.endpoint_url, headers, received.content)
        self.sent.append(sent)
        try:
            planned: Any = self.plan(sent)
        except Exception:  # noqa: BLE001 - whatever it is, it is no answer
            return Lost(carried_out=False)
        return planned and Answer(planned.status_code, planned.content)


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
