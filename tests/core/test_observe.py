"""What is told in the log: each kind once, and not every event."""

from __future__ import annotations

import pytest

from crossfade.core.foresight import REFUSED_LATER
from crossfade.observe import Watch


def test_each_kind_of_call_that_is_refused_later_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Each is another place in a program: none may hide behind the first, as mirrors that are lost do."""
    watch = Watch()
    for key in ("Query: by-day", "ExecuteStatement: PartiQL", "Query: by-day"):
        watch.note(REFUSED_LATER, {"key": key})
    for key in ("a", "b"):
        watch.note("mirror_lost", {"key": key})
    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["by-day", "PartiQL", "a"]
