"""Operations that this crossfade does not know, on a table that is being migrated: refused.

DynamoDB gets new operations, and botocore with them. One that writes items would write past the mirrors, and one that
reads would go on reading the old table, without a word. Which tables a request names is told by the service's own
model: any member whose shape is a table's name or ARN, wherever it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from crossfade.aws.hooks import Hooks
from crossfade.core.effects import Request
from crossfade.core.read.passthrough import DESCRIBING, SETTING
from crossfade.core.request.names import READS, WRITES, plain_name
from crossfade.errors import NotPossibleInStage, StageUncertain

# On tables, backups and the account as a whole: they pass, and are about the table that they name.
ON_TABLES: Final = frozenset(
    {
        "CreateBackup",
        "CreateGlobalTable",
        "CreateTable",
        "DeleteBackup",
        "DeleteTable",
        "DescribeBackup",
        "DescribeEndpoints",
        "DescribeExport",
        "DescribeGlobalTable",
        "DescribeGlobalTableSettings",
        "DescribeImport",
        "DescribeLimits",
        "ExportTableToPointInTime",
        "ImportTable",
        "ListBackups",
        "ListContributorInsights",
        "ListExports",
        "ListGlobalTables",
        "ListImports",
        "ListTables",
        "RestoreTableFromBackup",
        "RestoreTableToPointInTime",
        "UpdateGlobalTable",
        "UpdateGlobalTableSettings",
        "UpdateTable",
        "UpdateTableReplicaAutoScaling",
    }
)
KNOWN: Final = READS | WRITES | DESCRIBING | SETTING | ON_TABLES
NAMES_TABLE: Final = re.compile(r"Table(Name|Arn)|ResourceArn")


def refuse_unknown(hooks: Hooks, model: Any, parameters: Request) -> None:
    """Raise NotPossibleInStage where an operation that is not KNOWN names a table of the migration, and that table is
    not by itself what a plain table is."""
    pair = hooks.engine.pair
    named = set(tables_named(model.input_shape, parameters)) & {pair.source.name, pair.target.name}
    if not named or not hooks.taking:
        return
    try:
        stage = hooks.engine.agent.stage
    except StageUncertain:
        where = "its stage is not known at this moment"
    else:
        if hooks.engine.operations.planner.serves_alone(stage) and named == {pair.caller.name}:
            return
        where = f"stage {stage}"
    raise NotPossibleInStage(
        f"{model.name} names {', '.join(sorted(named))}, which is being migrated ({where}), and this crossfade does not"
        " know that operation; nothing was sent",
        next_step="use the operations on items, or a newer crossfade; if it neither writes items nor has to see the"
        " newest ones, send it through a client that crossfade is not attached to",
    )


def tables_named(shape: Any, value: Any) -> Iterator[str]:
    """Every table that a value of this shape of the service's model names, by name or by ARN."""
    if shape is None:  # a member that the model does not have
        return
    kind: str = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from tables_named(shape.members.get(name), inner)
    elif kind == "map" and isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield from tables_named(shape.key, name)
            yield from tables_named(shape.value, inner)
    elif kind == "list" and isinstance(value, (list, tuple)):
        for inner in cast("list[Any]", value):
            yield from tables_named(shape.member, inner)
    elif kind == "string" and isinstance(value, str) and NAMES_TABLE.search(shape.name):
        yield plain_name(value).split("/")[0]  # of an index's ARN, its table
