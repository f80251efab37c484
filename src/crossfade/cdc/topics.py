"""Which topics a migration of rows reads, and who fills them.

Our own capture fills those of `Kafka`. Those of `Debezium` and `DMS` are filled by others, and are theirs: crossfade
reads them and neither makes nor deletes any, but for the dead letters' own.

Nothing but a mark tells that all up to a moment is in topics that others fill. So their capture has to follow the
table of marks as well (`mysql/watermarks.py`), and whoever fills them sends marks and rows in the log's order into one
partition. Of two partitions it sends into each as fast as that one takes it: a mark in one says nothing of the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crossfade.cdc.changes import EPOCHS
from crossfade.errors import ConfigurationError

MARKS: Final = "crossfade_watermarks"  # the table of marks on the source
TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,150}")  # Kafka's own rule, with room for a schema and a table
PARTITIONS: Final = 12
PARTITIONS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Kafka:
    """Topics between the source's log and the target. Raises ConfigurationError.

    Changes go to the topic `name`, or with `one_a_table` each table's to `name.schema.table`; what cannot be applied
    goes to `name.dead`. The rest is for topics that are missing when they are needed: how many partitions, how many
    copies of each (-1: as the broker is set), and how long messages are kept (-1: for ever).
    """

    name: str
    one_a_table: bool = False
    partitions: int = PARTITIONS
    replication: int = -1
    retention_seconds: int = -1

    def __post_init__(self) -> None:
        _check_name("Kafka", self.name)
        partitions: Any = self.partitions
        if type(partitions) is not int or not 1 <= partitions <= PARTITIONS_MAX:
            raise ConfigurationError(f"Kafka: partitions={partitions!r} is no number from 1 to {PARTITIONS_MAX}")
        _check_numbers("Kafka", replication=self.replication, retention_seconds=self.retention_seconds)

    @property
    def dead_letters(self) -> str:
        """The topic of what could not be applied."""
        return f"{self.name}.dead"

    @property
    def shown(self) -> str:
        """The topics as people read it."""
        return f"the topic {self.name}"

    def names(self, tables: Sequence[str], marks_schema: str) -> tuple[str, ...]:  # noqa: ARG002  as of the others
        """The topics that are read, of these tables."""
        return tuple(f"{self.name}.{table}" for table in tables) if self.one_a_table else (self.name,)


@dataclass(frozen=True, slots=True)
class Debezium:
    """Topics that Debezium's connector for MySQL or MariaDB fills, as JSON. Raises ConfigurationError.

    `prefix` is the connector's `topic.prefix`: each table has the topic `prefix.schema.table`, and `offsets` names
    Kafka Connect's `offset.storage.topic`, which tells what of the log is in all of them (not with
    `exactly.once.source.support`, whose markers nobody applies). Or a router (RegexRouter)
    brings all tables into one `topic`. The connector follows the table of marks too (`table.include.list`). `epoch`
    counts up whenever it is pointed to another server, or its server's log begins anew. `dead_letters`: the topic of
    what cannot be applied, by default `prefix.dead`; `replication` and `retention_seconds` are that one's.
    """

    prefix: str
    topic: str = ""
    offsets: str = ""
    epoch: int = 0
    dead_letters: str = ""
    replication: int = -1
    retention_seconds: int = -1

    def __post_init__(self) -> None:
        _check_name("Debezium", self.prefix)
        if bool(self.topic) == bool(self.offsets):
            raise ConfigurationError(
                "Debezium: one of topic= and offsets= is needed: else nothing tells when all is in the topics",
                next_step='offsets="connect-offsets" (the offset.storage.topic of Kafka Connect) for a topic a table;'
                ' topic="name" where a router brings all tables into one',
            )
        _check_name("Debezium", self.topic or self.offsets)
        _check_theirs(self, self.prefix)

    @property
    def shown(self) -> str:
        """The topics as people read it."""
        return f"Debezium's topic {self.topic or self.prefix + '.TABLE'}"

    def names(self, tables: Sequence[str], marks_schema: str) -> tuple[str, ...]:
        """The topics that are read, of these tables."""
        return (
            (self.topic,) if self.topic else (*(f"{self.prefix}.{each}" for each in tables), self.marks(marks_schema))
        )

    def marks(self, marks_schema: str) -> str:
        """The topic of the table of marks."""
        return self.topic or f"{self.prefix}.{marks_schema}.{MARKS}"


@dataclass(frozen=True, slots=True)
class DMS:
    """The topic that a task of AWS Database Migration Service fills, as JSON. Raises ConfigurationError.

    `topic` is that of the endpoint (`Topic`), which takes all tables, the table of marks among them. A topic a table
    is not read: nothing tells there when all of the log is in them. `epoch` counts up whenever the topic was made
    anew. `dead_letters`: the topic of what cannot be applied, by default `topic.dead`; `replication` and
    `retention_seconds` are that one's.
    """

    topic: str
    epoch: int = 0
    dead_letters: str = ""
    replication: int = -1
    retention_seconds: int = -1

    def __post_init__(self) -> None:
        _check_name("DMS", self.topic)
        _check_theirs(self, self.topic)

    @property
    def shown(self) -> str:
        """The topic as people read it."""
        return f"the topic {self.topic} of AWS DMS"

    def names(self, tables: Sequence[str], marks_schema: str) -> tuple[str, ...]:  # noqa: ARG002  as of the others
        """The topics that are read, of these tables."""
        return (self.topic,)


Theirs = Debezium | DMS
AnyTopics = Kafka | Debezium | DMS


def _check_theirs(declared: Theirs, name: str) -> None:
    """What both have; and the default of what was left out."""
    kind, epoch = type(declared).__name__, declared.epoch
    given: Any = epoch
    if type(given) is not int or not 0 <= given < EPOCHS:
        raise ConfigurationError(f"{kind}: epoch={given!r} is no number from 0 to {EPOCHS - 1}")
    object.__setattr__(declared, "dead_letters", declared.dead_letters or f"{name}.dead")
    _check_name(kind, declared.dead_letters)
    _check_numbers(kind, replication=declared.replication, retention_seconds=declared.retention_seconds)


def _check_name(kind: str, name: Any) -> None:
    if not isinstance(name, str) or not TOPIC_NAME.fullmatch(name):
        raise ConfigurationError(f"{kind}: {name!r} is no name of a topic: up to 150 letters, digits, '.', '_' or '-'")


def _check_numbers(kind: str, **numbers: Any) -> None:
    for what, given in numbers.items():
        if type(given) is not int or not (given == -1 or given > 0):
            raise ConfigurationError(f"{kind}: {what}={given!r} is neither -1 nor a number above 0")
