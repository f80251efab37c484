"""The check itself: describe both tables, sample the source, map the sample, look into the target."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from crossfade.check.asking import code_of
from crossfade.check.carried_over import surroundings_findings
from crossfade.check.expiry import expiry_findings
from crossfade.check.indexes import planned_index_keys
from crossfade.check.items import Examination
from crossfade.check.report import SAMPLES_MAX, CheckReport, Finding, ordered
from crossfade.check.sampling import sample
from crossfade.check.surroundings import look_around
from crossfade.check.tables import table_findings
from crossfade.core.items import Item
from crossfade.core.mapping import STAMP
from crossfade.core.mapping.values import show_value
from crossfade.core.tables.descriptions import description_key
from crossfade.errors import ConfigurationError
from crossfade.migration import Migration, Table

TARGET_SAMPLE_ITEMS = 100  # whether anything is there at all is the question
OF_ITEMS = {"unmappable", "item-too-large", "item-refused", "key-too-large", "index-key"}  # not in the target
SAMPLE_ITEMS_MAX = 1_000_000  # the sample's keys are kept in memory: about 500 bytes an item


def run_check(
    client_source: Any,
    client_target: Any,
    migration: Migration,
    *,
    sample_items: int = 1_000,
    scaling: tuple[Any, Any] = (None, None),
) -> CheckReport:
    """Try `migration` on up to `sample_items` items of the real source; writes nothing.

    Clients are botocore DynamoDB clients; `scaling`: of application-autoscaling, for the source and the target, where
    that is to be looked at. A table that is not there is a finding, and so is what cannot be looked at around one.
    Raises ConfigurationError where a database cannot be asked at all.
    """
    if not 1 <= sample_items <= SAMPLE_ITEMS_MAX:
        raise ConfigurationError(f"sample_items is {sample_items:,}, and must be from 1 to {SAMPLE_ITEMS_MAX:,}")
    try:
        source = _describe(client_source, migration.source)
        target = _describe(client_target, migration.target)
        findings = list(table_findings(migration, source, target))
        examination = Examination(migration.compiled, planned_index_keys(migration, source, target))
        whole_table = False
        items: tuple[Item, ...] = ()
        if source is not None and description_key(source) == migration.source.key:
            taken = sample(client_source, migration.source.name, sample_items)
            whole_table, items = taken.whole_table, taken.items
            for item in items:
                examination.add(item)
            found = list(examination.findings())
            findings += [*found, *_what_becomes_of(migration, found)]
            if not items:
                findings.append(Finding("warning", "source-empty", f"source {migration.source.name} holds no items"))
        if source is not None:
            around = look_around(client_source, migration.source.name, source, scaling[0])
            beside = None if target is None else look_around(client_target, migration.target.name, target, scaling[1])
            findings += surroundings_findings(migration, around, beside)
        if target is not None:
            findings += _already_there(client_target, migration)
        if source is not None:
            findings += expiry_findings(client_source, client_target, migration, items, time.time())
    except ClientError as error:
        raise ConfigurationError(
            f"the database refused: {error}", next_step="check needs dynamodb:DescribeTable and dynamodb:Scan on both"
        ) from error
    except BotoCoreError as error:
        raise ConfigurationError(
            f"the database cannot be asked: {error}", next_step="check the Region, the endpoint and the credentials"
        ) from error
    return CheckReport(
        migration=migration.name,
        fingerprint=migration.compiled.fingerprint,
        mapping=tuple(migration.compiled.describe()),
        sampled_items=examination.items,
        whole_table=whole_table,
        findings=ordered(findings),
    )


def _what_becomes_of(migration: Migration, found: Sequence[Finding]) -> Iterator[Finding]:
    """What a write of an item does in the course of the migration that the target cannot hold."""
    if not any(finding.code in OF_ITEMS for finding in found):
        return
    source, target = migration.source.full_name, migration.target.full_name
    if migration.strategy == "copy-on-write":
        said = f"from the stage drain on a write that would bring such an item into {target} is an error"
    else:
        until = "lockstep_source" if migration.strategy == "dual-write" else "the stages that hold writes"
        said = (
            f"while writes to {source} are mirrored, one of such an item succeeds there and does not reach {target}:"
            f" crossfade status counts it as a lost mirror and says why; {until} cannot be entered then before a verify"
            " finds nothing"
        )
    yield Finding("info", "not-mirrored", f"what becomes of items that the target cannot hold: {said}")


def _describe(client: Any, table: Table) -> Mapping[str, Any] | None:
    try:
        description: Mapping[str, Any] = client.describe_table(TableName=table.name)["Table"]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return description


def _already_there(client: Any, migration: Migration) -> Iterator[Finding]:
    """Items of the target that crossfade did not write: a mirror may overwrite them, verify calls them extra."""
    table = migration.target
    found = sample(client, table.name, TARGET_SAMPLE_ITEMS).items
    strange = [item for item in found if STAMP not in item]
    if strange and not migration.stamps:
        yield Finding(
            "warning",
            "target-not-empty",
            f"target {table.full_name} holds items, and nothing in them tells whether this migration has brought them",
            next_step="start with an empty target: a repair deletes what the source does not have",
        )
    elif strange:
        names = table.key_names
        shown = [
            ", ".join(f"{name}={show_value(item[name])}" for name in names if name in item)
            for item in strange[:SAMPLES_MAX]
        ]
        yield Finding(
            "warning",
            "target-not-empty",
            f"target {table.name} holds items that crossfade did not write ({len(strange)} of {len(found)} looked at)",
            len(strange),
            tuple(shown),
            "start with an empty target: a source item with the same key overwrites such an item, and verify counts the"
            " others as extra",
        )
    elif found:
        yield Finding("info", "target-in-use", f"target {table.name} already holds items written by crossfade")
