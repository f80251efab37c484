"""What is compared and purged, for a migration of rows with the servers that it runs on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cdc.running.rounds import Rounds
from crossfade.cdc.verifying.repairing import Marking
from crossfade.cdc.verifying.run import RowSides
from crossfade.cdc.verifying.settling import LogApplied, Pause, Settling, applied_by_capture, applied_by_group
from crossfade.control.records import CaptureRecord
from crossfade.core.stages import FREEZE, Stage
from crossfade.drivers.unique import unique
from crossfade.errors import NotPossibleInStage

MIRROR_SECONDS: Final = 5.0  # a mirror that is merely behind has come by then


def sides_of(pipeline: Pipeline, source: Source, stage: Stage) -> RowSides:
    """Return both sides in a stage: where the target decides, mirrors are under way and not the log."""
    rows_decide = FREEZE[stage].authority == "source"
    settling: Settling = Pause(MIRROR_SECONDS)
    if rows_decide:
        settling = LogApplied(*end_and_reached(pipeline, source))
    mark = None  # the places of topics that others fill are none of the source's: the target's versions are kept
    if not pipeline.theirs:
        marks = Watermarks(pipeline.migration.marks_schema)
        mark = Marking(source, marks, lambda: kept(pipeline), lambda: unique(24))
    return RowSides(pipeline.migration, source, pipeline.destination(), settling, mark, rows_decide)


def end_and_reached(pipeline: Pipeline, source: Source) -> tuple[Callable[[], Position], Callable[[Position], bool]]:
    """Return two functions that block: where the log ends, and whether all up to a position is applied."""
    if not pipeline.theirs:
        return lambda: position_now(source), applied(pipeline)
    rounds, lock = Rounds(pipeline, source), threading.Lock()

    def end() -> Position:
        with lock:
            return rounds.send()

    def has_reached(position: Position) -> bool:
        with lock:
            return rounds.has_reached(position)

    return end, has_reached


def applied(pipeline: Pipeline) -> Callable[[Position], bool]:
    """Whether all up to a position is in the target. It blocks; raises KafkaFailed."""
    if pipeline.migration.topics is None:
        return applied_by_capture(pipeline.captures, pipeline.run)
    return applied_by_group(pipeline.kafka, pipeline.migration.group, pipeline.topic_names)


def settled_for_good(pipeline: Pipeline, source: Source, stage: Stage) -> Settling:
    """For a purge: what is applied is not read once more either, by a capture that goes on from what it kept."""
    if stage is Stage.COMPLETE:
        return Pause(0.0)
    end, group = end_and_reached(pipeline, source)
    capture = applied_by_capture(pipeline.captures, pipeline.run)
    return LogApplied(end, lambda position: group(position) and capture(position))


def late(pipeline: Pipeline, stage: Stage) -> str:
    """Why an older event may come though the log is applied; "" for none. It blocks; raises KafkaFailed."""
    if stage is Stage.COMPLETE:
        return ""
    letters = 0 if pipeline.migration.topics is None else pipeline.letters_left()
    if letters:
        return f"{letters:,} dead letters may still be applied (crossfade etl retry --execute)"
    found: CaptureRecord | None = pipeline.run(pipeline.captures.found())
    loaded = found is not None and found.snapshot and Progress.of_text(found.snapshot).finished
    if not loaded and (pipeline.theirs or (found is not None and found.snapshot)):
        return "a backfill is under way, whose rows may be told behind their delete"
    return ""


def kept(pipeline: Pipeline) -> Position:
    """Return from where the log is carried on. It blocks; raises NotPossibleInStage where nothing carries it."""
    found: CaptureRecord | None = pipeline.run(pipeline.captures.found())
    if found is None or not found.position:
        raise NotPossibleInStage(
            "nothing has carried the log yet, so nothing tells how its changes are counted",
            next_step="crossfade backfill --execute",
        )
    return Position.of_text(found.position)
