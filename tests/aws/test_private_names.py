"""Notices when a new botocore or PynamoDB no longer has what crossfade leans on."""

from __future__ import annotations

import inspect
from typing import Any

import botocore.client
import botocore.endpoint
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from crossfade.aws.botocore_private import pynamodb_connection


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
