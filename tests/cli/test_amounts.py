"""The line that tells how far a job has come."""

from __future__ import annotations

import pytest

from crossfade.cli.jobs import amounts
from crossfade.jobs.progress import Progress


@pytest.mark.parametrize(
    ("job", "what"),
    [("backfill", "2 segments waiting for a lost answer"), ("verify", "2 segments waiting to look again")],
)
def test_what_segments_wait_for_is_said(job: str, what: str) -> None:
    """A verify puts a segment aside to look again at what differed; nothing was lost there."""
    assert what in amounts(Progress(job, "going", 1, 9, 1.0, None, 1, 8, 2, 0))
