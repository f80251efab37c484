"""Indexes of either table as its description tells them: asked for once, and remembered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from crossfade.core.effects import Call, Routine
from crossfade.core.stages import Side
from crossfade.core.tables.descriptions import key_names_of
from crossfade.core.tables.index_keys import index_keys
from crossfade.core.tables.pair import Pair
from crossfade.core.tables.schema import IndexSchema
from crossfade.errors import ServiceRejected, invalid_request

INDEX_KINDS: Final = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
DENIED: Final = "AccessDeniedException"


def in_callers_names(pair: Pair, side: Side, schema: IndexSchema) -> IndexSchema:
    """An index of the other table as one of the caller's."""
    found = [pair.attribute_name(side, name) for name in pair.caller.key_names]  # a spread partition has no name there
    spread = pair.table(side).partition_key if found[0] is None else None
    names = schema.names.called(
        lambda name: pair.caller.partition_key if name == spread else pair.name_across(pair.view, name) or name
    )
    held = schema.held
    if held is not None:
        held = pair.mapping.roots(held, back=pair.view == "source") | {*names.every, *pair.caller.key_names}
    return IndexSchema(names, held, names.partition[0] != pair.caller.partition_key, schema.is_active)


def index_schema(pair: Pair, side: Side, index: str) -> Routine[IndexSchema]:
    name = pair.index_name(side, index)
    found = pair.schemas.get((side, name))
    if found is None:
        yield from described(pair, side)
        found = pair.schemas.get((side, name))
    if found is None:
        where = "" if side == pair.view else f" ({pair.table(side).name} has none called {name})"
        raise invalid_request(f"The table does not have the specified index: {index}{where}")
    return found


def described(pair: Pair, side: Side) -> Routine[None]:
    """What the table says of its indexes is known from now on. Raises ServiceRejected."""
    table = pair.table(side)
    try:
        reply = yield from Call(side, "DescribeTable", {"TableName": table.name})
    except ServiceRejected as error:
        if error.code == DENIED:
            advice = f"allow dynamodb:DescribeTable on {pair.source.name} and {pair.target.name} to the application"
            text = f"{error.text} (it tells what the indexes of {table.name} hold: {advice}; nothing was read)"
            raise ServiceRejected(DENIED, text) from None
        raise
    for kind in INDEX_KINDS:
        for each in reply["Table"].get(kind, ()):
            pair.schemas[side, each["IndexName"]] = schema_of(each, table.key_names, is_global=kind == INDEX_KINDS[0])
    pair.index_keys[side] = index_keys(reply["Table"])


def schema_of(description: Mapping[str, Any], key_names: tuple[str, ...], *, is_global: bool) -> IndexSchema:
    names = key_names_of(description)
    projection = description["Projection"]
    held = frozenset({*names.every, *key_names, *projection.get("NonKeyAttributes", ())})
    is_active = description.get("IndexStatus", "ACTIVE") == "ACTIVE"
    return IndexSchema(names, None if projection["ProjectionType"] == "ALL" else held, is_global, is_active)
