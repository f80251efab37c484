"""What a short run over the change streams has to cover so that the marks of unclean ends are cleared, and that it has.

A verify or the backfill is what it builds on: what was left undone before that began, they have found. Of each mark
since then it is known when the oldest operation of its client may have begun, and each write that such an operation has
made, or that has made its mirror wrong, is a change of one of the two tables after that. So both tables' changes since
the oldest of these moments are gone through, up to an end that lies behind whatever these clients had sent, and each
key among them is made equal.

Nothing is written down before the end. So whoever is killed begins again, and a client that ends meanwhile has a higher
number, which this does not speak of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crossfade.control.jobs import means_nothing
from crossfade.control.marks import read_marks
from crossfade.control.records import Job, JobStatus, State, UncleanMark
from crossfade.control.store import Caller, Change, Control
from crossfade.control.waiting import PATIENCE_SECONDS, await_everyone
from crossfade.core.effects import Note, Routine, Stamp
from crossfade.core.stages import ALL_LADDERS
from crossfade.errors import NotPossibleInStage

VERIFY: Final = "crossfade verify"
CHANGES_MAX: Final = 50  # how often others may change the records before a person should look


@dataclass(frozen=True, slots=True)
class Settling:
    """The marks to be cleared, all of those above `after`; what was cleared before reaches down to `base`."""

    state: State
    base: int
    after: int
    marks: tuple[UncleanMark, ...]

    @property
    def since(self) -> int:
        """The moment from which on changes count, in seconds since 1970 by the service's clock."""
        return min(mark.since for mark in self.marks)

    @property
    def landing_seconds(self) -> float:
        """For how long what these clients had sent may still land."""
        return max(mark.landing_seconds for mark in self.marks)


def refuse_settling(state: State) -> None:
    """Raise NotPossibleInStage where changes of the tables do not tell what was left undone."""
    row = ALL_LADDERS[state.strategy][state.stage]
    if state.strategy != "dual-write":
        raise NotPossibleInStage(
            f"of a migration that goes by {state.strategy}, change streams do not tell what a client has left undone",
            next_step=VERIFY if row.takes_verify else "crossfade status",
        )
    if not row.keeps_equal:
        raise means_nothing("settle", state.strategy, state.stage)


def begin_settling(
    control: Control, caller: Caller, *, patience_seconds: float = PATIENCE_SECONDS
) -> Routine[Settling]:
    """What is to be covered, once whoever is silent has been counted out and has its mark.

    Raises NotPossibleInStage where only a verify can tell: nothing to build on, a mark that does not say since when.
    """
    purpose = "who is silent is counted out first, so that its mark is among those that are cleared"
    while True:
        state = yield from await_everyone(
            control, caller, patience_seconds=patience_seconds, purpose=purpose, alive=True
        )
        refuse_settling(state)
        base = yield from _base(control, state)
        marks = yield from read_marks(control)
        if (yield from control.state()).unclean == state.unclean:
            break
    after = base
    if state.settled_base <= base <= state.settled:
        base, after = state.settled_base, state.settled
    known = {mark.number: mark for mark in marks if mark.started_at == state.started_at}
    wanted = [known.get(each) for each in range(after + 1, state.unclean + 1)]
    told = [mark for mark in wanted if mark is not None and mark.since]
    if len(told) < len(wanted):
        raise NotPossibleInStage(
            f"of {len(wanted) - len(told)} unclean ends it is not known since when something may be undone: their"
            " clients had no answer of DynamoDB with its time, run an older version, or the state was put back",
            next_step=VERIFY,
        )
    return Settling(state, base, after, tuple(told))


def finish_settling(control: Control, caller: Caller, settling: Settling, facts: str) -> Routine[None]:
    """Write down that it is covered; `facts` are for the journal. NotPossibleInStage where the migration has been moved
    meanwhile: do it again."""
    base, upto = settling.base, settling.state.unclean
    token = yield from Stamp()
    for _ in range(CHANGES_MAX):
        state = yield from control.state()
        if state.epoch != settling.state.epoch:
            raise NotPossibleInStage(
                f"the migration has been moved on from stage {settling.state.stage} meanwhile",
                next_step="crossfade settle --execute, once more",
            )
        if state.settled >= upto and state.settled_base <= base:
            return  # by another one
        wanted = Change({"settled_base": base, "settled": upto}, f"settled {len(settling.marks)} unclean ends", facts)
        if (yield from control.change_state(state, caller, token, wanted)):
            yield from Note("settled", {"unclean": upto, "marks": len(settling.marks)})
            return
    raise NotPossibleInStage(f"the control records changed {CHANGES_MAX} times meanwhile", next_step="try again")


def _base(control: Control, state: State) -> Routine[int]:
    """What `unclean` was when the evidence began that this builds on."""
    verify, backfill = (yield from control.job(Job.VERIFY)), (yield from control.job(Job.BACKFILL))
    if verify is not None and verify.status is JobStatus.COMPLETE and verify.clean:
        return verify.unclean
    if backfill is not None and backfill.status is JobStatus.COMPLETE:
        return backfill.unclean
    raise NotPossibleInStage(
        f"in stage {state.stage}, before a backfill is complete, there is nothing that a settle could complete",
        next_step="crossfade backfill --execute",
    )
