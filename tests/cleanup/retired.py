"""A migration that is complete, with an old table to retire, on the embedded engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from crossfade.cleanup.connections import PATIENCE, Patience
from crossfade.cleanup.ledger import Ledger
from crossfade.cleanup.outcome import Outcome
from crossfade.cleanup.run import CleanupOptions, run_step
from crossfade.cleanup.snapshot import SnapshotSizes
from crossfade.cleanup.steps import Step
from crossfade.cleanup.survey import CleanupView, look_at_cleanup
from crossfade.control.coordinator import Coordinator
from crossfade.control.records import Job, JobRecord, JobStatus
from crossfade.control.store import Caller
from crossfade.core.stages import Stage
from tests.backfill.setting import Setting, connect
from tests.conftest import Database

ITEMS = 120
SIZES = SnapshotSizes(segments=3, file_bytes=2_000, page_items=20)
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def no_service(name: str) -> Any:
    raise AssertionError(f"nobody should ask for a client of {name}")


@dataclass
class Clock:
    """A wall clock that goes when it is told to."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def text(self) -> str:
        return self.now.isoformat(timespec="seconds")

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Retired:
    setting: Setting
    folder: Path
    clock: Clock = field(default_factory=Clock)
    service: Callable[[str], Any] = no_service
    patience: Patience = PATIENCE

    @property
    def source(self) -> str:
        return self.setting.migration.source.name

    @property
    def target(self) -> str:
        return self.setting.migration.target.name

    @property
    def caller(self) -> Caller:
        return Caller("ann", "laptop", self.clock.text)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.setting.control, self.caller, 1)

    def do(self, step: Step, on_note: Callable[[str, dict[str, Any]], None] | None = None, **options: Any) -> Outcome:
        """One step, as a test has it by default: without CloudWatch, and with small files."""
        given: dict[str, Any] = {"place": str(self.folder), "sizes": SIZES, "metrics": False, "workers": 2, **options}
        return run_step(
            self.setting.migration,
            self.setting.clients,
            step,
            CleanupOptions(**given),
            service=self.service,
            on_note=on_note,
            caller=self.caller,
            connect=connect,
            clock=self.clock,
            patience=self.patience,
        )

    def up_to(self, last: Step, **options: Any) -> None:
        """Every step before this one, but for the stamps, and it."""
        for step in Step:
            if step is not Step.STAMPS or step is last:
                assert self.do(step, **options).status == "done"
            if step is last:
                return

    def view(self) -> CleanupView:
        found: CleanupView = self.setting.run(look_at_cleanup(self.ledger))
        return found

    def export(self) -> Path:
        """The folder of the manifests."""
        return Path(self.view().view(Step.SNAPSHOT).record.fact("place"))  # type: ignore[union-attr]


def retired(database: Database, folder: Path, items: int = ITEMS) -> Retired:
    """Filled, and complete; the records say that both jobs were done well, though nothing was copied."""
    setting = Setting(database)
    setting.fill(items)
    state = setting.run(setting.control.state())
    for job in Job:
        record = JobRecord(
            job=job,
            status=JobStatus.COMPLETE,
            owner="somebody",
            run="run",
            who="ann",
            host="laptop",
            pid=1,
            segments=1,
            unclean=state.unclean,
            backfill_run="run",
            clean=True,
            counts={},
            started_at="before",
            finished_at="after",
        )
        _ = setting.client.put_item(**setting.control.put(record))
    _ = setting.run(Coordinator(setting.control, setting.caller).walk(Stage.RAMPDOWN))
    _ = setting.run(Coordinator(setting.control, setting.caller).complete(confirmed=True))
    return Retired(setting, folder)
