"""Where a replay begins, from what people write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from crossfade.cdc.changes import Change, Version
from crossfade.cdc.running.replaying import From
from crossfade.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "at", "position"),
    [
        ("beginning", None, 0),
        ("27", None, 27),
        ("0-1-27", None, 27),
        ("mysql-bin.000003:1234", None, 3 << 32 | 1234),
        ("2026-11-29", datetime(2026, 11, 29, tzinfo=UTC).timestamp(), 0),
        ("2026-11-29T16:00:00+02:00", datetime(2026, 11, 29, 14, tzinfo=UTC).timestamp(), 0),
    ],
)
def test_a_place_is_read_as_it_is_meant(text: str, at: float | None, position: int) -> None:
    """A day is no GTID, though it looks like one."""
    found = From.of_text(text)
    assert (found.at, found.position) == (at, position)
    taken = [found.takes(Change("a.b", (1,), None, Version(0, each))) for each in (position - 1, position) if each >= 0]
    assert taken[-1]
    assert not any(taken[:-1])


@pytest.mark.parametrize("text", ["", "then", "mysql-bin:12", "0-1"])
def test_what_is_no_place_is_refused(text: str) -> None:
    """With what it can be."""
    with pytest.raises(ConfigurationError, match="neither beginning, nor a time, nor a position"):
        _ = From.of_text(text)
