"""The connections of a job: a lean client in the place of each botocore client that it was given.

One attempt a call, because the routines try again themselves and must know when a request was sent. And as many
connections as requests can be under way, so that none waits in a queue while the time in which it may land runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError

from crossfade.aws.botocore_private import remember_session
from crossfade.aws.clients import client_of, is_asynchronous
from crossfade.aws.lean.client import BulkClient
from crossfade.core.effects import Place, Reply, Request
from crossfade.errors import ConfigurationError
from crossfade.tables import Table

Clients = Mapping[Place, Any]  # a botocore or boto3 client for each of source, target and control

SAID_MAX: Final = 300  # characters of an error of others
READ_TIMEOUT_SECONDS: Final = 20.0
CONNECT_TIMEOUT_SECONDS: Final = 5.0
CONTROL_CONNECTIONS: Final = 4  # polling, checkpoints, notes of the runner itself


class Connection(Protocol):
    """What carries out the calls of a job; `BulkClient` is one."""

    async def call(self, operation: str, request: Request) -> Reply:
        """Raises ServiceRejected or UnknownOutcome."""
        ...

    async def aclose(self) -> None: ...


Connect = Callable[[Any, int], Connection]  # from a botocore client, and the calls that can be under way at once


def lean(client: Any, calls_max: int) -> Connection:
    return BulkClient.like(client, connections_max=calls_max + CONTROL_CONNECTIONS, attempts_max=1)


def connected(clients: Clients, calls_max: int, connect: Connect) -> dict[Place, Connection]:
    """A connection for each place; one that serves several where these have one client."""
    made: dict[int, Connection] = {}
    for client in clients.values():
        if id(client) not in made:
            made[id(client)] = connect(client, calls_max)
    return {place: made[id(client)] for place, client in clients.items()}


def job_config(workers: int) -> Config:
    """What the clients of a job are best made with: timeouts that say soon that an answer is lost.

    The lean client takes its timeouts from it. The rest is for those calls that the client itself makes.
    """
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        parameter_validation=False,
        max_pool_connections=workers + 4,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=READ_TIMEOUT_SECONDS,
    )


def made_client(table: Table) -> Any:
    """What the function of a migration file makes, for a table of which it is said where it is.

    Raises ConfigurationError.
    """
    assert table.client is not None  # noqa: S101 - the caller has looked
    how = 'it is a function without arguments that makes a boto3 client: lambda: boto3.client("dynamodb", ...)'
    try:
        client = client_of(table.client())
    except Exception as error:
        is_settings = isinstance(error, BotoCoreError)
        raise ConfigurationError(
            f"client= of table {table.full_name} made none: {type(error).__name__}: {first_line(error)}",
            next_step="see to that, or correct the function in the migration file" if is_settings else how,
        ) from error
    refuse_asynchronous(client, f"client= of table {table.full_name}")
    remember_session(client)  # while it is there: of most such functions nothing else is left
    return client


def refuse_asynchronous(client: Any, what: str) -> None:
    """Raises ConfigurationError for a client of aiobotocore."""
    if is_asynchronous(client):
        raise ConfigurationError(
            f"{what} is one of aiobotocore",
            next_step="make a client of boto3: crossfade's own requests do not block the loop whatever it is",
        )


def first_line(error: Exception) -> str:
    """Return the first line of another library's error, for a message of ours."""
    return str(error).splitlines()[0].strip()[:SAID_MAX] if str(error) else type(error).__name__


def landing_seconds_of(clients: Clients) -> float:
    """How long after it was sent a request of a job can still be under way: a call is one attempt."""
    configs = [client.meta.config for client in clients.values()]
    return max(_seconds(config.connect_timeout) + _seconds(config.read_timeout) for config in configs)


def _seconds(given: float | None) -> float:
    """None is for ever to botocore."""
    return float("inf") if given is None else float(given)
