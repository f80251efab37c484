"""What the control table holds: one item a record, and the only place that knows their form.

    key: migration (S), record (S)
    state                       the migration: its stage and epoch
    client#ID                   the lease of one client
    job#NAME                    who runs a job (backfill, verify, replication), or what came of it
    segment#backfill#0007       how far one segment of a job has come
    reader#NAME                 who reads the tables' change streams (watch, replication), and how far behind
    shard#watch#source#ID       how far one shard of a stream has been read
    fallback                    how often clients found in rampdown what only the source has
    fallback#3                  one of the last of these
    refusal#5c0e                a kind of call that clients see served, and that a later stage refuses
    mark#00000003               why `unclean` was raised to that number, and since when something may be undone
    difference#5c0e             a key that stays different, as a comparison or a watch has seen it
    repair#ID#5c0e              a key that one client has begun to write, until both stores hold the same under it
    carrier                     how far what carries the source's log to the target has come
    fence                       what the carrier has to pass before the authority moves
    capture#NAME                how far a reader of the source's log has published it
    capture#schema              the last change of a table's columns that such a reader has met
    journal#00000012            what was done, by whom, when and why

Parsing is exact: an attribute that is missing or of another type is an error with its name, never a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeVar

from crossfade.core.items import Item
from crossfade.core.stages import Stage

PARTITION_KEY: Final = "migration"
SORT_KEY: Final = "record"
STATE: Final = "state"
CLIENTS: Final = "client#"
JOBS: Final = "job#"
SEGMENTS: Final = "segment#"
READERS: Final = "reader#"
SHARDS: Final = "shard#"
JOURNAL: Final = "journal#"
FALLBACK: Final = "fallback"
REFUSALS: Final = "refusal#"
MARKS: Final = "mark#"
DIFFERENCES: Final = "difference#"
REPAIRS: Final = "repair#"
CARRIER: Final = "carrier"
FENCE: Final = "fence"
CAPTURES: Final = "capture#"
SCHEMA: Final = CAPTURES + "schema"  # listed with them

Record = TypeVar("Record")


class Role(StrEnum):
    APP = "app"
    BACKFILL = "backfill"
    VERIFY = "verify"
    REPLICATION = "replication"
    ETL = "etl"
    WATCH = "watch"
    SETTLE = "settle"


class Job(StrEnum):
    BACKFILL = "backfill"
    VERIFY = "verify"
    REPLICATION = "replication"


class Reader(StrEnum):
    """The jobs that read change streams."""

    WATCH = "watch"
    REPLICATION = "replication"


class JobStatus(StrEnum):
    RUNNING = "running"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class State:
    """The migration. Every change raises `journal_length`, which is therefore its optimistic lock."""

    stage: Stage
    epoch: int
    ramp_percent: int
    strategy: str
    source: str
    target: str
    fingerprint: str
    unclean: int  # how often something may have been left undone; a later verify answers for it, or what follows
    journal_length: int
    started_at: str
    changed_at: str
    settled_base: int = 0  # what was left undone by those counted above this, up to the next number, has been done
    settled: int = 0
    beat_seconds: float = 0.0  # the pause between two beats of an application; 0: as each is set


@dataclass(frozen=True, slots=True)
class Lease:
    """One client. It lives as long as its `beat` grows."""

    client: str
    role: Role
    host: str
    pid: int
    fingerprint: str
    beat: int
    epoch: int  # acknowledged: entered, and everything from before it has drained; 0 is none yet
    lease_seconds: float
    landing_seconds: float
    lost_mirrors: int
    lost_example: str
    mapping: str = ""  # the digest of the one that it applies, where that may change
    reads_only: bool = False  # it writes into neither table, so nothing of it can be left undone
    token: str = ""  # of the renewal behind this beat: whoever has not sent it may not renew
    adopted: int = 0  # the epoch that its new operations obey, with its stage; from these a lost state is put back
    stage: str = ""
    ramp_percent: int = 0
    denied: str = ""  # what it may do on one table and not on the other, as far as it has tried
    compared: dict[str, int] = field(default_factory=dict[str, int])  # comparisons of reads so far, by their outcome
    failing: str = ""  # that its comparisons fail of late, and why
    open_since: int = 0  # from before the oldest of what has not ended, by the service's clock; 0 for not known
    at_rest: bool = False  # nothing that it has begun to write is open, and it writes nothing before this is taken back

    @property
    def gone_after_seconds(self) -> float:
        """How long the same beat must be seen before nothing of this client can land any more."""
        return self.lease_seconds + (0.0 if self.at_rest else self.landing_seconds)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job's run. `unclean`, `backfill_run`, `mapping` and `schema` are those when it began: they say what a verify
    can answer for."""

    job: Job
    status: JobStatus
    owner: str  # client id
    run: str  # one token a run: checkpoints of an earlier run do not count
    who: str
    host: str
    pid: int
    segments: int
    unclean: int
    backfill_run: str  # the run of the complete backfill when this began; "" when there was none
    clean: bool  # found nothing (verify)
    counts: dict[str, int]
    started_at: str
    finished_at: str
    mapping: str = ""  # the digest of the one that it ran with, where that may change
    schema: str = ""  # the last change of a table's columns that had been met; "" for none


@dataclass(frozen=True, slots=True)
class SegmentCheckpoint:
    """How far one segment has come. `last_key` is the last key that is done: an ExclusiveStartKey, or None.

    `serial` grows with every write, so that one which lands late changes nothing.
    """

    job: Job
    number: int
    owner: str
    run: str
    serial: int
    last_key: Item | None
    done: bool
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class StreamReader:
    """One reader of change streams. `serial` grows with every write, so that one which lands late changes nothing."""

    reader: Reader
    owner: str  # client id, or the token of one run
    run: str  # one token a beginning: positions of an earlier one do not count
    serial: int
    who: str
    host: str
    pid: int
    source_stream: str  # ARN
    target_stream: str  # ARN; "" when it is not read
    discovered_at: int  # seconds since 1970: all shards that were there before then are known
    caught_up_at: str  # when it was last less than a few seconds behind; "" for not yet
    lag_seconds: float  # the age of the last change that was dealt with, where more are waiting; -1 for not known yet
    beat: int  # of the owner's lease at this report; 0 where there is none
    counts: dict[str, int]
    started_at: str


@dataclass(frozen=True, slots=True)
class ShardPosition:
    """How far a shard has been read. `sequence_number` is opaque; "" stands for the shard's beginning.

    `since`: nothing in this shard is older (seconds since 1970). What it held and has dropped is younger, then.
    """

    reader: Reader
    side: str
    shard: str
    run: str
    sequence_number: str
    finished: bool
    since: int


@dataclass(frozen=True, slots=True)
class FallbackTotal:
    """What clients have found in the source alone since rampdown was entered. Times are seconds since 1970."""

    count: int
    since: int  # when rampdown was entered
    last_at: int  # of the last hit; 0 for none


@dataclass(frozen=True, slots=True)
class FallbackSample:
    """One hit, never with a value of the item. There are a few slots; a key always takes the same one."""

    slot: int
    key: str  # as people read it
    at: int  # seconds since 1970, by the clock of the client
    outcome: str  # copied, failed, another (has its key), or there (a write made a new item without it)
    client: str
    host: str
    pid: int


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """A kind of call that is served, and that later stages refuse or slow down, or that should not span the move to
    one."""

    kind: str  # what tells it from others: a digest
    operation: str
    table: str
    index: str  # "" for none
    stages: str  # these, with commas
    reason: str
    next_step: str
    count: int
    last_at: int  # seconds since 1970, by the clock of the client that saw it last
    client: str
    host: str
    pid: int
    is_served: bool = False  # in these stages too
    is_slow: bool = False  # slower there

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(self.stages.split(", "))

    @property
    def effect(self) -> str:
        """What becomes of it in these stages, before their names."""
        if self.is_slow:
            return "limited in"
        return "should not span the move to" if self.is_served else "refused in"

    @property
    def refused_in(self) -> tuple[str, ...]:
        return () if self.is_served else self.stage_names


@dataclass(frozen=True, slots=True)
class UncleanMark:
    """One client that ended unfinished, or lost a mirror. `number` is what `unclean` was raised to."""

    number: int
    client: str
    host: str
    pid: int
    since: int  # what it left undone is of then or later, in seconds since 1970 by the service's clock; 0: not known
    landing_seconds: float  # for how long after the mark something of it may still land
    started_at: str  # the state's: one that was put back, or begun anew, has none of the marks before it
    why: str


@dataclass(frozen=True, slots=True)
class DifferenceRecord:
    """A key under which both sides stay different, seen since a verify began."""

    digest: str  # of the key
    key: str  # as it is told
    kind: str  # missing, extra or mismatched in the target
    seen_by: str  # a comparison, or a watch
    at: int  # seconds since 1970, by the clock of that process
    client: str
    host: str
    pid: int
    verify_run: str  # the last verify that had begun; "" for none


@dataclass(frozen=True, slots=True)
class RepairRecord:
    """A key that one client has begun to write, or could not mirror. It is deleted, by its `serial`, when both stores
    hold the same under it."""

    client: str
    digest: str  # of the key, which may be longer than a part of a record's name should be
    key: str  # as text that leads back to it
    serial: str  # one token each time it is put, so that a deletion which lands late deletes nothing newer
    reason: str  # "" while a write or its mirror is under way; else why the mirror failed


@dataclass(frozen=True, slots=True)
class CarrierRecord:
    """What carries the source's log to the target, as it reports itself. `serial` grows with every report.

    `applied`: all up to this position of the log is in the target; texts compare as positions do. `passed`: the token
    of the last fence that it knows to lie behind it. Either is enough.
    """

    owner: str  # client id; "" where none has reported yet
    serial: int
    applied: str
    passed: str
    lag_seconds: float  # -1 for not known yet
    reported_at: str
    lag_events: int = -1  # -1 for not known yet
    letters: int = 0  # what could not be applied and waits to be tried again
    has_workers: bool = False  # others apply what it carries, from topics
    letters_why: str = ""  # the most frequent reasons of these letters


@dataclass(frozen=True, slots=True)
class FenceRecord:
    """The end of the source's log, taken when nobody wrote any more.

    `position` is "" where the carrier is to ask the source for it, after it has seen this record.
    """

    token: str
    epoch: int  # of the freeze that it belongs to
    position: str
    taken_at: str


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """How far one reader of the source's log has come. `serial` grows with every write.

    `position` and `snapshot` (how far a snapshot is; "" for none) are texts of the reader's own: all before them has
    been handed on, and is safe there.
    """

    name: str
    owner: str  # the token of one run
    serial: int
    position: str
    snapshot: str
    saved_at: str
    line: str = ""  # the token of whoever made the record: the serials of two tell nothing of each other


@dataclass(frozen=True, slots=True)
class SchemaRecord:
    """The last statement in the source's log that may have changed the columns of a table whose rows are carried.

    `change` tells it from others, and is the same whenever it is read again.
    """

    change: str
    table: str
    statement: str  # the beginning of it
    told_at: str


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One change of the state. By its `token` whoever made it knows it again when the answer was lost."""

    number: int
    token: str
    epoch: int
    what: str
    who: str
    host: str
    at: str
    why: str
    forced: bool
    stage: str = ""  # after it
    ramp_percent: int = 0
