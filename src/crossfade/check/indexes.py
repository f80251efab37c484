"""The indexes of both tables: what the application queries today, and what will answer when the target serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crossfade.check.creating import PlannedIndex, counterpart_of, needs_old_key_index, planned_indexes
from crossfade.check.report import Finding
from crossfade.core.expressions.keys import names_of_key
from crossfade.core.key_names import KeyNames
from crossfade.core.mapping import Kind
from crossfade.core.pages.index import check_alike
from crossfade.core.stages import FREEZE_STRATEGY, Side
from crossfade.core.tables.descriptions import all_indexes, is_local, key_names_of, kinds_of
from crossfade.core.tables.index_keys import IndexKey
from crossfade.core.tables.indexes import schema_of
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.schema import IndexSchema
from crossfade.errors import NotPossibleInStage
from crossfade.migration import Migration


def planned_index_keys(
    migration: Migration, source: Mapping[str, Any] | None, target: Mapping[str, Any] | None
) -> tuple[IndexKey, ...]:
    """Every index key attribute that is not a key attribute of the target itself: of the indexes that it has, and of
    those that it is to have."""
    found: dict[tuple[str, str], IndexKey] = {}
    for index in planned_indexes(migration, source):
        _add(found, index.name, index.names, index.kinds)
    for described in [] if target is None else all_indexes(target):
        _add(found, described["IndexName"], key_names_of(described), {} if target is None else kinds_of(target))
    return tuple(key for key in found.values() if key.attribute not in migration.target.key)


def _add(found: dict[tuple[str, str], IndexKey], index: str, names: KeyNames, kinds: Mapping[str, Kind]) -> None:
    for name in names.partition:
        found[index, name] = IndexKey(name, kinds[name], index, "HASH")
    for name in names.sort:
        found[index, name] = IndexKey(name, kinds[name], index, "RANGE")


def index_findings(migration: Migration, source: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[Finding]:
    """Which queries will have no index, or cannot be answered as the caller's own table does. Behind a Switch each
    table is asked in its own terms, so there only what keeps items out of the target matters."""
    routed = migration.strategy != FREEZE_STRATEGY
    yield from _declared(migration, "source", source)
    yield from _declared(migration, "target", target)
    there = {index["IndexName"]: index for index in all_indexes(target)}
    absent: list[str] = []
    for index in all_indexes(source):
        name: str = index["IndexName"]
        counterpart = there.get(migration.indexes.get(name, name))
        if counterpart is None:
            absent.append(name)
        elif routed:
            yield from _compared(migration, source, index, target, counterpart)
        else:
            yield from _other_kinds(migration, name, key_names_of(index), kinds_of(source), kinds_of(target))
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
    if migration.compiled.source_key_extras:
        yield from _of_whole_keys(migration, target)
    elif migration.compiled.sort == "other" and routed:
        yield _other_sort(migration)


def _other_sort(migration: Migration) -> Finding:
    """What becomes of Queries by a sort key that is stored in another form."""
    copying = migration.strategy == "copy-on-write"
    first = "prepare" if copying else "rampdown"
    latest = "" if copying else " (lockstep_target, if it asks for the latest value)"
    return Finding(
        "warning",
        "sort-other",
        f"the sort key is stored in another form in {migration.target.name}, and so in another order: from the stage"
        f" {first} on{latest} a Query of {migration.source.name} by its key is refused, and until the stage rampdown"
        f' one of {migration.target.name} (view="target")',
        next_step="let the application read such items by their whole key, or scan; Queries of the target in its own"
        ' terms (attach with view="target") are answered from the stage rampdown on',
    )


def _of_whole_keys(migration: Migration, target: Mapping[str, Any]) -> Iterator[Finding]:
    """What becomes of Queries by the old key where the target's is an attribute of its own."""
    old_key = ", ".join(migration.source.key_names)
    names = ", ".join((*migration.target.key_names, *(name for name, _ in migration.compiled.source_key_extras)))
    yield Finding(
        "info",
        "whole-keys",
        f"the keys of {migration.target.name} do not lead back to those of {migration.source.name}: applications that"
        f" speak of the new table pass {names} until it is complete",
        next_step='attach those with view="target"',
    )
    if not needs_old_key_index(migration):
        return
    found = [
        name
        for name, index in ((index["IndexName"], index) for index in all_indexes(target))
        if key_names_of(index) == names_of_key(migration.source.key_names)
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


def _declared(migration: Migration, side: Side, description: Mapping[str, Any]) -> Iterator[Finding]:
    """What the migration says of indexes, against what the table says."""
    table, kinds = migration.table(side), kinds_of(description)
    described = {index["IndexName"]: index for index in all_indexes(description)}
    planned = {index.name: index for index in planned_indexes(migration, None)}
    for name in table.indexes:
        declared = table.index(name)
        if declared is None:
            continue
        found = described.get(name)
        if found is None:
            yield _not_there(migration, side, name, planned.get(name))
            continue
        key = key_names_of(found)
        if key != declared.names or {each: kinds[each] for each in key.every} != declared.kinds:
            yield Finding(
                "error",
                "index-schema",
                f"index {name} of {side} {table.name}: its key is {_show(key, kinds)}, but the migration declares"
                f" {_show(declared.names, declared.kinds)}",
                next_step=f"correct indexes= of the {side} in the migration file"
                + (", or make the index with that key" if side == "target" else ""),
            )


def _not_there(migration: Migration, side: Side, name: str, planned: PlannedIndex | None) -> Finding:
    table = migration.table(side)
    if side == "source" or planned is None:
        step = f"correct indexes= of the {side} in the migration file"
    elif planned.is_local:
        step = (
            "a local index can only be made with its table: delete the empty target, and let check print the command"
            " that makes it"
        )
    else:
        step = "add it (aws dynamodb update-table), or leave it out of the migration file"
    return Finding(
        "error",
        "index-schema",
        f"{side} {table.name} has no index {name}, which the migration declares",
        next_step=step,
    )


def _compared(
    migration: Migration,
    source: Mapping[str, Any],
    index: Mapping[str, Any],
    target: Mapping[str, Any],
    counterpart: Mapping[str, Any],
) -> Iterator[Finding]:
    """An index of the source with its counterpart: the key, its types, its order, and what it shows."""
    name: str = index["IndexName"]
    ours = schema_of(index, migration.source.key_names, is_global=not is_local(source, index))
    theirs = schema_of(counterpart, migration.target.key_names, is_global=not is_local(target, counterpart))
    is_alike = True
    for finding in _other_key(migration, name, ours.names, theirs.names):
        is_alike = is_alike and finding.code == "index-undeclared"
        yield finding
    if not is_alike:
        return
    yield from _other_kinds(migration, name, ours.names, kinds_of(source), kinds_of(target))
    yield from _other_projection(migration, name, ours, theirs)
    if theirs.is_global and not ours.is_global:
        yield Finding(
            "warning",
            "index-global",
            f"index {name} is a local one of {migration.source.name} and a global one of {migration.target.name}, which"
            " answers no strongly consistent request",
            next_step="let the application ask it without ConsistentRead, or make the target anew with a local one",
        )


def _other_kinds(
    migration: Migration, name: str, ours: KeyNames, before: Mapping[str, Kind], after: Mapping[str, Kind]
) -> Iterator[Finding]:
    for attribute in ours.every:
        there = migration.compiled.arrives(attribute)
        if there is not None and there in after and before[attribute] != after[there]:
            yield Finding(
                "error",
                "index-kind",
                f"index {name}: {attribute} is of type {before[attribute]} in {migration.source.name}, and {there} of"
                f" type {after[there]} in {migration.target.name}, which would refuse these items",
                next_step=f"make the target's index with {there} of type {before[attribute]}",
            )


def _other_projection(migration: Migration, name: str, ours: IndexSchema, theirs: IndexSchema) -> Iterator[Finding]:
    """An index that shows less than the source's changes what the application is shown, at the latest when nobody can
    tell any more what the source's showed."""
    source, target = migration.source, migration.target
    if theirs.held is None:
        if ours.held is not None:
            yield Finding(
                "warning",
                "index-projection",
                f"index {name} of {target.name} projects more than that of {source.name}: when {source.name} is gone,"
                " its queries show more attributes",
                next_step="make it with the same projection if that matters to the application",
            )
        return
    if ours.held is None:
        lacking, step = "all attributes", "all attributes projected (ProjectionType ALL)"
    else:
        names = ours.held - {*ours.keys, *source.key_names}
        lost = migration.compiled.roots(names, back=False) - theirs.held
        if not lost:
            return
        lacking = ", ".join(sorted(lost))
        step = f"{lacking} projected as well"
    yield Finding(
        "error",
        "index-projection",
        f"index {name} of {target.name} projects less than that of {source.name} ({lacking}): each entry takes a read"
        f" more to be complete, and when {source.name} is gone its queries show less",
        next_step=f"make it anew with {step}; a projection cannot be changed",
    )


def _other_key(migration: Migration, name: str, ours: KeyNames, theirs: KeyNames) -> Iterator[Finding]:
    """An index by an attribute whose value differs between the tables has another order, or other partitions."""
    source, target, mapping = migration.source, migration.target, migration.compiled
    pair = Pair(source, target, mapping, indexes=migration.indexes)
    spread = source.partition_key in ours.partition and mapping.arrives(source.partition_key) is None
    if mapping.source_key_extras and theirs == names_of_key(target.key_names):
        return
    try:
        check_alike(pair, "target", name, ours, theirs, "Query")
    except NotPossibleInStage:
        lost = [each for each in ours.every if mapping.arrives(each) is None]
        why = f"{' and '.join(lost)} is stored in another form" if lost else f"its key is {', '.join(theirs.every)}"
        copying = migration.strategy == "copy-on-write"
        yield Finding(
            "warning",
            "index-other",
            f"index {name} is not the same in {target.name}: {why} there; from the stage"
            f" {'prepare' if copying else 'rampdown'} on queries of it are refused",
            next_step=f"make the counterpart of {name} an index by"
            f" {', '.join(counterpart_of(migration, each) or '...' for each in ours.every)}, or let the application"
            f" query the target in its own terms from rampdown on",
        )
        return
    if not spread or name in source.indexes:
        return  # spread as the table is, and merged as its queries are
    if ours.is_several or mapping.sort != "same":
        yield Finding(
            "warning",
            "index-other",
            f"index {name}: the mapping spreads its partitions; from the stage rampdown on queries of it are refused",
            next_step="let the application query the target in its own terms from rampdown on",
        )
        return
    key = ", ".join(f'"{attribute}": ...' for attribute in ours.every)
    yield Finding(
        "warning",
        "index-undeclared",
        f"index {name}: the mapping spreads its partitions; from the stage rampdown on queries of it are refused"
        " unless the migration says what its key is",
        next_step=f'declare it: Table("{source.name}", ..., indexes={{"{name}": {{{key}}}}}), with types',
    )


def _show(names: KeyNames, kinds: Mapping[str, Kind]) -> str:
    parts = [", ".join(f"{name} ({kinds[name]})" for name in part) for part in (names.partition, names.sort) if part]
    return "; sorted by ".join(parts)
