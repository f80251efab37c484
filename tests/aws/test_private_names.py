"""Notices when a new botocore, aiobotocore or PynamoDB no longer has what crossfade leans on."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import botocore.client
import botocore.endpoint
import botocore.session
import pytest
from aiobotocore.session import AioSession
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from crossfade.aws.botocore_private import (
    credentials_of,
    pynamodb_connection,
    resolved_by,
    streams_model,
    streams_resolved,
    user_agent_of,
    wire_of,
)

URL = "https://dynamodb.eu-west-1.amazonaws.com"
OPTIONS: dict[str, Any] = {
    "region_name": "eu-west-1",
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "verify": "/a/bundle.pem",
}


def test_a_pynamodb_model_leads_to_its_client() -> None:
    """The one private name: `Model._get_connection`, and from there a botocore client."""

    class Any_(Model):  # noqa: N801
        class Meta:  # pyright: ignore[reportIncompatibleVariableOverride]
            table_name = "any-table"
            region = "us-east-1"

        name = UnicodeAttribute(hash_key=True)

    assert pynamodb_connection(Any_).connection.client.meta.service_model.service_name == "dynamodb"


def test_the_events_are_emitted_with_what_the_hooks_take() -> None:
    """botocore's own source: every event that is hooked, the arguments it brings, and one context for all of a call."""
    client: Any = inspect.getsource(botocore.client.BaseClient)
    endpoint: Any = inspect.getsource(botocore.endpoint.Endpoint)
    for name in ("before-parameter-build", "before-call", "after-call", "after-call-error"):
        assert f"'{name}.{{service_id}}.{{operation_name}}'" in client or f"'{name}." in client, name
    for name in ("request-created", "needs-retry"):
        assert f"{name}.{{service_id}}.{{operation_model.name}}" in endpoint, name
    assert client.count("context=request_context") >= 4
    for argument in ("response=", "caught_exception=", "operation="):
        assert argument in endpoint


async def look_at(client: Any) -> None:
    """All that the lean client takes from another, by its meaning."""
    assert credentials_of(client).method == "explicit"
    assert user_agent_of(client).lower().startswith(("botocore/", "aiobotocore/"))
    wire = wire_of(client, URL)
    assert (wire.verify, wire.proxy_url) == ("/a/bundle.pem", None)
    found = await resolved_by(client, client.meta.service_model.operation_model("GetItem"), {"TableName": "table"})
    assert (found.url, found.region, found.signing_name, found.signed) == (URL, "eu-west-1", "dynamodb", True)
    streams = streams_resolved(client, streams_model(client).operation_model("GetRecords"))
    assert streams.url == "https://streams.dynamodb.eu-west-1.amazonaws.com"


def test_a_client_tells_what_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signer, user agent, endpoint, endpoint rules and loader are where we look for them."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    session: Any = botocore.session.Session()
    asyncio.run(look_at(session.create_client("dynamodb", **OPTIONS)))


def test_a_client_of_aiobotocore_tells_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the same names; where its methods are awaited, so are they here."""
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)

    async def scenario() -> None:
        session: Any = AioSession()
        client = await session._create_client("dynamodb", **OPTIONS)  # without opening its connections: no such bundle
        await look_at(client)

    asyncio.run(scenario())


def test_a_proxy_is_found_with_its_headers() -> None:
    """botocore's ProxyConfiguration: an address that is mended, and the proxy's credentials as a header."""
    session: Any = botocore.session.Session()
    config = botocore.client.Config(proxies={"https": "user:pass@proxy.example:3128"})
    wire = wire_of(session.create_client("dynamodb", config=config, **OPTIONS), URL)
    assert wire.proxy_url == "http://user:pass@proxy.example:3128"
    assert wire.proxy_headers == {"Proxy-Authorization": "Basic dXNlcjpwYXNz"}
