"""Who is asked what scales a table."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from crossfade.cli.check import scaling_of
from crossfade.cli.options import Where

NOWHERE: Final = Where(Path("migration.py"), None, None, None)


def of(endpoint_url: str) -> Any:
    """A DynamoDB client, as much of it as tells where it is."""
    return SimpleNamespace(meta=SimpleNamespace(endpoint_url=endpoint_url, region_name="eu-west-1"))


def test_the_service_that_scales_is_asked_in_the_tables_region_where_the_database_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An emulator has none, and would be asked at AWS about a table of that name."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    asked = scaling_of(NOWHERE, of("https://dynamodb.eu-west-1.amazonaws.com"))
    assert (asked.meta.service_model.service_name, asked.meta.region_name) == ("application-autoscaling", "eu-west-1")
    assert scaling_of(NOWHERE, of("http://localhost:8000")) is None
