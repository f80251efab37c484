"""What is compared and purged, for a migration of rows with the servers that it runs on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from crossfade.cdc.mysql.positions import Position
from crossfade.cdc.mysql.reader import position_now
from crossfade.cdc.mysql.snapshot import Progress
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.mysql.watermarks import Watermarks
from crossfade.cdc.running.pipeline import Pipeline
from crossfade.cdc.verifying.repairing import Marking
from crossfade.cdc.verifying.run import RowSides
from crossfade.cdc.verifying.settling import LogApplied, Pause, Settling, applied_by_capture, applied_by_group
from crossfade.control.records import CaptureRecord
from crossfade.core.stages import FREEZE, Stage
from crossfade.errors import Refused

MIRROR_SECONDS: Final = 5.0  # a mirror that is merely behind has come by then


def sides_of(pipeline: Pipeline, source: Source, stage: Stage) -> RowSides:
    """In a stage: where the target decides, what is under way is no log but the mirrors of applications."""
    rows_decide = FREEZE[stage].authority == "source"
    settling: Settling = Pause(MIRROR_SECONDS)
    if rows_decide:
        settling = LogApplied(lambda: position_now(source), applied(pipeline))
    marks = Watermarks(pipeline.migration.marks_schema)
    mark = Marking(source, marks, lambda: kept(pipeline), lambda: secrets.token_hex(12))
    return RowSides(pipeline.migration, source, pipeline.destination(), settling, mark, rows_decide)


def applied(pipeline: Pipeline) -> Callable[[Position], bool]:
    """Whether all up to a position is in the target. It blocks; raises KafkaFailed."""
    if pipeline.migration.topics is None:
        return applied_by_capture(pipeline.captures, pipeline.run)
    return applied_by_group(pipeline.kafka, pipeline.migration.group, pipeline.topics.names)


def settled_for_good(pipeline: Pipeline, source: Source, stage: Stage) -> Settling:
    """For a purge: what is applied is not read once more either, by a capture that goes on from what it kept."""
    if stage is Stage.COMPLETE:
        return Pause(0.0)
    group, capture = applied(pipeline), applied_by_capture(pipeline.captures, pipeline.run)
    return LogApplied(lambda: position_now(source), lambda position: group(position) and capture(position))


def late(pipeline: Pipeline, stage: Stage) -> str:
    """Why an older event may come though the log is applied; "" for none. It blocks; raises KafkaFailed."""
    if stage is Stage.COMPLETE:
        return ""
    letters = 0 if pipeline.migration.topics is None else pipeline.letters_left()
    if letters:
        return f"{letters:,} dead letters may still be applied (crossfade etl retry --execute)"
    found: CaptureRecord | None = pipeline.run(pipeline.captures.found())
    if found is not None and found.snapshot and not Progress.of_text(found.snapshot).finished:
        return "a backfill is under way, whose rows may be told behind their delete"
    return ""


def kept(pipeline: Pipeline) -> Position:
    """From where the log is carried on. It blocks; raises Refused where nothing is."""
    found: CaptureRecord | None = pipeline.run(pipeline.captures.found())
    if found is None or not found.position:
        raise Refused(
            "nothing has carried the log yet, so nothing tells how its changes are counted",
            next_step="crossfade backfill --execute",
        )
    return Position.of_text(found.position)
