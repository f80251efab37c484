"""The stages of a migration as data: the one table that routing, the simulator, the CLI and the docs obey.

The names are those of LaunchDarkly's migration flags, which people know, plus the steps they lack (the two lockstep
stages, without which a switch of authority either stops writes or loses updates; or, where no transaction spans both
stores, the two freeze stages, in which writes are held for a moment).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

Side = Literal["source", "target"]
SIDES: Final[tuple[Side, Side]] = ("source", "target")


class Stage(StrEnum):
    OFF = "off"
    STAMP = "stamp"
    PREPARE = "prepare"
    DRAIN = "drain"
    DUALWRITE = "dualwrite"
    SHADOW = "shadow"
    LOCKSTEP_SOURCE = "lockstep_source"
    LOCKSTEP_TARGET = "lockstep_target"
    FREEZE_SOURCE = "freeze_source"
    FREEZE_TARGET = "freeze_target"
    LIVE = "live"
    RAMPDOWN = "rampdown"
    COMPLETE = "complete"


class Writes(StrEnum):
    """How one write is carried out."""

    PLAIN = "plain"  # to the authority alone
    STAMPED = "stamped"  # to the authority alone, which is the source; each leaves a fresh stamp there
    MIRRORED = "mirrored"  # to the authority; the other side is synced in the background
    HELD = "held"  # not at all: one begins only in the stage after these, or fails, after a bounded time, unwritten
    LOCKSTEP = "lockstep"  # to both sides in one transaction; the authority decides
    PREPARED = "prepared"  # to the side that has the item; a new item, or one that only the source has: to the source
    DRAINED = "drained"  # to the target, also where only the source has the item; deletes: both sides
    DELETING = "deleting"  # to the target; deletes: both sides


class Fallback(StrEnum):
    """What the source still answers for, once it is not the one that serves."""

    NONE = "none"
    MERGED = "merged"  # each item is the target's, or else the source's
    LOOKED_UP = "looked up"  # the target answers; what it does not have is looked up in the source after the answer


class Ramp(StrEnum):
    """Which reads the ramp (n % of the keys) may answer from the target while the source is the authority."""

    NONE = "none"
    EVENTUAL = "eventual"  # those that did not ask for strong consistency
    EVERY = "every"  # all: both sides are equal


class Order(StrEnum):
    """Whose order a Scan, or a Query of an index, follows that begins in this stage; core/pages/order.py tells of the
    exception, a strongly consistent one. Where a stage that is near goes by the other side's order, cursors carry a
    mark that tells theirs, so that pages begun in one stage go on in the next. One without a mark (an application may
    keep its key attributes alone) is taken for one of the stage that it is used in."""

    SOURCE = "source"
    SOURCE_MARKED = "source, and cursors say so"
    TARGET = "target"
    TARGET_MARKED = "target, and cursors say so"

    @property
    def side(self) -> Side:
        return "target" if self in (Order.TARGET, Order.TARGET_MARKED) else "source"

    @property
    def is_marked(self) -> bool:
        """Whether cursors of the order's own side say so too."""
        return self in (Order.SOURCE_MARKED, Order.TARGET_MARKED)


class Gate(StrEnum):
    """What must hold before a stage may be entered on the way up."""

    EMPTY = "empty"  # the target holds nothing
    BACKFILLED = "backfilled"  # the backfill is complete
    MIRRORED = "mirrored"  # nothing was left undone since the backfill began, or a verify has found nothing since
    VERIFIED = "verified"  # a full verify begun after the last unclean end of a client found nothing
    RECENT = "recent"  # that verify is not older than some days
    REPLICATED = "replicated"  # the replication, where one was started, runs and has caught up
    PASSED = "passed"  # all that was written to the authority before the freeze has reached the other side
    ALLOWED = "allowed"  # no client is denied on one table what it may do on the other, as far as it has tried
    QUIET = "quiet"  # for so many days nothing was found in the source alone
    ANSWERED = "answered"  # so many days since the last call was seen that this stage refuses; open where none was
    CONFIRMED = "confirmed"  # the operator knows that there is no way back after this


@dataclass(frozen=True, slots=True)
class Row:
    """What one stage means. `summary` is the line that people read."""

    authority: Side
    writes: Writes
    compare: bool
    ramp: Ramp
    gates: tuple[Gate, ...]
    summary: str
    order: Order = Order.SOURCE
    fallback: Fallback = Fallback.NONE
    stamped_source: bool = False  # the source's items may carry stamps, which nobody is to see
    stamps_source: bool = field(init=False, repr=False, compare=False)
    """Whether what is written to the source leaves a fresh stamp, as all that is written to the target does."""
    merges: bool = field(init=False, repr=False, compare=False)
    """Whether each item is the target's, or else the source's: then there is no authority for all of them."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamps_source", self.writes in (Writes.STAMPED, Writes.PREPARED))
        object.__setattr__(self, "merges", self.fallback is Fallback.MERGED)

    def takes_as_it_is(self, view: Side) -> bool:
        """Whether the caller's own write goes out as it is, and so leaves no stamp."""
        if self.authority != view or self.writes is Writes.STAMPED:
            return False
        return view == "source" or self.writes is Writes.PLAIN

    def takes_alone(self, view: Side) -> bool:
        """Whether the caller's own write goes out as it is, and by itself."""
        return self.takes_as_it_is(view) and self.writes is not Writes.LOCKSTEP

    def is_alone(self, view: Side) -> bool:
        """Whether the caller's own table is all that is used."""
        return self.authority == view and self.writes is Writes.PLAIN

    @property
    def guards_other(self) -> bool:
        """Whether crossfade alone writes the table that applications do not name."""
        return self.writes is not Writes.PLAIN

    @property
    def is_single(self) -> bool:
        """Whether one side alone is used, so that the other falls behind."""
        return self.writes in (Writes.PLAIN, Writes.STAMPED)

    @property
    def is_final(self) -> bool:
        """Whether the source falls behind, so that nothing leads back."""
        return self.is_alone("target")

    @property
    def leaves_target_behind(self) -> bool:
        """Whether new items reach the source and not the target."""
        return self.writes is Writes.PREPARED or (self.is_single and self.authority == "source")

    @property
    def keeps_equal(self) -> bool:
        """Whether what is written reaches both sides, so that one may be compared with the other, or made equal."""
        return self.writes in (Writes.MIRRORED, Writes.LOCKSTEP, Writes.HELD)

    @property
    def follows_source(self) -> bool:
        """Whether the target is kept equal to the source, which decides."""
        return self.keeps_equal and self.authority == "source"

    @property
    def takes_backfill(self) -> bool:
        """Whether a copy of an item of the source may be put into the target: who writes it later writes there too."""
        return self.writes is Writes.DRAINED or (self.writes is Writes.MIRRORED and self.authority == "source")

    @property
    def takes_verify(self) -> bool:
        """Whether one side may be asked what the other should have of it."""
        return self.keeps_equal or self.drains

    @property
    def holds(self) -> bool:
        """Whether writes wait for another stage, so that nobody should stay here."""
        return self.writes is Writes.HELD

    def may_write_both(self, *, deletes: bool) -> bool:
        """Whether one write may be of both sides; in `rampdown` of copy-on-write that is so of deletes alone."""
        return self.writes is Writes.LOCKSTEP or self.merges or (self.writes is Writes.DELETING and deletes)

    @property
    def drains(self) -> bool:
        """Whether the source gets nothing new, so that it may be asked whether the target has all of it."""
        return self.writes in (Writes.DRAINED, Writes.DELETING)

    @property
    def other(self) -> Side:
        return other_side(self.authority)

    def decides(self, view: Side, *, whole: bool = False) -> Side:
        """Return the table whose validation error of a key the caller sees: where items are in both tables, or a write
        needs both keys (`whole`), it is not the caller's own."""
        return other_side(view) if self.merges or (whole and self.writes is not Writes.PLAIN) else self.authority


def other_side(side: Side) -> Side:
    return "target" if side == "source" else "source"


# Columns: authority, writes, compare, ramp, gates; the line that people read; whose order, and what the source still
# answers for.
DUAL_WRITE: dict[Stage, Row] = {
    Stage.OFF: Row("source", Writes.PLAIN, False, Ramp.NONE, (),
        "the source alone"),
    Stage.DUALWRITE: Row("source", Writes.MIRRORED, False, Ramp.NONE, (),
        "writes to the source are mirrored to the target"),
    Stage.SHADOW: Row("source", Writes.MIRRORED, True, Ramp.EVENTUAL, (),
        "as before, and reads are compared with the target", Order.SOURCE_MARKED),
    Stage.LOCKSTEP_SOURCE: Row("source", Writes.LOCKSTEP, True, Ramp.EVERY,
        (Gate.BACKFILLED, Gate.MIRRORED, Gate.ALLOWED),
        "one transaction writes both sides; the source decides", Order.SOURCE_MARKED),
    Stage.LOCKSTEP_TARGET: Row("target", Writes.LOCKSTEP, True, Ramp.NONE, (Gate.BACKFILLED, Gate.VERIFIED),
        "one transaction writes both sides; the target decides", Order.SOURCE_MARKED),
    Stage.LIVE: Row("target", Writes.MIRRORED, True, Ramp.NONE, (),
        "writes to the target are mirrored back; reads are compared", Order.SOURCE_MARKED),
    Stage.RAMPDOWN: Row("target", Writes.MIRRORED, False, Ramp.NONE, (),
        "the target serves; the source is kept equal as the way back", Order.TARGET_MARKED),
    Stage.COMPLETE: Row("target", Writes.PLAIN, False, Ramp.NONE, (Gate.VERIFIED, Gate.ANSWERED, Gate.CONFIRMED),
        "the target alone; no way back", Order.TARGET),
}  # fmt: skip

COPY_ON_WRITE: dict[Stage, Row] = {
    Stage.OFF: Row("source", Writes.PLAIN, False, Ramp.NONE, (),
        "the source alone", stamped_source=True),
    Stage.STAMP: Row("source", Writes.STAMPED, False, Ramp.NONE, (),
        "the source alone; each write leaves a stamp, on which the locks of the next stages rely",
        Order.SOURCE_MARKED, stamped_source=True),
    Stage.PREPARE: Row("target", Writes.PREPARED, False, Ramp.NONE, (Gate.EMPTY, Gate.ALLOWED),
        "an item is written where it is, with a stamp; a new one in the source",
        Order.SOURCE_MARKED, Fallback.MERGED, stamped_source=True),
    Stage.DRAIN: Row("target", Writes.DRAINED, False, Ramp.NONE, (),
        "nothing new reaches the source: an item is copied with its first write, a delete takes both sides",
        Order.SOURCE_MARKED, Fallback.MERGED, stamped_source=True),
    Stage.RAMPDOWN: Row("target", Writes.DELETING, False, Ramp.NONE, (Gate.BACKFILLED, Gate.VERIFIED),
        "the target serves; what it does not have is looked up in the source after the answer",
        Order.TARGET_MARKED, Fallback.LOOKED_UP, stamped_source=True),
    Stage.COMPLETE: Row("target", Writes.PLAIN, False, Ramp.NONE,
        (Gate.VERIFIED, Gate.QUIET, Gate.ANSWERED, Gate.CONFIRMED),
        "the target alone; no way back", Order.TARGET, stamped_source=True),
}  # fmt: skip

FREEZE: dict[Stage, Row] = {
    Stage.OFF: Row("source", Writes.PLAIN, False, Ramp.NONE, (),
        "the source alone"),
    Stage.DUALWRITE: Row("source", Writes.MIRRORED, False, Ramp.NONE, (),
        "writes to the source are carried over to the target"),
    Stage.SHADOW: Row("source", Writes.MIRRORED, True, Ramp.EVENTUAL, (),
        "as before, and reads are compared with the target"),
    Stage.FREEZE_SOURCE: Row("source", Writes.HELD, False, Ramp.NONE, (Gate.BACKFILLED, Gate.VERIFIED),
        "writes wait for what is on its way to the other side; the source answers reads"),
    Stage.FREEZE_TARGET: Row("target", Writes.HELD, False, Ramp.NONE, (Gate.PASSED,),
        "writes wait until everybody reads from the target"),
    Stage.LIVE: Row("target", Writes.MIRRORED, True, Ramp.NONE, (),
        "writes to the target are mirrored back; reads are compared"),
    Stage.RAMPDOWN: Row("target", Writes.MIRRORED, False, Ramp.NONE, (),
        "the target serves; the source is kept equal as the way back"),
    Stage.COMPLETE: Row("target", Writes.PLAIN, False, Ramp.NONE, (Gate.VERIFIED, Gate.ANSWERED, Gate.CONFIRMED),
        "the target alone; no way back"),
}  # fmt: skip

LADDERS: dict[str, dict[Stage, Row]] = {"dual-write": DUAL_WRITE, "copy-on-write": COPY_ON_WRITE}
"""Of two tables of one account and Region: what requests are routed by."""

FREEZE_STRATEGY: Final = "freeze"
ALL_LADDERS: dict[str, dict[Stage, Row]] = {**LADDERS, FREEZE_STRATEGY: FREEZE}
"""With that of two stores which no transaction spans: what the control plane knows."""


def ladder(strategy: str, *, lockstep: bool = True, prepare: bool = True) -> tuple[Stage, ...]:
    """The stages in order. False exists to show that a rule is needed: it leaves those stages out."""
    kept = {Writes.LOCKSTEP: lockstep, Writes.PREPARED: prepare}
    return tuple(stage for stage, row in ALL_LADDERS[strategy].items() if kept.get(row.writes, True))


def resting(strategy: str) -> tuple[Stage, ...]:
    """The stages in which one may stay, in order."""
    return tuple(stage for stage, row in ALL_LADDERS[strategy].items() if not row.holds)


def path(stages: tuple[Stage, ...], start: Stage, end: Stage) -> tuple[Stage, ...]:
    """The stages to enter, one at a time, to come from `start` to `end`; empty when already there."""
    i, j = stages.index(start), stages.index(end)
    return stages[i + 1 : j + 1] if i <= j else stages[j:i][::-1]


def next_resting(stages: tuple[Stage, ...], start: Stage, by: int, rows: dict[Stage, Row]) -> Stage | None:
    """The nearest stage above (1) or below (-1) in which one may stay; None where there is none."""
    place = stages.index(start) + by
    while 0 <= place < len(stages) and rows[stages[place]].holds:
        place += by
    return stages[place] if 0 <= place < len(stages) else None
