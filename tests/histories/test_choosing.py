"""What `make histories` plays when it is not told."""

from __future__ import annotations

from crossfade.core.stages import LADDERS
from tests.histories.__main__ import parser, strategies


def test_the_strategies_that_a_client_is_attached_in_are_played() -> None:
    """freeze stands before two places, where nobody attaches a client: no history of one client can be of it."""
    assert strategies(parser().parse_args([])) == list(LADDERS)
    assert strategies(parser().parse_args(["--drop", "barrier"])) == list(LADDERS)
    assert strategies(parser().parse_args(["--drop", "prepare"])) == ["copy-on-write"]
