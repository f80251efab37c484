"""A migration file together with a database that answers: what nearly every command works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from crossfade.aws.clients import endpoint_and_region
from crossfade.aws.own_calls import call
from crossfade.cdc.checking.tables import target_findings
from crossfade.cdc.migration import RowMigration
from crossfade.check import Finding
from crossfade.check.tables import table_findings
from crossfade.cli.connect import COORDINATOR_CONNECTIONS, connect, connect_to, described
from crossfade.cli.options import Where
from crossfade.cli.screen import Screen
from crossfade.control.records import State
from crossfade.control.store import Caller, Control
from crossfade.core.effects import Place, Reply, Request, Routine
from crossfade.core.stages import SIDES
from crossfade.drivers.scope import Scope
from crossfade.drivers.sync import SyncDriver
from crossfade.errors import ConfigurationError
from crossfade.jobs.session import here
from crossfade.migration import AnyMigration, Migration, load
from crossfade.tables import refuse_one_table

T = TypeVar("T")
Note = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """One migration of either kind, the clients for its tables, mostly one and the same, and whoever sits at the
    keyboard."""

    screen: Screen
    where: Where
    migration: AnyMigration
    clients: Mapping[Place, Any]
    caller: Caller

    @property
    def client(self) -> Any:
        """The client of the control table."""
        return self.clients["control"]

    @property
    def control(self) -> Control:
        place, mapping = endpoint_and_region(self.client), self.migration.mapping_digest
        return Control(self.migration.name, self.migration.control_table, place, mapping)

    def run(self, routine: Routine[T], note: Note | None = None) -> T:
        """Carry out a routine of the control plane."""
        driver = SyncDriver(self._call, note or _unheard)
        try:
            return driver.run(routine, Scope())
        finally:
            driver.close()

    def _call(self, place: Place, operation: str, request: Request) -> Reply:
        return call(self.clients[place], operation, request)

    def command(self, text: str) -> str:
        """Commands within a text as they must be typed here: with the file and the options that were given."""
        return self.screen.command(text)

    def state(self) -> State:
        """Raises NotStarted."""
        return self.run(self.control.state())

    def state_of_this_file(self) -> State:
        """The state, where it was started with this very migration. Raises NotStarted, ConfigurationError."""
        state = self.state()
        wrong = strangeness(self.migration, state)
        if wrong:
            raise ConfigurationError(
                wrong + "; nothing was changed",
                next_step="use the file that it was started with, or cancel it and start anew with this one",
            )
        return state

    def look_at_tables(self) -> None:
        """The tables are there, as the file declares them. Raises ConfigurationError."""
        raise NotImplementedError

    def description(self, table: str, place: Place = "target") -> dict[str, Any] | None:
        """What DynamoDB says of a table; None where there is none."""
        return described(self.clients[place], table)

    def refuse(self, findings: Iterable[Finding]) -> None:
        """Raises ConfigurationError for the first that is an error."""
        for finding in findings:
            if finding.severity == "error" and finding.code not in ONCE_THE_SOURCE_IS_GONE:
                raise ConfigurationError(
                    f"{finding.what}, at {endpoint_and_region(self.client)}", next_step=finding.next_step
                )


@dataclass(frozen=True, slots=True)
class OpenedTables(Opened):
    """An opened migration of two tables."""

    migration: Migration

    def refuse_one_table(self) -> None:
        """Raises ConfigurationError where both are the same one."""
        source = self.description(self.migration.source.name, "source")
        target = self.description(self.migration.target.name)
        refuse_one_table(self.migration.name, source or {}, target or {})

    def look_at_tables(self) -> None:
        """Both tables are there, with the keys and indexes that the file declares. Raises ConfigurationError."""
        source = self.description(self.migration.source.name, "source")
        target = self.description(self.migration.target.name)
        self.refuse(table_findings(self.migration, source, target))


@dataclass(frozen=True, slots=True)
class OpenedRows(Opened):
    """An opened migration of rows to one table."""

    migration: RowMigration

    def look_at_tables(self) -> None:
        """The target is there, and the table of parts where there are folds. Raises ConfigurationError."""
        self.refuse(target_findings(self.migration, self.description))

    def look_at_target(self) -> None:
        """The target is there; the table of parts may be gone. Raises ConfigurationError."""
        self.refuse(target_findings(self.migration, self.description, parts=False))

    def look_at_another(self, table: str) -> None:
        """A table in the place of the target is there, and one for its parts. Raises ConfigurationError."""
        self.refuse(target_findings(self.migration, self.description, into=table))


# Errors of a check that may be corrected, or meant, while the migration goes on.
ONCE_THE_SOURCE_IS_GONE: Final = frozenset({"index-projection"})


def open_migration(
    screen: Screen, where: Where, *, workers: int = COORDINATOR_CONNECTIONS
) -> OpenedTables | OpenedRows:
    """Open a migration of either kind.

    Raises ConfigurationError for a file that is wrong, or a database that cannot be asked.
    """
    migration = load(where.file, AnyMigration)
    client = connect(where, migration.control_table, workers=workers)
    clients: dict[Place, Any] = {"source": client, "target": client, "control": client}
    if isinstance(migration, RowMigration):
        return OpenedRows(screen, where, migration, clients, here())
    assert isinstance(migration, Migration)  # noqa: S101 - there is no third kind
    for place in SIDES:
        if migration.table(place).is_placed:
            clients[place] = connect_to(where, migration.table(place), workers=workers)
    opened = OpenedTables(screen, where, migration, clients, here())
    if migration.source.name == migration.target.name:
        opened.refuse_one_table()
    return opened


def open_tables(screen: Screen, where: Where, meant: str, *, workers: int = COORDINATOR_CONNECTIONS) -> OpenedTables:
    """For a command that means two tables; of the other kind it says what is meant there. Raises ConfigurationError."""
    opened = open_migration(screen, where, workers=workers)
    if isinstance(opened, OpenedTables):
        return opened
    raise ConfigurationError(f"migration {opened.migration.name} is one of rows: {meant}", next_step="see docs/rows.md")


def open_rows(screen: Screen, where: Where, meant: str, *, workers: int = COORDINATOR_CONNECTIONS) -> OpenedRows:
    """For a command that means rows. Raises ConfigurationError."""
    opened = open_migration(screen, where, workers=workers)
    if isinstance(opened, OpenedRows):
        return opened
    raise ConfigurationError(f"migration {opened.migration.name} is one of two tables", next_step=meant)


def strangeness(migration: AnyMigration, state: State) -> str:
    """How a file differs from what its migration was started with; empty when it does not."""
    for what, started, here_ in (
        ("source", state.source, migration.source_name),
        ("target", state.target, migration.target_name),
        ("strategy", state.strategy, migration.strategy_name),
    ):
        if started != here_:
            return f"migration {migration.name} was started with the {what} {started}, and this file says {here_}"
    if state.fingerprint != migration.fingerprint:
        return (
            f"migration {migration.name} was started with another mapping"
            f" (fingerprint {state.fingerprint}, in this file {migration.fingerprint})"
        )
    return ""


def _unheard(name: str, facts: dict[str, Any]) -> None:
    del name, facts
