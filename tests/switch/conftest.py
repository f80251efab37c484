from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.switch.moving import Operator


@pytest.fixture
def operator(dynamodb: Any) -> Iterator[Operator]:
    """Whoever moves the migration of one test, which has a name of its own."""
    made = Operator(dynamodb.client(), f"switch-{uuid.uuid4().hex[:12]}")
    yield made
    made.close()
