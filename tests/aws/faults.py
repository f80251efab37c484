"""Faults on the way of a request, put in between by botocore's own before-send event. Nothing is timed."""

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

from tests.aws.conftest import WAIT_SECONDS_MAX


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

    def carry_out(self) -> None:
        """Have the server carry it out, and throw the answer away."""
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=WAIT_SECONDS_MAX)
        connection.request("POST", parts.path or "/", body=self.content, headers=self.headers)
        assert connection.getresponse().read() is not None
        connection.close()


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
