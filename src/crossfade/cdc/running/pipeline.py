"""A migration of rows with the servers that it runs on: what each command is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from crossfade.cdc import kafka
from crossfade.cdc.applying import Destination
from crossfade.cdc.checkpoints import InControlTable
from crossfade.cdc.connecting import KafkaSettings
from crossfade.cdc.etl.progress import Progress, progress_of
from crossfade.cdc.etl.retrying import retry_group
from crossfade.cdc.etl.worker import Settings
from crossfade.cdc.kafka import KafkaFailed
from crossfade.cdc.migration import PARTS_SUFFIX, Kafka, RowMigration
from crossfade.cdc.publishing import Topics
from crossfade.cdc.rows import Rows
from crossfade.control.capturing import Captures
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
    """`client`: a DynamoDB client of botocore. `brokers`: None without Kafka."""

    migration: RowMigration
    client: Any
    caller: Caller
    run: Run
    brokers: KafkaSettings | None = None

    @property
    def control(self) -> Control:
        return Control(self.migration.name, self.migration.control_table)

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
    def declared(self) -> Kafka:
        assert self.migration.topics is not None  # noqa: S101 - the caller has looked
        return self.migration.topics

    @property
    def kafka(self) -> KafkaSettings:
        assert self.brokers is not None  # noqa: S101 - the caller has looked
        return self.brokers

    @property
    def topics(self) -> Topics:
        return Topics(self.declared.name, self.migration.tables, self.declared.one_a_table)

    def etl(self, past_removals: frozenset[str] = frozenset()) -> Settings:
        return Settings(
            self.kafka,
            self.migration.group,
            self.topics.names,
            self.declared.dead_letters,
            commit_seconds=COMMIT_SECONDS,
            past_removals=past_removals,
        )

    def missing_topics(self) -> list[str]:
        """Waits for brokers that are away for a moment. Raises KafkaFailed where they cannot be asked."""
        client = kafka.admin(self.kafka)
        try:
            there = kafka.patiently(lambda: client.list_topics(timeout=kafka.ANSWER_SECONDS)).topics
        except kafka.library().KafkaException as error:
            raise kafka.failed("Kafka cannot be asked for its topics", error) from error
        return [name for name in (*self.topics.names, self.declared.dead_letters) if name not in there]

    def create_topics(self) -> None:
        """Those that are missing. Raises KafkaFailed."""
        declared = self.declared
        how: dict[str, int] = {
            "replication": declared.replication,
            "retention_seconds": declared.retention_seconds,
        }
        kafka.create_topics(self.kafka, self.topics.names, partitions=declared.partitions, **how)
        kafka.create_topics(self.kafka, [declared.dead_letters], partitions=1, **how)

    def refuse_without_topics(self) -> None:
        """Raises KafkaFailed."""
        missing = self.missing_topics()
        if missing:
            raise KafkaFailed(
                f"there is no topic {', '.join(missing)}",
                next_step="crossfade backfill --execute, which makes them; or make them yourself, never compacted",
            )

    def progress(self) -> Progress:
        """Of the group that applies. Raises KafkaFailed."""
        return progress_of(self.kafka, self.migration.group, self.topics.names, wall=time.time)

    def letters_left(self) -> int:
        """Dead letters that nobody has dealt with. Raises KafkaFailed."""
        group, topics = retry_group(self.etl()), [self.declared.dead_letters]
        return progress_of(self.kafka, group, topics, wall=time.time).lag_events
