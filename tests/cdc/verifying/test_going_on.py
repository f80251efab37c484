"""A verify that is stopped goes on; without the log applied it has no verdict; with nothing found it opens a gate."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from crossfade.cdc.verifying import LogApplied, Pause, RowSides, RowVerifyOptions, pages, run, segments
from crossfade.cdc.verifying.reading import whole_chunk
from crossfade.control.jobs import save_checkpoint
from crossfade.control.records import Job, JobRecord, JobStatus
from crossfade.errors import ConfigurationError, NotPossibleInStage
from crossfade.jobs.pace import Pace
from tests.cdc.verifying.damage import ROWS, extra, misplaced
from tests.cdc.verifying.setting import LANDING_SECONDS, Migrated

IN_TENS = RowVerifyOptions(segments=1, workers=1, page_rows=10, landing_seconds=LANDING_SECONDS)


def filled(migrated: Migrated) -> None:
    migrated.write(*ROWS)
    _ = migrated.carry()
    migrated.carried_all()


def test_a_stopped_verify_goes_on(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at stands, to the page: every chunk of rows is read once by both runs together."""
    monkeypatch.setattr(segments, "SAVE_SECONDS", 0.0)
    filled(migrated)
    stop, read = threading.Event(), list[tuple[str, Any]]()
    chunk = whole_chunk

    def recorded(connection: Any, making: Any, table: str, after: Any, count: int) -> Any:
        read.append((table, after))
        if len(read) == 4:
            stop.set()
        return chunk(connection, making, table, after, count)

    monkeypatch.setattr(pages, "whole_chunk", recorded)
    first = migrated.verify(IN_TENS, stop_event=stop)
    assert (first.status, first.exit_status) == ("stopped", 2)
    assert len(read) == 4
    again = migrated.verify(IN_TENS)
    assert (again.status, again.rows) == ("clean", 29 + 10 + 30 + 2 + 2), again
    assert len(set(read)) == len(read)
    assert read[4][1] is not None


def test_what_was_in_doubt_is_checkpointed_too(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every page has something under way, each is saved when the log has told that it is nothing."""
    for name in ("SAVE_SECONDS", "DOUBT_SECONDS"):
        monkeypatch.setattr(segments, name, 0.0)
    filled(migrated)
    saved: list[Any] = []

    def recorded(claim: Any, checkpoint: Any) -> Any:
        saved.append((checkpoint.number, checkpoint.last_key, checkpoint.done))
        return save_checkpoint(claim, checkpoint)

    monkeypatch.setattr(run, "save_checkpoint", recorded)
    for number in range(100, 129):
        item = migrated.item(f"thing#{number}", "thing")
        migrated.put({**item, "label": {"S": "lost"}})
    sides = migrated.sides()
    begun: list[int] = []
    settling = migrated.settling()

    class Mending:
        """What is asked for is applied by then."""

        async def begin(self) -> Any:
            begun.append(1)
            first = 90 + 10 * len(begun)  # of the page that is in doubt now
            migrated.write(f"UPDATE shop.things SET label = 'x' WHERE id BETWEEN {first} AND {first + 9}")  # noqa: S608  numbers
            return await settling.begin()

    result = migrated.verify(IN_TENS, sides=RowSides(sides.migration, sides.source, sides.destination, Mending()))
    assert result.status == "clean"
    things = sides.destination.rows.tables.index("shop.things")
    assert [done for number, _, done in saved if number == things] == [False, False, True]
    assert len(begun) >= 3


def test_what_was_found_before_the_stop_is_looked_at_again(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A count without its samples, of something that is mended by now, would be no finding."""
    monkeypatch.setattr(segments, "SAVE_SECONDS", 0.0)
    filled(migrated)
    right = migrated.item("thing#111", "thing")
    misplaced(migrated)
    stop = threading.Event()

    def recorded(claim: Any, checkpoint: Any) -> Any:
        if checkpoint.counts.get("mismatched"):
            stop.set()
        return save_checkpoint(claim, checkpoint)

    monkeypatch.setattr(run, "save_checkpoint", recorded)
    first = migrated.verify(IN_TENS, stop_event=stop)
    assert (first.status, first.mismatched) == ("stopped", 1)
    migrated.put(right)
    assert migrated.verify(IN_TENS).status == "clean"


def test_without_the_log_applied_there_is_no_verdict(migrated: Migrated) -> None:
    """Nothing carries: what differs may be under way, and nobody can tell."""
    migrated.write("INSERT INTO shop.customers VALUES (1, 'Ann')")
    sides = migrated.sides()
    never = LogApplied(lambda: migrated.beginning, lambda _: False, patience_seconds=0.5)
    with pytest.raises(NotPossibleInStage, match=r"the log was not applied within 0\.5 s"):
        _ = migrated.verify(sides=RowSides(sides.migration, sides.source, sides.destination, never))


def test_only_what_finds_nothing_opens_the_gate(migrated: Migrated) -> None:
    """The gate of the stages wants a backfill, and behind it a verify that was clean; one that repairs is not."""
    filled(migrated)
    done = JobRecord(
        Job.BACKFILL, JobStatus.COMPLETE, "c", "r", "nobody", "here", 1, 1, 0, "", True, {}, "then", "then"
    )
    _ = migrated.perform("PutItem", migrated.control.put(done))
    assert not migrated.is_verified
    extra(migrated)
    repair = RowVerifyOptions(segments=1, landing_seconds=LANDING_SECONDS, repair=True)
    assert migrated.verify(repair).status == "repaired"
    assert not migrated.is_verified
    assert migrated.verify().status == "clean"
    assert migrated.is_verified


def test_what_the_application_writes_to_the_target_is_compared_too(migrated: Migrated) -> None:
    """In `live` it puts items without any stamp, and the switch mirrors them back: each is some row's, or extra."""
    migrated.write("INSERT INTO shop.customers VALUES (1, 'Ann'), (2, 'Bert')")
    for number, name in ((1, "Ann"), (2, "Bert")):
        migrated.put({"pk": {"S": f"customer#{number}"}, "sk": {"S": "profile"}, "name": {"S": name}})
    sides = migrated.sides()
    mirrored = RowSides(sides.migration, sides.source, sides.destination, Pause(0.1))
    assert migrated.verify(sides=mirrored).status == "clean"
    migrated.write("DELETE FROM shop.customers WHERE id = 2", "UPDATE shop.customers SET name = 'x' WHERE id = 1")
    result = migrated.verify(sides=mirrored)
    assert (result.extra, result.mismatched, result.differences) == (1, 1, 2)


def test_all_that_is_looked_at_is_paced(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, items and parts are booked before they are read, at the pace that was asked for."""
    booked: list[float] = []

    class Recorded(Pace):
        def book(self, amount: float, now: float) -> float:
            booked.append(amount)
            return super().book(amount, now)

    monkeypatch.setattr(run, "Pace", Recorded)
    filled(migrated)
    paced = RowVerifyOptions(segments=1, page_rows=10, rows_per_second=1e6, landing_seconds=LANDING_SECONDS)
    result = migrated.verify(paced)
    assert result.status == "clean"
    assert sum(booked) >= result.rows + result.target_items + result.parts
    with pytest.raises(ConfigurationError, match="must be above 0"):
        _ = RowVerifyOptions(rows_per_second=0)
