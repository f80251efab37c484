from __future__ import annotations

from typing import Any

import pytest

from crossfade.control.starting import ensure_table
from tests.control.world import TABLE, World, make_world


@pytest.fixture
def world(dynamodb: Any) -> World:
    """A fresh migration name in a control table that all tests share, and a clock of its own."""
    made = make_world(dynamodb)
    made.run(ensure_table(TABLE))
    return made
