"""What stands around the source, against the target: what has to be carried over, what changes for those who follow the
table's changes, and what a strategy cannot do with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade.check.report import Finding
from crossfade.check.surroundings import Surroundings
from crossfade.core.stages import FREEZE_STRATEGY
from crossfade.migration import Migration, Table

# From where on the source no longer gets the application's writes, or not in the order in which they were made.
LAST_STAGE: Final = {
    "dual-write": "complete: up to rampdown the source gets every write, from live on by way of the mirror",
    "copy-on-write": "drain, from which on the source gets nothing new",
    "freeze": "the switch: from then on the source gets the application's writes by the mirror alone, if there is one",
}


def surroundings_findings(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    """`target`: None where there is no such table yet; then what the source has is told, to make it with."""
    for place, table, around in (("source", migration.source, source), ("target", migration.target, target)):
        if around is not None:
            yield from _forbidding(migration, place, table, around)
            yield from _unseen(place, table, around)
    yield from _regions(migration, source, target)
    yield from _consumers(migration, source, target)
    yield from _settings(migration, source, target)
    yield from _protection(migration, source, target)
    yield from _throughput(migration, source, target)
    yield Finding(
        "info",
        "dax",
        f"whether an application reads {migration.source.full_name} through DAX cannot be seen from here",
        next_step="if one does: crossfade does not see the requests of a DAX client, and the cache would not see its"
        " writes; let it use a DynamoDB client before the first stage after off",
    )


def _forbidding(migration: Migration, place: str, table: Table, around: Surroundings) -> Iterator[Finding]:
    if around.description.get("MultiRegionConsistency") != "STRONG":
        return
    if migration.strategy == FREEZE_STRATEGY:
        return
    yield Finding(
        "error",
        "strong-replicas",
        f"{place} {table.full_name} is a global table with multi-Region strong consistency, which takes no"
        f" transactions; {migration.strategy} writes both tables in one",
        next_step='take strategy="freeze", with a Switch in the application, which needs none on either table',
    )


def _unseen(place: str, table: Table, around: Surroundings) -> Iterator[Finding]:
    if around.unseen:
        yield Finding(
            "warning",
            "not-looked-at",
            f"{place} {table.full_name}: not looked at: needs {', '.join(around.unseen)}",
            next_step="allow these reading calls to whoever checks, or compare by hand what they would tell",
        )


def _regions(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    ours = _replicas(source)
    theirs = _replicas(target) if target is not None else set[str]()
    lacking = sorted(ours - theirs)
    if ours or theirs:
        yield Finding(
            "warning",
            "replicas",
            f"global tables: {migration.source.full_name} has replicas in {_listed(ours)},"
            f" {migration.target.full_name} in {_listed(theirs)}. Locks and transactions hold within one Region: what"
            " an application writes in another one arrives in one table alone, and may win there later",
            next_step="write in one Region only until the migration is complete"
            + (f", and add replicas to the target: {', '.join(lacking)}" if lacking else ""),
        )


def _replicas(around: Surroundings) -> set[str]:
    own = str(around.description.get("TableArn", "")).split(":")[3:4]
    found = around.description.get("Replicas", ())
    return {each["RegionName"] for each in found if each.get("ReplicaStatus") != "DELETING"} - {*own}


def _consumers(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    """Tell those who follow the source's changes that they have to follow the target's, and what they find there."""
    name = migration.target.full_name
    stamp = ", and the attribute _crossfade, a new value with each write" if migration.stamps else ""
    move = (
        f"let them read {name} before {LAST_STAGE[migration.strategy]}. There they find the mapped items{stamp}, and"
        " changes by mirrors and the backfill, which an application has not made"
    )
    view = _view_type(source)
    if view:
        there = "" if target is None else _view_type(target)
        lacks = "" if there == view else f"; {name} has {f'one of {there}' if there else 'none'}"
        yield Finding(
            "warning",
            "stream-consumers",
            f"{migration.source.full_name} has a stream of its changes ({view}){lacks}. Who reads it cannot be seen"
            " from here: triggers of Lambda, applications of the Kinesis client library, pipes",
            next_step=("" if there == view else f"switch on a stream of {view} on the target, and ") + move,
        )
    if source.kinesis:
        has = target is not None and (target.kinesis or not _seen(target, "DescribeKinesis"))
        lacks = "" if has else f"; {name} sends none"
        yield Finding(
            "warning",
            "kinesis-consumers",
            f"{migration.source.full_name} sends its changes to {', '.join(source.kinesis)}{lacks}",
            next_step=("enable a destination on the target, and " if lacks else "") + move,
        )


def _view_type(around: Surroundings) -> str:
    said = around.description.get("StreamSpecification", {})
    return str(said.get("StreamViewType", "")) if said.get("StreamEnabled") else ""


def _settings(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    """What a table is made with, and nobody misses before it is needed."""
    ours, theirs = _key_of_encryption(source), None if target is None else _key_of_encryption(target)
    if ours != theirs and (ours or theirs):
        yield _carry(
            migration,
            "encryption",
            ours or "encrypted by DynamoDB's own key",
            None if target is None else theirs or "by DynamoDB's own key",
            "use the same KMS key, or allow the other one (kms:Decrypt) to every role that uses the table",
        )
    if source.recovery_days is not None and _seen(target, "DescribeContinuousBackups"):
        there = None if target is None else f"{target.recovery_days} days" if target.recovery_days else "off"
        said = f"point-in-time recovery over {source.recovery_days} days"
        if target is None or target.recovery_days != source.recovery_days:
            yield _carry(migration, "recovery", said, there, "aws dynamodb update-continuous-backups")
    ours, theirs = _table_class(source), None if target is None else _table_class(target)
    if ours != theirs and (target is not None or ours != "STANDARD"):
        yield _carry(migration, "table-class", f"table class {ours}", theirs, "it is a matter of cost alone")
    if source.tags and (target is None or {**target.tags, **source.tags} != target.tags) and _seen(target, "ListTags"):
        lacking = sorted(name for name in source.tags if target is None or target.tags.get(name) != source.tags[name])
        said = f"tags that the target lacks, or has otherwise: {', '.join(lacking)}"
        yield _carry(migration, "tags", said, None, "costs and rights may go by them: aws dynamodb tag-resource")


def _protection(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    if source.description.get("DeletionProtectionEnabled") and not (
        target is not None and target.description.get("DeletionProtectionEnabled")
    ):
        there = None if target is None else "off"
        yield _carry(migration, "deletion-protection", "deletion protection", there, "switch it on before live")
    if source.policy and _seen(target, "GetResourcePolicy"):
        statements, those = len(_policy(source)), 0 if target is None else len(_policy(target))
        if statements > those:
            said, there = f"a resource policy of {statements} statements", f"one of {those}" if those else "none"
            step = "write one for the target, whose ARN is another: what it allows or denies is so for one table alone"
            yield _carry(migration, "resource-policy", said, None if target is None else there, step)


def _throughput(migration: Migration, source: Surroundings, target: Surroundings | None) -> Iterator[Finding]:
    lacking = {what: span for what, span in source.scaling.items() if target is None or what not in target.scaling}
    if lacking and (target is None or target.looked_at("application-autoscaling")):
        said = "scales by itself: " + "; ".join(f"{what}, {span}" for what, span in sorted(lacking.items()))
        there = None if target is None else "not so"
        step = "register the same for the target before the backfill, which writes beside the application"
        yield _carry(migration, "auto-scaling", said, there, step)
    for code, said, member, names in (
        ("warm-throughput", "warm throughput", "WarmThroughput", ("ReadUnitsPerSecond", "WriteUnitsPerSecond")),
        ("maximum", "a maximum on demand", "OnDemandThroughput", ("MaxReadRequestUnits", "MaxWriteRequestUnits")),
    ):
        ours = _numbers(source, member, names)
        theirs = _numbers(target, member, names) if target is not None else (0, 0)
        if code == "maximum" and any(theirs) and theirs != ours:
            step = "raise it or take it away until it is complete: backfill and mirrors count beside the application"
            yield _carry(migration, code, f"{said}: {_units(ours)}", _units(theirs), step)
        elif code == "maximum" and any(ours) and not any(theirs):
            step = "set it when it is complete, not before: the backfill needs more for a while"
            yield _carry(migration, code, f"{said}: {_units(ours)}", None if target is None else "none", step)
        elif code == "warm-throughput" and any(our > their for our, their in zip(ours, theirs, strict=True)):
            step = "warm it to that, or go up slowly by the ramp: aws dynamodb update-table --warm-throughput"
            yield _carry(migration, code, f"{said}: {_units(ours)}", None if target is None else _units(theirs), step)


def _carry(migration: Migration, code: str, said: str, there: str | None, step: str) -> Finding:
    beside = f"; target {migration.target.full_name}: {there}" if there is not None else ""
    return Finding(
        "warning",
        f"carry-{code}",
        f"to be carried over from {migration.source.full_name}: {said}{beside}",
        next_step=step,
    )


def _seen(target: Surroundings | None, action: str) -> bool:
    return target is None or target.looked_at(f"dynamodb:{action}")


def _key_of_encryption(around: Surroundings) -> str:
    said = around.description.get("SSEDescription", {})
    key = str(said.get("KMSMasterKeyArn", ""))
    return f"encrypted by the KMS key {key}" if key and said.get("Status") != "DISABLED" else ""


def _table_class(around: Surroundings) -> str:
    return str(around.description.get("TableClassSummary", {}).get("TableClass", "STANDARD"))


def _policy(around: Surroundings) -> list[Any]:
    """Return the statements; a text that is no JSON counts as one."""
    try:
        found: Any = json.loads(around.policy or "{}")
    except ValueError:
        return [around.policy]
    statements: Any = found.get("Statement", []) if isinstance(found, dict) else [found]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return statements if isinstance(statements, list) else [statements]  # pyright: ignore[reportUnknownVariableType]


def _numbers(around: Surroundings, member: str, names: tuple[str, str]) -> tuple[int, int]:
    """Reads and writes; -1 is how the service says that there is no maximum."""
    said: Mapping[str, Any] = around.description.get(member) or {}
    return max(0, said.get(names[0], 0)), max(0, said.get(names[1], 0))


def _units(numbers: tuple[int, int]) -> str:
    return f"{numbers[0]:,} reads and {numbers[1]:,} writes a second"


def _listed(regions: set[str]) -> str:
    return ", ".join(sorted(regions)) or "no other Region"
