"""What a line of the log says by itself, among those of everything else that a process does."""

from __future__ import annotations

import pytest

from crossfade.core.items import Item
from crossfade.observe import Watch

KEY: Item = {"order": {"S": "o1"}}


def test_a_line_names_the_migration_and_says_when_it_is_nothing_to_worry_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Until the backfill is complete the target lacks items, and shadow reads tell so."""
    Watch(migration="orders-v2").note("compare", {"outcome": "missing", "key": KEY})
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == (
        "migration orders-v2: the target lacks an item that the source has, "
        "as is so until the backfill is complete, or where it was written past crossfade:"
        " order='o1'"
    )


def test_a_line_of_a_lost_mirror_says_why(caplog: pytest.LogCaptureFixture) -> None:
    """Without the value, which is in the event alone."""
    facts = {"key": KEY, "error": "'total' is '007'", "reason": "cannot be mapped (convert: total)"}
    Watch().note("mirror_lost", facts)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "a mirror was lost, so a verify is needed: order='o1': cannot be mapped (convert: total)"
