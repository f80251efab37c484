"""Ids, stamps and tokens are nobody else's, not even a twin's."""

from __future__ import annotations

import os
import time
from functools import partial

import pytest

from crossfade.aws.router import new_client_id
from crossfade.drivers.local import LocalEffects
from crossfade.drivers.unique import unique


@pytest.mark.parametrize("digits", [8, 16, 32])
def test_it_has_its_length_and_is_another_each_time(digits: int) -> None:
    """In hexadecimal digits."""
    found = [unique(digits) for _ in range(500)]
    assert {len(each) for each in found} == {digits}
    assert all(int(each, 16) >= 0 for each in found)
    assert len(set(found)) == 500


def test_of_two_machines_restored_from_one_snapshot_each_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system draws the same for both, and their clocks are not the same."""

    def same(count: int) -> bytes:
        return b"\x07" * count

    monkeypatch.setattr(os, "urandom", same)
    local = LocalEffects(lambda _name, _facts: None)
    for draw in (unique, local.new_stamp, new_client_id):
        moments = iter(range(1_790_000_000_000_000_000, 1_790_000_000_000_000_100))
        monkeypatch.setattr(time, "time_ns", partial(next, moments))
        assert len({draw() for _ in range(100)}) == 100
