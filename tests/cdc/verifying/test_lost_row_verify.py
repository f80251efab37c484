"""A verify of rows whose lease has ended claims again, unless another has taken it; its finding counts as any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest

from crossfade.cdc.verifying import RowVerifyOptions, RowVerifyResult, pages, segments
from crossfade.cdc.verifying.reading import whole_chunk
from crossfade.control.records import Job, JobRecord, JobStatus
from crossfade.errors import Fenced
from tests.cdc.verifying.damage import ROWS, misplaced
from tests.cdc.verifying.setting import LANDING_SECONDS, Migrated
from tests.fencing import Fencing

ROWS_READ: Final = 29 + 10 + 30 + 2 + 2
OPTIONS: Final = RowVerifyOptions(
    segments=1, workers=1, page_rows=10, lease_seconds=5.0, landing_seconds=LANDING_SECONDS
)


class Losing(Fencing):
    """A verify that is counted out while it reads the chunk of rows of this number, from 1."""

    def __init__(self, migrated: Migrated, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        super().__init__()
        self.migrated = migrated
        self.meanwhile: Callable[[], None] = self.count_out
        seen: list[str] = []

        def read(connection: Any, making: Any, table: str, after: Any, count: int) -> Any:
            seen.append(table)
            if len(seen) == number:
                self.meanwhile()
                self.wait()
            return whole_chunk(connection, making, table, after, count)

        monkeypatch.setattr(pages, "whole_chunk", read)
        monkeypatch.setattr(segments, "SAVE_SECONDS", 0.0)

    def count_out(self) -> None:
        """Take away all leases, as one does who has waited for long enough."""
        control = self.migrated.control
        for lease in self.migrated.run(control.leases()):
            key = control.key(f"client#{lease.client}")
            _ = self.migrated.perform("DeleteItem", {"TableName": self.migrated.migration.control_table, "Key": key})

    def verify(self) -> RowVerifyResult:
        return self.migrated.verify(OPTIONS, on_note=self.note)


def filled(migrated: Migrated) -> None:
    """Rows on both sides, and the backfill that the gate asks for."""
    migrated.write(*ROWS)
    _ = migrated.carry()
    migrated.carried_all()
    done = JobRecord(
        Job.BACKFILL, JobStatus.COMPLETE, "c", "r", "nobody", "here", 1, 1, 0, "", True, {}, "then", "then"
    )
    _ = migrated.perform("PutItem", migrated.control.put(done))


@pytest.mark.parametrize("number", [1, 4])
def test_a_row_verify_goes_on_under_its_next_lease(
    migrated: Migrated, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """It claims again and goes on behind its last checkpoint; every row counts once, and the gate opens."""
    filled(migrated)
    job = Losing(migrated, monkeypatch, number)
    result = job.verify()
    assert (result.status, result.rows) == ("clean", ROWS_READ)
    assert [facts["resumed"] for facts in job.claims] == [False, True]
    assert migrated.run(migrated.control.state()).unclean == 0
    assert migrated.is_verified


def test_what_a_row_verify_had_found_is_counted_once(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A difference of before the lease was lost is found again, with its sample."""
    filled(migrated)
    misplaced(migrated)
    whole = migrated.verify(OPTIONS)
    job = Losing(migrated, monkeypatch, 4)
    again = job.verify()
    assert len(job.claims) == 2
    assert (again.status, again.mismatched, again.rows) == ("differences", whole.mismatched, whole.rows)
    assert [sample.text() for sample in again.samples] == [sample.text() for sample in whole.samples]
    assert not migrated.is_verified


def test_a_row_verify_that_another_has_ended_is_told_so(migrated: Migrated, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other went on where this one was; this one does not begin anew."""
    filled(migrated)
    job = Losing(migrated, monkeypatch, 4)
    others: list[RowVerifyResult] = []

    def taken() -> None:
        job.count_out()
        others.append(migrated.verify(OPTIONS))

    job.meanwhile = taken
    with pytest.raises(Fenced, match="was taken over by"):
        _ = job.verify()
    assert [(each.status, each.rows) for each in others] == [("clean", ROWS_READ)]
    assert len(job.claims) == 1
    assert migrated.is_verified
