"""A fault of the network while a command starts: whichever call it meets, the start tries again, as the work does."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from tests.cleanup.serving import Handler, Served
from tests.cli.conftest import Shell

STARTING = 12  # calls: what a command asks before its work begins is among them
SKIPPED = ("content-length", "date", "server", "connection", "transfer-encoding")
READS = ("DescribeTable", "GetItem", "Query", "Scan", "BatchGetItem")


@dataclass
class Faulty(Served):
    """The database behind a network that loses one answer: the `lost`th of those to reads, or none at 0."""

    endpoint_url: str = ""
    lost: int = 0
    seen: list[str] = field(default_factory=list[str])

    def handle(self, handler: Handler, body: bytes) -> None:
        operation = handler.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation in READS:
            self.seen.append(operation)
            if len(self.seen) == self.lost:
                handler.close_connection = True
                handler.connection.shutdown(socket.SHUT_RDWR)
                return
        connection = http.client.HTTPConnection(urlsplit(self.endpoint_url).netloc)
        connection.request("POST", "/", body, {k: v for k, v in handler.headers.items() if k.lower() != "host"})
        reply = connection.getresponse()
        kept = {name: value for name, value in reply.getheaders() if name.lower() not in SKIPPED}
        handler.answer(reply.status, reply.read(), headers=kept)
        connection.close()


COMMANDS = {
    "status": ("status",),
    "verify": ("verify", "--segments", "1", "--workers", "1"),
    "backfill": ("backfill", "--again", "--segments", "1", "--workers", "1", "--execute"),
    "advance": ("advance", "--execute"),
    "rollback": ("rollback", "--to", "dualwrite"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_lost_answer_at_the_start_is_asked_for_again(at_stage: Callable[[str], Shell], name: str) -> None:
    """Each of the first reads in turn, and the command does what it does without."""
    shell = at_stage("shadow" if name == "backfill" else "lockstep_source")
    direct = shell.environment["AWS_ENDPOINT_URL_DYNAMODB"]
    for lost in range(1, STARTING + 1):
        with Faulty(endpoint_url=direct, lost=lost) as faulty:
            shell.environment["AWS_ENDPOINT_URL_DYNAMODB"] = faulty.url
            _ = shell(*COMMANDS[name])
            shell.environment["AWS_ENDPOINT_URL_DYNAMODB"] = direct
            if len(faulty.seen) < lost:
                break
        if name == "advance":
            _ = shell("rollback", "--to", "lockstep_source", "--execute")


def test_where_nobody_answers_that_is_said_soon(at_stage: Callable[[str], Shell]) -> None:
    """With what to look at, and status 2."""
    shell = at_stage("dualwrite")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        shell.environment["AWS_ENDPOINT_URL_DYNAMODB"] = f"http://127.0.0.1:{unused.getsockname()[1]}"
        said = shell("status", status=2).stderr
    assert "no answer from DynamoDB at" in said
    assert "next: check the network" in said
