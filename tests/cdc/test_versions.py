"""Versions order the changes of a row, as numbers and as texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.cdc.changes import ChangeUnreadable, Version

VERSIONS = st.builds(
    Version,
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 32) - 1),
)


@given(VERSIONS, VERSIONS)
def test_texts_compare_as_versions_do(one: Version, other: Version) -> None:
    """The condition of a write compares texts, so their order is that of the versions."""
    assert (str(one) < str(other)) == (one < other)
    assert Version.of_text(str(one)) == one


@pytest.mark.parametrize("numbers", [(1 << 32, 0, 0), (0, 1 << 64, 0), (0, 0, 1 << 32), (0, -1, 0)])
def test_a_number_that_does_not_fit_is_refused(numbers: tuple[int, int, int]) -> None:
    """One that was cut short would compare as an older one."""
    with pytest.raises(ChangeUnreadable, match="does not fit"):
        _ = Version(*numbers)


@pytest.mark.parametrize("text", ["", "12", "x" * 32, "0" * 33])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    """What somebody else wrote is not taken for a version."""
    with pytest.raises(ChangeUnreadable, match="no version"):
        _ = Version.of_text(text)
