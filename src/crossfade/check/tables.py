"""What DescribeTable says of both tables, against what the migration declares. Reads answers; asks nothing itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crossfade.check.creating import create_command
from crossfade.check.indexes import index_findings
from crossfade.check.report import Finding
from crossfade.core.mapping import Kind
from crossfade.core.tables.descriptions import description_key
from crossfade.migration import Migration, Table


def table_findings(
    migration: Migration, source: Mapping[str, Any] | None, target: Mapping[str, Any] | None
) -> Iterator[Finding]:
    """Descriptions are the `Table` of a DescribeTable answer, or None where there is no such table."""
    for place, table, description in (("source", migration.source, source), ("target", migration.target, target)):
        if description is None:
            yield _missing(migration, place, table, source)
            continue
        yield from one_table(place, table, description)
    if source is not None and target is not None:
        yield from index_findings(migration, source, target)


def one_table(place: str, table: Table, description: Mapping[str, Any]) -> Iterator[Finding]:
    """A table by itself."""
    if description_key(description) != table.key or list(description_key(description)) != list(table.key):
        yield Finding(
            "error",
            "key-schema",
            f"{place} {table.full_name}: the key is {_show_key(description_key(description))},"
            f" but the migration declares {_show_key(table.key)}",
            next_step=f"correct key= of the {place} in the migration file"
            + (", or create the target with that key" if place == "target" else ""),
        )
    if description.get("TableStatus", "ACTIVE") != "ACTIVE":
        yield Finding(
            "warning",
            "table-not-active",
            f"{place} {table.full_name} is {description['TableStatus']}",
            next_step="wait until it is ACTIVE before you start",
        )
    yield Finding("info", "billing", f"{place} {table.full_name}: {_billing(description)}")


def _missing(migration: Migration, place: str, table: Table, source: Mapping[str, Any] | None) -> Finding:
    if place == "source":
        step = "correct its name in the migration file, or the Region, account or endpoint you run this with"
    else:
        step = f"create it: {create_command(migration, source)}"
    return Finding("error", "no-table", f"{place} {table.full_name}: there is no such table", next_step=step)


def _show_key(key: Mapping[str, Kind]) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in key.items())


def _billing(description: Mapping[str, Any]) -> str:
    mode = description.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
    if mode == "PAY_PER_REQUEST":
        return "on-demand"
    throughput = description.get("ProvisionedThroughput", {})
    reads, writes = throughput.get("ReadCapacityUnits", "?"), throughput.get("WriteCapacityUnits", "?")
    return f"provisioned, {reads} read and {writes} write units a second"
