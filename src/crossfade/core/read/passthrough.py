"""What is asked about the caller's table itself: answered by the table that serves, under the caller's name and key.

DescribeTable tells the indexes of the caller's own table, which decide what a request of an index shows; once that is
gone, those of the table that serves, in the caller's names. So an earlier migration of a chain is told right. What
would set something of the table is refused while another one serves: the caller's own is not read any more, and may be
gone.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from crossfade.core.effects import Call, Forward, Reply, Request, Routine
from crossfade.core.stages import Row, Side
from crossfade.core.tables.descriptions import kinds_of
from crossfade.core.tables.indexes import INDEX_KINDS, in_callers_names, schema_of
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.stamps import page_without_stamps, reply_without_stamp
from crossfade.errors import NotPossibleInStage, ServiceRejected

DESCRIBING: Final = frozenset({
    "DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups", "DescribeContributorInsights",
    "DescribeKinesisStreamingDestination", "DescribeTableReplicaAutoScaling", "GetResourcePolicy", "ListTagsOfResource",
})  # fmt: skip
SETTING: Final = frozenset({
    "DeleteResourcePolicy", "DisableKinesisStreamingDestination", "EnableKinesisStreamingDestination",
    "PutResourcePolicy", "TagResource", "UntagResource", "UpdateContinuousBackups", "UpdateContributorInsights",
    "UpdateKinesisStreamingDestination", "UpdateTimeToLive",
})  # fmt: skip
KEY_TYPES: Final = ("HASH", "RANGE")


def describing_side(row: Row) -> Side:
    """The table that a caller's own table is, where both have items: the source, to which new ones go."""
    return "source" if row.merges else row.authority


def describe(pair: Pair, row: Row, request: Request) -> Routine[Reply]:
    side = describing_side(row)
    if side == pair.view:
        return (yield from Forward())
    name = pair.table(side).name
    moved = {**request}
    for member in ("TableName", "ResourceArn"):
        if member in request:
            moved[member] = renamed(request[member], pair.caller.name, name)
    reply = yield from Forward(moved)
    told = {member: renamed(value, name, pair.caller.name) for member, value in reply.items()}
    if "Table" in reply:
        own: Reply | None = None
        with suppress(ServiceRejected):  # it is gone, or nobody's to ask any more
            own = (yield from Call(pair.view, "DescribeTable", {"TableName": pair.caller.name}))["Table"]
        return {**told, "Table": as_callers(pair, side, reply["Table"], own)}
    expiry: Reply = reply.get("TimeToLiveDescription", {})
    if "AttributeName" in expiry:
        attribute = pair.name_across(pair.view, expiry["AttributeName"]) or expiry["AttributeName"]
        told["TimeToLiveDescription"] = {**expiry, "AttributeName": attribute}
    return told


def renamed(value: Any, name: str, wanted: str) -> Any:
    """A table's name or ARN with another name in it; anything else as it is."""
    if value == name:
        return wanted
    if isinstance(value, str) and value.startswith("arn:") and value.endswith(f"table/{name}"):
        return value.removesuffix(name) + wanted
    return value


def refuse_setting(pair: Pair, row: Row, operation: str) -> None:
    """Raise NotPossibleInStage where another table serves than the one that the caller names."""
    side = describing_side(row)
    if side == pair.view:
        return
    served = pair.table(side).name
    raise NotPossibleInStage(
        f"{operation} of {pair.caller.name}: {served} serves by now, and {pair.caller.name} would be set in its place;"
        " nothing was changed",
        next_step=f"name the table that is meant: {served}; or, for {pair.caller.name} itself, use a client that"
        " crossfade is not attached to",
    )


def as_callers(pair: Pair, side: Side, table: Reply, own: Reply | None) -> Reply:
    """What `side` says of itself, as of the caller's table, of which `own` is the description."""
    schema = [
        {"AttributeName": attribute, "KeyType": role}
        for (attribute, _), role in zip(pair.callers_schema, KEY_TYPES, strict=False)
    ]
    indexes: dict[str, Any] = {kind: own[kind] for kind in INDEX_KINDS if kind in own} if own else {}
    if own is None:
        indexes = {
            kind: [index_description_restored(pair, side, index) for index in table[kind]]
            for kind in INDEX_KINDS
            if kind in table
        }
    return {
        **{name: value for name, value in table.items() if name not in INDEX_KINDS},
        **indexes,
        "TableName": pair.caller.name,
        "TableArn": table["TableArn"].removesuffix(pair.table(side).name) + pair.caller.name,
        "KeySchema": schema,
        "AttributeDefinitions": own["AttributeDefinitions"] if own else definitions(pair, table, indexes),
    }


def index_description_restored(pair: Pair, side: Side, index: Reply) -> Reply:
    """An index of that side in the caller's names."""
    there = schema_of(index, pair.table(side).key_names, is_global=True)
    here = in_callers_names(pair, side, there)
    names = dict(zip(there.keys, here.keys, strict=True))
    projection: Reply = index["Projection"]
    if "NonKeyAttributes" in projection and here.held is not None:
        more = here.held.difference(here.keys, pair.caller.key_names)
        projection = {**projection, "NonKeyAttributes": sorted(more)}
    return {
        **index,
        "IndexName": pair.callers_index_name(index["IndexName"]),
        "KeySchema": [{**part, "AttributeName": names[part["AttributeName"]]} for part in index["KeySchema"]],
        "Projection": projection,
    }


def definitions(pair: Pair, table: Reply, indexes: dict[str, Any]) -> list[Reply]:
    """Return the AttributeDefinitions of the caller's key and of the indexes' keys."""
    known = {
        **{pair.name_across(pair.view, name) or name: kind for name, kind in kinds_of(table).items()},
        **dict(pair.callers_schema),
    }
    used = {part["AttributeName"] for each in indexes.values() for index in each for part in index["KeySchema"]}
    names = dict.fromkeys((*dict(pair.callers_schema), *sorted(used)))
    return [{"AttributeName": name, "AttributeType": known[name]} for name in names if name in known]


def stated() -> Routine[Reply]:
    """One ExecuteStatement, BatchExecuteStatement or ExecuteTransaction."""
    try:
        reply = yield from Forward()
    except ServiceRejected as error:
        raise ServiceRejected(error.code, error.text, unstamped(dict(error.response))) from None
    return unstamped(reply)


def unstamped(reply: Reply) -> Reply:
    """Return the reply without stamps, wherever an answer or an error shows an item."""
    answer = {**reply_without_stamp(page_without_stamps(reply))}
    if isinstance(answer.get("Error"), dict):
        answer["Error"] = unstamped(answer["Error"])
    for name in ("Responses", "CancellationReasons"):
        if isinstance(answer.get(name), list):
            answer[name] = [unstamped(each) for each in answer[name]]
    return answer
