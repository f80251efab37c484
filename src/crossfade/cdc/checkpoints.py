"""Where a reader of the log goes on from: an interface, in the control table, and in memory for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from crossfade.cdc.terms import NO_TERM, Term
from crossfade.control.capturing import Captures
from crossfade.control.records import CaptureRecord
from crossfade.core.effects import Routine


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A position of the log, and how far a snapshot is, as texts; "" for none."""

    position: str = ""
    snapshot: str = ""


class Checkpoints(Protocol):
    """For one reader, on one thread at a time."""

    @property
    def term(self) -> Term:
        """The term of the reader that took them last."""
        ...

    def take(self) -> Checkpoint:
        """Become the only one that saves, and say where to go on."""
        ...

    def save(self, checkpoint: Checkpoint) -> None:
        """Raises Fenced where another one has become it."""
        ...


@dataclass(slots=True)
class InMemory:
    """Gone with the process."""

    kept: Checkpoint = field(default_factory=Checkpoint)
    term: Term = NO_TERM

    def take(self) -> Checkpoint:
        self.term = Term(self.term.serial + 1)
        return self.kept

    def save(self, checkpoint: Checkpoint) -> None:
        self.kept = checkpoint


class InControlTable:
    """`run` carries out a routine against the control table, and waits for it."""

    def __init__(self, captures: Captures, run: Callable[[Routine[Any]], Any]) -> None:
        self._captures = captures
        self._run = run
        self._record: CaptureRecord | None = None
        self.term = NO_TERM

    def take(self) -> Checkpoint:
        record: CaptureRecord = self._run(self._captures.take())
        self._record = record
        self.term = Term(record.serial, record.line)
        return Checkpoint(record.position, record.snapshot)

    def save(self, checkpoint: Checkpoint) -> None:
        assert self._record is not None  # noqa: S101  taken before
        wanted = replace(self._record, position=checkpoint.position, snapshot=checkpoint.snapshot)
        self._record = self._run(self._captures.save(wanted))
