"""Where the streams of a client's tables are: as botocore's own client of them would have it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import boto3
import pytest
from botocore.config import Config

from crossfade.aws.botocore_private import streams_model, streams_resolved
from crossfade.jobs.connecting import made_client
from crossfade.tables import Table

AWS: Final[Any] = boto3  # which has no types
REGION: Final = "eu-west-1"
TABLES: Final = "https://vpce-0.dynamodb.eu-west-1.vpce.amazonaws.com"
STREAMS: Final = "https://vpce-1.streams.dynamodb.eu-west-1.vpce.amazonaws.com"
ALL: Final = "http://localhost:4566"
USUAL: Final = "https://streams.dynamodb.eu-west-1.amazonaws.com"
PROFILES: Final = f"""
[default]
region = {REGION}
[profile both]
services = both
[profile one]
services = one
[profile all]
endpoint_url = {ALL}
[profile ignoring]
services = both
ignore_configured_endpoint_urls = true
[services both]
dynamodb =
  endpoint_url = {TABLES}
dynamodb_streams =
  endpoint_url = {STREAMS}
[services one]
dynamodb_streams =
  endpoint_url = {STREAMS}
"""
VARIABLES: Final = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB_STREAMS",
                    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")  # fmt: skip


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment of the test's own, with a configuration file."""
    path = tmp_path / "config"
    _ = path.write_text(PROFILES)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")


def found(client: Any) -> str:
    return streams_resolved(client, streams_model(client).operation_model("GetRecords")).url


def as_set(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, USUAL),
        ({"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS}, STREAMS),
        ({"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS, "AWS_ENDPOINT_URL_DYNAMODB": TABLES}, STREAMS),
        ({"AWS_ENDPOINT_URL_DYNAMODB": TABLES}, USUAL),
        ({"AWS_ENDPOINT_URL": ALL}, ALL),
        ({"AWS_ENDPOINT_URL": ALL, "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS}, STREAMS),
        ({"AWS_PROFILE": "both"}, STREAMS),
        ({"AWS_PROFILE": "one"}, STREAMS),
        ({"AWS_PROFILE": "all"}, ALL),
        ({"AWS_PROFILE": "both", "AWS_ENDPOINT_URL": ALL}, ALL),
        ({"AWS_PROFILE": "ignoring"}, USUAL),
        ({"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, USUAL),
    ],
)
def test_streams_are_where_botocore_would_look_for_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str
) -> None:
    """By the environment, by the profile, and by neither where both are to be ignored."""
    as_set(monkeypatch, environment)
    session = AWS.Session()
    assert session.client("dynamodbstreams").meta.endpoint_url == url
    assert found(session.client("dynamodb")) == url


@pytest.mark.parametrize("profile", ["both", "one", "all", "ignoring"])
def test_the_profile_is_that_of_the_client_s_session(profile: str) -> None:
    """Which the environment does not name."""
    session = AWS.Session(profile_name=profile, region_name=REGION)
    assert found(session.client("dynamodb")) == session.client("dynamodbstreams").meta.endpoint_url


def test_a_session_that_is_gone_is_remembered() -> None:
    """Of the function of a migration file nothing is left but the client."""
    make = Table(
        "orders", {"id": "S"}, client=lambda: AWS.Session(profile_name="both", region_name=REGION).client("dynamodb")
    )
    assert found(made_client(make)) == STREAMS


def test_an_endpoint_of_the_client_s_own_goes_before_what_is_configured_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But not before what is configured for streams."""
    as_set(monkeypatch, {"AWS_ENDPOINT_URL": ALL})
    client = AWS.client("dynamodb", endpoint_url="http://localhost:8000")
    assert found(client) == "http://localhost:8000"
    as_set(monkeypatch, {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS})
    assert found(client) == STREAMS


def test_a_client_may_ignore_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its Config, which is seen where it ignores an endpoint of tables."""
    as_set(monkeypatch, {"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": STREAMS, "AWS_ENDPOINT_URL_DYNAMODB": TABLES})
    assert found(AWS.client("dynamodb", config=Config(ignore_configured_endpoint_urls=True))) == USUAL


def test_an_endpoint_for_tables_alone_serves_streams_where_it_is_no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an emulator does; botocore's own client of streams would ask AWS."""
    as_set(monkeypatch, {"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:8000"})
    assert found(AWS.client("dynamodb")) == "http://localhost:8000"
