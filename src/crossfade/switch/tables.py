"""The two tables of a migration as what a switch keeps equal: each entity is an item, and its key is the source's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, cast

import botocore.session
from botocore.exceptions import BotoCoreError

from crossfade.aws.clients import client_of, endpoint_and_region
from crossfade.control.starting import StartPlan
from crossfade.core.effects import Call, Now, Place, Routine
from crossfade.core.items import Item
from crossfade.core.mapping import Kind
from crossfade.core.stages import FREEZE_STRATEGY, SIDES, Side
from crossfade.core.sync import retry
from crossfade.core.sync.sync import sync
from crossfade.core.tables.pair import Pair
from crossfade.errors import ConfigurationError, CrossfadeError, NotPossibleInStage, ServiceRejected
from crossfade.jobs.connecting import landing_seconds_of, made_client, refuse_asynchronous
from crossfade.migration import Migration, Table
from crossfade.switch.mirror import SaveFailed
from crossfade.tables import refuse_elsewhere, refuse_one_table

TYPES: Final[dict[str, tuple[type, ...]]] = {"S": (str,), "N": (int, Decimal), "B": (bytes,)}


class TableMirror:
    """`Switch(name, old, new, {...}, control=client, mirror=TableMirror(migration))`: of a migration with the strategy
    `freeze`. Then the repositories need no methods of their own for it.

    The key of an entity is the key of an item of the source: a text, a number (int or Decimal) or bytes, as the table
    declares it; with a sort key, a tuple of both. `source`, `target`: clients of boto3 for crossfade's own requests; by
    default what the migration file makes, or one of the Region that it says.

    Raises ConfigurationError.
    """

    def __init__(self, migration: Migration, *, source: Any = None, target: Any = None) -> None:
        if migration.strategy != FREEZE_STRATEGY:
            raise ConfigurationError(
                f"TableMirror of migration {migration.name}: its strategy {migration.strategy} needs no Switch",
                next_step='crossfade.attach(client, migration), or strategy="freeze"',
            )
        self._migration = migration
        self.clients: Mapping[Place, Any] = {
            "source": _client(migration.source, source),
            "target": _client(migration.target, target),
        }
        for side in SIDES:
            self._refuse_elsewhere(side, {})
        self.landing_seconds = landing_seconds_of(self.clients)
        self._pair = Pair(
            migration.source,
            migration.target,
            migration.compiled,
            landing_seconds=self.landing_seconds,
            stamps_target=migration.stamps,
        )

    @property
    def carried(self) -> Literal["", "log"]:
        return ""

    @property
    def methods(self) -> tuple[str, ...]:
        return ()

    def plan(self, name: str) -> StartPlan:  # noqa: ARG002 - see KeepsEqual
        migration = self._migration
        return StartPlan(FREEZE_STRATEGY, migration.source_name, migration.target_name, migration.fingerprint)

    def control_table(self, name: str, given: str) -> str:
        """The migration file's. Raises ConfigurationError where the switch says something else than it."""
        migration = self._migration
        if name != migration.name or given not in ("", migration.control_table):
            raise ConfigurationError(
                f"the switch is of migration {name}, control table {given or migration.control_table}, and its mirror"
                f" of {migration.name}, {migration.control_table}",
                next_step="give both the same name, and leave control_table to the migration file",
            )
        return migration.control_table

    def _refuse_elsewhere(self, side: Side, description: Mapping[str, Any]) -> None:
        client = self.clients[side]
        place = endpoint_and_region(client)
        refuse_elsewhere(self._migration.table(side), str(client.meta.region_name), place, description)

    def look(self) -> Routine[None]:
        """See to it that each table is where it is said to be, and that they are two. Raises ConfigurationError.

        What may not be described is taken as it is said."""
        found: dict[Side, Mapping[str, Any]] = {}
        for side in SIDES:
            found[side] = yield from _description(side, self._migration.table(side).name)
            self._refuse_elsewhere(side, found[side])
        refuse_one_table(self._migration.name, found["source"], found["target"])

    def item_key(self, key: Any) -> Item:
        """The source's key of an entity. Raises NotPossibleInStage for what cannot be one."""
        declared = self._migration.source.key
        parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
        if len(parts) != len(declared):
            names = ", ".join(declared)
            raise NotPossibleInStage(
                f"{key!r} is no key of {self._migration.source.name}: {len(declared)} values are needed, {names}",
                next_step="key= gives a value, or of a table with a sort key a tuple of both",
            )
        return {name: self._value(name, kind, part) for (name, kind), part in zip(declared.items(), parts, strict=True)}

    def _value(self, name: str, kind: Kind, part: object) -> dict[str, Any]:
        if isinstance(part, bool) or not isinstance(part, TYPES[kind]):
            wanted = " or ".join(each.__name__ for each in TYPES[kind])
            raise NotPossibleInStage(
                f"{part!r} is no {name} of {self._migration.source.name}: its type is {kind}, so {wanted} is needed",
                next_step="key=lambda ...: gives it in that type",
            )
        return {kind: str(part) if kind == "N" else part}

    def check_key(self, key: Any) -> None:
        """Raises NotPossibleInStage for what cannot be a key of an item."""
        _ = self.item_key(key)

    def sync(self, authority: Side, key: Any, is_followed: Callable[[], bool]) -> Routine[None]:  # noqa: ARG002
        """Make the other table hold what the authority holds. Raises SaveFailed: where one has been sent, it may land
        until then."""
        try:
            yield from sync(self._pair, authority, self.item_key(key))
        except CrossfadeError as error:
            raise SaveFailed(error.message, (yield from Now())) from error


def _description(side: Side, table: str) -> Routine[Mapping[str, Any]]:
    try:
        reply = yield from retry.read_again(Call(side, "DescribeTable", {"TableName": table}))
    except ServiceRejected:
        return {}
    found: Mapping[str, Any] = reply["Table"]
    return found


def _client(table: Table, given: Any) -> Any:
    if given is None and table.client is not None:
        return made_client(table)
    client = _of_region(table) if given is None else client_of(given)
    refuse_asynchronous(client, f"the client of table {table.full_name}")
    return client


def _of_region(table: Table) -> Any:
    session: Any = botocore.session.Session()
    try:
        client: Any = session.create_client("dynamodb", region_name=table.region or None)
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(
            f"no client of table {table.full_name} can be made: {error}",
            next_step="give one, TableMirror(migration, source=client, target=client), or say region= of the table",
        ) from error
    return client
