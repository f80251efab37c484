"""Random calls by three clients and random stage moves: all of it as if there were one plain table."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from crossfade.core.stages import LADDERS
from crossfade.migration import Strategy
from tests.conftest import Database
from tests.stateful.machine import Migrating

EXAMPLES = int(os.environ.get("CROSSFADE_STATEFUL_EXAMPLES", "3"))
STEPS = int(os.environ.get("CROSSFADE_STATEFUL_STEPS", "25"))
# Making a failure smaller takes minutes, so it is done when it is asked for.
PHASES = (Phase.reuse, Phase.generate, *((Phase.shrink,) if os.environ.get("CROSSFADE_STATEFUL_SHRINK") else ()))


@pytest.mark.parametrize("strategy", LADDERS)
def test_a_migrating_table_is_one_plain_table(dynamodb: Database, strategy: Strategy) -> None:
    """Every answer is the plain table's, and at rest the tables hold what the plain table holds."""
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example),
        phases=PHASES,
        print_blob=True,
    )
    factory: Any = lambda: Migrating(dynamodb, strategy)  # noqa: E731 - a class is asked for, and called without arguments
    run_state_machine_as_test(factory, settings=chosen)
