"""A group's progress: what its partitions together tell of the log, and of how far behind they are."""

from __future__ import annotations

import pytest

from crossfade.cdc.bookkeeping import NO_MARK, Mark
from crossfade.cdc.changes import ChangeUnreadable
from crossfade.cdc.etl.progress import PartitionProgress, Progress, packed_mark, unpacked_mark
from crossfade.cdc.mysql.positions import Counting, Position, reaches
from crossfade.cdc.terms import Term


def at(number: int) -> Position:
    return Position(Counting.MARIADB, f"0-1-{number}")


def progress(*partitions: tuple[int, int, Mark]) -> Progress:
    found = (PartitionProgress("shop", number, *each) for number, each in enumerate(partitions))
    return Progress(tuple(found), asked_at=100.0)


def test_every_partition_has_to_reach_a_position() -> None:
    """One that is behind, or has not told anything yet, holds all of them back; so does having none."""
    ahead, behind = (5, 5, Mark(str(at(9)), 99.0)), (5, 5, Mark(str(at(7)), 90.0))
    assert progress(ahead, ahead).has_reached(at(9))
    assert not progress(ahead, behind).has_reached(at(9))
    assert not progress(ahead, (0, 0, NO_MARK)).has_reached(at(9))
    assert not progress().has_reached(at(0))


def test_the_lag_is_that_of_the_last_partition() -> None:
    """In messages all of them count; in seconds the oldest one does, and one that does not tell makes it unknown."""
    found = progress((5, 8, Mark("p", 97.0)), (4, 5, Mark("p", 60.0)), (3, 3, NO_MARK))
    assert (found.lag_events, found.lag_seconds) == (4, 40.0)
    assert progress((3, 4, NO_MARK)).lag_seconds == -1.0
    assert progress((3, 3, Mark("p", 70.0))).lag_seconds == 30.0  # the capture is behind, or dead


def test_a_mark_comes_back_from_the_metadata() -> None:
    """What the group keeps with an offset is read again; what somebody else keeps there is refused."""
    for mark in (Mark(str(at(3)), 7.5), Mark("", 7.5, term=Term(12, "a"))):
        assert unpacked_mark(packed_mark(mark)) == mark
    assert unpacked_mark(packed_mark(NO_MARK)) == NO_MARK == unpacked_mark(None)
    with pytest.raises(ChangeUnreadable):
        _ = unpacked_mark("theirs")


UUIDS = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"


@pytest.mark.parametrize(
    ("position", "other", "wanted"),
    [
        (at(5), at(5), True),
        (at(4), at(5), False),
        (Position(Counting.MARIADB, "0-1-9,1-1-2"), at(5), True),
        (at(9), Position(Counting.MARIADB, "0-1-5,1-1-2"), False),  # a domain of which it knows nothing
        (Position(Counting.MYSQL, f"{UUIDS[0]}:1-9"), Position(Counting.MYSQL, f"{UUIDS[0]}:1-7"), True),
        (
            Position(Counting.MYSQL, f"{UUIDS[0]}:1-9"),
            Position(Counting.MYSQL, f"{UUIDS[0]}:1-7,{UUIDS[1]}:1"),
            False,
        ),
        (Position(Counting.FILE, "", "log.000010", 4), Position(Counting.FILE, "", "log.000009", 99), True),
        (Position(Counting.FILE, "", "log.000009", 98), Position(Counting.FILE, "", "log.000009", 99), False),
        (Position(Counting.FILE, "", "log.000010", 4, "a"), Position(Counting.FILE, "", "log.000009", 4, "b"), False),
        (at(9), Position(Counting.FILE, "", "log.000009", 4), False),
    ],
)
def test_positions_are_compared_as_they_count(position: Position, other: Position, wanted: bool) -> None:
    """By sequence numbers, by sets, or by files of one server; what cannot be compared has not been reached."""
    assert reaches(position, other) is wanted
