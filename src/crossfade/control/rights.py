"""What crossfade asks of DynamoDB, as IAM's actions: one table, from which `crossfade iam-policy` makes a policy, and
to which docs/permissions.md is held. What a role may really do, each client tries (`probing`).

There are no actions for transactions: `TransactWriteItems` takes PutItem, UpdateItem, DeleteItem and
ConditionCheckItem, `TransactGetItems` takes GetItem. A resource is a table (`source`, `target`, `control`), what is
under one (`source/index/*`), or everything (`*`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

Party = Literal["application", "jobs", "operator"]
PARTIES: Final[tuple[Party, ...]] = get_args(Party)
Rights: TypeAlias = Mapping[str, tuple[str, ...]]  # resource -> actions; those of DynamoDB without `dynamodb:`

READING: Final = ("GetItem", "BatchGetItem", "Query", "Scan", "DescribeTable", "DescribeTimeToLive")
WRITING: Final = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "ConditionCheckItem")
RECORDS: Final = ("GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem")
OF_INDEXES: Final = ("Query", "Scan")
OF_STREAMS: Final = ("DescribeStream", "GetShardIterator", "GetRecords")
LOOKING: Final = ("GetItem", "BatchGetItem", "Scan", "DescribeTable", "DescribeTimeToLive")
AROUND: Final = ("DescribeKinesisStreamingDestination", "DescribeContinuousBackups", "GetResourcePolicy",
                 "ListTagsOfResource")  # fmt: skip

_APPLICATION: Final[Rights] = {
    "source": READING + WRITING,
    "source/index/*": OF_INDEXES,
    "target": READING + WRITING,
    "target/index/*": OF_INDEXES,
    "control": (*RECORDS, "ConditionCheckItem"),
}
_OPERATOR: Final[Rights] = {
    "source": ("DescribeTable", "DescribeTimeToLive", "Scan", *AROUND),
    "target": ("DescribeTable", "DescribeTimeToLive", "Scan", *AROUND),
    "control": (*RECORDS, "Scan", "CreateTable", "DescribeTable", "UpdateTimeToLive", "UpdateContinuousBackups"),
    "*": ("application-autoscaling:DescribeScalableTargets",),
}
_OF_JOBS: Final = (*RECORDS, "ConditionCheckItem", "DescribeTable")

RIGHTS: Final[Mapping[str, Mapping[Party, Rights]]] = {
    "dual-write": {
        "application": _APPLICATION,
        "jobs": {
            "source": (*LOOKING, "PutItem", "DeleteItem", "UpdateTable"),
            "source/stream/*": OF_STREAMS,
            "target": (*LOOKING, "PutItem", "DeleteItem", "BatchWriteItem", "UpdateTable"),
            "target/stream/*": OF_STREAMS,
            "control": _OF_JOBS,
        },
        "operator": _OPERATOR,
    },
    "copy-on-write": {
        "application": {**_APPLICATION, "source": (*READING[:-1], *WRITING)},
        "jobs": {
            "source": (*LOOKING[:-1], "ConditionCheckItem", "UpdateTable"),
            "source/stream/*": OF_STREAMS,
            "target": (*LOOKING, "PutItem"),
            "control": _OF_JOBS,
        },
        "operator": _OPERATOR,
    },
}

# What a migration asks for only now and then, each with when that is, or with what is done where it is denied.
SELDOM: Final[Mapping[tuple[Party, str, str], str]] = {
    (
        "application",
        "control",
        "Query",
    ): "where the migration was cancelled under it, the journal says so; and now and then"
    " a client counts the others, which is left to the next coordinator where it may not",
    ("application", "control", "ConditionCheckItem"): "to tell of calls that a later stage refuses",
    ("application", "target", "DescribeTimeToLive"): "where one table alone has an item: did the other expire it?",
    ("operator", "*", "application-autoscaling:DescribeScalableTargets"): "without it check says what it did not see",
    **{
        ("operator", side, action): "without it check says what it did not see"
        for side in ("source", "target")
        for action in AROUND
    },
}


def rights_of(party: Party, strategy: str, *, reads_only: bool = False) -> Rights:
    """Return what a party needs in a migration. `reads_only`: of an application that writes nothing; by copy-on-write
    its reads copy what they find in the source alone."""
    rights = RIGHTS[strategy][party]
    if not reads_only:
        return rights
    copies = {"source": ("ConditionCheckItem",), "target": ("PutItem",)} if strategy == "copy-on-write" else {}
    return {
        resource: tuple(action for action in actions if action not in WRITING or resource == "control")
        + copies.get(resource, ())
        for resource, actions in rights.items()
    }
