"""A migration of rows with the servers that it runs on: what each command is made of."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import InControlTable
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.etl.progress import UNKNOWN, Progress, progress_of
from crossfade.cdc.etl.reading import Reading, reading_of
from crossfade.cdc.etl.reasons import frequent_reasons
from crossfade.cdc.etl.retrying import retry_group
from crossfade.cdc.etl.worker import Settings
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.migration import PARTS_SUFFIX, RowMigration
from crossfade.cdc.mysql.schema import SourceTable, read_table
from crossfade.cdc.mysql.source import Source
from crossfade.cdc.publishing import Topics
from crossfade.cdc.rows import Rows
from crossfade.cdc.topics import AnyTopics, Debezium, Kafka
from crossfade.control.capturing import Captures
from crossfade.control.carrying import Carriage
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Routine

LOG: Final = "log"  # the name of the capture: a migration has one
# Of a freeze, which waits for all three in turn, and lasts for 4 s at most.
HEARTBEAT_SECONDS: Final = 0.25
MARK_SECONDS: Final = 0.5
COMMIT_SECONDS: Final = 0.25

Run = Callable[[Routine[Any]], Any]
"""Carries out a routine against the control table, and waits for it; from any thread."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`client`: a DynamoDB client of botocore. `brokers`: None without Kafka. `source`: for
    topics that others fill, whose messages do not tell all of a table."""

    migration: RowMigration
    client: Any
    caller: Caller
    run: Run
    brokers: KafkaSettings | None = None
    source: Source | None = None

    @property
    def control(self) -> Control:
        return Control(self.migration.name, self.migration.control_table, mapping=self.migration.mapping_digest)

    @property
    def captures(self) -> Captures:
        return Captures(self.control, LOG, self.caller.clock)

    def checkpoints(self) -> InControlTable:
        return InControlTable(self.captures, self.run)

    def destination(self, table: str = "") -> Destination:
        """The target; or another table like it, with a table of parts of its own."""
        migration = self.migration
        if not table:
            return Destination(migration.rows, migration.parts_table)
        target = replace(migration.target, name=table)
        rows = Rows(target, migration.rows.singles, migration.rows.folds)
        return Destination(rows, f"{table}{PARTS_SUFFIX}")

    # --- with Kafka

    @property
    def declared(self) -> AnyTopics:
        assert self.migration.topics is not None  # noqa: S101 - the caller has looked
        return self.migration.topics

    @property
    def kafka(self) -> KafkaSettings:
        assert self.brokers is not None  # noqa: S101 - the caller has looked
        return self.brokers

    @property
    def debezium(self) -> Debezium | None:
        return self.declared if isinstance(self.declared, Debezium) else None

    @property
    def theirs(self) -> bool:
        """Whether others fill the topics."""
        return self.migration.topics is not None and not isinstance(self.migration.topics, Kafka)

    @property
    def topics(self) -> Topics:
        """The topics that our own capture writes to."""
        assert isinstance(self.declared, Kafka)  # noqa: S101 - it runs for no others
        return Topics(self.declared.name, self.migration.tables, self.declared.one_a_table)

    @property
    def topic_names(self) -> tuple[str, ...]:
        """The topics that are read."""
        return self.migration.topic_names

    def reading(self) -> Reading:
        """What their messages tell. It asks the source for tables where messages do not tell enough.

        Raises SourceError.
        """
        return reading_of(self.migration, self._tables_of_source)

    def _tables_of_source(self) -> list[SourceTable]:
        assert self.source is not None  # noqa: S101 - whoever made this has looked
        with self.source.connect() as connection:
            return [read_table(connection, name) for name in self.migration.tables]

    def etl(self, past_removals: Collection[str] = (), past_gaps: Collection[str] = ()) -> Settings:
        return Settings(
            self.kafka,
            self.migration.group,
            self.topic_names,
            self.declared.dead_letters,
            commit_seconds=COMMIT_SECONDS,
            past_removals=frozenset(past_removals),
            past_gaps=frozenset(past_gaps),
        )

    def missing_topics(self) -> list[str]:
        """Waits for brokers that are away for a moment. Raises KafkaFailed where they cannot be asked."""
        client = kafka.admin(self.kafka)
        try:
            there = kafka.patiently(lambda: client.list_topics(timeout=kafka.ANSWER_SECONDS)).topics
        except kafka.library().KafkaException as error:
            raise kafka.failed("Kafka cannot be asked for its topics", error) from error
        return [name for name in (*self.topic_names, self.declared.dead_letters) if name not in there]

    def create_topics(self) -> None:
        """Create those of our topics that are missing. Raises KafkaFailed."""
        declared = self.declared
        how: dict[str, int] = {
            "replication": declared.replication,
            "retention_seconds": declared.retention_seconds,
        }
        if isinstance(declared, Kafka):
            kafka.create_topics(self.kafka, self.topics.names, partitions=declared.partitions, **how)
        kafka.create_topics(self.kafka, [declared.dead_letters], partitions=1, **how)

    def refuse_without_topics(self) -> None:
        """Raises KafkaFailed."""
        missing = self.missing_topics()
        if missing:
            raise KafkaFailed(f"there is no topic {', '.join(missing)}", next_step=self._making(missing))

    def see_to_topics(self) -> None:
        """Refuse where any is missing. Where others fill them, no backfill of ours makes the dead letters' own: it is
        made here. Raises KafkaFailed."""
        if self.theirs and self.missing_topics() == [self.declared.dead_letters]:
            self.create_topics()
        self.refuse_without_topics()

    def _making(self, missing: list[str]) -> str:
        if self.theirs and missing != [self.declared.dead_letters]:
            return f"see to it that {self.declared.shown} is filled: `crossfade check` tells what is missing"
        return "crossfade backfill --execute, which makes them; or make them yourself, never compacted"

    def progress(self) -> Progress:
        """Return the progress of the group that applies. Raises KafkaFailed."""
        return progress_of(self.kafka, self.migration.group, self.topic_names, wall=time.time)

    def lag_seconds(self) -> float:
        """How far behind the group is, for whoever asks once; -1 where nobody knows. Raises KafkaFailed."""
        if self.debezium is None or not self.debezium.offsets:
            return self.progress().lag_seconds
        carriage: Carriage | None = self.run(Carriage.read(self.control))  # else it takes more than one look
        return carriage.carrier.lag_seconds if carriage is not None and carriage.runs else UNKNOWN

    def letters_left(self) -> int:
        """Dead letters that nobody has dealt with. Raises KafkaFailed."""
        group, topics = retry_group(self.etl()), [self.declared.dead_letters]
        return progress_of(self.kafka, group, topics, wall=time.time).lag_events

    def letters_why(self) -> str:
        """The most frequent reasons of these, with their counts. Raises KafkaFailed."""
        return frequent_reasons(self.etl())
