"""What the source tells a capture: its log from a position, the rows of a snapshot in it, and where the log ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from crossfade.cdc.changes import Change
from crossfade.cdc.checkpoints import Checkpoint
from crossfade.cdc.mysql.positions import Counting, Position
from crossfade.cdc.mysql.reader import LogReader, SchemaChange, Told, position_now
from crossfade.cdc.mysql.resuming import read_on_from
from crossfade.cdc.mysql.snapshot import Progress, Snapshot
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.pipeline import HEARTBEAT_SECONDS, Pipeline
from crossfade.cdc.running.rounds import Rounds
from crossfade.cdc.running.tracking import Look, Tracked
from crossfade.control.capturing import put_schema
from crossfade.control.records import SchemaRecord
from crossfade.drivers.unique import unique

STATEMENT_SHOWN: Final = 120  # characters of a change of the schema: a line
DIGEST_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Telling:
    """`backfill`: with a snapshot. `rounds`: where others capture the log; its end is then a mark sent round."""

    pipeline: Pipeline
    source: Source
    tracked: Tracked
    look: Look
    backfill: bool
    past_removals: Collection[str]
    rounds: Rounds | None

    @property
    def marks(self) -> Watermarks:
        return Watermarks(self.pipeline.migration.marks_schema)

    @property
    def watermarks(self) -> str:
        """Return the table of marks that the log is to tell of; "" where no snapshot is read beside it."""
        return self.marks.name if self.backfill else ""

    def now(self) -> Position:
        """Return where the log ends, as a position that what is applied can reach."""
        return position_now(self.source) if self.rounds is None else self.rounds.send()

    def end_after(self, kept: str) -> Position:
        """Return where the log ends; on a server whose files count anew, in a later epoch."""
        if not kept:
            return self.now()
        before, now = Position.of_text(kept), self.now()
        anew = (before.counting, before.server) != (now.counting, now.server) and Counting.MARIADB is not now.counting
        return position_now(self.source, epoch=before.epoch + anew)

    def reader(self, kept: Checkpoint) -> LogReader:
        """Return a reader of the log from where it was kept; from its end where it was not."""
        return LogReader(
            self.source,
            self.pipeline.migration.tables,
            self._position_to_read(kept),
            server_id=self.pipeline.migration.source.server_id,
            watermarks=self.watermarks,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            past_removals=self.past_removals,
        )

    def told(self, log: Iterable[Told], kept: str) -> Iterator[Told | Progress]:
        """Pass on what the log tells, with a snapshot from `kept` on; that columns may be others is kept first, since
        gates ask for it."""
        for each in self._beside(log, kept) if self.backfill else log:
            if isinstance(each, SchemaChange):
                self._keep(each)
            yield each

    def _position_to_read(self, kept: Checkpoint) -> Position:
        """On the server that answers now, which may be another one."""
        if not kept.position:
            return self.now()
        return read_on_from(
            self.source,
            Position.of_text(kept.position),
            lambda moved: self.tracked.save(replace(kept, position=str(moved))),
        )

    def _beside(self, log: Iterable[Told], kept: str) -> Iterator[Told | Progress]:
        """The log, and in it the rows of a snapshot, which reads through a connection of its own."""
        look, migration = self.look, self.pipeline.migration
        with self.source.connect() as connection:
            snapshot = Snapshot(
                connection,
                self.marks,
                migration.tables,
                name=migration.name,
                new_mark=lambda: unique(24),
                progress=Progress.of_text(kept) if kept else None,
            )
            for told in snapshot.beside(log):
                if isinstance(told, Progress):
                    look.tables_done = len(told.done)
                elif isinstance(told, Change):
                    look.changes += 1
                    look.snapshot_rows += told.origin == "snapshot"
                yield told

    def _keep(self, change: SchemaChange) -> None:
        pipeline = self.pipeline
        whole = f"{change.table} {change.position} {change.statement}".encode()
        statement = " ".join(change.statement.split())
        record = SchemaRecord(
            sha256(whole).hexdigest()[:DIGEST_LENGTH],
            change.table,
            statement if len(statement) <= STATEMENT_SHOWN else f"{statement[:STATEMENT_SHOWN]}...",
            pipeline.caller.clock(),
        )
        pipeline.run(put_schema(pipeline.control, record))
