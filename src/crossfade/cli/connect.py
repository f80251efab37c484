"""From options and the environment to a DynamoDB client that answers, or one clear line why not.

The database is asked once before anything else: what is wrong with credentials, Region or endpoint is then said at
once, where the routines, which take a silent database for one that will come back, would try again for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own name
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)

from crossfade.aws.botocore_private import remember_session
from crossfade.aws.clients import endpoint_and_region
from crossfade.aws.own_calls import call
from crossfade.cli.options import Where
from crossfade.control.calls import CONTROL
from crossfade.core.sync.retry import is_passing
from crossfade.errors import ConfigurationError, ServiceRejected, UnknownOutcome
from crossfade.jobs.connecting import first_line, job_config, made_client
from crossfade.tables import Table, refuse_elsewhere

COORDINATOR_CONNECTIONS: Final = 16
ASKED_MAX: Final = 5  # with the pauses between them less than a second, where the refusal comes at once
ASKED_SECONDS_MAX: Final = 10.0  # or two timeouts: then nobody is there
SERVER_ERROR: Final = 500
REFUSED_CREDENTIALS: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def connect(where: Where, table: str, *, workers: int = COORDINATOR_CONNECTIONS, patient: bool = False) -> Any:
    """A botocore client, seen to answer about `table` (which need not exist). Raises ConfigurationError.

    `patient`: botocore itself tries again after a throttle; for what runs without routines.
    """
    client = _client(where, _config(workers, patient=patient))
    _ = _see_that_it_answers(client, table)
    return client


def connect_to(where: Where, table: Table, *, workers: int = COORDINATOR_CONNECTIONS, patient: bool = False) -> Any:
    """Return a client for a table that may say where it is.

    Raises ConfigurationError, also where the table that answers is elsewhere.
    """
    if table.client is None:
        client = _client(replace(where, region=table.region or where.region), _config(workers, patient=patient))
    else:
        client = made_client(table)
    found = _see_that_it_answers(client, table.name)
    refuse_elsewhere(table, str(client.meta.region_name), endpoint_and_region(client), found)
    return client


def _config(workers: int, *, patient: bool) -> Config:
    return Config(retries={"mode": "standard"}) if patient else job_config(workers)


def client_of(where: Where, workers: int) -> Any:
    """Another client of a database that was seen to answer, for so many calls at a time. Raises ConfigurationError."""
    return _client(where, job_config(workers))


def service_client(where: Where, service: str, region: str | None = None) -> Any:
    """A botocore client of another service, with the same profile and Region, or in another one; it tries again by
    itself."""
    session: Any = botocore.session.Session(profile=where.profile)
    try:
        client: Any = session.create_client(
            service,
            region_name=region or where.region,
            config=Config(retries={"mode": "standard", "total_max_attempts": 8}),
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"no client of {service} can be made: {error}", next_step="look at --region and --profile"
        ) from error
    return client


def _client(where: Where, config: Config) -> Any:
    try:
        session: Any = botocore.session.Session(profile=where.profile)
        if session.get_credentials() is None:
            raise ConfigurationError(
                "no AWS credentials were found",
                next_step="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --profile"
                " (`crossfade local` prints what its database wants)",
            )
        client: Any = session.create_client(
            "dynamodb", region_name=where.region, endpoint_url=where.endpoint_url, config=config
        )
    except ProfileNotFound as error:
        raise ConfigurationError(str(error), next_step="aws configure list-profiles") from error
    except NoRegionError as error:
        step = "give --region, or set AWS_DEFAULT_REGION"
        raise ConfigurationError("no AWS Region is set", next_step=step) from error
    except PartialCredentialsError as error:
        raise ConfigurationError(str(error), next_step="set all of the credentials, or give --profile") from error
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"no DynamoDB client can be made: {error}", next_step="look at --endpoint-url, --region and --profile"
        ) from error
    remember_session(client, session)
    return client


def _see_that_it_answers(client: Any, table: str) -> Mapping[str, Any]:
    """What it says of the table; nothing where it refuses, which is an answer too."""
    try:
        found: Mapping[str, Any] = _asked_again(lambda: client.describe_table(TableName=table))["Table"]
    except (EndpointConnectionError, ConnectTimeoutError, ReadTimeoutError, ConnectionError, HTTPClientError) as error:
        raise ConfigurationError(
            f"no answer from DynamoDB at {endpoint_and_region(client)}: {first_line(error)}",
            next_step="check the network, --endpoint-url (AWS_ENDPOINT_URL_DYNAMODB) and --region",
        ) from error
    except ClientError as error:
        _look_at(client, error)
    except BotoCoreError as error:
        raise ConfigurationError(
            f"DynamoDB at {endpoint_and_region(client)} could not be asked: {first_line(error)}",
            next_step="check the credentials, --endpoint-url and --region",
        ) from error
    else:
        return found
    return {}


def _asked_again(ask: Callable[[], Any]) -> Any:
    """Ask up to ASKED_MAX times where there is no answer: a fault of the network is one while a command starts, too."""
    began = time.monotonic()
    for attempt in range(1, ASKED_MAX):
        try:
            return ask()
        except (HTTPClientError, ConnectionError) as error:
            if time.monotonic() - began > ASKED_SECONDS_MAX:
                raise
            del error
        except ClientError as error:
            response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
            if int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)) < SERVER_ERROR:
                raise
        time.sleep(CONTROL.seconds(attempt))
    return ask()


def described(client: Any, table: str) -> dict[str, Any] | None:
    """What DynamoDB says of a table, asked again where there is no answer; None where there is none."""

    def ask() -> dict[str, Any]:
        found: dict[str, Any] = call(client, "DescribeTable", {"TableName": table})["Table"]
        return found

    for attempt in range(1, ASKED_MAX + 1):
        try:
            return ask()
        except UnknownOutcome:
            if attempt == ASKED_MAX:
                raise
        except ServiceRejected as error:
            if error.code == "ResourceNotFoundException":
                return None
            if not is_passing(error) or attempt == ASKED_MAX:
                raise
        time.sleep(CONTROL.seconds(attempt))
    raise AssertionError("the last attempt returns or raises")


def _look_at(client: Any, error: ClientError) -> None:
    """A refusal is an answer, unless it says that we are nobody or that this is no DynamoDB."""
    response: Any = error.response  # pyright: ignore[reportUnknownMemberType]
    code, text = str(response["Error"].get("Code", "")), str(response["Error"].get("Message", ""))
    if code in REFUSED_CREDENTIALS:
        raise ConfigurationError(
            f"DynamoDB at {endpoint_and_region(client)} does not accept these credentials: {text or code}",
            next_step="check AWS_ACCESS_KEY_ID and its companions, or --profile; perhaps they have expired",
        ) from error
    if code.isdigit() or not code:
        raise ConfigurationError(
            f"what answers at {endpoint_and_region(client)} is no DynamoDB (HTTP {code or '?'})",
            next_step="check --endpoint-url",
        ) from error
