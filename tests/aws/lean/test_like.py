"""Whatever a client of botocore was configured with, the lean client does likewise."""

from __future__ import annotations

import asyncio
from typing import Any

import botocore.session
import pytest
from aiobotocore.session import AioSession
from botocore import UNSIGNED
from botocore.config import Config

from crossfade.aws.botocore_private import ResolvedEndpoint, resolved_by, streams_model, streams_resolved
from crossfade.aws.lean.client import BulkClient
from crossfade.aws.lean.endpoints import endpoint_of
from crossfade.aws.lean.settings import LeanSettings, settings_of
from crossfade.errors import ConfigurationError
from tests.aws.lean.scripted import ACCESS_KEY, GET, REGION, SECRET_KEY, botocore_client, http, in_turn, scripted

ARN = "arn:aws:dynamodb:eu-west-1:210987654321:table/table"


def client(account_id: str | None = None, region: str = REGION, url: str | None = None, **options: Any) -> Any:
    session: Any = botocore.session.Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY, None, account_id)
    return session.create_client("dynamodb", region_name=region, endpoint_url=url, config=Config(**options))


def resolved(theirs: Any, request: dict[str, Any]) -> ResolvedEndpoint:
    return asyncio.run(resolved_by(theirs, theirs.meta.service_model.operation_model("GetItem"), request))


@pytest.mark.parametrize(
    ("options", "table", "url"),
    [
        ({}, "table", "https://dynamodb.eu-west-1.amazonaws.com"),
        ({"region": "cn-north-1"}, "table", "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        ({"use_fips_endpoint": True, "region": "us-east-1"}, "table", "https://dynamodb-fips.us-east-1.amazonaws.com"),
        ({"use_dualstack_endpoint": True}, "table", "https://dynamodb.eu-west-1.api.aws"),
        ({"account_id": "123456789012"}, "table", "https://123456789012.ddb.eu-west-1.amazonaws.com"),
        ({"account_id": "123456789012"}, ARN, "https://210987654321.ddb.eu-west-1.amazonaws.com"),
        (
            {"account_id": "123456789012", "account_id_endpoint_mode": "disabled"},
            "table",
            "https://dynamodb.eu-west-1.amazonaws.com",
        ),
        ({"url": "http://localhost:8000/x"}, "table", "http://localhost:8000/x"),
    ],
)
def test_the_endpoint_rules_are_asked(options: dict[str, Any], table: str, url: str) -> None:
    """Partition, FIPS, dual stack, an endpoint of the account or of a table's account, or one that was given."""
    found = resolved(client(**options), {"TableName": table, "Key": {}})
    assert found.url == url
    assert (found.signing_name, found.signed) == ("dynamodb", True)
    assert found.region == options.get("region", REGION)


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "https://streams.dynamodb.eu-west-1.amazonaws.com"),
        ({"url": "http://localhost:8000"}, "http://localhost:8000"),
        ({"url": "https://dynamodb.eu-west-1.amazonaws.com"}, "https://streams.dynamodb.eu-west-1.amazonaws.com"),
        ({"account_id": "123456789012"}, "https://streams.dynamodb.eu-west-1.amazonaws.com"),
    ],
)
def test_streams_have_an_endpoint_of_their_own(options: dict[str, Any], url: str) -> None:
    """Found by the rules for streams; an emulator serves both at one address."""
    theirs = client(**options)
    found = streams_resolved(theirs, streams_model(theirs).operation_model("GetRecords"))
    assert (found.url, found.signing_name, found.region) == (url, "dynamodb", REGION)


def test_an_endpoint_in_its_parts() -> None:
    """Default ports are not written, IPv6 is bracketed, and a path keeps its slash."""

    def parts(url: str) -> tuple[str, int, str, str, str]:
        made = endpoint_of(ResolvedEndpoint(url, (), REGION, "dynamodb", signed=True))
        return made.host, made.port, made.host_header, made.request_target, made.canonical_path

    assert parts("https://a.example") == ("a.example", 443, "a.example", "/", "/")
    assert parts("http://a.example:80/x/") == ("a.example", 80, "a.example", "/x/", "/x/")
    assert parts("http://[::1]:8000/") == ("::1", 8000, "[::1]:8000", "/", "/")


@pytest.mark.parametrize(
    ("retries", "mode", "attempts"),
    [
        (None, "legacy", 10),
        ({"max_attempts": 4}, "legacy", 5),
        ({"total_max_attempts": 4}, "legacy", 4),
        ({"mode": "standard"}, "standard", 3),
        ({"mode": "adaptive", "total_max_attempts": 7}, "adaptive", 7),
    ],
)
def test_retries_are_as_configured(retries: dict[str, Any] | None, mode: str, attempts: int) -> None:
    """The mode, and the attempts with the first among them."""
    found = settings_of(client(retries=retries) if retries else client(), 1, 1, None)
    assert (found.retry_mode, found.attempts_max) == (mode, attempts)
    assert settings_of(client(), 1, 1, 2).attempts_max == 2


def test_what_else_is_taken() -> None:
    """Timeouts, keep-alive, certificate and user agent."""
    found: LeanSettings = settings_of(
        client(
            connect_timeout=3,
            read_timeout=4,
            tcp_keepalive=True,
            client_cert=("a", "b"),
            user_agent_extra="shop/1",
            user_agent_appid="app",
        ),
        5,
        6,
        None,
    )
    assert (found.connect_timeout_seconds, found.read_timeout_seconds) == (3.0, 4.0)
    assert (found.keepalive, found.client_certificate) == (True, ("a", "b"))
    assert (found.connections_max, found.queue_max) == (5, 6)
    assert found.user_agent.startswith("Botocore/")
    assert "app/app" in found.user_agent
    assert found.user_agent.endswith("shop/1")


def test_what_cannot_work_is_refused() -> None:
    """Another service, and limits that let nothing through."""
    with pytest.raises(ConfigurationError, match="a client of sqs"):
        _ = BulkClient.like(botocore_client(None, service="sqs"))
    with pytest.raises(ConfigurationError, match="connections_max=0"):
        _ = BulkClient.like(client(), connections_max=0)


def test_unsigned_stays_unsigned() -> None:
    """No credentials are asked for, and no signature is made."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            theirs = botocore_client(server.url, signature_version=UNSIGNED)
            theirs._request_signer._credentials = None
            async with BulkClient.like(theirs) as lean:
                _ = await lean.call("GetItem", GET)
        assert "authorization" not in server.received[0].headers
        assert "x-amz-date" not in server.received[0].headers

    asyncio.run(scenario())


def test_keep_alive_is_asked_of_the_operating_system() -> None:
    """A call goes through with `tcp_keepalive`."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            theirs = botocore_client(server.url, tcp_keepalive=True)
            async with BulkClient.like(theirs) as lean:
                _ = await lean.call("GetItem", GET)
        assert len(server.received) == 1

    asyncio.run(scenario())


def test_a_client_of_aiobotocore_is_as_good() -> None:
    """Its credentials and its endpoint rules are awaited."""

    async def scenario() -> None:
        async with scripted(in_turn(http())) as server:
            session: Any = AioSession()
            options = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
            made = session.create_client("dynamodb", endpoint_url=server.url, **options)
            async with made as theirs, BulkClient.like(theirs) as lean:
                _ = await lean.call("GetItem", GET)
                _ = await lean.call("GetRecords", {"ShardIterator": "i"})
        first, second = server.received
        assert f"Credential={ACCESS_KEY}/" in first.headers["authorization"]
        assert first.headers["user-agent"].startswith("aiobotocore/")
        assert second.headers["x-amz-target"] == "DynamoDBStreams_20120810.GetRecords"

    asyncio.run(scenario())
