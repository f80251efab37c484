"""In which stage the migration is, and since when everybody is: for who looks on without taking part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from crossfade.control.records import Job, JobStatus, JournalEntry, State
from crossfade.control.store import Control
from crossfade.core.effects import Routine
from crossfade.core.stages import ALL_LADDERS, Stage
from crossfade.streams.meaning import MEANINGS, Look, Meaning

LOOK_SECONDS: Final = 0.5
JOURNAL_READ: Final = 1_000  # entries; where the stage was entered before them, the oldest one stands for it
# By when every client has entered, or was counted out, though nobody looked: leases and landing times are shorter.
GRACE_SECONDS: Final = 180.0


class Onlooker:
    """Looks again and again; what it has seen itself is more exact than what the journal says."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._epoch = -1
        self._meaning: Meaning | None = None
        self._settled_at: float | None = None  # as seen from here
        self._entered_at: float | None = None  # as the journal has it
        self._all_in_at: float | None = None  # likewise

    def look(self, now: float) -> Routine[Look]:
        """`now` is seconds since 1970, and from before the call. Raises NotStarted."""
        # Before the state, so that whoever is not among them reads it or a newer one; of a large fleet many pages.
        leases = (yield from self._control.leases()) if self._settled_at is None else None
        state = yield from self._control.state()
        backfill = yield from self._control.job(Job.BACKFILL)
        meaning = MEANINGS[state.strategy][state.stage]
        if meaning is not self._meaning:
            self._meaning, self._settled_at, self._epoch = meaning, None, -1
        if state.epoch != self._epoch:
            self._epoch = state.epoch
            journal = yield from self._control.journal(JOURNAL_READ)
            self._entered_at, self._all_in_at = entered_at(state, journal), all_in_at(state, journal)
        if self._settled_at is None and leases is not None and all(lease.epoch >= state.epoch for lease in leases):
            self._settled_at = now
        return Look(
            stage=state.stage,
            epoch=state.epoch,
            authority=ALL_LADDERS[state.strategy][state.stage].authority,
            meaning=meaning,
            settled_at=self._settled(now),
            backfilled=backfill is not None and backfill.status is JobStatus.COMPLETE,
            stamped=Meaning.STAMPED in MEANINGS[state.strategy].values(),
        )

    def _settled(self, now: float) -> float | None:
        by_now = None if self._entered_at is None else self._entered_at + GRACE_SECONDS
        known = (self._settled_at, self._all_in_at, by_now)
        return min((moment for moment in known if moment is not None and moment <= now), default=None)


def entered_at(state: State, journal: Sequence[JournalEntry]) -> float | None:
    """When the migration came to mean what it means now (seconds since 1970); None where the times are unreadable."""
    meanings = MEANINGS[state.strategy]
    for entry in reversed(journal):
        before, arrow, after = entry.what.partition(" -> ")
        known = arrow and before in meanings and after in meanings
        if known and meanings[Stage(before)] is not meanings[Stage(after)]:
            return _moment(entry.at)
    return _moment(journal[0].at) if journal else None


def all_in_at(state: State, journal: Sequence[JournalEntry]) -> float | None:
    """Return since when every client means the same (seconds since 1970), or None.

    A move that changed nothing about it has waited for all of them.
    """
    meanings = MEANINGS[state.strategy]
    found: str | None = None
    for entry in journal:
        before, arrow, after = entry.what.partition(" -> ")
        if arrow and before in meanings and after in meanings:
            means_the_same = meanings[Stage(before)] is meanings[Stage(after)]
            found = (found or entry.at) if means_the_same else None
    return None if found is None else _moment(found)


def _moment(at: str) -> float | None:
    try:
        return datetime.fromisoformat(at).timestamp()
    except ValueError:
        return None
