"""The target as it would be made: with the indexes that are declared of it, and a counterpart of each of the source's.

A local index can only be made with its table, so none may be forgotten.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossfade.core.expressions.keys import names_of_key
from crossfade.core.key_names import KeyNames
from crossfade.core.mapping import Kind
from crossfade.core.tables.descriptions import all_indexes, is_local, key_names_of, kinds_of
from crossfade.errors import MappingError, NotPossibleInStage
from crossfade.migration import Migration, Table

ALL: Mapping[str, Any] = {"ProjectionType": "ALL"}
OLD_KEY_INDEX = "by-old-key"


@dataclass(frozen=True, slots=True)
class PlannedIndex:
    """An index that the target is to have."""

    name: str
    names: KeyNames
    kinds: Mapping[str, Kind]
    projection: Mapping[str, Any]
    is_local: bool


def planned_indexes(migration: Migration, source: Mapping[str, Any] | None) -> list[PlannedIndex]:
    """`source`: its description, where it is there."""
    target = migration.target
    described = {index["IndexName"]: index for index in ([] if source is None else all_indexes(source))}
    sources = {migration.indexes.get(name, name): name for name in (*migration.source.indexes, *described)}
    planned: list[PlannedIndex] = []
    for name in dict.fromkeys((*target.indexes, *sources)):
        index = described.get(sources.get(name, ""))
        found = _key(migration, name, sources.get(name), source, index)
        if found is None:
            continue
        names, kinds = found
        local = names.partition == (target.partition_key,) and len(names.sort) == 1
        if index is not None and source is not None:
            local = local and is_local(source, index)
        projection = ALL if index is None else _projection(migration, index)
        planned.append(PlannedIndex(name, names, kinds, projection, local))
    return planned


def _key(
    migration: Migration,
    name: str,
    of_source: str | None,
    source: Mapping[str, Any] | None,
    index: Mapping[str, Any] | None,
) -> tuple[KeyNames, Mapping[str, Kind]] | None:
    """What is declared, or else what becomes of the source's key; None where that is stored in another form."""
    declared = migration.target.index(name)
    if declared is not None:
        return declared.names, declared.kinds
    ours = None if of_source is None else migration.source.index(of_source)
    if ours is not None:
        names, kinds = ours.names, ours.kinds
    elif source is not None and index is not None:
        names, kinds = key_names_of(index), kinds_of(source)
    else:
        return None
    there = {each: counterpart_of(migration, each) for each in names.every}
    if None in there.values() or names == names_of_key(migration.target.key_names):
        return None
    return names.called(lambda each: there[each] or each), {there[each] or each: kinds[each] for each in names.every}


def counterpart_of(migration: Migration, name: str) -> str | None:
    """Return the target's name of a source's attribute; for a spread partition key, the target's own."""
    found = migration.compiled.arrives(name)
    if found is None and name == migration.source.partition_key and migration.compiled.sort == "same":
        return migration.target.partition_key
    return found


def _projection(migration: Migration, index: Mapping[str, Any]) -> Mapping[str, Any]:
    given: Mapping[str, Any] = index["Projection"]
    if given["ProjectionType"] != "INCLUDE":
        return {"ProjectionType": given["ProjectionType"]}
    there = migration.compiled.roots(frozenset(given["NonKeyAttributes"]), back=False)
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": sorted(there)}


def old_key_of(migration: Migration) -> KeyNames:
    return names_of_key(migration.source.key_names)


def needs_old_key_index(migration: Migration) -> bool:
    """Whether Queries by the old key take an index of the target: its own key does not follow from the old one."""
    mapping = migration.compiled
    if not mapping.source_key_extras:
        return False
    if mapping.sort == "other":
        return True
    try:
        _ = mapping.partitions({mapping.source_key[0][1]: {"S": "x", "N": "1", "B": b"x"}[mapping.source_key[0][1]]})
    except NotPossibleInStage:
        return True
    except MappingError:
        return False  # not of this value, but as a rule
    return False


def create_command(migration: Migration, source: Mapping[str, Any] | None) -> str:
    """The command that makes the target."""
    planned = planned_indexes(migration, source)
    if needs_old_key_index(migration) and all(index.names != old_key_of(migration) for index in planned):
        planned.append(PlannedIndex(OLD_KEY_INDEX, old_key_of(migration), migration.source.key, ALL, False))
    return table_command(migration.target, planned)


def declared_indexes(table: Table) -> list[PlannedIndex]:
    """Return the indexes that the table itself declares."""
    planned: list[PlannedIndex] = []
    for name in table.indexes:
        index = table.index(name)
        assert index is not None  # noqa: S101 - each is one
        local = index.names.partition == (table.partition_key,) and len(index.names.sort) == 1
        planned.append(PlannedIndex(name, index.names, index.kinds, ALL, local))
    return planned


def table_command(table: Table, planned: Sequence[PlannedIndex]) -> str:
    """The command that makes a table with these indexes."""
    kinds: dict[str, Kind] = dict(table.key)
    for index in planned:
        kinds |= index.kinds
    attributes = " ".join(f"AttributeName={name},AttributeType={kind}" for name, kind in kinds.items())
    schema = " ".join(
        f"AttributeName={each['AttributeName']},KeyType={each['KeyType']}"
        for each in _schema(names_of_key(table.key_names))
    )
    command = (
        f"aws dynamodb create-table{f' --region {table.region}' if table.region else ''} --table-name {table.name}"
        " --billing-mode PAY_PER_REQUEST"
        f" --attribute-definitions {attributes} --key-schema {schema}"
    )
    for option, local in (("--local-secondary-indexes", True), ("--global-secondary-indexes", False)):
        made = [index_json(index) for index in planned if index.is_local == local]
        command += f" {option} {shlex.quote(json.dumps(made, separators=(',', ':')))}" if made else ""
    return command


def index_json(index: PlannedIndex) -> dict[str, Any]:
    return {"IndexName": index.name, "KeySchema": _schema(index.names), "Projection": dict(index.projection)}


def _schema(names: KeyNames) -> list[dict[str, str]]:
    return [*_parts(names.partition, "HASH"), *_parts(names.sort, "RANGE")]


def _parts(names: tuple[str, ...], role: str) -> Iterator[dict[str, str]]:
    for name in names:
        yield {"AttributeName": name, "KeyType": role}
