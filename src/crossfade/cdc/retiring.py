"""What is left behind when a migration of rows is complete, taken away step by step.

The source is the application's own affair: it may go on to serve others. What crossfade has put anywhere is taken away
here, and each step is recorded as those of two tables are (`cleanup/ledger.py`). Two of them have a file of their own:
the tombstones (`purging.py`) and, last of all, the stamps (`stamps.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.cdc import kafka
from crossfade.cdc.etl.retrying import retry_group
from crossfade.cdc.migration import RowMigration
from crossfade.cdc.purging import FINAL
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cleanup.ledger import Ledger, StepRecord
from crossfade.cleanup.survey import Condition, not_moved_on
from crossfade.control.calls import ask
from crossfade.control.gate_texts import way_to_complete
from crossfade.control.records import Role
from crossfade.core.effects import Routine
from crossfade.core.mapping import STAMP
from crossfade.core.stages import Stage
from crossfade.errors import GateClosed, ServiceRejected

NO_GROUP: Final = ("GROUP_ID_NOT_FOUND",)


class RowStep(StrEnum):
    TOMBSTONES = "tombstones"
    GROUPS = "groups"
    MARKS = "marks"
    PARTS = "parts"
    STAMPS = "stamps"


@dataclass(frozen=True, slots=True)
class Row:
    """What a step does, whether a migration has it, and which steps must be done before it."""

    does: str
    is_there: Callable[[RowMigration], bool]
    needs: tuple[RowStep, ...] = ()


STEPS: Final[dict[RowStep, Row]] = {
    RowStep.TOMBSTONES: Row(
        "purge what tells of deleted items; before `complete` too, those of some age", lambda _: True
    ),
    RowStep.GROUPS: Row(
        "delete the consumer groups with their offsets; the topics stay, whoever fills them",
        lambda migration: migration.topics is not None,
    ),
    RowStep.MARKS: Row("drop the table of marks on the source", lambda _: True),
    RowStep.PARTS: Row(
        "delete the table of parts: the rows of items that were made from several",
        lambda migration: migration.folds,
    ),
    RowStep.STAMPS: Row(
        f"remove the attribute {STAMP} from the items of the target",
        lambda _: True,
        # What says that an item is deleted would be an item without it, and parts make items by their versions.
        needs=(RowStep.TOMBSTONES, RowStep.PARTS),
    ),
}


@dataclass(frozen=True, slots=True)
class StepView:
    step: RowStep
    does: str
    record: StepRecord | None

    @property
    def is_done(self) -> bool:
        """A purge before `complete`, or one that has left some, is done and not the last one; so are stamps that were
        left to tombstones."""
        if self.record is None or not self.record.done:
            return False
        return self.step not in (RowStep.TOMBSTONES, RowStep.STAMPS) or bool(self.record.fact(FINAL))


@dataclass(frozen=True, slots=True)
class RetiringView:
    stage: Stage
    steps: tuple[StepView, ...]
    left_alone: Condition  # whether no other migration moves the target on
    closed: str = ""  # why nothing may be taken away yet
    next_step: str = ""
    waits_for_clients: bool = False  # closed, and by nothing but processes, which may have died

    @property
    def next(self) -> StepView | None:
        """The first that is not done; None at the end."""
        return next((view for view in self.steps if not view.is_done), None)

    def closed_for(self, step: RowStep) -> tuple[str, str]:
        """Why a step may not be done yet, and what comes before it; "" and "" where it may."""
        if self.closed:
            return self.closed, self.next_step
        for need in self.steps:
            if need.step in STEPS[step].needs and not need.is_done:
                return f"the step {need.step} is not done", f"crossfade cleanup --step {need.step} --execute"
        if step is RowStep.STAMPS and not self.left_alone.holds:
            return self.left_alone.found, self.left_alone.next_step
        return "", ""


def look_at_retiring(ledger: Ledger, migration: RowMigration) -> Routine[RetiringView]:
    """Raises NotStarted."""
    state = yield from ledger.control.state()
    records: Mapping[str, StepRecord] = yield from ledger.steps()
    carrying = [lease for lease in (yield from ledger.control.leases()) if lease.role is not Role.APP]
    left_alone = yield from not_moved_on(ledger.control, state.target)
    steps = tuple(
        StepView(step, row.does, records.get(step.value)) for step, row in STEPS.items() if row.is_there(migration)
    )
    if state.stage is not Stage.COMPLETE:
        found = f"the migration is in {state.stage}, and must be in {Stage.COMPLETE}"
        return RetiringView(state.stage, steps, left_alone, found, way_to_complete(state.stage, migration.name))
    if carrying:
        named = ", ".join(f"{lease.role} on {lease.host}, pid {lease.pid}" for lease in carrying)
        found = f"the log is carried still: {named}"
        return RetiringView(state.stage, steps, left_alone, found, "end those processes", waits_for_clients=True)
    return RetiringView(state.stage, steps, left_alone)


def refuse_closed(view: RetiringView, step: RowStep) -> None:
    """Raises GateClosed."""
    closed, next_step = view.closed_for(step)
    if closed:
        raise GateClosed(f"the step {step} is not possible yet: {closed}", next_step=next_step)


def take_away(ledger: Ledger, pipeline: Pipeline, step: RowStep, drop_marks: Callable[[], None]) -> StepRecord:
    """One step; doing it twice does no harm. Raises GateClosed, KafkaFailed, SourceError, DatabaseError."""
    view: RetiringView = pipeline.run(look_at_retiring(ledger, pipeline.migration))
    refuse_closed(view, step)
    held = pipeline.run(ledger.begin(step.value, {}))
    match step:
        case RowStep.TOMBSTONES | RowStep.STAMPS:
            raise AssertionError("what goes from item to item keeps a record of its own")
        case RowStep.GROUPS:
            _delete_groups(pipeline)
        case RowStep.MARKS:
            drop_marks()
        case RowStep.PARTS:
            pipeline.run(_delete_table(pipeline.migration.parts_table))
    pipeline.run(ledger.finish(held, {}))
    record: StepRecord = held.record
    return record


def _delete_groups(pipeline: Pipeline) -> None:
    """Raises KafkaFailed, for one that has members too."""
    admin = kafka.admin(pipeline.kafka)
    names = [pipeline.migration.group, retry_group(pipeline.etl())]
    for name, deleted in admin.delete_consumer_groups(names, request_timeout=kafka.ANSWER_SECONDS).items():
        try:
            deleted.result(kafka.ANSWER_SECONDS)
        except kafka.library().KafkaException as error:
            if error.args[0].name() not in NO_GROUP:
                raise kafka.failed(f"group {name} could not be deleted", error) from error


def _delete_table(name: str) -> Routine[None]:
    try:
        _ = yield from ask("DeleteTable", {"TableName": name}, place="target")
    except ServiceRejected as error:
        if error.code != "ResourceNotFoundException":
            raise
