"""The table of metrics: of each its name, kind, unit, labels and what it means.

Every exporter takes all it says from here, docs/metrics.md is printed from it (`python -m scripts.print_metrics`), and
so are dashboards and rules to be. A row has one name, from which each system's own follows: `crossfade.mirror.delay` in
seconds is `crossfade_mirror_delay_seconds` to Prometheus and `MirrorDelay` to CloudWatch.

A label has few values. Those that are known are listed, and any other is "other"; the rest is what an application
configures: migrations, and the tables that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crossfade.core.read.passthrough import DESCRIBING, SETTING
from crossfade.core.request.error_codes import ERROR_CODES
from crossfade.core.request.names import READS, WRITES
from crossfade.core.stages import Stage
from crossfade.observe.events import NOTED, Compared, FallbackHit, MirrorLost

OTHER: Final = "other"


class Kind(StrEnum):
    """How values add up."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Unit(StrEnum):
    """What is counted, as OpenTelemetry writes it (UCUM)."""

    SECONDS = "s"
    CALLS = "{call}"
    REQUESTS = "{request}"
    MIRRORS = "{mirror}"
    COMPARISONS = "{comparison}"
    EVENTS = "{event}"
    UNITS = "{unit}"
    CLIENTS = "{client}"
    SEGMENTS = "{segment}"
    PERCENT = "%"
    YES_OR_NO = "1"


@dataclass(frozen=True, slots=True, eq=False)  # each is itself, and quickly found
class Label:
    """`otel`: its name in OpenTelemetry, where a semantic convention has one. No values: what is configured."""

    name: str
    help: str
    values: frozenset[str] = frozenset()
    otel: str = ""

    @property
    def otel_name(self) -> str:
        return self.otel or f"crossfade.{self.name}"

    def bounded(self, value: str) -> str:
        """Return the value, or "other"."""
        return value if not self.values or value in self.values else OTHER


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One row. `across`: how a gauge of several processes adds up; `otel`: as for a label; `dimensions`: the labels
    that CloudWatch gets, where each combination of values is a metric that is paid for."""

    name: str
    kind: Kind
    unit: Unit
    help: str
    labels: tuple[Label, ...]
    dimensions: tuple[Label, ...]
    buckets: tuple[float, ...] = ()
    across: str = "sum"
    otel: str = ""

    @property
    def otel_name(self) -> str:
        return self.otel or self.name

    @property
    def prometheus_name(self) -> str:
        """The name under which it is scraped, without what a histogram adds."""
        name = self.name.replace(".", "_")
        name += "_seconds" if self.unit is Unit.SECONDS else ""
        return f"{name}_total" if self.kind is Kind.COUNTER else name

    @property
    def cloudwatch_name(self) -> str:
        words = self.name.replace("_", ".").split(".")[1:]
        return "".join(word.capitalize() for word in words)


# From a tenth of what DynamoDB takes for an item to where most clients give up. OpenTelemetry's own boundaries are for
# milliseconds: in seconds all calls would be in the first.
CALL_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ADDED_BUCKETS: Final = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0)
DELAY_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)

# What may come of a request, beside DynamoDB's codes.
ELSEWISE: Final = frozenset(
    {
        "TransactionCanceledException",
        "ResourceNotFoundException",
        "NotPossibleInStage",
        "StageUncertain",
        "UnknownOutcome",
        "ReadTimeoutError",
        "ConnectTimeoutError",
        "EndpointConnectionError",
        "ConnectionClosedError",
    }
)
HAVE_METRICS: Final = {kind.name for kind in (Compared, FallbackHit, MirrorLost)}
SIDES: Final = ("source", "target", "control", "both")
COMPARE_OUTCOMES: Final = frozenset(
    {"matching", "missing", "extra", "mismatched", "expiring", "in_flight", "ignored", "dropped", "error"}
)

MIGRATION: Final = Label("migration", "the migration's name")
TABLE: Final = Label("table", "the table that the application names", otel="db.collection.name")
OPERATION: Final = Label(
    "operation",
    "DynamoDB's name of the operation",
    READS | WRITES | DESCRIBING | SETTING,
    otel="db.operation.name",
)
STAGE: Final = Label("stage", "the stage that it obeys", frozenset(Stage))
SIDE: Final = Label(
    "side", "whose table: the control table counts as one", frozenset({"source", "target", "control", "both"})
)
ERROR: Final = Label(
    "error",
    'DynamoDB\'s code, or the name of an exception; "" where it went well',
    frozenset(row.code for row in ERROR_CODES) | ELSEWISE | {""},
    otel="error.type",
)
OUTCOME: Final = Label("outcome", "what came of it", COMPARE_OUTCOMES)
WORK_OUTCOME: Final = Label("outcome", "whether it came to its end", frozenset({"done", "failed"}))
FALLBACK_OUTCOME: Final = Label("outcome", "what came of it", frozenset({"copied", "failed", "another", "there"}))
EVENT: Final = Label("event", "its name", frozenset(NOTED) - HAVE_METRICS)

CALLS: Final = Metric(
    "crossfade.calls",
    Kind.COUNTER,
    Unit.CALLS,
    "Calls of the application, by the side that decides in the stage they obeyed",
    (MIGRATION, OPERATION, SIDE, STAGE, ERROR),
    (MIGRATION, SIDE),
)
CALL_DURATION: Final = Metric(
    "crossfade.call.duration",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    "How long a call of the application took until its answer, with all attempts",
    (MIGRATION, OPERATION, TABLE, STAGE, ERROR),
    (MIGRATION, OPERATION),
    CALL_BUCKETS,
    otel="db.client.operation.duration",
)
CALL_ADDED: Final = Metric(
    "crossfade.call.added",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    "What a call spent within crossfade: beside the caller's own request, or all of it where crossfade made others",
    (MIGRATION, OPERATION, STAGE),
    (MIGRATION, OPERATION),
    ADDED_BUCKETS,
)
REQUESTS: Final = Metric(
    "crossfade.requests",
    Kind.COUNTER,
    Unit.REQUESTS,
    "Requests that crossfade made itself, attempt by attempt",
    (MIGRATION, OPERATION, SIDE, ERROR),
    (MIGRATION, SIDE),
)
THROTTLES: Final = Metric(
    "crossfade.throttles",
    Kind.COUNTER,
    Unit.REQUESTS,
    "Calls and requests of crossfade's own that DynamoDB refused for their load",
    (MIGRATION, OPERATION, SIDE),
    (MIGRATION, SIDE),
)
CONFLICTS: Final = Metric(
    "crossfade.conflicts",
    Kind.COUNTER,
    Unit.REQUESTS,
    "Calls and requests of crossfade's own that met a transaction under way, or were cancelled",
    (MIGRATION, OPERATION, SIDE),
    (MIGRATION, SIDE),
)
UNITS: Final = Metric(
    "crossfade.units",
    Kind.COUNTER,
    Unit.UNITS,
    "Read and write units that crossfade's own requests consumed",
    (MIGRATION, OPERATION, SIDE),
    (MIGRATION, SIDE),
)
MIRRORS: Final = Metric(
    "crossfade.mirrors",
    Kind.COUNTER,
    Unit.MIRRORS,
    "Mirrors that have ended; several writes of one key may have one",
    (MIGRATION, WORK_OUTCOME),
    (MIGRATION, WORK_OUTCOME),
)
MIRRORS_LOST: Final = Metric(
    "crossfade.mirrors.lost",
    Kind.COUNTER,
    Unit.MIRRORS,
    "Mirrors that will not be made: each needs a verify",
    (MIGRATION,),
    (MIGRATION,),
)
MIRROR_RETRIES: Final = Metric(
    "crossfade.mirror.retries",
    Kind.COUNTER,
    Unit.MIRRORS,
    "How often a mirror waited, to be tried again",
    (MIGRATION,),
    (MIGRATION,),
)
MIRROR_DELAY: Final = Metric(
    "crossfade.mirror.delay",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    "How long after its write was answered a mirror was done",
    (MIGRATION,),
    (MIGRATION,),
    DELAY_BUCKETS,
)
MIRRORS_WAITING: Final = Metric(
    "crossfade.mirrors.waiting",
    Kind.GAUGE,
    Unit.MIRRORS,
    "Mirrors that have not ended",
    (MIGRATION,),
    (MIGRATION,),
)
MIRROR_OLDEST: Final = Metric(
    "crossfade.mirror.oldest",
    Kind.GAUGE,
    Unit.SECONDS,
    "Age of the oldest mirror that has not ended",
    (MIGRATION,),
    (MIGRATION,),
    across="max",
)
COMPARES: Final = Metric(
    "crossfade.comparisons",
    Kind.COUNTER,
    Unit.COMPARISONS,
    "Comparisons of reads: missing, extra and mismatched are confirmed, in_flight and expiring are no differences",
    (MIGRATION, OUTCOME),
    (MIGRATION, OUTCOME),
)
FALLBACKS: Final = Metric(
    "crossfade.fallbacks",
    Kind.COUNTER,
    Unit.EVENTS,
    "Items that the source alone had in rampdown",
    (MIGRATION, FALLBACK_OUTCOME),
    (MIGRATION, FALLBACK_OUTCOME),
)
EVENTS: Final = Metric(
    "crossfade.events",
    Kind.COUNTER,
    Unit.EVENTS,
    "Events that have no metric of their own",
    (MIGRATION, EVENT),
    (MIGRATION, EVENT),
)
IN_STAGE: Final = Metric(
    "crossfade.stage",
    Kind.GAUGE,
    Unit.YES_OR_NO,
    "Which stage: 1 for the one that the process is in, else 0; added up, how many clients are in each",
    (MIGRATION, STAGE),
    (MIGRATION, STAGE),
)
HOLDS_LEASE: Final = Metric(
    "crossfade.lease",
    Kind.GAUGE,
    Unit.YES_OR_NO,
    "Whether the process holds its lease, without which it writes nothing",
    (MIGRATION,),
    (MIGRATION,),
    across="min",
)
PENDING: Final = Metric(
    "crossfade.pending",
    Kind.GAUGE,
    Unit.CALLS,
    "Operations and mirrors of the process that have not ended",
    (MIGRATION,),
    (MIGRATION,),
)

METRICS: Final = (
    CALLS,
    CALL_DURATION,
    CALL_ADDED,
    REQUESTS,
    THROTTLES,
    CONFLICTS,
    UNITS,
    MIRRORS,
    MIRRORS_LOST,
    MIRROR_RETRIES,
    MIRROR_DELAY,
    MIRRORS_WAITING,
    MIRROR_OLDEST,
    COMPARES,
    FALLBACKS,
    EVENTS,
    IN_STAGE,
    HOLDS_LEASE,
    PENDING,
)
