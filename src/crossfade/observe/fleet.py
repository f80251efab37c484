"""What the control table tells of a whole migration, as metrics: the second part of the table.

`crossfade exporter` serves it. Each is a gauge, read anew: what clients and jobs have told so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

from crossfade.control.records import Job, JobStatus, Lease, Reader
from crossfade.control.survey import Survey
from crossfade.core.stages import ALL_LADDERS, Gate
from crossfade.observe.metrics import MIGRATION, OUTCOME, STAGE, Kind, Label, Metric, Unit

Figure: TypeAlias = tuple[Metric, float, tuple[str, ...]]

JOB: Final = Label("job", "which job", frozenset(Job))
READER: Final = Label("reader", "which job reads the change stream", frozenset(Reader))
GATE: Final = Label("gate", "what must hold before the next stage", frozenset(Gate))


def gauge(name: str, unit: Unit, help_text: str, *labels: Label) -> Metric:
    """Return a row of the table; a figure is the same, whoever reads it."""
    every = (MIGRATION, *labels)
    return Metric(f"crossfade.fleet.{name}", Kind.GAUGE, unit, help_text, every, every, across="max")


IN_STAGE: Final = gauge("stage", Unit.YES_OR_NO, "Which stage: 1 for the one that the migration is in, else 0", STAGE)
RAMP: Final = gauge("ramp", Unit.PERCENT, "Share of the reads that the target answers already, in a ramp")
EPOCH: Final = gauge("epoch", Unit.YES_OR_NO, "How often the stage or the ramp has changed")
CLIENTS: Final = gauge("clients", Unit.CLIENTS, "Clients with a lease, by the stage that they obey", STAGE)
BEHIND: Final = gauge("clients.behind", Unit.CLIENTS, "Clients that have not acknowledged the stage")
UNCLEAN: Final = gauge("unclean", Unit.EVENTS, "Marks of clients that may have left something undone, ever")
LOST: Final = gauge("mirrors.lost", Unit.MIRRORS, "Mirrors that clients with a lease have lost")
COMPARED: Final = gauge("comparisons", Unit.COMPARISONS, "Comparisons of reads, by clients with a lease", OUTCOME)
DIFFERENCES: Final = gauge("differences", Unit.EVENTS, "Keys seen to stay different since the last verify began")
DENIED: Final = gauge("denied", Unit.CLIENTS, "Rights that clients have on one table and lack on the other")
SEGMENTS: Final = gauge("job.segments", Unit.SEGMENTS, "Segments that a job's run has", JOB)
SEGMENTS_DONE: Final = gauge("job.segments.done", Unit.SEGMENTS, "Segments that a job's run has done", JOB)
JOB_COMPLETE: Final = gauge("job.complete", Unit.YES_OR_NO, "Whether a job's last run came to its end", JOB)
JOB_CLEAN: Final = gauge("job.clean", Unit.YES_OR_NO, "Whether a job's last run came to its end and found nothing", JOB)
LAG: Final = gauge("stream.lag", Unit.SECONDS, "How far the reader of a change stream is behind; -1: not known", READER)
STRAY: Final = gauge("stray.writes", Unit.EVENTS, "Writes past crossfade, seen in the change stream", READER)
GATES: Final = gauge("gate.open", Unit.YES_OR_NO, "Whether a gate of the next stage is open", GATE)

FLEET: Final = (
    IN_STAGE,
    RAMP,
    EPOCH,
    CLIENTS,
    BEHIND,
    UNCLEAN,
    LOST,
    COMPARED,
    DIFFERENCES,
    DENIED,
    SEGMENTS,
    SEGMENTS_DONE,
    JOB_COMPLETE,
    JOB_CLEAN,
    LAG,
    STRAY,
    GATES,
)


def figures(survey: Survey, leases: Iterable[Lease]) -> Iterator[Figure]:
    """Return all that one look tells."""
    leases, state, name = tuple(leases), survey.state, survey.migration
    for stage in ALL_LADDERS[state.strategy]:
        yield IN_STAGE, int(stage is state.stage), (name, stage.value)
        yield CLIENTS, sum(lease.stage == stage for lease in leases), (name, stage.value)
    yield RAMP, state.ramp_percent, (name,)
    yield EPOCH, state.epoch, (name,)
    yield BEHIND, sum(not client.acknowledged for client in survey.clients), (name,)
    yield UNCLEAN, state.unclean, (name,)
    yield LOST, sum(lease.lost_mirrors for lease in leases), (name,)
    yield DIFFERENCES, len(survey.differences), (name,)
    yield DENIED, len(survey.denied), (name,)
    outcomes = Counter[str]()
    for lease in leases:
        outcomes.update(lease.compared)
    for outcome, count in outcomes.items():
        yield COMPARED, count, (name, OUTCOME.bounded(outcome))
    yield from of_jobs(survey)


def of_jobs(survey: Survey) -> Iterator[Figure]:
    """Return how far the jobs are, and what holds the next stage up."""
    name = survey.migration
    for view in survey.jobs:
        labels = (name, view.record.job.value)
        is_complete = view.record.status is JobStatus.COMPLETE
        yield SEGMENTS, view.record.segments, labels
        yield SEGMENTS_DONE, view.segments_done, labels
        yield JOB_COMPLETE, int(is_complete), labels
        yield JOB_CLEAN, int(is_complete and view.record.clean), labels
    for reader in survey.readers:
        yield LAG, reader.lag_seconds, (name, reader.reader.value)
        yield STRAY, reader.counts.get("stray", 0), (name, reader.reader.value)
    for finding in survey.up.findings if survey.up else ():
        yield GATES, int(finding.is_open), (name, finding.gate.value)
