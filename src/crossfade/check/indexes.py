"""The indexes of both tables: what the application queries today, and what will answer when the target serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from crossfade.check.report import Finding
from crossfade.core.mapping import CompiledMapping, Kind
from crossfade.errors import MappingError, Refused
from crossfade.migration import Migration


@dataclass(frozen=True, slots=True)
class IndexKey:
    """One attribute that is a key of an index of the target: an item may lack it, but not hold anything else in it."""

    attribute: str
    kind: Kind
    index: str
    role: Literal["HASH", "RANGE"]


def _kinds(description: Mapping[str, Any]) -> dict[str, Kind]:
    return {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}


def description_key(description: Mapping[str, Any]) -> dict[str, Kind]:
    """The key of a table or index as a migration declares it: name -> type, partition first."""
    kinds = _kinds(description)
    schema = cast("list[dict[str, str]]", description["KeySchema"])
    parts = sorted(schema, key=lambda part: part["KeyType"] != "HASH")
    return {part["AttributeName"]: kinds[part["AttributeName"]] for part in parts}


def index_keys(description: Mapping[str, Any]) -> tuple[IndexKey, ...]:
    """Every index key attribute that is not a key attribute of the table itself."""
    kinds = _kinds(description)
    own = description_key(description)
    return tuple(
        IndexKey(name, kinds[name], index["IndexName"], part["KeyType"])
        for index in all_indexes(description)
        for part in index["KeySchema"]
        if (name := part["AttributeName"]) not in own
    )


def all_indexes(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*description.get("GlobalSecondaryIndexes", ()), *description.get("LocalSecondaryIndexes", ())]


def index_findings(migration: Migration, source: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Finding]:
    """Which queries will have no index, or cannot be answered in the order of the caller's own table."""
    there = {index["IndexName"]: index for index in all_indexes(target)}
    absent: list[str] = []
    for index in all_indexes(source):
        name: str = index["IndexName"]
        counterpart = there.get(migration.indexes.get(name, name))
        if counterpart is None:
            absent.append(name)
        else:
            yield from _other_key(migration, name, list(_key_of(source, index)), list(_key_of(target, counterpart)))
    if absent:
        yield Finding(
            "warning",
            "index-missing",
            f"{migration.source.name} has indexes that {migration.target.name} lacks: {', '.join(absent)}",
            next_step="create them on the target if the application queries them; it will, once the target answers",
        )
    filling = tuple(name for name, index in there.items() if index.get("IndexStatus", "ACTIVE") != "ACTIVE")
    if filling:
        yield Finding(
            "warning",
            "index-filling",
            f"{migration.target.name}: not ACTIVE yet: {', '.join(filling)}",
            next_step="wait: an index that is being filled slows down writes to its table",
        )
    if migration.compiled.kept:
        yield from _of_whole_keys(migration, target)
    elif migration.compiled.sort == "other":
        yield Finding(
            "warning",
            "sort-other",
            f"the sort key is stored in another form in {migration.target.name}, and so in another order: from the"
            f" stage complete on (lockstep_target, if it asks for the latest value) a Query of {migration.source.name}"
            " by that key is refused",
            next_step="let the application read such items by their whole key, or query the target in its own terms"
            ' (attach with view="target"), before you complete',
        )


def _of_whole_keys(migration: Migration, target: Mapping[str, Any]) -> Iterator[Finding]:
    """What becomes of Queries by the old key where the target's is an attribute of its own."""
    mapping, old_key = migration.compiled, ", ".join(migration.source.key_names)
    names = ", ".join((*migration.target.key_names, *(name for name, _ in mapping.kept)))
    yield Finding(
        "info",
        "whole-keys",
        f"the keys of {migration.target.name} do not lead back to those of {migration.source.name}: applications that"
        f" speak of the new table pass {names} until it is complete",
        next_step='attach those with view="target"',
    )
    if mapping.sort != "other" and _leads(mapping):
        return
    found = [
        name
        for name, index in ((index["IndexName"], index) for index in all_indexes(target))
        if list(_key_of(target, index)) == list(migration.source.key_names)
    ]
    local = {index["IndexName"] for index in target.get("LocalSecondaryIndexes", ())}
    if not found:
        yield Finding(
            "warning",
            "old-key-index",
            f"{migration.target.name} has no index by {old_key}: from prepare on, a Query of {migration.source.name} by"
            " its key is refused (a Scan is not)",
            next_step=f"make a global index by {old_key}, all attributes projected, if the application queries by it",
        )
    elif not local & {*found}:
        yield Finding(
            "info",
            "old-key-index",
            f"Queries of {migration.source.name} by its key are answered with the help of the global index"
            f" {found[0]}: from prepare on, strongly consistent ones are refused",
            next_step="leave ConsistentRead out of such Queries, or read items by their whole key",
        )


def _leads(mapping: CompiledMapping) -> bool:
    """Whether the target's partition follows from the source's."""
    try:
        _ = mapping.partitions({mapping.source_key[0][1]: {"S": "x", "N": "1", "B": b"x"}[mapping.source_key[0][1]]})
    except Refused:
        return False
    except MappingError:
        return True  # not of this value, but as a rule
    return True


def _other_key(migration: Migration, name: str, ours: list[str], theirs: list[str]) -> Iterator[Finding]:
    """An index by an attribute whose value differs between the tables has another order, or other partitions."""
    arrived = [migration.compiled.arrives(attribute) for attribute in ours]
    if arrived == theirs:
        return
    source, partition = migration.source, migration.source.partition_key
    if ours[0] == partition and arrived[0] is None and None not in arrived[1:] and migration.compiled.sort == "same":
        if name in source.indexes:
            return  # spread as the table is, and merged as its queries are
        key = ", ".join(f'"{attribute}": ...' for attribute in ours)
        yield Finding(
            "warning",
            "index-undeclared",
            f"index {name}: the mapping spreads its partitions; from the stage complete on queries of it are refused"
            " unless the migration says what its key is",
            next_step=f'declare it: Table("{source.name}", ..., indexes={{"{name}": {{{key}}}}}), with types',
        )
        return
    lost = [attribute for attribute, there in zip(ours, arrived, strict=True) if there is None]
    why = f"{' and '.join(lost)} is stored in another form" if lost else f"its key is {', '.join(theirs)}"
    yield Finding(
        "warning",
        "index-other",
        f"index {name} is not the same in {migration.target.name}: {why} there; from the stage complete on queries of"
        " it are refused",
        next_step=f"make the counterpart of {name} an index by {', '.join(there or '...' for there in arrived)}, or let"
        " the application query the target in its own terms before you complete",
    )


def _key_of(description: Mapping[str, Any], index: Mapping[str, Any]) -> dict[str, Kind]:
    return description_key({**description, "KeySchema": index["KeySchema"]})
