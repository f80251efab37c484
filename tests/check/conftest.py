"""Two tables for each test of a check."""

from __future__ import annotations

from typing import Any

import pytest

from tests.check.bench import Bench
from tests.conftest import Database


@pytest.fixture(scope="session")
def client(dynamodb: Database) -> Any:
    """Of all benches."""
    return dynamodb.client()


@pytest.fixture
def bench(client: Any) -> Bench:
    return Bench(client)


@pytest.fixture
def tables(bench: Bench) -> Bench:
    bench.create(bench.source)
    bench.create(bench.target)
    return bench
