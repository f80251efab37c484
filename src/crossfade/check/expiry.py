"""Expiry (TTL): whether both tables delete the same items by the same time, as the mapping has it.

The service removes an expired item from one table alone. Where both are kept equal, the other must do so too, by what
the mapping makes of the same attribute. Where an item is the target's, or else the source's, the target may not yet:
the source's twin, which may have another time by then, would be the item again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from crossfade.check.asking import code_of
from crossfade.check.report import SAMPLES_MAX, Finding
from crossfade.core.items import Item
from crossfade.core.mapping import CompiledMapping
from crossfade.core.mapping.values import show_key, show_value
from crossfade.core.tables.expiry import expiry_attribute, overdue_seconds
from crossfade.errors import MappingError
from crossfade.migration import Migration, Table

NOT_SUPPORTED = frozenset({"UnknownOperationException", "ResourceNotFoundException"})
# A later time than this is one in milliseconds: in seconds it is that of the year 5138.
SECONDS_MAX = 100_000_000_000
WHAT_TTL_TAKES = "a top-level Number of seconds since 1970"


def expiry_findings(
    client_source: Any, client_target: Any, migration: Migration, items: Sequence[Item], now: float
) -> Iterator[Finding]:
    """Clients of DynamoDB; a table that is not there expires nothing. `items` are a sample of the source, `now` seconds
    since 1970."""
    try:
        source, target = _asked(client_source, migration.source), _asked(client_target, migration.target)
    except ClientError as error:
        yield Finding(
            "warning",
            "expiry-unknown",
            f"whether items expire could not be asked: {error}",
            next_step="allow dynamodb:DescribeTimeToLive on both tables, or see to it that TTL is as docs/ttl.md says",
        )
        return
    settings = _Settings(migration, source, target, items, now)
    yield from settings.copied() if migration.strategy == "copy-on-write" else settings.kept_equal()
    yield from settings.values()


def _asked(client: Any, table: Table) -> str:
    try:
        return expiry_attribute(client.describe_time_to_live(TableName=table.name))
    except ClientError as error:
        if code_of(error) not in NOT_SUPPORTED:
            raise
        return ""


def setting_command(table: Table, attribute: str, *, enabled: bool = True) -> str:
    """The command that switches TTL on or off."""
    specification = json.dumps({"Enabled": enabled, "AttributeName": attribute}, separators=(",", ":"))
    return (
        f"aws dynamodb update-time-to-live{f' --region {table.region}' if table.region else ''} --table-name"
        f" {table.name} --time-to-live-specification {shlex.quote(specification)}"
    )


@dataclass(frozen=True, slots=True)
class _Settings:
    """The attributes by which the two tables expire their items, "" for none."""

    migration: Migration
    source: str
    target: str
    items: Sequence[Item]
    now: float

    def copied(self) -> Iterator[Finding]:
        """Find what is wrong for a target that goes on by itself, and may expire nothing before it is complete."""
        migration = self.migration
        if self.target:
            yield Finding(
                "error",
                "target-expires",
                f"items of target {migration.target.name} expire by {self.target!r}: one that does so before the stage"
                " is complete would be what the source still holds again",
                next_step="switch TTL off there, and on again when the migration is complete: "
                + setting_command(migration.target, self.target, enabled=False),
            )
        elif self.source:
            there = migration.compiled.arrives(self.source)
            on = f"when the migration is complete: {setting_command(migration.target, there)}" if there else self._keep
            yield Finding("warning", "expiry-lost", f"{self._by_source}, those of the target do not", next_step=on)

    def kept_equal(self) -> Iterator[Finding]:
        """Find what is wrong for tables that both hold every item."""
        migration = self.migration
        if not self.source and not self.target:
            return
        there = migration.compiled.arrives(self.source) if self.source else None
        if not self.target:
            on = setting_command(migration.target, there) if there else self._keep
            yield Finding("error", "expiry-lost", f"{self._by_source}, those of the target do not", next_step=on)
        elif not self.source:
            came = migration.compiled.came_from(self.target)
            on = f"{setting_command(migration.source, came)}, if they are to; or " if came else ""
            yield self._another(
                "target-expires",
                f"items of target {migration.target.full_name} expire by {self.target!r}, those of the source do not:"
                " the target loses what the source keeps",
                f"{on}until the migration is complete: {self._off}",
            )
        elif there != self.target and not self._sample_agrees(migration.compiled):
            becomes = f"is {there!r} in the target" if there else f"does not arrive there as {WHAT_TTL_TAKES}"
            yield self._another(
                "expiry-differs",
                f"{self._by_source}, which {becomes}; the target's expire by {self.target!r}",
                f"{self._off}, then {setting_command(migration.target, there)}" if there else self._keep,
            )

    def values(self) -> Iterator[Finding]:
        """What the sampled items hold in the source's attribute."""
        if not self.source:
            return
        held = [(item, item[self.source]) for item in self.items if self.source in item]
        ignored = [item for item, value in held if "N" not in value or float(value["N"]) > SECONDS_MAX]
        past = [item for item in self.items if overdue_seconds(item, self.source, self.now) is not None]
        if ignored:
            yield Finding(
                "warning",
                "expiry-ignored",
                f"items that never expire: {self.source!r} is to be {WHAT_TTL_TAKES}",
                len(ignored),
                tuple(f"{self._shown(item)}: {show_value(item[self.source])}" for item in ignored[:SAMPLES_MAX]),
                "correct what writes them, if they are to expire",
            )
        if past:
            yield Finding(
                "info",
                "expiry-past",
                "items past their time, which are copied like others until the service deletes them",
                len(past),
                tuple(map(self._shown, past[:SAMPLES_MAX])),
            )

    def _another(self, code: str, what: str, step: str) -> Finding:
        """A target that expires other items than the source; of the sample, those that it would delete at once."""
        found = [
            item
            for item in self.items
            if self._is_past_in_target(item) and overdue_seconds(item, self.source, self.now) is None
        ]
        at_once = " (at once: those counted here)" if found else ""
        return Finding(
            "error", code, f"{what}{at_once}", len(found), tuple(map(self._shown, found[:SAMPLES_MAX])), step
        )

    def _is_past_in_target(self, item: Item) -> bool:
        try:
            return overdue_seconds(self.migration.compiled.forward(item), self.target, self.now) is not None
        except MappingError:
            return False

    def _sample_agrees(self, mapping: CompiledMapping) -> bool:
        """Whether every sampled item has one time in both tables, where the pieces themselves do not tell."""
        if mapping.arrives(self.source) is not None:
            return False
        found = False
        for item in self.items:
            try:
                there = mapping.forward(item).get(self.target, {}).get("N")
            except MappingError:
                continue
            here = item.get(self.source, {}).get("N")
            if (here and Decimal(here)) != (there and Decimal(there)):
                return False
            found = found or here is not None
        return found

    @property
    def _by_source(self) -> str:
        return f"items of source {self.migration.source.full_name} expire by {self.source!r}"

    @property
    def _off(self) -> str:
        return setting_command(self.migration.target, self.target, enabled=False)

    @property
    def _keep(self) -> str:
        off = setting_command(self.migration.source, self.source, enabled=False)
        return (
            f"let the mapping leave {self.source!r} {WHAT_TTL_TAKES}, and set that in the target; or, if items need not"
            f" expire any more: {off}"
        )

    def _shown(self, item: Item) -> str:
        return show_key({name: item[name] for name in self.migration.source.key_names if name in item})
