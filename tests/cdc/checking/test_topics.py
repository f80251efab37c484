"""What `check` says of topics."""

from __future__ import annotations

import pytest

from crossfade.cdc.checking.topics import shared_by


@pytest.mark.parametrize(
    ("partitions", "said"),
    [
        (1, "1 partition, so 1 worker does its work"),
        (12, "12 partitions, so up to 12 workers share its work"),
    ],
)
def test_partitions_are_told_as_people_count_them(partitions: int, said: str) -> None:
    """One and many."""
    assert shared_by(partitions) == said
