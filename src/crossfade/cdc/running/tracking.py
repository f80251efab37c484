"""How far a capture is: what is kept of it, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossfade.cdc.checkpoints import Checkpoint, Checkpoints
from crossfade.cdc.etl.applier import Counts
from crossfade.cdc.mysql.positions import Position, reaches
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.terms import Term


@dataclass(slots=True)
class Look:
    """How far it is, for whoever shows it."""

    snapshot_rows: int = 0
    snapshot_rows_total: int = 0  # as the source estimates them
    tables_done: int = 0
    tables_total: int = 0
    changes: int = 0  # read and safe, those of the snapshot among them
    counts: Counts = field(default_factory=Counts)  # without Kafka: of the target
    lag_events: int = -1
    lag_seconds: float = -1.0


@dataclass(slots=True)
class Tracked:
    """Checkpoints, and the last one that was saved."""

    checkpoints: Checkpoints
    last: Checkpoint = field(default_factory=Checkpoint)

    def take(self) -> Checkpoint:
        self.last = self.checkpoints.take()
        return self.last

    def save(self, checkpoint: Checkpoint) -> None:
        self.checkpoints.save(checkpoint)
        self.last = checkpoint

    @property
    def term(self) -> Term:
        return self.checkpoints.term

    def has_reached(self, position: Position) -> bool:
        """Whether all up to there is safe."""
        return bool(self.last.position) and reaches(Position.of_text(self.last.position), position)

    @property
    def is_told(self) -> bool:
        """Whether a snapshot is, and is safe where it was told to."""
        return bool(self.last.snapshot) and Progress.of_text(self.last.snapshot).finished
