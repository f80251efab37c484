"""Clients of services that are not there, behind botocore's Stubber."""

from __future__ import annotations

from typing import Any, cast

import botocore.session
from botocore.stub import Stubber


def client_of(service: str) -> Any:
    session: Any = botocore.session.Session()
    secrets = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    return session.create_client(service, region_name="us-east-1", **secrets)


def stubbed(client: Any) -> Any:
    """A Stubber; botocore has no types."""
    return cast("Any", Stubber)(client)
