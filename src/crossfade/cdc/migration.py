"""A migration file for rows: from tables of MySQL to one table of DynamoDB.

    from crossfade import Table
    from crossfade.cdc import Child, Kafka, MySQL, RowMigration

    migration = RowMigration(
        name="shop",
        source=MySQL(server_id=7001),
        target=Table("shop", key={"pk": "S", "sk": "S"}),
        topics=Kafka("shop"),
    )

    @migration.table("shop.customers")
    def customer(row):
        return {"pk": f"customer#{row['id']}", "sk": "profile", "name": row["name"]}

Where the servers are and who asks is not in it (`connecting.py`): one file serves every environment, and holds no
secret. Loading it takes neither a driver of MySQL nor one of Kafka.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from crossfade.cdc.digest import digest_of
from crossfade.cdc.rows import Attributes, Child, Function, Rows
from crossfade.cdc.topics import DMS, AnyTopics, Debezium, Kafka
from crossfade.control.freezing import fingerprint_of_switch
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.errors import ConfigurationError
from crossfade.migration import AnyMigration, Table, check_migration_name, check_table_name

SERVER_IDS: Final = 2**32
SCHEMA_CHARACTERS_MAX: Final = 64
PARTS_SUFFIX: Final = "-parts"


@dataclass(frozen=True, slots=True)
class MySQL:
    """A server of MySQL or MariaDB as a source. Raises ConfigurationError.

    `server_id`: any number from 1 to 4294967295 that no server of its group and no other reader of its log has.
    `marks`: the schema in which a small table of marks may be written to; by default that of the first table.
    """

    server_id: int
    marks: str = ""

    def __post_init__(self) -> None:
        given: Any = self.server_id
        if type(given) is not int or not 1 <= given < SERVER_IDS:
            raise ConfigurationError(
                f"MySQL: server_id={given!r} is no number from 1 to {SERVER_IDS - 1}",
                next_step="choose one that no server and no replica of the source has: SHOW REPLICAS lists them",
            )
        marks: Any = self.marks
        if not isinstance(marks, str) or "." in marks or len(marks) > SCHEMA_CHARACTERS_MAX:
            raise ConfigurationError(f"MySQL: marks={marks!r} is no name of a schema")


@dataclass(frozen=True, slots=True, eq=False)
class RowMigration(AnyMigration):
    """What a migration file for rows makes. Raises ConfigurationError.

    `topics` None: without Kafka, one process carries the log to the target; else `Kafka`, `Debezium` or `DMS`, by who
    fills them. `parts_table`: where the rows are kept of items that are made from several (`fold`); by default the
    target's name and "-parts". The application's `Switch(name, ...)` has the same name.
    """

    name: str
    source: MySQL
    target: Table
    topics: AnyTopics | None = None
    control_table: str = "crossfade"
    parts_table: str = ""
    rows: Rows = field(init=False, repr=False)
    _digest: str = field(init=False, repr=False, default="")  # once it was asked for: of the file as it was loaded

    def __post_init__(self) -> None:
        check_migration_name(self.name)
        for what, kind, how in (
            ("source", MySQL, "source=MySQL(server_id=7001)"),
            ("target", Table, 'target=Table("name", key={"pk": "S", "sk": "S"})'),
            ("topics", (Kafka, Debezium, DMS, type(None)), 'topics=Kafka("name"), Debezium(...), DMS(...) or None'),
        ):
            given: Any = getattr(self, what)
            if not isinstance(given, kind):
                raise ConfigurationError(f"migration {self.name}: {what}={given!r} is not of that kind", next_step=how)
        if self.target.is_placed:
            raise ConfigurationError(
                f"migration {self.name}: region=, account= and client= are for tables on both sides",
                next_step="leave them out: the target is where the commands are pointed at (--region, --profile)",
            )
        check_table_name(self.control_table, "control_table")
        parts = self.parts_table or f"{self.target.name}{PARTS_SUFFIX}"
        check_table_name(parts, "parts_table")
        if len({self.control_table, self.target.name, parts}) < 3:
            raise ConfigurationError(
                f"migration {self.name}: target, control_table and parts_table are not three different tables",
                next_step="leave control_table and parts_table out, or name a table of its own for each",
            )
        object.__setattr__(self, "parts_table", parts)
        object.__setattr__(self, "rows", Rows(self.target))

    # --- declaring

    def table(self, name: str) -> Callable[[Function], Function]:
        """Declare what a row of this table makes: `name` is the schema's and the table's, with a dot between."""
        return self.rows.table(name)

    def fold(self, name: str, *, into: Callable[..., Attributes], **children: Child) -> Callable[[Function], Function]:
        """Declare that a row of this table and the rows of its children make one item, under the key `into`."""
        return self.rows.fold(name, into=into, **children)

    def check_whole(self) -> None:
        if not self.rows.tables:
            raise ConfigurationError(
                f"migration {self.name}: no table is declared, so nothing would be carried",
                next_step='write a function for each table, under @migration.table("schema.table")',
            )
        _ = self.mapping_digest  # before the file can change

    # --- what it means

    @property
    def source_name(self) -> str:
        return f"{self.name} (rows)"

    @property
    def strategy_name(self) -> str:
        return FREEZE_STRATEGY

    @property
    def fingerprint(self) -> str:
        """The fingerprint of a Switch whose source's log is carried. A mapping may be corrected and replayed."""
        return fingerprint_of_switch("log")

    @property
    def mapping_digest(self) -> str:
        """What tells this mapping from one that makes other items."""
        if not self._digest:
            object.__setattr__(self, "_digest", digest_of(self.rows))
        return self._digest

    @property
    def tables(self) -> tuple[str, ...]:
        """The tables of the source, each with its schema."""
        return self.rows.tables

    @property
    def folds(self) -> bool:
        """Whether items are made from several rows, so that the parts table is needed."""
        return bool(self.rows.folds)

    @property
    def marks_schema(self) -> str:
        """The schema that holds the table of marks."""
        return self.source.marks or next(iter(self.tables), "").partition(".")[0]

    @property
    def topic_names(self) -> tuple[str, ...]:
        """The topics that are read; none without Kafka."""
        return () if self.topics is None else self.topics.names(self.tables, self.marks_schema)

    @property
    def group(self) -> str:
        """The consumer group of the workers."""
        return f"crossfade-{self.name}"
