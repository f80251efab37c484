"""What follows from records alone: what a write means, which shard is next, since when a stage counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade.control.records import JournalEntry, Reader, ShardPosition, State
from crossfade.core.mapping import Kind
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.errors import NotPossibleInStage
from crossfade.mapping import identity
from crossfade.migration import Migration, Table
from crossfade.streams.asking import Stream
from crossfade.streams.changes import Change, change_of
from crossfade.streams.lineage import RETENTION_SECONDS, Shard, may_have_dropped, readable
from crossfade.streams.looking import all_in_at, entered_at
from crossfade.streams.meaning import MEANINGS, Judgement, Look, Meaning, judge
from crossfade.streams.running import refuse_without_mirrors

KEY = {"id": {"S": "1"}}
WRITE = Change("source", KEY, "MODIFY", 100.0, "", expired=False)
EXPIRY = replace(WRITE, event="REMOVE", expired=True)


def look(meaning: Meaning, settled_at: float | None, *, backfilled: bool = False) -> Look:
    return Look(Stage.SHADOW, 3, "source", meaning, settled_at, backfilled)


@pytest.mark.parametrize(
    ("meaning", "settled_at", "change", "judged"),
    [
        (Meaning.UNTOLD, None, WRITE, Judgement.TELL),
        (Meaning.UNTOLD, None, EXPIRY, Judgement.PASS),
        (Meaning.COMPARED, None, WRITE, Judgement.PASS),
        (Meaning.COMPARED, 99.5, WRITE, Judgement.COMPARE),
        (Meaning.COMPARED, 100.5, WRITE, Judgement.PASS),
        (Meaning.COMPARED, 99.5, EXPIRY, Judgement.COMPARE),
        (Meaning.STAMPED, None, WRITE, Judgement.PASS),
        (Meaning.STAMPED, 99.5, WRITE, Judgement.READ_STAMP),
        (Meaning.STAMPED, 100.5, WRITE, Judgement.PASS),
        (Meaning.STRAY, None, WRITE, Judgement.COMPARE),
        (Meaning.STRAY, 99.5, WRITE, Judgement.STRAY),
        (Meaning.STRAY, 100.5, WRITE, Judgement.COMPARE),
        (Meaning.STRAY, 101.5, WRITE, Judgement.PASS),
        (Meaning.STRAY, 99.5, EXPIRY, Judgement.PASS),
    ],
)
def test_what_a_write_means(meaning: Meaning, settled_at: float | None, change: Change, judged: Judgement) -> None:
    """By the stage, and by whether everybody was in it when the write was made, as far as whole seconds tell."""
    assert judge(look(meaning, settled_at), change) is judged


def test_after_a_complete_backfill_every_difference_counts() -> None:
    """However old the write."""
    assert judge(look(Meaning.COMPARED, None, backfilled=True), WRITE) is Judgement.COMPARE


def test_every_stage_has_a_meaning() -> None:
    """A new stage must be thought about here."""
    assert {strategy: set(rows) for strategy, rows in ALL_LADDERS.items()} == {
        strategy: set(meanings) for strategy, meanings in MEANINGS.items()
    }


def test_the_meaning_of_each_stage() -> None:
    """In the order of the ladder; it follows from how the stage's writes are made."""
    assert {strategy: " ".join(meanings.values()) for strategy, meanings in MEANINGS.items()} == {
        "dual-write": "untold compared compared compared compared compared compared stray",
        "copy-on-write": "untold stamped stamped stamped stamped stray",
        "freeze": "untold compared compared compared compared compared compared stray",
    }


def test_a_strategy_without_mirrors_has_nothing_to_replicate() -> None:
    """It is refused, with what to do instead."""
    key: dict[str, Kind] = {"pk": "S"}
    draining = Migration(
        "m", Table("orders", key), Table("orders-v2", key), mapping=[identity()], strategy="copy-on-write"
    )
    with pytest.raises(NotPossibleInStage, match="copy-on-write"):
        refuse_without_mirrors(draining)


def test_who_is_read_from_the_record() -> None:
    """An expiry is a removal by DynamoDB itself; a removal with another name, or another event, is none."""
    record = {
        "eventName": "REMOVE",
        "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
        "dynamodb": {"Keys": KEY, "ApproximateCreationDateTime": datetime(2026, 1, 1, tzinfo=UTC)},
    }
    assert change_of("source", record).expired
    assert change_of("source", record).who == "dynamodb.amazonaws.com"
    assert not change_of("source", record | {"eventName": "MODIFY"}).expired
    stranger = change_of("source", record | {"userIdentity": {"PrincipalId": "somebody", "Type": "User"}})
    assert (stranger.expired, stranger.who) == (False, "somebody")
    assert change_of("source", record | {"userIdentity": None}).who == ""


def position(shard: str, *, finished: bool = False, number: str = "", since: int = 0) -> ShardPosition:
    return ShardPosition(Reader.WATCH, "source", shard, "run", number, finished, since)


def test_which_shard_is_next() -> None:
    """None whose parent is unfinished or not known yet; one whose parent is no longer listed, and one that itself is
    not."""
    shards = [Shard("a", ""), Shard("b", "a"), Shard("c", "gone"), Shard("d", "new"), Shard("new", "")]
    known = {name: position(name) for name in ("a", "b", "c", "d", "unlisted")}
    assert readable(shards, known) == ["a", "c", "unlisted"]
    assert readable(shards, {**known, "a": position("a", finished=True)}) == ["b", "c", "unlisted"]


def test_when_an_unread_shard_may_have_dropped_something() -> None:
    """A day after it cannot have been there; one that was read would say so itself."""
    assert not may_have_dropped(position("a", since=10), 10 + RETENTION_SECONDS - 1)
    assert may_have_dropped(position("a", since=10), 10 + RETENTION_SECONDS)
    assert not may_have_dropped(position("a", number="7", since=10), 10 + RETENTION_SECONDS)


STATE = State(Stage.SHADOW, 4, 0, "dual-write", "a", "b", "f", 0, 5, "", "")


def entry(what: str, second: int) -> JournalEntry:
    at = datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")
    return JournalEntry(second, "t", 1, what, "ann", "laptop", at, "", False)


def test_since_when_a_stage_counts() -> None:
    """Since the meaning of a write changed last, not since the last step; without it, since the oldest entry."""
    journal = [
        entry("started", 1),
        entry("off -> dualwrite", 2),
        entry("dualwrite -> off", 3),
        entry("off -> dualwrite", 4),
        entry("dualwrite -> shadow", 5),
        entry("ramp 0 % -> 5 % in shadow", 6),
    ]
    assert entered_at(STATE, journal) == 4.0
    assert entered_at(STATE, journal[4:]) == 5.0
    assert entered_at(STATE, []) is None
    assert entered_at(STATE, [replace(journal[3], at="today")]) is None


def test_a_move_within_a_meaning_shows_that_all_are_in_it() -> None:
    """Each move waits for every client, so whoever looks later need not have seen them enter."""
    journal = [
        entry("off -> prepare", 2),
        entry("prepare -> drain", 5),
        entry("drain -> rampdown", 7),
        entry("rampdown -> drain", 9),
    ]
    state = replace(STATE, stage=Stage.DRAIN, strategy="copy-on-write")
    assert all_in_at(state, journal) == 5.0
    assert all_in_at(state, journal[:1]) is None
    assert all_in_at(state, [*journal, entry("rampdown -> complete", 11)]) is None
    assert all_in_at(state, []) is None


def test_no_change_is_older_than_its_stream() -> None:
    """Its time is that of its second's beginning; the stream's label is not rounded down."""
    stream = Stream("source", "orders", "arn:aws:dynamodb:x:0:table/orders/stream/2026-01-01T00:00:30.500", "")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    record: dict[str, Any] = {"eventName": "INSERT", "dynamodb": {"Keys": KEY, "ApproximateCreationDateTime": at}}
    assert change_of("source", record, stream.since).at == at.timestamp() + 30.5
    assert change_of("source", record, replace(stream, arn="arn").since).at == at.timestamp()
