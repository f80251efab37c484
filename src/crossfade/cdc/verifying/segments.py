"""One segment of a verify: page after page, the looks at what seemed different, repairs, and checkpoints.

A checkpoint stands for all before it: so it is written where nothing is in doubt, and doubt is not left to gather for
longer than DOUBT_SECONDS.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final, Protocol

from crossfade.cdc.changes import Version
from crossfade.cdc.verifying.comparing import Comparer, Seen, Suspect
from crossfade.cdc.verifying.looking import KEYS_AT_ONCE, Looks
from crossfade.cdc.verifying.pages import Pages
from crossfade.cdc.verifying.repairing import Mended, Repair, unmendable
from crossfade.cdc.verifying.settling import Settling
from crossfade.control.records import SegmentCheckpoint
from crossfade.core.items import Item
from crossfade.core.tables.pair import key_name
from crossfade.jobs.session import JobClient

SUSPECTS_MAX: Final = 500  # a segment's: kept as keys, and looked at together
DOUBT_SECONDS: Final = 10.0
SAVE_SECONDS: Final = 1.0  # between two checkpoints of a segment
KINDS: Final = ("missing", "extra", "mismatched", "stale_parts")
# What no repair mends, as it is counted beside the difference.
BEYOND_REPAIR: Final = {Repair.NOT_OURS: "not_ours", Repair.UNMAPPED: "unmapped"}
LEFT_ALONE: Final = frozenset({Repair.NEWER, Repair.NOT_OURS})


class Overseer(Protocol):
    """What a segment needs of the run that it is a part of."""

    client: JobClient
    comparer: Comparer
    settling: Settling
    page_rows: int
    repairs: bool

    @property
    def strays_full(self) -> bool: ...

    def check_owner(self) -> None: ...

    async def pace(self, amount: int) -> None: ...

    async def save(self, checkpoint: SegmentCheckpoint) -> SegmentCheckpoint: ...

    async def version(self) -> Version | None: ...

    async def mend(self, suspect: Suspect, version: Version | None) -> Mended: ...

    def sample(self, kind: str, seen: Seen) -> None: ...

    def reason(self, mended: Mended) -> None: ...

    def progressed(self, items: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Stray:
    """An item that its own row does not make; as little of it as there may be many. `digest` is of what was seen."""

    suspect: Suspect
    digest: int

    @property
    def key_name(self) -> str:
        return key_name(self.suspect.key or {})


class SegmentTask:
    """A step is a page, a look, some repairs, or a checkpoint."""

    def __init__(self, run: Overseer, pages: Pages, checkpoint: SegmentCheckpoint) -> None:
        self.checkpoint = checkpoint
        self.counts: Counter[str] = Counter(checkpoint.counts)
        self.strays: list[Stray] = []
        self._run = run
        self._pages = pages
        self._at: Item | None = checkpoint.last_key
        self._scanned = False
        self._suspects: list[Suspect] = []
        self._since = 0.0  # the oldest of them
        self._looks: Looks | None = None
        self._again: Looks | None = None  # at what was repaired
        self._to_repair: list[Suspect] = []
        self._saved_at = 0.0
        self._unsaved = False

    @property
    def must_go_on(self) -> bool:
        return False

    async def step(self) -> float | None:
        """Do a little. Raises LeaseLost."""
        self._run.check_owner()
        now = self._run.client.now()
        if self._looks is not None:
            wait = await self._looks.step()
            if wait is not None:
                return now + wait
            self.counts["in_motion"] += self._looks.in_motion
            self._looks = None
        elif self._again is not None:
            wait = await self._again.step()
            if wait is not None:
                return now + wait
            self._again = None
        elif self._to_repair:
            await self._repair()
        elif self._suspects and self._is_time(now):
            self._looks = Looks(self._run.comparer, self._run.settling, self._suspects, self._found)
            self._suspects = []
        elif self._scanned or (self._run.strays_full and not self._pages.claims):
            await self._rest()
            return None
        else:
            await self._page(now)
        return None if self.checkpoint.done else now

    def _is_time(self, now: float) -> bool:
        full = len(self._suspects) >= SUSPECTS_MAX or self._run.strays_full
        return full or self._scanned or now - self._since >= DOUBT_SECONDS

    async def _page(self, now: float) -> None:
        await self._save_where_settled(now)
        count = self._run.page_rows
        await self._run.pace(count)
        looked = await self._pages.look(self._at, count)
        if looked.suspects and not self._suspects:
            self._since = now
        self._suspects += looked.suspects
        self.counts += looked.counts
        self._run.progressed(looked.counts["rows"] + looked.counts["target_items"] + looked.counts["parts"])
        self._at = looked.at
        self._scanned = looked.at is None
        self._unsaved = True
        await self._save_where_settled(now)

    async def _save_where_settled(self, now: float) -> None:
        """At the end of the segment, and from time to time before: behind a page, or behind the looks at its doubts."""
        due = self._scanned or now - self._saved_at >= SAVE_SECONDS
        if due and self._unsaved and not self._suspects and not self.strays:
            self._saved_at = now
            await self._save(done=self._scanned)

    async def _rest(self) -> None:
        """At the end of the segment, or where strays have to be dealt with first."""
        if self._scanned and not self.strays:
            await self._save(done=True)

    async def _save(self, *, done: bool) -> None:
        wanted = replace(self.checkpoint, last_key=None if done else self._at, done=done, counts=dict(self.counts))
        self.checkpoint = await self._run.save(wanted)
        self._unsaved = False

    # --- what the looks told

    def _found(self, seen: Seen) -> None:
        if self._pages.claims:
            self._count(seen)
        elif seen.wanted is None and not seen.why:  # what a row makes otherwise is told by that row
            self.strays.append(Stray(seen.suspect, seen.digest))

    async def conclude(self, unmade: set[str]) -> None:
        """Count as extra the strays that no row makes, unless they were written since."""
        strays, self.strays = self.strays, []
        left = [stray for stray in strays if stray.key_name in unmade]
        before = {stray.suspect.name: stray.digest for stray in left}
        for start in range(0, len(left), KEYS_AT_ONCE):
            for seen in await self._run.comparer.look([each.suspect for each in left[start : start + KEYS_AT_ONCE]]):
                if seen.agrees:
                    continue
                if seen.digest == before[seen.suspect.name]:
                    self._count(seen)
                else:
                    self.counts["in_motion"] += 1

    def _count(self, seen: Seen) -> None:
        kind = "stale_parts" if seen.suspect.where == "parts" else seen.kind
        self.counts[kind] += 1
        self._run.sample(kind, seen)
        if self._run.repairs:
            self._to_repair.append(seen.suspect)
        elif (why := unmendable(seen)) is not None:
            self._left((why, seen.why))

    # --- repairs

    async def _repair(self) -> None:
        suspects, self._to_repair = self._to_repair, []
        version = await self._run.version()
        repaired: list[Suspect] = []
        for suspect in suspects:
            mended = await self._run.mend(suspect, version)
            if mended[0] is Repair.REPAIRED:
                repaired.append(suspect)
            else:
                self.counts["left_alone" if mended[0] in LEFT_ALONE else "not_repaired"] += 1
                self._left(mended)
        if repaired:
            self.counts["repaired"] += len(repaired)
            self._again = Looks(self._run.comparer, self._run.settling, repaired, self._found_again)

    def _left(self, mended: Mended) -> None:
        if mended[0] in BEYOND_REPAIR:
            self.counts[BEYOND_REPAIR[mended[0]]] += 1
        self._run.reason(mended)

    def _found_again(self, _seen: Seen) -> None:
        self.counts["repaired"] -= 1
        self.counts["not_repaired"] += 1
        self._run.reason((Repair.AGAIN, ""))
