"""Figures, stage by stage, out of journals."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from crossfade.demo.figures import Figures, milliseconds
from crossfade.demo.journal import Follower, Journal


def test_what_happened_counts_for_the_stage_in_which_it_began(tmp_path: Path) -> None:
    """Reads and writes, their times and their errors go to the stage of their beginning."""
    path = tmp_path / "a.jsonl"
    figures = Figures()
    figures.enter("off", 10.0)
    figures.enter("dualwrite", 20.0)
    figures.leave(30.0)
    with Journal(path) as journal:
        journal.write({"i": "1", "t": 9.0, "o": "append", "c": "acme", "d": "cart-1"})
        journal.write({"i": "1", "t": 9.5, "r": "ok"})
        journal.write({"o": "get", "b": 11.0, "t": 11.25, "c": "acme", "d": "cart-1", "s": True, "x": None})
        journal.write({"i": "2", "t": 19.0, "o": "append", "c": "acme", "d": "cart-1"})
        figures.read([path])
        journal.write({"i": "2", "t": 21.0, "r": "unknown", "e": "ReadTimeoutError"})
        journal.write({"o": "get", "b": 20.0, "t": 20.5, "c": "acme", "d": "cart-1", "s": True, "x": None})
    figures.read([path])
    off, dualwrite = figures.stages
    assert (list(off.reads), list(off.writes), dict(off.errors)) == ([0.25], [2.0], {"ReadTimeoutError": 1})
    assert (list(dualwrite.reads), list(dualwrite.writes)) == ([0.5], [])
    assert off.requests_per_second == pytest.approx(0.2)
    assert dualwrite.as_json()["read_ms_p99"] == 500.0


def test_percentiles_are_values_that_were_measured() -> None:
    """The p50 of a hundred times is the fifty-first, the p99 the last but none; of nothing there is none."""
    times = array("f", (n / 1000 for n in range(100)))
    assert milliseconds(times, 0.5) == 50.0
    assert milliseconds(times, 0.99) == 99.0
    assert milliseconds(array("f"), 0.5) is None


def test_a_line_that_is_not_finished_is_left_for_later(tmp_path: Path) -> None:
    """A process may be killed, or read, in the middle of a line."""
    path = tmp_path / "a.jsonl"
    _ = path.write_bytes(b'{"i":"1"}\n{"i":')
    follower = Follower(path)
    assert list(follower.entries()) == [{"i": "1"}]
    with path.open("ab") as more:
        _ = more.write(b'"2"}\n')
    assert list(follower.entries()) == [{"i": "2"}]
